//! Starting a run: its list entry, its first journal record and its hot row, in the caller's transaction.

use crate::{
    run::{Change, NewRun, Record, StartedRun},
    store::{PgConnection, StoreError, journal, runs, summaries, versions},
};
use chrono::{DateTime, Utc};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("workflow `{workflow}` has no stored version {sha256}")]
    NoVersion { workflow: String, sha256: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<StartError> for StoreError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error,
            missing @ StartError::NoVersion { .. } => {
                Self::Database(sqlx::Error::Protocol(missing.to_string()))
            }
        }
    }
}

/// False when the run exists already, or an open run of the workflow has the same key.
pub async fn start_run(db: &mut PgConnection, run: &NewRun, now: DateTime<Utc>) -> Result<bool, StartError> {
    let Some(version) = versions::id_of(db, &run.sha256).await? else {
        return Err(StartError::NoVersion { workflow: run.workflow.clone(), sha256: run.sha256.clone() });
    };
    if !summaries::insert(db, run, now).await? {
        return Ok(false);
    }
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
    let record =
        Record { seq: 0, at: now, path: None, attempt: 0, change: Change::RunStarted(Box::new(start)) };
    journal::append(db, &[(run.id, &record)]).await?;
    runs::insert(db, &[(run.id, version)]).await?;
    Ok(true)
}
