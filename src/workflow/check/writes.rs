//! T010: a write is reached only through a gate that a person answered, or an explicit `auto_if`; and, where
//! its tool is of high risk, through one that asks a second person (T013).
//!
//! Follows the control flow: a gate counts for what comes after it on every path; one that may be
//! skipped, runs in the background or only acknowledges does not. After a gate that can be rejected, the
//! conditions on the way must say that it was not.

use super::{
    Checker,
    outputs::{REJECT, decisions_of},
};
use crate::{
    expr::Expr,
    tool::{Effect, ToolName},
    workflow::{Branch, CallStep, GateForm, GateStep, OnError, Place, Step, StepKind},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The scope by which a connector says that a tool needs two people.
const HIGH_RISK: &str = "high_risk";

/// What is true on every path to a place.
#[derive(Debug, Clone, PartialEq)]
struct Path {
    is_open: bool,
    answered: bool,
    /// The last gate that was answered asks a second person, always or under a condition.
    seconded: bool,
    /// How each gate before may have been decided, as far as the conditions on the way say.
    decisions: BTreeMap<Gate, Vec<&'static str>>,
    /// Conditions, by their parts, under which a gate was answered; and whether by two.
    answered_if: Vec<(Vec<String>, bool)>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Gate {
    id: String,
    seconded: bool,
}

impl Path {
    /// Where two paths come together.
    fn meet(self, other: Self) -> Self {
        match (self.is_open, other.is_open) {
            (false, _) => other,
            (_, false) => self,
            _ => {
                let mut decisions = self.decisions;
                for (gate, words) in other.decisions {
                    let known = decisions.entry(gate).or_default();
                    known.extend(words.into_iter().filter(|word| !known.contains(word)).collect::<Vec<_>>());
                }
                let mut answered_if = self.answered_if;
                // What was answered anyhow was answered under every condition.
                let (all, others) = (self.answered, other.answered);
                answered_if.retain(|one| others || other.answered_if.contains(one));
                answered_if.extend(other.answered_if.into_iter().filter(|_| all));
                answered_if.dedup();
                Self {
                    is_open: true,
                    answered: self.answered && other.answered,
                    seconded: self.seconded && other.seconded,
                    decisions,
                    answered_if,
                }
            }
        }
    }

    /// After a condition was `outcome`: the decisions under which it can be.
    fn narrow(&mut self, condition: &Expr, outcome: bool) {
        // Only the gates that it speaks of: a file may have thousands.
        let named: BTreeSet<String> =
            condition.paths().into_iter().filter_map(|path| path.into_iter().nth(1)).collect();
        for (gate, decisions) in self.decisions.iter_mut().filter(|(gate, _)| named.contains(&gate.id)) {
            decisions
                .retain(|word| condition.outcome(&|path| decisions_say(gate, word, path)) != Some(!outcome));
        }
        if outcome && !self.answered {
            let parts = condition.conjuncts();
            let implied = |(needed, _): &&(Vec<String>, bool)| needed.iter().all(|part| parts.contains(part));
            if let Some((_, seconded)) = self.answered_if.iter().find(implied) {
                (self.answered, self.seconded) = (true, *seconded);
            }
        }
    }

    /// A gate that may have been rejected here.
    fn rejected(&self) -> Option<&str> {
        let rejected = |(_, words): &(&Gate, &Vec<&str>)| words.contains(&REJECT);
        self.decisions.iter().find(rejected).map(|(gate, _)| gate.id.as_str())
    }
}

/// What is read of a gate that was decided so.
fn decisions_say(gate: &Gate, word: &str, path: &[&str]) -> Option<Value> {
    match path {
        ["steps", id, "decision"] if *id == gate.id => Some(Value::from(word)),
        // Of two people the first may have chosen before the second said no.
        ["steps", id, "chosen"] if *id == gate.id && word == REJECT && !gate.seconded => Some(Value::Null),
        _ => None,
    }
}

impl<'c> Checker<'c> {
    pub(super) fn writes(&mut self) {
        let workflow = &self.definition.workflow;
        let start = Path {
            is_open: true,
            answered: false,
            seconded: false,
            decisions: BTreeMap::new(),
            answered_if: Vec::new(),
        };
        self.follow(&workflow.steps, start.clone());
        self.follow(&workflow.on_failure, start);
    }

    fn follow(&mut self, steps: &'c [Step], mut path: Path) -> Path {
        for step in steps {
            let mut skipped = path.clone();
            if let Some(condition) = &step.condition {
                path.narrow(condition, true);
                skipped.narrow(condition, false);
            }
            let after = self.pass(step, path);
            path = match &step.condition {
                Some(condition) => {
                    let only_here =
                        (after.is_open && after.answered && !skipped.answered).then_some(after.seconded);
                    let mut together = after.meet(skipped);
                    // What changes by itself may not be the same further on.
                    let lasts = !condition.roots().iter().any(|name| name == "now");
                    together.answered_if.extend(
                        only_here.filter(|_| lasts).map(|seconded| (condition.conjuncts(), seconded)),
                    );
                    together
                }
                None => after,
            };
        }
        path
    }

    fn pass(&mut self, step: &'c Step, path: Path) -> Path {
        let mut after = match &step.kind {
            StepKind::Call(call) => {
                self.write(step, call, &path);
                path.clone()
            }
            StepKind::Gate(gate) => past_gate(step, gate, path.clone()),
            StepKind::Parallel(children) => {
                for child in children {
                    self.follow(std::slice::from_ref(child), path.clone());
                }
                path.clone()
            }
            StepKind::Each(each) => {
                // The list may be empty, so a gate inside answers for what is inside only.
                self.follow(&each.steps, path.clone());
                path.clone()
            }
            StepKind::Choose(branches) => self.branches(branches, path.clone()),
            StepKind::Wait(wait) => {
                let timed_out = self.follow(&wait.on_timeout, path.clone());
                path.clone().meet(timed_out)
            }
            StepKind::End(_) => Path { is_open: false, ..path.clone() },
            StepKind::Agent(_) | StepKind::Run(_) => path.clone(),
        };
        match &step.on_error {
            OnError::Fail => {}
            OnError::Continue => after = after.meet(path),
            OnError::Steps(steps) => {
                let failed = self.follow(steps, path);
                after = after.meet(failed);
            }
        }
        after
    }

    fn branches(&mut self, branches: &'c [Branch], mut path: Path) -> Path {
        let mut together = Path { is_open: false, ..path.clone() };
        for branch in branches {
            let mut taken = path.clone();
            if let Some(condition) = &branch.condition {
                taken.narrow(condition, true);
                path.narrow(condition, false);
            }
            let end = self.follow(&branch.steps, taken);
            together = together.meet(end);
        }
        let has_else = branches.last().is_some_and(|branch| branch.condition.is_none());
        if has_else { together } else { together.meet(path) }
    }

    fn write(&mut self, step: &Step, call: &CallStep, path: &Path) {
        let place = self.tool_place(step);
        self.write_of(&call.tool, place, path);
        if let Some(undo) = &call.undo {
            let node = self.definition.node_of(step.place).and_then(|node| node.at("/undo/call"));
            // It takes back what was answered for, so it is checked by what led to the write itself.
            self.write_of(&undo.tool, node.map_or(place, |node| node.place), path);
        }
    }

    fn write_of(&mut self, tool: &ToolName, place: Place, path: &Path) {
        let Some(spec) = self.registry.spec(tool) else { return };
        if spec.effect != Effect::Write || spec.ungated.is_some() || !path.is_open {
            return;
        }
        if !path.answered {
            let message = format!("`{tool}` writes, and no gate before it was answered on every path");
            let fix = "put a `gate: approve` or `gate: choose` before it, without `if` and `background`";
            self.error("T010", place, message, fix);
        } else if let Some(gate) = path.rejected() {
            let message = format!("`{tool}` writes even when `{gate}` was rejected");
            let fix = format!("end the run before it: `if: steps.{gate}.decision == 'reject'`");
            self.error("T010", place, message, fix);
        } else if spec.scopes.iter().any(|scope| scope == HIGH_RISK) && !path.seconded {
            let message =
                format!("`{tool}` is declared `{HIGH_RISK}`, and the gate before it asks one person only");
            self.error(
                "T013",
                place,
                message,
                "add `second: { ask: another_role }` to the gate, with `if` where not always",
            );
        }
    }

    pub(super) fn tool_place(&self, step: &Step) -> Place {
        let node = self.definition.node_of(step.place).and_then(|node| node.get("call"));
        node.map_or(step.place, |node| node.place)
    }
}

fn past_gate(step: &Step, gate: &GateStep, mut path: Path) -> Path {
    if gate.background || gate.form == GateForm::Acknowledge {
        return path;
    }
    path.answered = true;
    path.seconded = gate.second.is_some() || gate.quorum > 1;
    let passed = Gate { id: step.id.clone(), seconded: path.seconded };
    path.decisions.insert(passed, decisions_of(gate));
    path
}
