//! What an operator may order of a run as it stands; the engine decides once more when the order comes.

use super::Read;
use crate::{
    run::{State, machine::Status},
    store::control::Target,
};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Orders {
    can_pause: bool,
    can_resume: bool,
    can_cancel: bool,
    can_retry: bool,
    can_migrate: bool,
    can_dismiss: bool,
    /// Steps a rerun may begin with; none while the run goes on.
    steps: Vec<String>,
}

impl Orders {
    pub(super) fn of(read: &Read) -> Self {
        let target = read.target.as_ref();
        let is_open = read.summary.ended_at.is_none();
        let hold = target.and_then(|target| target.hold.as_deref());
        let is_set_aside = target.is_some_and(|target| target.state.as_deref() == Some("set_aside"));
        let has_failed = read.summary.outcome.as_deref() == Some("failed");
        let was_cancelled = read.summary.outcome.as_deref() == Some("cancelled");
        let is_child = read.summary.parent_run.is_some();
        Self {
            can_pause: is_open && hold.is_none(),
            can_resume: is_open && hold == Some("paused"),
            can_cancel: is_open,
            can_retry: is_set_aside || ((has_failed || was_cancelled) && !is_child),
            can_migrate: is_open && !is_set_aside,
            can_dismiss: has_failed && target.is_some_and(|target| target.dismissed_at.is_none()),
            steps: if is_open || is_child { Vec::new() } else { steps(read) },
        }
    }
}

fn steps(read: &Read) -> Vec<String> {
    let Ok(state) = State::fold(&read.records) else { return Vec::new() };
    let is_main = |path: &&str| {
        !path.starts_with("on_failure.") && !path.ends_with(".undo") && !path.contains(".on_error.")
    };
    let begun = state.steps.iter().filter(|(_, step)| step.status != Status::Pending);
    let mut steps: Vec<(Option<_>, &str)> = begun
        .map(|(path, step)| (step.started_at, path.as_str()))
        .filter(|(_, path)| is_main(path))
        .collect();
    steps.sort_unstable();
    steps.into_iter().map(|(_, path)| path.to_owned()).collect()
}

/// The headline of a run that is held.
pub(super) fn held(target: &Target) -> Option<(String, &'static str)> {
    let reason = target.hold_reason.as_deref().unwrap_or_default();
    match target.hold.as_deref()? {
        "paused" => Some((format!("Paused by {reason}"), "warn")),
        _ => Some((format!("Set aside: {reason}"), "bad")),
    }
}
