//! What people order of runs: cancel, pause, resume, retry, rerun, migrate, dismiss; one run or many.
//!
//! A live run hears of a cancel, a pause and a resume as signals, and its worker journals them. An ended run, and
//! one that nobody works on, is changed here under its lock. Who may order what is decided at the doors.

mod bulk;
mod consider;
mod order;
mod perform;

pub use bulk::{Age, BulkFilter, BulkReport, LeftOut, bulk, continue_bulk};
pub use order::{Action, NoAction, Order, Refusal, Version};
pub use perform::supersede;

use super::Definitions;
use crate::{
    run::RunId,
    store::{Store, StoreError, control},
};
use consider::{Intended, consider};

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("there is no order over many runs with the id {0}")]
    NoSuchOrder(uuid::Uuid),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ControlError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Carries an order out on one run, with its audit, in one transaction. A dry run only says whether it could.
pub async fn apply(
    store: &Store,
    definitions: &Definitions,
    run: RunId,
    order: &Order,
    dry_run: bool,
) -> Result<(), ControlError> {
    let mut tx = store.begin().await?;
    let target = control::lock(&mut tx, &[run.0]).await?.pop().ok_or(Refusal::NoSuchRun(run))?;
    let intended: Intended = consider(&mut tx, definitions, &target, order).await??;
    if !dry_run {
        let mut performed = perform::perform(&mut tx, vec![(target, intended)], order).await?;
        if let Some((_, refusal)) = performed.refused.pop() {
            return Err(refusal.into());
        }
        tx.commit().await?;
        performed.let_in(store).await;
    }
    Ok(())
}
