//! Whether the step that an `sla` is about is over, wherever it stands. A step that the run has passed by, in a branch not
//! taken, is over too: nobody can be late with it any more.

use super::{State, StepPath, machine::Status};
use crate::workflow::{OnError, Step, StepKind, Workflow};

pub fn is_over(workflow: &Workflow, state: &State, step: &str) -> bool {
    in_list(&workflow.steps, None, state, step).unwrap_or_default()
}

/// `None` where the step is not in this list.
fn in_list(steps: &[Step], parent: Option<&StepPath>, state: &State, id: &str) -> Option<bool> {
    let path_of = |step: &Step| parent.map_or_else(|| StepPath::root(&step.id), |path| path.child(&step.id));
    if let Some(step) = steps.iter().find(|step| step.id == id) {
        return Some(is_settled(step, &path_of(step), state));
    }
    steps.iter().find_map(|step| inside(step, &path_of(step), state, id))
}

fn inside(step: &Step, path: &StepPath, state: &State, id: &str) -> Option<bool> {
    let status = state.status(path);
    let found = match &step.kind {
        StepKind::Parallel(children) => in_list(children, Some(path), state, id),
        StepKind::Choose(branches) => {
            let found = branches.iter().find_map(|branch| in_list(&branch.steps, Some(path), state, id));
            found.map(|over| over || status.is_settled())
        }
        // It is over with the last item.
        StepKind::Each(each) => in_list(&each.steps, Some(path), state, id).map(|_| status.is_settled()),
        StepKind::Wait(wait) => {
            let late = in_list(&wait.on_timeout, Some(&path.child("on_timeout")), state, id);
            let is_late =
                || state.step(path).is_some_and(|step| step.output.get("timed_out") == Some(&true.into()));
            late.map(|over| over || (status.is_settled() && !is_late()))
        }
        _ => None,
    };
    let found = found.map(|over| over || status == Status::Skipped);
    found.or_else(|| {
        let OnError::Steps(steps) = &step.on_error else { return None };
        let over = in_list(steps, Some(&path.child("on_error")), state, id)?;
        Some(over || matches!(status, Status::Done | Status::Skipped))
    })
}

/// A `parallel` has no status of its own, unless it was skipped.
fn is_settled(step: &Step, path: &StepPath, state: &State) -> bool {
    state.status(path).is_settled()
        || matches!(&step.kind, StepKind::Parallel(children)
            if children.iter().all(|child| state.status(&path.child(&child.id)).is_settled()))
}
