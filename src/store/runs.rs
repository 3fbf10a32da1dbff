//! The hot table: one narrow row per live run.

use super::{PgConnection, Result};
use crate::run::{RunId, WorkerId};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A run this worker now owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    pub run: RunId,
    pub sha256: String,
    /// Signals sent to the run so far; parking compares with it.
    pub signals: i32,
}

/// Rows of runs that park, by column.
#[derive(Debug, Default)]
pub struct Parked {
    pub run: Vec<Uuid>,
    pub wake_at: Vec<Option<DateTime<Utc>>>,
    pub signals: Vec<i32>,
    pub waiting_for: Vec<Option<String>>,
}

pub async fn claim(db: &mut PgConnection, worker: WorkerId, limit: i64) -> Result<Vec<Claimed>> {
    let rows = sqlx::query!(
        "with next as (
             select id from run where state = 'ready'
             order by priority, next_at, id limit $2
             for update skip locked
         ), taken as (
             update run set state = 'running', owner = $1, next_at = null
             from next where run.id = next.id
             returning run.id, run.version_id, run.signals
         )
         select taken.id, taken.signals, version.sha256
         from taken join workflow_version version on version.id = taken.version_id",
        worker.0,
        limit
    )
    .fetch_all(db)
    .await?;
    let claimed = |row: _| {
        let row: (Uuid, String, i32) = row;
        Claimed { run: RunId(row.0), sha256: row.1, signals: row.2 }
    };
    Ok(rows.into_iter().map(|row| claimed((row.id, row.sha256, row.signals))).collect())
}

/// Adds live runs; one that exists already stays as it is.
pub async fn insert(db: &mut PgConnection, runs: &[(RunId, i32)]) -> Result<()> {
    let (ids, versions): (Vec<Uuid>, Vec<i32>) = runs.iter().map(|(run, version)| (run.0, *version)).unzip();
    sqlx::query!(
        "insert into run (id, version_id, state)
         select id, version_id, 'ready' from unnest($1::uuid[], $2::int[]) as new (id, version_id)
         on conflict (id) do nothing",
        &ids,
        &versions
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Parks runs; one that was sent a signal meanwhile is ready at once.
pub async fn park(db: &mut PgConnection, parked: &Parked) -> Result<()> {
    sqlx::query!(
        "update run set
             state = case when run.signals > new.signals then 'ready' else 'parked' end,
             next_at = case when run.signals > new.signals then null else new.wake_at end,
             owner = null
         from unnest($1::uuid[], $2::timestamptz[], $3::int[]) as new (id, wake_at, signals)
         where run.id = new.id",
        &parked.run,
        &parked.wake_at as &[Option<DateTime<Utc>>],
        &parked.signals
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "update run_summary summary set waiting_for = new.waiting_for
         from unnest($1::uuid[], $2::text[]) as new (id, waiting_for)
         where summary.id = new.id and summary.waiting_for is distinct from new.waiting_for",
        &parked.run,
        &parked.waiting_for as &[Option<String>]
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes ended runs out of the hot table.
pub async fn remove(db: &mut PgConnection, runs: &[Uuid]) -> Result<()> {
    sqlx::query!("delete from run where id = any($1)", runs).execute(&mut *db).await?;
    sqlx::query!("delete from subscription where run_id = any($1)", runs).execute(&mut *db).await?;
    sqlx::query!("delete from signal where run_id = any($1)", runs).execute(db).await?;
    Ok(())
}

/// Gives up a run without a result: whoever claims it next reads the journal afresh.
pub async fn give_back(db: &mut PgConnection, run: RunId, worker: WorkerId) -> Result<()> {
    sqlx::query!(
        "update run set state = 'ready', owner = null where id = $1 and owner = $2",
        run.0,
        worker.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Makes parked runs ready whose time has come; returns how many.
pub async fn wake_due(db: &mut PgConnection) -> Result<u64> {
    let done = sqlx::query!(
        "update run set state = 'ready', next_at = null where id in (
             select id from run where state = 'parked' and next_at <= takt_now()
             order by next_at limit 1000 for update skip locked)"
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
