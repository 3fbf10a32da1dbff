//! Visiting every step of a workflow, the nested ones included.

use super::{OnError, Step, StepKind, Workflow};

/// Parents before children, in the order they are written; `on_failure` last.
pub fn every_step<'w>(workflow: &'w Workflow, visit: &mut dyn FnMut(&'w Step)) {
    for step in workflow.steps.iter().chain(&workflow.on_failure) {
        descend(step, visit);
    }
}

fn descend<'w>(step: &'w Step, visit: &mut dyn FnMut(&'w Step)) {
    visit(step);
    for list in inner_lists(step) {
        list.iter().for_each(|inner| descend(inner, visit));
    }
}

/// The lists of steps that a step holds.
pub(super) fn inner_lists(step: &Step) -> Vec<&[Step]> {
    let mut lists: Vec<&[Step]> = match &step.kind {
        StepKind::Parallel(children) => vec![children],
        StepKind::Each(each) => vec![&each.steps],
        StepKind::Choose(branches) => branches.iter().map(|branch| branch.steps.as_slice()).collect(),
        StepKind::Wait(wait) => vec![&wait.on_timeout],
        StepKind::Call(_) | StepKind::Agent(_) | StepKind::Gate(_) | StepKind::Run(_) | StepKind::End(_) => {
            Vec::new()
        }
    };
    if let OnError::Steps(steps) = &step.on_error {
        lists.push(steps);
    }
    lists
}
