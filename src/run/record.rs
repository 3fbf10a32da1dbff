//! The journal's records: the only thing that is ever true of a run.

use super::{RunId, StepPath};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// One line of a run's history. `seq` is gap-free within the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub seq: u32,
    pub at: DateTime<Utc>,
    pub path: Option<StepPath>,
    pub attempt: u32,
    pub change: Change,
}

/// What a record says. Run-level changes have no path, step-level ones have one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub enum Change {
    RunStarted(Box<StartedRun>),
    SlaBreached {
        step: String,
        ladder: String,
    },
    /// The run cannot go on: undo what was done, then run `on_failure`.
    RunFailing {
        step: StepPath,
        failure: Failure,
    },
    CancelRequested {
        by: String,
        reason: String,
    },
    RunEnded {
        outcome: String,
    },
    /// A person holds the run at its next step boundary.
    Paused {
        by: String,
        reason: String,
    },
    Resumed {
        by: String,
        reason: String,
    },
    /// A person lets an ended run go on; the `reset` records that follow say which steps are done again.
    Reopened {
        by: String,
        reason: String,
        /// Absent when it goes on from where it failed.
        from: Option<StepPath>,
    },
    /// The run is pinned to another version of its workflow from here on.
    Migrated {
        by: String,
        reason: String,
        from: String,
        to: String,
    },
    /// A person lets a run that was set aside be tried again.
    Released {
        by: String,
        reason: String,
        /// Why it had been set aside.
        was: String,
    },

    Skipped,
    /// An attempt begins; its time is the `now` that the step's expressions see.
    Started,
    /// Something durable in the middle of a step: a model's answer, an escalation.
    Noted {
        note: Value,
    },
    Waiting {
        wake_at: Option<DateTime<Utc>>,
    },
    Signalled(Signal),
    Retrying {
        failure: Failure,
        wake_at: DateTime<Utc>,
    },
    Done {
        output: Value,
    },
    Failed {
        failure: Failure,
    },
    BranchTaken {
        index: Option<usize>,
    },
    ItemsListed {
        items: Vec<Value>,
    },
    /// The retry that was just announced waits longer: its system has had enough of them.
    Deferred {
        system: String,
        wake_at: DateTime<Utc>,
    },
    /// The step is done again. `renewed` when its effect was undone, so that it is a new effect with a new key.
    Reset {
        renewed: bool,
    },
}

impl Change {
    /// The word in the journal's `kind` column.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RunStarted(_) => "run_started",
            Self::SlaBreached { .. } => "sla_breached",
            Self::RunFailing { .. } => "run_failing",
            Self::CancelRequested { .. } => "cancel_requested",
            Self::RunEnded { .. } => "run_ended",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Reopened { .. } => "reopened",
            Self::Migrated { .. } => "migrated",
            Self::Released { .. } => "released",
            Self::Skipped => "skipped",
            Self::Started => "started",
            Self::Noted { .. } => "noted",
            Self::Waiting { .. } => "waiting",
            Self::Signalled(_) => "signalled",
            Self::Retrying { .. } => "retrying",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::BranchTaken { .. } => "branch_taken",
            Self::ItemsListed { .. } => "items_listed",
            Self::Deferred { .. } => "deferred",
            Self::Reset { .. } => "reset",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartedRun {
    pub workflow: String,
    pub sha256: String,
    /// The event's data with `id`, `type`, `subject` and `time`; `null` fields where there was none.
    pub trigger: Value,
    pub inputs: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// A person already answered for what this run does (it is a child of a run with a decided gate).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approved: bool,
    /// What began it is in shadow, so it writes nothing and asks nobody, whatever its own workflow may do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// Who started it by hand; may not approve it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Where it stands among others, also when it is reopened.
    #[serde(default, skip_serializing_if = "Rank::is_default")]
    pub rank: Rank,
}

/// What of a run's [`super::Turn`] outlives its start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rank {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    pub priority: i16,
    pub fair: i32,
}

impl Rank {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    pub run: RunId,
    pub path: StepPath,
}

/// Why a step did not succeed; `message` is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// `ToolError::class`, or the engine's own: `expression`, `timeout`, `rule`, `expired`, `child_failed`, …
    pub class: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Failure {
    pub fn new(class: &str, message: impl Into<String>) -> Self {
        Self { class: class.to_owned(), message: message.into(), detail: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    Answer,
    Event,
    Child,
    Cancel,
    Pause,
    Resume,
}

impl Signal {
    /// The same event for the same step is the same signal, whoever sends it.
    pub fn of_event(event: Uuid, run: RunId, path: StepPath, body: Value) -> Self {
        let id = Uuid::new_v5(&event, format!("{run}:{path}").as_bytes());
        Self { id, kind: SignalKind::Event, path: Some(path), body }
    }
}

/// News for a run from outside its worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    pub id: Uuid,
    pub kind: SignalKind,
    /// The step it is for; `cancel`, `pause` and `resume` are for the run.
    pub path: Option<StepPath>,
    pub body: Value,
}
