//! Defects on demand: a test seeds one to prove that the checker of the crash proof can fail. A server has none
//! unless the hidden `--fault` names one.

use super::Outcome;
use crate::{
    run::StepPath,
    store::{PgConnection, StoreError, commits::Fence, workers},
};
use serde_json::Value;
use std::{str::FromStr, sync::OnceLock};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A worker that was taken over goes on as if it had not noticed.
    SkipFence,
    /// Steps go on before what they rest on is durable.
    AckBeforeCommit,
    /// The journal says undone, and nothing was.
    DropUndo,
    /// An event is routed a second time, and no key keeps its second run out.
    RouteTwice,
}

impl Fault {
    pub(crate) fn is_seeded(self) -> bool {
        is_seeded(self)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no fault: seed skip_fence, ack_before_commit, drop_undo or route_twice")]
pub struct NoSuchFault(String);

impl FromStr for Fault {
    type Err = NoSuchFault;

    fn from_str(word: &str) -> Result<Self, NoSuchFault> {
        match word {
            "skip_fence" => Ok(Self::SkipFence),
            "ack_before_commit" => Ok(Self::AckBeforeCommit),
            "drop_undo" => Ok(Self::DropUndo),
            "route_twice" => Ok(Self::RouteTwice),
            other => Err(NoSuchFault(other.to_owned())),
        }
    }
}

static SEEDED: OnceLock<Option<Fault>> = OnceLock::new();

/// Seeds a fault for this process.
pub fn seed(fault: Option<Fault>) {
    let _ = SEEDED.set(fault);
}

pub(super) fn is_seeded(fault: Fault) -> bool {
    SEEDED.get().copied().flatten() == Some(fault)
}

/// Who a worker writes as: with a skipped fence, as whoever took it over.
pub(super) async fn fence(db: &mut PgConnection, own: Fence) -> Result<Fence, StoreError> {
    if !is_seeded(Fault::SkipFence) {
        return Ok(own);
    }
    Ok(workers::newest(db).await?.unwrap_or(own))
}

/// What a dropped undo says of itself.
pub(super) fn dropped(path: &StepPath) -> Option<Outcome> {
    (is_seeded(Fault::DropUndo) && path.leaf() == "undo").then(|| Outcome::done(Value::Null))
}
