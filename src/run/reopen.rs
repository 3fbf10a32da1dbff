//! Letting an ended run go on: which of its steps are done again, and which of those with a new key.
//!
//! The run itself is reopened, rather than copied: its id is part of every idempotency key, gate and message, so a
//! step whose effect stands keeps its key by construction, and the whole story stays in one journal. Only steps
//! whose effect was undone, and questions, get a new generation and with it a new key.

use super::{
    Phase, SignalKind, State, StepPath, StepState,
    machine::Status,
    state::{STOPPED, UNKNOWN},
    story::find,
};
use crate::workflow::{OnError, Step, StepKind, Workflow};
use std::collections::BTreeMap;

/// Why a run cannot go on this way; a sentence for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    #[error("nothing failed in it: rerun it from a step instead")]
    NothingFailed,
    #[error("nobody knows whether `{0}` was undone: look at the other system, then rerun from a later step")]
    UndoUnknown(StepPath),
    #[error("its workflow has no step `{0}`")]
    NoSuchStep(StepPath),
    #[error("it never came to `{0}`")]
    NotReached(StepPath),
    #[error("`{0}` has already acted on items of its list, which could be others now: start a new run")]
    ItemsDone(StepPath),
    #[error(
        "`{0}` started a run with what was known and approved then, which could be something else now: rerun from `{0}` itself, \
         or start a new run"
    )]
    ChildBegun(StepPath),
    #[error("`{0}` started a run that ended well, and would do all of it a second time: start a new run")]
    ChildDone(StepPath),
}

/// Steps to be done again, in the order of their paths; true where they get a new key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reopening {
    pub resets: BTreeMap<StepPath, bool>,
}

/// Goes on from where the run failed or was cancelled. What succeeded and was not undone stays done.
pub fn retry(workflow: &Workflow, state: &State) -> Result<Reopening, Obstacle> {
    let is_cancelled = matches!(&state.phase, Phase::Ended { outcome } if outcome == "cancelled");
    if state.failing.is_none() && !is_cancelled {
        return Err(Obstacle::NothingFailed);
    }
    let mut reopening = Reopening::default();
    reopening.take_back_undone(state)?;
    for (path, step) in &state.steps {
        let is_open = matches!(step.status, Status::Running | Status::Waiting | Status::Backoff);
        let has_failed = step.status == Status::Failed && (!is_handled(workflow, path) || was_stopped(step));
        if path.leaf() != "undo" && (is_open || has_failed) && !has_heard(step) {
            reopening.again(workflow, path);
        }
    }
    reopening.forget_on_failure(state);
    Ok(reopening)
}

/// It failed only because the run was stopped.
fn was_stopped(step: &StepState) -> bool {
    step.failure.as_ref().is_some_and(|failure| failure.class == STOPPED)
}

/// The run it waited for has ended, and it has not looked yet.
fn has_heard(step: &StepState) -> bool {
    let is_news = step.status == Status::Waiting && step.fresh;
    is_news && step.signals.last().is_some_and(|signal| signal.kind == SignalKind::Child)
}

/// Does a step and everything after it again.
pub fn rerun(workflow: &Workflow, state: &State, from: &StepPath) -> Result<Reopening, Obstacle> {
    if find(workflow, from).is_none() || from.as_str().starts_with("on_failure.") || from.leaf() == "undo" {
        return Err(Obstacle::NoSuchStep(from.clone()));
    }
    let has_begun = |path: &StepPath| state.status(path) != Status::Pending;
    if !state.steps.keys().any(|path| has_begun(path) && (path == from || path.below(from).is_some())) {
        return Err(Obstacle::NotReached(from.clone()));
    }
    let mut reopening = Reopening::default();
    reopening.take_back_undone(state)?;
    for (path, step) in &state.steps {
        let is_open = matches!(step.status, Status::Running | Status::Waiting | Status::Backoff);
        if path.leaf() != "undo" && (is_open || is_from(&workflow.steps, path, from)) {
            reopening.again(workflow, path);
        }
    }
    reopening.forget_on_failure(state);
    for each in reopening.resets.keys().filter(|path| is_each(workflow, path)) {
        // A call that was tried may have taken effect, and a child run has begun, whatever became of them.
        let acted = |(path, step): (&StepPath, &StepState)| {
            !matches!(step.status, Status::Pending | Status::Skipped)
                && path.below(each).is_some()
                && matches!(
                    find(workflow, path).map(|step| &step.kind),
                    Some(StepKind::Call(_) | StepKind::Run(_))
                )
                && reopening.resets.get(path) != Some(&true)
        };
        if state.steps.iter().any(acted) {
            return Err(Obstacle::ItemsDone(each.clone()));
        }
    }
    Ok(reopening)
}

impl Reopening {
    /// What was undone is not there any more: it is done again, as a new effect.
    fn take_back_undone(&mut self, state: &State) -> Result<(), Obstacle> {
        for path in state.steps.keys() {
            let undo = path.child("undo");
            let Some(undone) = state.step(&undo) else { continue };
            let class = undone.failure.as_ref().map_or("", |failure| failure.class.as_str());
            match undone.status {
                Status::Done => {
                    self.resets.insert(path.clone(), true);
                    self.resets.insert(undo, true);
                }
                Status::Failed if UNKNOWN.contains(&class) => {
                    return Err(Obstacle::UndoUnknown(path.clone()));
                }
                // The effect stands, and its undo may be tried again under its key.
                Status::Pending => {}
                _ => drop(self.resets.insert(undo, false)),
            }
        }
        Ok(())
    }

    /// A question is asked anew, since its gate was closed; anything else keeps its key.
    fn again(&mut self, workflow: &Workflow, path: &StepPath) {
        let is_gate = matches!(find(workflow, path).map(|step| &step.kind), Some(StepKind::Gate(_)));
        self.resets.entry(path.clone()).or_insert(is_gate);
    }

    /// If it fails once more, people are told once more.
    fn forget_on_failure(&mut self, state: &State) {
        for path in state.steps.keys().filter(|path| path.as_str().starts_with("on_failure.")) {
            self.resets.insert(path.clone(), true);
        }
    }
}

fn is_each(workflow: &Workflow, path: &StepPath) -> bool {
    !path.as_str().ends_with(']')
        && matches!(find(workflow, path).map(|step| &step.kind), Some(StepKind::Each(_)))
}

/// Whether something between a failed step and the top took its failure for granted.
pub(super) fn is_handled(workflow: &Workflow, path: &StepPath) -> bool {
    let text = path.as_str();
    let ends = text.char_indices().filter(|(_, letter)| ['.', '['].contains(letter)).map(|(at, _)| at);
    ends.chain([text.len()]).any(|end| {
        let enters_on_error = text[end..].starts_with(".on_error");
        let step = find(workflow, &StepPath::from(text[..end].to_owned()));
        !enters_on_error && step.is_some_and(|step| !matches!(step.on_error, OnError::Fail))
    })
}

/// Whether `path` is `from`, inside it, or comes after it.
fn is_from(steps: &[Step], path: &StepPath, from: &StepPath) -> bool {
    if path == from || path.below(from).is_some() {
        return true;
    }
    if from.below(path).is_some() {
        return false;
    }
    let (path, from) = (segments(path), segments(from));
    let same = path.iter().zip(&from).take_while(|(a, b)| a == b).count();
    let (Some(path_at), Some(from_at)) = (path.get(same), from.get(same)) else { return false };
    // Siblings of one list: the later one comes after. Items of a list and parallel steps stand beside each other.
    let Some(list) = list_at(steps, &from[..same], from_at) else { return false };
    let place = |id: &&str| list.iter().position(|step| step.id == **id);
    matches!((place(path_at), place(from_at)), (Some(path), Some(from)) if path > from)
}

fn segments(path: &StepPath) -> Vec<&str> {
    path.as_str().split(['.', '[']).collect()
}

/// The list of steps that these segments lead into and that holds `next`; `None` where its members have no order.
fn list_at<'a>(steps: &'a [Step], segments: &[&str], next: &str) -> Option<&'a [Step]> {
    let Some((first, rest)) = segments.split_first() else { return Some(steps) };
    let step = steps.iter().find(|step| step.id == *first)?;
    match (rest, &step.kind, &step.on_error) {
        (["on_error", rest @ ..], _, OnError::Steps(steps)) => list_at(steps, rest, next),
        (["on_timeout", rest @ ..], StepKind::Wait(wait), _) => list_at(&wait.on_timeout, rest, next),
        ([index, rest @ ..], StepKind::Each(each), _) if index.ends_with(']') => {
            list_at(&each.steps, rest, next)
        }
        (rest, StepKind::Choose(branches), _) => {
            let wanted = rest.first().copied().unwrap_or(next);
            let branch = branches.iter().find(|branch| branch.steps.iter().any(|step| step.id == wanted))?;
            list_at(&branch.steps, rest, next)
        }
        _ => None,
    }
}
