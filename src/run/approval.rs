//! Which answer of a person answers for a write: that of the last question on the way to it.
//!
//! The way to a step is what stands before it in its own list and in the lists around it, as far as it was gone:
//! in a `choose` the branch taken. What an `each` asked about its items answers for those items only, and a
//! question that runs in the background, only acknowledges, or was skipped answers for nothing.

use super::{State, StepPath, machine::Status};
use crate::workflow::{EachStep, GateForm, GateStep, OnError, Step, StepKind, Workflow};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Decisions that let a write go out. To acknowledge is to have seen it, no more.
const POSITIVE: [&str; 4] = ["approve", "choose", "edit", "auto"];

/// The question that answers for a step, and what came of it.
#[derive(Debug, Clone)]
pub struct Approval {
    pub gate: StepPath,
    /// How often it was asked anew.
    pub round: u32,
    pub step: GateStep,
    /// The time its expressions saw.
    pub asked_at: DateTime<Utc>,
    /// What was shown; absent where an `auto_if` decided and nobody was asked.
    pub asked: Option<Value>,
    /// What the gate put out; `null` where it failed.
    pub output: Value,
}

/// What a write was about to send, and whose answer let it: noted just before it goes out, and kept while its effect may stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    pub gate: StepPath,
    pub round: u32,
    /// Of the arguments.
    pub digest: String,
}

impl Sent {
    /// Under which name it stands in a note.
    pub const NOTE: &str = "sent";

    pub(super) fn of_note(note: &Value) -> Option<Self> {
        Self::deserialize(note.get(Self::NOTE)?).ok()
    }
}

impl Approval {
    pub fn is_positive(&self) -> bool {
        self.decision().is_some_and(|decision| POSITIVE.contains(&decision))
    }

    pub fn decision(&self) -> Option<&str> {
        self.output.get("decision").and_then(Value::as_str)
    }
}

/// The last question on the way to a step; `None` where none was asked.
pub fn approval_of(workflow: &Workflow, state: &State, path: &StepPath) -> Option<Approval> {
    let mut way = Way { state, target: path, last: None };
    match path.as_str().strip_prefix("on_failure.") {
        Some(_) => way.list(&workflow.on_failure, Some(&StepPath::root("on_failure"))),
        None => way.list(&workflow.steps, None),
    };
    let (gate, step) = way.last?;
    let known = state.step(&gate)?;
    let asked = known.notes.iter().rev().find_map(|note| note.get("opened")?.get("ask")).cloned();
    Some(Approval {
        step: step.clone(),
        round: known.generation,
        asked_at: known.started_at?,
        asked,
        output: if known.status == Status::Done { known.output.clone() } else { Value::Null },
        gate,
    })
}

struct Way<'a> {
    state: &'a State,
    target: &'a StepPath,
    last: Option<(StepPath, &'a GateStep)>,
}

impl<'a> Way<'a> {
    /// True when the target stands in this list: what follows is not on the way.
    fn list(&mut self, steps: &'a [Step], parent: Option<&StepPath>) -> bool {
        for step in steps {
            let path = parent.map_or_else(|| StepPath::root(&step.id), |parent| parent.child(&step.id));
            if path == *self.target {
                return true;
            }
            if let Some(rest) = self.target.below(&path) {
                self.inside(step, &path, rest);
                return true;
            }
            self.passed(step, &path);
        }
        false
    }

    /// The target is somewhere in this step.
    fn inside(&mut self, step: &'a Step, path: &StepPath, rest: &str) {
        if rest.starts_with(".on_error.") {
            self.question(step, path);
            if let OnError::Steps(steps) = &step.on_error {
                self.list(steps, Some(&path.child("on_error")));
            }
            return;
        }
        match &step.kind {
            StepKind::Wait(wait) => {
                self.list(&wait.on_timeout, Some(&path.child("on_timeout")));
            }
            StepKind::Each(EachStep { steps, .. }) => {
                let index = rest.strip_prefix('[').and_then(|rest| rest.split(']').next());
                if let Some(index) = index.and_then(|index| index.parse().ok()) {
                    self.list(steps, Some(&path.item(index)));
                }
            }
            StepKind::Choose(_) => self.branch(step, path),
            _ => {}
        }
    }

    /// The run went through this step on its way.
    fn passed(&mut self, step: &'a Step, path: &StepPath) {
        self.question(step, path);
        self.branch(step, path);
        if let StepKind::Wait(wait) = &step.kind {
            self.list(&wait.on_timeout, Some(&path.child("on_timeout")));
        }
        if let OnError::Steps(steps) = &step.on_error {
            self.list(steps, Some(&path.child("on_error")));
        }
    }

    fn branch(&mut self, step: &'a Step, path: &StepPath) {
        let StepKind::Choose(branches) = &step.kind else { return };
        let taken = self.state.step(path).and_then(|step| step.branch);
        if let Some(branch) = taken.and_then(|index| branches.get(index)) {
            self.list(&branch.steps, Some(path));
        }
    }

    fn question(&mut self, step: &'a Step, path: &StepPath) {
        let StepKind::Gate(gate) = &step.kind else { return };
        if gate.background || gate.form == GateForm::Acknowledge {
            return;
        }
        if matches!(self.state.status(path), Status::Done | Status::Failed) {
            self.last = Some((path.clone(), gate));
        }
    }
}
