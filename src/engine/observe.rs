//! What the engine's motions are called in metrics and traces: one line at the place where they happen.

use super::{CommitError, Driven, Outcome};
use crate::{
    run::{Change, Leaf, Record, RunId, State, StepPath, Task},
    store::StoreError,
    telemetry::{
        metrics,
        trace::{self, Kind},
    },
};
use chrono::{DateTime, Utc};
use std::{any::Any, collections::BTreeSet, time::Instant};
use tracing::Span;

/// Measures a group commit of so many outcomes.
pub(super) async fn commit<T>(
    outcomes: usize,
    write: impl Future<Output = Result<Vec<Result<T, CommitError>>, StoreError>>,
) -> Result<Vec<Result<T, CommitError>>, StoreError> {
    let begun = Instant::now();
    let written = write.await;
    let word = match &written {
        Ok(results) if results.iter().any(|result| matches!(result, Err(CommitError::Fenced))) => "fenced",
        Ok(_) => "committed",
        Err(_) => "failed",
    };
    metrics::committed(word, outcomes, begun.elapsed());
    written
}

/// How long a run waited for this worker: since it began, or since its timer was due.
pub(super) fn claimed(records: &[Record], state: &State, deferred: &BTreeSet<StepPath>, now: DateTime<Utc>) {
    if let [started] = records {
        metrics::claimed_new((now - started.at).to_std().unwrap_or_default());
        return;
    }
    // Who was turned away asks again at times that only the run's row knew.
    let steps = state.steps.iter().filter(|(path, _)| !deferred.contains(*path));
    let due = steps.filter_map(|(_, step)| step.wake_at).filter(|at| *at <= now).max();
    if let Some(due) = due {
        metrics::timer_served((now - due).to_std().unwrap_or_default());
    }
}

pub(super) fn driven(records: &[Record], driven: &Driven) {
    if let Some(Change::RunStarted(start)) = records.first().map(|record| &record.change) {
        ended(&start.workflow, driven);
    }
}

pub(super) fn ended(workflow: &str, driven: &Driven) {
    if let Driven::Ended { outcome } = driven {
        metrics::run_ended(workflow, outcome);
    }
}

/// One stay of a run in this worker's memory, below the event that began it.
pub(super) fn run_span(workflow: &str, trace: Option<&str>) -> Span {
    trace::span(Kind::Internal, &format!("run {workflow}"), trace)
}

pub(super) fn step_span(task: &Task) -> Span {
    trace::span(Kind::Internal, &format!("step {}", task.path), None)
}

/// Counts an attempt that will be repeated.
pub(super) fn failed(task: &Task, change: &Change) {
    if let (Change::Retrying { .. }, Leaf::Call(call)) = (change, &task.leaf) {
        metrics::step_retried(call.tool.as_str());
    }
}

/// A step that panicked is a defect of ours: it fails visibly instead of taking the worker down.
pub(super) fn panicked(run: RunId, panic: &(dyn Any + Send)) -> Outcome {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(run.id = %run, panic = words, "a step panicked");
    Outcome::fail("panic", "the step crashed inside Takt; see the log")
}
