//! Starting runs: their list entries, their first journal records and their hot rows.

use super::admit::admit;
use crate::{
    run::{Change, NewRun, Record, StartedRun},
    store::{self, PgConnection, StoreError, commits, lanes, partitions},
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
        shadow: run.shadow,
        started_by: run.started_by.clone(),
        trace: run.trace.clone(),
        rank: run.turn.rank(),
    };
    let change = Change::RunStarted(Box::new(start.clone()));
    (Record { seq: 0, at, path: None, attempt: 0, change }, start)
}

/// Makes a run ready for any worker, in the caller's transaction. False when the run exists already, or an open
/// run of the workflow has the same key.
pub async fn start_run(db: &mut PgConnection, run: &NewRun, now: DateTime<Utc>) -> Result<bool, StartError> {
    Ok(start_runs(db, std::slice::from_ref(run), now).await? == 1)
}

/// The same for many, in one statement unless some have a lane. Says how many began.
pub async fn start_runs(
    db: &mut PgConnection,
    runs: &[NewRun],
    now: DateTime<Utc>,
) -> Result<usize, StartError> {
    let started = start_together(db, runs, now).await;
    if let Err(StartError::Store(error)) = &started
        && let Some(day) = partitions::missing_day(error)
    {
        partitions::make_day(db, day).await?;
        return start_together(db, runs, now).await;
    }
    started
}

/// In a part of the transaction, which goes on when this is refused.
async fn start_together(
    db: &mut PgConnection,
    runs: &[NewRun],
    now: DateTime<Utc>,
) -> Result<usize, StartError> {
    let mut part = store::part(db).await?;
    let mut joined = Vec::new();
    let begun = match queue_runs(&mut part, runs, now, &mut joined).await {
        Ok(begun) => begun,
        Err(error) => {
            part.rollback().await.map_err(StoreError::from)?;
            return Err(error);
        }
    };
    lanes::settle(&mut part, &[], &joined).await?;
    part.commit().await.map_err(StoreError::from)?;
    Ok(begun)
}

/// One start of several in a transaction: the lanes that are joined are left to `lanes::settle`, which the caller
/// calls once, as the last.
pub async fn queue_run(
    db: &mut PgConnection,
    run: &NewRun,
    now: DateTime<Utc>,
    joined: &mut Vec<i64>,
) -> Result<bool, StartError> {
    Ok(queue_runs(db, std::slice::from_ref(run), now, joined).await? == 1)
}

async fn queue_runs(
    db: &mut PgConnection,
    runs: &[NewRun],
    now: DateTime<Utc>,
    joined: &mut Vec<i64>,
) -> Result<usize, StartError> {
    let mut starts = commits::Starts::default();
    for run in runs {
        let place = admit(db, run, now).await?;
        joined.extend(place.lane);
        starts.add(run, now, &[first_record(run, now).0], place, None)?;
    }
    let begun = commits::start(db, None, &starts).await?;
    match begun.unknown.into_iter().next() {
        Some(sha256) => Err(StartError::NoVersion(sha256)),
        None => Ok(begun.runs.len()),
    }
}
