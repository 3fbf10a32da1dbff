//! What is known of a case once it was played to its end.

use super::world::{MadeCall, World};
use crate::{
    engine::CommitError,
    run::{Record, State, StepPath},
    workflow::Place,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    #[error("{0}")]
    Case(String),
    #[error("the journal of the case cannot be read: {0}")]
    Journal(String),
    #[error("a run was lost: {0}")]
    Lost(CommitError),
    #[error("the case does not come to rest after 10,000 jumps of the clock: add `stop_at`")]
    Restless,
}

/// A case, played to its end.
pub struct Played {
    pub started: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    pub runs: Vec<PlayedRun>,
    pub calls: Vec<MadeCall>,
    pub children: Vec<StartedChild>,
    pub told: Vec<Said>,
    /// What the records of no run say: events, crashes, refused answers.
    pub beside: Vec<(DateTime<Utc>, String)>,
    /// Moments of the timeline that went otherwise than they say, with their places.
    pub missed: Vec<(Place, String)>,
    /// What makes the test itself invalid.
    pub broken: Vec<String>,
    pub(super) world: Arc<World>,
    pub(super) fixtures: Arc<BTreeMap<String, Value>>,
    pub(super) site: Value,
}

pub struct PlayedRun {
    pub records: Vec<Record>,
    pub state: State,
    /// Questions that are open, as a test names them, and other steps that wait.
    pub waiting_for: Vec<String>,
    /// Questions that a second person was asked.
    pub seconds: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct StartedChild {
    pub workflow: String,
    pub inputs: Value,
}

/// A message to people.
#[derive(Debug, Clone)]
pub struct Said {
    pub role: Option<String>,
    pub person: Option<String>,
    pub title: String,
    pub body: String,
}

pub(super) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// A path without the items and suffixes that the language puts there.
pub(super) fn ids(path: &StepPath) -> impl Iterator<Item = &str> {
    path.as_str().split('.').map(|part| part.split('[').next().unwrap_or(part))
}
