//! An `each`: its list is read once, and its steps are walked for every item that has something left to do.

use super::{Flow, Names, Walker};
use crate::{
    run::{Failure, StepPath, machine::Status, next::expression_failure, record::Change},
    workflow::{EachStep, Step, StepKind},
};
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeSet};

/// Most items one `each` may have; more is a mistake in the workflow's data.
const ITEMS_MAX: usize = 1_000;
/// Most items that all lists of a run have together: lists in lists multiply.
const ITEMS_IN_ALL_MAX: usize = 10_000;

impl<'a> Walker<'a> {
    pub(super) fn each(
        &mut self,
        step: &'a Step,
        each: &'a EachStep,
        path: &StepPath,
        names: &mut Names<'a>,
    ) -> Flow {
        match self.state.status(path) {
            Status::Pending => {
                let change = match self.listed(each, names) {
                    Ok(items) => Change::ItemsListed { items },
                    Err(failure) => Change::Failed { failure },
                };
                self.change(path, change)
            }
            status => self.items(step, each, path, names, status),
        }
    }

    fn listed(&mut self, each: &EachStep, names: &Names) -> Result<Vec<Value>, Failure> {
        let list = each.list.eval(&names.at(self.now)).map_err(|error| expression_failure(&error))?;
        let Value::Array(items) = list else { return Err(Failure::new("expression", "`each` needs a list")) };
        if items.len() > ITEMS_MAX {
            let text = format!("`each` has {} items; at most {ITEMS_MAX} are allowed", items.len());
            return Err(Failure::new("too_large", text));
        }
        let before = self.state.items_listed() + self.listed;
        if before + items.len() > ITEMS_IN_ALL_MAX {
            let text = format!(
                "`each` has {} items, and the lists of this run had {before} already; at most {ITEMS_IN_ALL_MAX} are \
                 allowed in one run: start runs for the inner list",
                items.len()
            );
            return Err(Failure::new("too_large", text));
        }
        self.listed += items.len();
        Ok(items)
    }

    fn items(
        &mut self,
        step: &'a Step,
        each: &'a EachStep,
        path: &StepPath,
        names: &mut Names<'a>,
        status: Status,
    ) -> Flow {
        let passed = self.state.passed(path).filter(|_| !self.passive);
        let (flow, results) = self.walk_items(each, path, names, passed);
        if flow != Flow::Through {
            return flow;
        }
        if status == Status::Open && !self.passive {
            // What was passed over is needed now, for the last time.
            let results = if passed.is_some() { self.walk_items(each, path, names, None).1 } else { results };
            return self.change(path, Change::Done { output: Value::Array(results) });
        }
        names.set_step(&step.id, Cow::Owned(Value::Array(results)));
        Flow::Through
    }

    fn walk_items(
        &mut self,
        each: &'a EachStep,
        path: &StepPath,
        names: &Names<'a>,
        passed: Option<&BTreeSet<usize>>,
    ) -> (Flow, Vec<Value>) {
        let state = self.state;
        let items = state.step(path).map(|step| step.items.as_slice()).unwrap_or_default();
        let (mut results, mut through) = (Vec::new(), Vec::new());
        let (mut active, mut over) = (0, None);
        for (index, item) in items.iter().enumerate() {
            if active >= each.at_once.max(1) {
                break;
            }
            // What has begun beside a failure or an `end` comes to its own; nothing new begins.
            let is_left = over.is_some() && !self.has_begun(&path.item(index));
            if is_left || passed.is_some_and(|passed| passed.contains(&index)) {
                continue;
            }
            let mut own = names.clone();
            own.set_variable(&each.item, Cow::Borrowed(item));
            let unsettled = self.unsettled;
            match self.list(&each.steps, Some(&path.item(index)), &mut own) {
                Flow::Through => {
                    results.push(item_result(each, &own));
                    if self.unsettled == unsettled {
                        through.push(index);
                    }
                }
                Flow::Blocked => active += 1,
                flow @ (Flow::Ended(_) | Flow::Failed(..)) => over = over.or(Some(flow)),
            }
        }
        if !through.is_empty() && !self.passive {
            self.plan.passed.push((path.clone(), through));
        }
        let flow = if active > 0 { Flow::Blocked } else { over.unwrap_or(Flow::Through) };
        (flow, results)
    }
}

/// A child run's output stands for the item; otherwise what the item's steps put out, by id.
fn item_result(each: &EachStep, names: &Names) -> Value {
    let own = |step: &Step| names.step(&step.id).cloned().unwrap_or(Value::Null);
    match each.steps.as_slice() {
        [only] if matches!(only.kind, StepKind::Run(_)) => own(only),
        steps => Value::Object(steps.iter().map(|step| (step.id.clone(), own(step))).collect()),
    }
}
