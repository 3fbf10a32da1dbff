//! T010: a write is reached only through a gate that a person answered, or an explicit `auto_if`.
//!
//! Follows the control flow: a gate counts for what comes after it on every path; one that may be
//! skipped, runs in the background or only acknowledges does not. After a gate that can be rejected, the
//! decision must have been looked at.

use super::Checker;
use crate::{
    expr::Expr,
    tool::Effect,
    workflow::{Allow, Branch, GateForm, GateStep, OnError, OnExpire, Place, Step, StepKind},
};

/// What is true on every path to a place.
#[derive(Debug, Clone, PartialEq)]
struct Path {
    is_open: bool,
    answered: bool,
    /// Gates that may have been rejected and whose decision nothing has looked at.
    unread: Vec<String>,
}

impl Path {
    /// Where two paths come together.
    fn meet(self, other: Self) -> Self {
        match (self.is_open, other.is_open) {
            (false, _) => other,
            (_, false) => self,
            _ => {
                let mut unread = self.unread;
                unread.extend(other.unread);
                unread.dedup();
                Self { is_open: true, answered: self.answered && other.answered, unread }
            }
        }
    }

    fn read(&mut self, expr: &Expr) {
        let source = expr.source();
        let looks_at = |gate: &String| {
            ["decision", "chosen"].iter().any(|field| source.contains(&format!("steps.{gate}.{field}")))
        };
        self.unread.retain(|gate| !looks_at(gate));
    }
}

impl<'c> Checker<'c> {
    pub(super) fn writes(&mut self) {
        let workflow = &self.definition.workflow;
        let start = Path { is_open: true, answered: false, unread: Vec::new() };
        self.follow(&workflow.steps, start.clone());
        self.follow(&workflow.on_failure, start);
    }

    fn follow(&mut self, steps: &'c [Step], mut path: Path) -> Path {
        for step in steps {
            if let Some(condition) = &step.condition {
                path.read(condition);
            }
            let before = path.clone();
            let after = self.pass(step, path);
            path = if step.condition.is_some() { after.meet(before) } else { after };
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
            if let Some(condition) = &branch.condition {
                path.read(condition);
            }
            let end = self.follow(&branch.steps, path.clone());
            together = together.meet(end);
        }
        let has_else = branches.last().is_some_and(|branch| branch.condition.is_none());
        if has_else { together } else { together.meet(path) }
    }

    fn write(&mut self, step: &Step, call: &crate::workflow::CallStep, path: &Path) {
        let Some(spec) = self.registry.spec(&call.tool) else { return };
        if spec.effect != Effect::Write || spec.ungated.is_some() || !path.is_open {
            return;
        }
        let place = self.tool_place(step);
        if !path.answered {
            let message = format!("`{}` writes, and no gate before it was answered on every path", call.tool);
            let fix = "put a `gate: approve` or `gate: choose` before it, without `if` and `background`";
            self.error("T010", place, message, fix);
        } else if let Some(gate) = path.unread.first() {
            let message = format!("`{}` writes even when `{gate}` was rejected", call.tool);
            let fix = format!("end the run before it: `if: steps.{gate}.decision == 'reject'`");
            self.error("T010", place, message, fix);
        }
    }

    fn tool_place(&self, step: &Step) -> Place {
        let node = self.definition.node_of(step.place).and_then(|node| node.get("call"));
        node.map_or(step.place, |node| node.place)
    }
}

fn past_gate(step: &Step, gate: &GateStep, mut path: Path) -> Path {
    if gate.background || gate.form == GateForm::Acknowledge {
        return path;
    }
    path.answered = true;
    if gate.allow.contains(&Allow::Reject) || gate.on_expire == OnExpire::Reject {
        path.unread.push(step.id.clone());
    }
    path
}
