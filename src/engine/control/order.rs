use crate::run::{RunId, StepPath, compat::Incompatible, reopen::Obstacle};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is to be done with a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Stops it; what it did is undone where the workflow says how.
    Cancel,
    /// Holds it at its next step boundary.
    Pause,
    Resume,
    /// Lets a failed run go on from where it failed, and a run that was set aside be tried again.
    Retry,
    /// Does a step and everything after it again, in the version it has or in another one.
    Rerun {
        from: StepPath,
        #[serde(default)]
        version: Version,
    },
    /// Moves a live run to another version of its workflow.
    Migrate {
        #[serde(default = "Version::newest")]
        version: Version,
    },
    /// Leaves a failed run as it is: it needs no attention any more.
    Dismiss,
}

/// Which version of its workflow a run goes on with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    #[default]
    Same,
    Newest,
    Sha256(String),
}

impl Version {
    fn newest() -> Self {
        Self::Newest
    }
}

impl Action {
    /// The word in the audit: `run.cancel`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Retry => "retry",
            Self::Rerun { .. } => "rerun",
            Self::Migrate { .. } => "migrate",
            Self::Dismiss => "dismiss",
        }
    }
}

/// An action, who wants it and why.
#[derive(Debug, Clone)]
pub struct Order {
    pub action: Action,
    pub by: String,
    /// The door or the service account that vouches for them, for the audit.
    pub via: Option<String>,
    pub reason: String,
}

/// Why a run is left as it is; a sentence for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    #[error("it has ended")]
    Ended,
    #[error("it has not ended: cancel it, or wait until it has")]
    NotEnded,
    #[error("it is paused already")]
    AlreadyPaused,
    #[error("it is not paused")]
    NotPaused,
    #[error("it was set aside: retry or cancel it")]
    SetAside,
    #[error("it did not fail, or somebody has dismissed it already")]
    NothingToDismiss,
    #[error("a worker is at it this moment: pause it first, or try again")]
    Working,
    #[error("the run {0} waits for it: order it there")]
    Child(RunId),
    #[error("another open run of `{workflow}` has its key `{key}`: end that one first")]
    KeyTaken { workflow: String, key: String },
    #[error("the definition it is pinned to cannot be used: {0}")]
    NoDefinition(String),
    #[error("its journal cannot be read: {0}")]
    Unreadable(String),
    #[error("there is no version {0} of its workflow")]
    NoVersion(String),
    #[error("it has this version already")]
    SameVersion,
    #[error("it does not fit the other version: {}", Incompatible::sentence(.0))]
    Incompatible(Vec<Incompatible>),
    #[error("{0}")]
    Obstacle(#[from] Obstacle),
}

impl Refusal {
    /// The word for programs and for counting.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoSuchRun(_) => "no_such_run",
            Self::Ended => "ended",
            Self::NotEnded => "not_ended",
            Self::AlreadyPaused => "already_paused",
            Self::NotPaused => "not_paused",
            Self::SetAside => "set_aside",
            Self::NothingToDismiss => "nothing_to_dismiss",
            Self::Working => "working",
            Self::Child(_) => "child",
            Self::KeyTaken { .. } => "key_taken",
            Self::NoDefinition(_) => "no_definition",
            Self::Unreadable(_) => "unreadable",
            Self::NoVersion(_) => "no_version",
            Self::SameVersion => "same_version",
            Self::Incompatible(_) => "incompatible",
            Self::Obstacle(Obstacle::NothingFailed) => "nothing_failed",
            Self::Obstacle(Obstacle::UndoUnknown(_)) => "undo_unknown",
            Self::Obstacle(Obstacle::NoSuchStep(_)) => "no_such_step",
            Self::Obstacle(Obstacle::NotReached(_)) => "not_reached",
            Self::Obstacle(Obstacle::ItemsDone(_)) => "items_done",
            Self::Obstacle(Obstacle::ChildBegun(_)) => "child_begun",
            Self::Obstacle(Obstacle::ChildDone(_)) => "child_done",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("the same version"),
            Self::Newest => f.write_str("the newest version"),
            Self::Sha256(sha256) => f.write_str(sha256),
        }
    }
}

/// Why words are no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct NoAction {
    pub words: String,
    /// There is no such action at all.
    pub is_unknown: bool,
}

impl Action {
    /// From the words of a form, a command line or a request.
    pub fn read(word: &str, from: Option<StepPath>, version: Option<Version>) -> Result<Self, NoAction> {
        Ok(match word {
            "cancel" => Self::Cancel,
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "retry" => Self::Retry,
            "dismiss" => Self::Dismiss,
            "migrate" => Self::Migrate { version: version.unwrap_or(Version::Newest) },
            "rerun" => match from {
                Some(from) => Self::Rerun { from, version: version.unwrap_or_default() },
                None => {
                    let words = "say which step it begins with: `from`".to_owned();
                    return Err(NoAction { words, is_unknown: false });
                }
            },
            other => {
                let words = format!(
                    "there is no action `{other}`: cancel, pause, resume, retry, rerun, migrate, dismiss"
                );
                return Err(NoAction { words, is_unknown: true });
            }
        })
    }
}
