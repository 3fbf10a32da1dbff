//! Which steps a run came to, and what became of its questions: what coverage counts.

use super::played::{PlayedRun, ids};
use crate::{
    run::{Change, State, StepPath, machine::Status},
    workflow::{EachStep, GateStep, OnError, OnExpire, Step, StepKind, Workflow, every_step},
};
use std::collections::BTreeSet;

/// Paths of the steps that a run came to and did not skip; also the `end` that ended it.
pub(super) fn paths(workflow: &Workflow, run: &PlayedRun) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for record in &run.records {
        let (Some(path), false) = (&record.path, record.change == Change::Skipped) else { continue };
        // A `parallel` has no records of its own.
        let mut parent = path.as_str();
        found.insert(parent.to_owned());
        while let Some((above, _)) = parent.rsplit_once(['.', '[']) {
            found.insert(above.to_owned());
            parent = above;
        }
    }
    if run.state.is_ended() {
        let mut way = Way { state: &run.state, end: None };
        if !way.list(&workflow.steps, None) {
            way.list(&workflow.on_failure, Some(&StepPath::root("on_failure")));
        }
        found.extend(way.end.map(|path| path.to_string()));
    }
    found
}

/// Follows the run as it went, to the `end` that stopped it.
struct Way<'a> {
    state: &'a State,
    end: Option<StepPath>,
}

impl Way<'_> {
    /// True when the run went no further than this list.
    fn list(&mut self, steps: &[Step], parent: Option<&StepPath>) -> bool {
        steps.iter().any(|step| {
            let path = parent.map_or_else(|| StepPath::root(&step.id), |parent| parent.child(&step.id));
            self.step(step, &path)
        })
    }

    fn step(&mut self, step: &Step, path: &StepPath) -> bool {
        let status = self.state.status(path);
        if status == Status::Skipped {
            return false;
        }
        let inside = match &step.kind {
            StepKind::End(_) => {
                self.end = Some(path.clone());
                return true;
            }
            StepKind::Choose(branches) => {
                let taken = self.state.step(path).and_then(|step| step.branch);
                taken
                    .and_then(|index| branches.get(index))
                    .is_some_and(|branch| self.list(&branch.steps, Some(path)))
            }
            StepKind::Each(EachStep { steps, .. }) => {
                let items = self.state.step(path).map_or(0, |step| step.items.len());
                (0..items).any(|index| self.list(steps, Some(&path.item(index))))
            }
            StepKind::Wait(wait) => {
                let timed_out = self.state.step(path).is_some_and(|step| step.output["timed_out"] == true);
                timed_out && self.list(&wait.on_timeout, Some(&path.child("on_timeout")))
            }
            _ => false,
        };
        if inside {
            return true;
        }
        match (&step.on_error, status) {
            (OnError::Steps(steps), Status::Failed) => self.list(steps, Some(&path.child("on_error"))),
            (OnError::Continue, Status::Failed) => false,
            (_, Status::Failed | Status::Pending) => !matches!(step.kind, StepKind::Parallel(_)),
            _ => false,
        }
    }
}

/// What can become of every question of a workflow: `approve: reject`.
pub(super) fn possible_outcomes(workflow: &Workflow) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    every_step(workflow, &mut |step| {
        let StepKind::Gate(gate) = &step.kind else { return };
        let GateStep { allow, second, auto_if, on_expire, .. } = gate;
        for word in allow {
            found.insert(format!("{}: {}", step.id, word.word()));
        }
        if second.is_some() {
            found.insert(format!("{}: second approves", step.id));
            found.insert(format!("{}: second rejects", step.id));
        }
        if auto_if.is_some() {
            found.insert(format!("{}: auto", step.id));
        }
        let silence = match on_expire {
            OnExpire::Escalate => "nobody answers, escalated",
            OnExpire::Reject => "nobody answers, rejected",
            OnExpire::Fail => "nobody answers, failed",
        };
        found.insert(format!("{}: {silence}", step.id));
    });
    found
}

/// What became of the questions of a run.
pub(super) fn outcomes(workflow: &Workflow, run: &PlayedRun) -> BTreeSet<String> {
    let mut gates = Vec::new();
    every_step(workflow, &mut |step| {
        if let StepKind::Gate(gate) = &step.kind {
            gates.push((step.id.as_str(), gate));
        }
    });
    let mut found = BTreeSet::new();
    for record in &run.records {
        let Some(path) = &record.path else { continue };
        let id = ids(path).last().unwrap_or_default();
        let Some((_, gate)) = gates.iter().find(|(known, _)| *known == id) else { continue };
        let word = match &record.change {
            Change::Noted { note } if note.get("escalated").is_some() => {
                Some("nobody answers, escalated".to_owned())
            }
            Change::Failed { failure } if failure.class == "expired" && gate.on_expire == OnExpire::Fail => {
                Some("nobody answers, failed".to_owned())
            }
            Change::Done { output } => {
                let decision = output["decision"].as_str().unwrap_or_default();
                if output["by"] == "silence" {
                    Some("nobody answers, rejected".to_owned())
                } else if run.seconds.iter().any(|second| *second == path.as_str()) {
                    let first = if output["choice"].is_u64() { "choose" } else { "approve" };
                    found.insert(format!("{id}: {first}"));
                    Some(if decision == "reject" { "second rejects" } else { "second approves" }.to_owned())
                } else {
                    Some(decision.to_owned())
                }
            }
            _ => None,
        };
        found.extend(word.map(|word| format!("{id}: {word}")));
    }
    found
}
