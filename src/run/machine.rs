//! The only place a step's status changes: a total match over what may happen to it.

use super::{SignalKind, record::Change};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Pending,
    Running,
    /// Parked until a signal or a time.
    Waiting,
    /// Failed, to be tried again at a time.
    Backoff,
    /// A `choose` or `each` whose inner steps are under way.
    Open,
    Done,
    Failed,
    Skipped,
}

impl Status {
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Skipped)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a step that is {status:?} cannot be `{change}`")]
pub struct Illegal {
    pub status: Status,
    pub change: &'static str,
}

impl Status {
    /// What is not listed is illegal; run-level changes never reach a step.
    pub fn apply(self, change: &Change) -> Result<Self, Illegal> {
        use Status::{Backoff, Done, Failed, Open, Pending, Running, Skipped, Waiting};
        match (self, change) {
            (Pending, Change::Skipped) => Ok(Skipped),
            (Pending | Backoff, Change::Started) => Ok(Running),
            (Running, Change::Noted { .. }) => Ok(Running),
            (Running | Waiting, Change::Waiting { .. }) => Ok(Waiting),
            // An interrupted attempt hears its news too: a crash must not lose an answer.
            (Running, Change::Signalled(_)) => Ok(Running),
            (Waiting, Change::Signalled(_)) => Ok(Waiting),
            // A child that went on with its reopened parent may end before the parent has come to it again.
            (Pending, Change::Signalled(signal)) if signal.kind == SignalKind::Child => Ok(Pending),
            (Waiting, Change::Noted { .. }) => Ok(Waiting),
            (Running | Waiting, Change::Retrying { .. }) => Ok(Backoff),
            (Running | Waiting | Open, Change::Done { .. }) => Ok(Done),
            (Pending | Running | Waiting | Open, Change::Failed { .. }) => Ok(Failed),
            (Backoff, Change::Deferred { .. }) => Ok(Backoff),
            // Only a person who reopens an ended run leads here; `State::apply` refuses it anywhere else.
            (_, Change::Reset { .. }) => Ok(Pending),
            (Pending, Change::BranchTaken { .. } | Change::ItemsListed { .. }) => Ok(Open),
            (status, change) => Err(Illegal { status, change: change.kind() }),
        }
    }
}
