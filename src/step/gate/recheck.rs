//! Whether an answer still fits the world: the rules of the writes it would let out, on live data, as if it stood.
//!
//! The same rules run again right before each write, and those are the ones that hold it back. Here they are asked
//! so that people hear of it while they still look, instead of finding a failed run. What cannot be worked out yet,
//! because a step in between has still to run, is left to the write.

use crate::{
    engine::StepContext,
    expr::Scope,
    run::StepPath,
    step::rules::{Until, Verdicts},
    tool::Registry,
    workflow::{CallStep, GateForm, Step, StepKind},
};
use serde_json::{Value, json};

/// Why the writes that this output would let out could not be made, one sentence for each rule that refuses.
pub(super) async fn refusals(output: &Value, context: &StepContext, tools: &Registry) -> Vec<String> {
    let mut scope: Scope = (*context.scope).clone();
    if !scope.get("steps").is_some_and(Value::is_object) {
        scope.insert("steps".into(), json!({}));
    }
    scope["steps"][context.path.leaf()] = output.clone();
    let mut writes = Vec::new();
    let workflow = &context.definition.workflow;
    let inside = context.path.as_str().strip_prefix("on_failure.").is_some();
    let (steps, parent) = match inside {
        true => (&workflow.on_failure, Some(StepPath::root("on_failure"))),
        false => (&workflow.steps, None),
    };
    Ahead { gate: &context.path, scope: &scope, writes: &mut writes }.list(steps, parent.as_ref(), false);
    let mut refusals = Vec::new();
    for write in writes {
        let Ok(input) = write.with.eval(&scope) else { continue };
        let verdicts = Verdicts::in_scope(write, &input, &scope, tools, context, Until::FirstRefusal).await;
        if let Some(because) = verdicts.ok().as_ref().and_then(Verdicts::refusal) {
            refusals.push(because.to_owned());
        }
    }
    refusals.dedup();
    refusals
}

/// Where a walk through the workflow stands: before the gate, behind it, or behind the next question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Before,
    Behind,
    Over,
}

struct Ahead<'a, 'w> {
    gate: &'a StepPath,
    scope: &'a Scope,
    writes: &'a mut Vec<&'w CallStep>,
}

impl<'w> Ahead<'_, 'w> {
    /// Collects the writes with rules that stand under the gate's answer.
    fn list(&mut self, steps: &'w [Step], parent: Option<&StepPath>, is_behind: bool) -> At {
        let mut at = if is_behind { At::Behind } else { At::Before };
        for step in steps {
            let path = parent.map_or_else(|| StepPath::root(&step.id), |parent| parent.child(&step.id));
            at = match at {
                At::Before if path == *self.gate => At::Behind,
                At::Before => self.inside(step, &path),
                At::Behind => self.behind(step, &path),
                At::Over => return At::Over,
            };
        }
        at
    }

    /// The gate may be somewhere in this step.
    fn inside(&mut self, step: &'w Step, path: &StepPath) -> At {
        let Some(rest) = self.gate.below(path) else { return At::Before };
        match &step.kind {
            StepKind::Choose(branches) => branches
                .iter()
                .map(|branch| self.list(&branch.steps, Some(path), false))
                .find(|at| *at != At::Before)
                .unwrap_or(At::Before),
            StepKind::Each(each) => {
                let index = rest.strip_prefix('[').and_then(|rest| rest.split(']').next());
                match index.and_then(|index| index.parse().ok()) {
                    // What is asked about an item answers for that item only.
                    Some(index) => {
                        self.list(&each.steps, Some(&path.item(index)), false);
                        At::Over
                    }
                    None => At::Before,
                }
            }
            StepKind::Wait(wait) => self.list(&wait.on_timeout, Some(&path.child("on_timeout")), false),
            _ => At::Before,
        }
    }

    fn behind(&mut self, step: &'w Step, path: &StepPath) -> At {
        let is_skipped =
            step.condition.as_ref().is_some_and(|condition| condition.test(self.scope) != Ok(true));
        match &step.kind {
            _ if is_skipped => At::Behind,
            StepKind::Gate(gate) if !gate.background && gate.form != GateForm::Acknowledge => At::Over,
            StepKind::Call(call) if !call.rules.is_empty() => {
                self.writes.push(call);
                At::Behind
            }
            StepKind::Choose(branches) => {
                let holds = |condition: &crate::expr::Expr| condition.test(self.scope) == Ok(true);
                let taken = branches.iter().find(|branch| branch.condition.as_ref().is_none_or(holds));
                taken.map_or(At::Behind, |branch| self.list(&branch.steps, Some(path), true))
            }
            StepKind::End(_) => At::Over,
            _ => At::Behind,
        }
    }
}
