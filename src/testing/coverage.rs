//! Which steps and answers the cases of a test file came to, and which they never did.

use super::{played::Played, reached};
use crate::workflow::{StepKind, Workflow, every_step};
use serde::Serialize;
use std::collections::BTreeSet;

#[derive(Debug, Default, Clone, Serialize)]
pub struct Coverage {
    pub steps: Counted,
    /// Every way in which every question can end.
    pub gates: Counted,
}

#[derive(Debug, Default, Clone, Serialize)]
pub struct Counted {
    pub reached: usize,
    pub all: usize,
    /// Never reached by any case.
    pub missing: Vec<String>,
}

#[derive(Default)]
pub(super) struct Tally {
    steps: BTreeSet<String>,
    gates: BTreeSet<String>,
}

impl Tally {
    pub(super) fn add(&mut self, workflow: &Workflow, played: &Played) {
        for run in &played.runs {
            for path in reached::paths(workflow, run) {
                let id = path.rsplit('.').next().unwrap_or(&path);
                self.steps.insert(id.split('[').next().unwrap_or(id).to_owned());
            }
            self.gates.extend(reached::outcomes(workflow, run));
        }
    }

    pub(super) fn coverage(&self, workflow: &Workflow) -> Coverage {
        let mut steps = Vec::new();
        every_step(workflow, &mut |step| {
            // The run inside an `each` is reached with its `each`.
            if !(step.id == "run" && matches!(step.kind, StepKind::Run(_))) {
                steps.push(step.id.clone());
            }
        });
        let gates = reached::possible_outcomes(workflow);
        Coverage { steps: counted(steps.iter(), &self.steps), gates: counted(gates.iter(), &self.gates) }
    }
}

fn counted<'a>(all: impl Iterator<Item = &'a String> + Clone, reached: &BTreeSet<String>) -> Counted {
    let missing: Vec<String> = all.clone().filter(|name| !reached.contains(*name)).cloned().collect();
    let all = all.count();
    Counted { reached: all - missing.len(), all, missing }
}
