//! Starting runs: their list entries, their first journal records and their hot rows.

use crate::{
    run::{Change, NewRun, Record, StartedRun},
    store::{PgConnection, StoreError, commits},
};
use chrono::{DateTime, Utc};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the definition {0} has no stored version")]
    NoVersion(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<StartError> for StoreError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error,
            missing @ StartError::NoVersion(_) => Self::Database(sqlx::Error::Protocol(missing.to_string())),
        }
    }
}

/// The record a run's journal begins with, and what it says.
pub(super) fn first_record(run: &NewRun, at: DateTime<Utc>) -> (Record, StartedRun) {
    let start = StartedRun {
        workflow: run.workflow.clone(),
        sha256: run.sha256.clone(),
        trigger: run.trigger.clone(),
        inputs: run.inputs.clone(),
        parent: run.parent.clone(),
        approved: run.approved,
        started_by: run.started_by.clone(),
        trace: run.trace.clone(),
    };
    let change = Change::RunStarted(Box::new(start.clone()));
    (Record { seq: 0, at, path: None, attempt: 0, change }, start)
}

/// Makes a run ready for any worker, in the caller's transaction. False when the run exists already, or an open
/// run of the workflow has the same key.
pub async fn start_run(db: &mut PgConnection, run: &NewRun, now: DateTime<Utc>) -> Result<bool, StartError> {
    Ok(start_runs(db, std::slice::from_ref(run), now).await? == 1)
}

/// The same for many, in one statement. Says how many began.
pub async fn start_runs(
    db: &mut PgConnection,
    runs: &[NewRun],
    now: DateTime<Utc>,
) -> Result<usize, StartError> {
    let mut starts = commits::Starts::default();
    for run in runs {
        starts.add(run, now, &[first_record(run, now).0])?;
    }
    let begun = commits::start(db, None, &starts).await?;
    match begun.unknown.into_iter().next() {
        Some(sha256) => Err(StartError::NoVersion(sha256)),
        None => Ok(begun.runs.len()),
    }
}
