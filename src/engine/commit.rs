//! What one run wants written, and the promise of whoever writes it.

use crate::run::{Intent, NewRun, Plan, Record, RunId, StepPath};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Outcomes of one run since its last commit: all of it becomes true, or none.
#[derive(Debug, Clone)]
pub struct Commit {
    pub run: RunId,
    /// The run begins with this commit, in this worker's hands.
    pub start: Option<Box<NewRun>>,
    pub records: Vec<Record>,
    pub intents: Vec<Intent>,
    /// Signals that are in the journal now.
    pub heard: Vec<Uuid>,
    pub row: RowChange,
}

/// What becomes of the run's hot row.
#[derive(Debug, Clone, PartialEq)]
pub enum RowChange {
    /// The run goes on in memory.
    Keep,
    Park {
        wake_at: Option<DateTime<Utc>>,
        signals: i32,
        waiting_for: Option<String>,
    },
    End {
        outcome: String,
        /// It may leave questions, subscriptions or its key behind.
        is_untidy: bool,
        /// Its place here is free now.
        lane: Option<i64>,
        parent: Option<crate::run::Parent>,
        output: serde_json::Value,
    },
}

/// Steps that are named of those a run waits for.
const NAMED_MAX: usize = 20;

impl RowChange {
    /// The run waits for what its plan says; `signals` is what it has heard of.
    pub fn park(plan: &Plan, signals: i32) -> Self {
        let names: Vec<&str> = plan.waiting_for.iter().take(NAMED_MAX).map(StepPath::as_str).collect();
        let mut waiting_for = (!names.is_empty()).then(|| names.join(", "));
        if let (Some(text), more @ 1..) = (&mut waiting_for, plan.waiting_for.len() - names.len()) {
            text.push_str(&format!(" and {more} more"));
        }
        Self::Park { wake_at: plan.wake_at, signals, waiting_for }
    }
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    #[error("this worker's lease was taken over: another worker has its runs")]
    Fenced,
    #[error("the run changed meanwhile (a person answered): read it again")]
    Conflict,
    #[error("the run was not started: an open run has its key, or it exists already")]
    NotStarted,
    #[error("the database cannot keep what a step gave ({0})")]
    Refused(String),
    #[error("the database took the commit back ({0}): read the run again")]
    Declined(String),
    #[error("the connection broke during the commit ({0}): nobody here knows what came of it")]
    Severed(String),
    #[error("the lease was over while a step was under way: what it sent may still be on its way")]
    LeaseOver,
    #[error("the outcome of the commit is unknown ({0}): read the run again")]
    Unknown(String),
}

/// Keeps what happened. A commit that returned `Ok` is durable.
#[async_trait]
pub trait Journal: Send + Sync {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError>;
}
