//! The hot table: one narrow row per live run.

use super::{PgConnection, Result, commits::Fence};
use crate::run::{RunId, WorkerId};
use chrono::{DateTime, Utc};

/// A run this worker now owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    pub run: RunId,
    pub sha256: String,
    /// Signals sent to the run so far; parking compares with it.
    pub signals: i32,
}

/// Takes ready runs for this worker; none when the fence refuses. One statement, so a claim is one commit.
pub async fn claim(db: &mut PgConnection, fence: Fence, limit: i64) -> Result<Vec<Claimed>> {
    let rows = sqlx::query!(
        r#"with fence as materialized (
             select id from worker where id = $1 and epoch = $2 for key share
         ), next as (
             select id from run where state = 'ready' and exists (select from fence)
             order by priority, next_at, id limit $3
             for update skip locked
         ), taken as (
             update run set state = 'running', owner = $1, next_at = null
             from next where run.id = next.id
             returning run.id, run.version_id, run.signals
         )
         select taken.id, taken.signals, coalesce(version.sha256, 'deleted') as "sha256!"
         from taken left join workflow_version version on version.id = taken.version_id"#,
        fence.worker.0,
        fence.epoch,
        limit
    )
    .fetch_all(db)
    .await?;
    let claimed =
        rows.into_iter().map(|row| Claimed { run: RunId(row.id), sha256: row.sha256, signals: row.signals });
    Ok(claimed.collect())
}

/// Lets a run rest that cannot be driven, until a time, and says why.
pub async fn set_aside(
    db: &mut PgConnection,
    run: RunId,
    worker: WorkerId,
    until: DateTime<Utc>,
    why: &str,
) -> Result<()> {
    sqlx::query!(
        "with rests as (
             update run set state = 'parked', next_at = $3, owner = null where id = $1 and owner = $2 returning id
         )
         update run_summary summary set waiting_for = $4 from rests where summary.id = rests.id",
        run.0,
        worker.0,
        until,
        why
    )
    .execute(db)
    .await?;
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

/// What a look at the timers found.
#[derive(Debug, Clone, Copy)]
pub struct Timers {
    pub now: DateTime<Utc>,
    pub woken: i64,
    /// When the next timer that is not due yet fires.
    pub next_at: Option<DateTime<Utc>>,
}

/// Makes parked runs ready whose time has come, the longest overdue first.
pub async fn wake_due(db: &mut PgConnection) -> Result<Timers> {
    let row = sqlx::query!(
        r#"with moment as materialized (
             select takt_now() as now
         ), woken as (
             update run set state = 'ready', next_at = null where id in (
                 select id from run where state = 'parked' and next_at <= (select now from moment)
                 order by next_at limit 1000 for update skip locked)
             returning id
         )
         select moment.now as "now!", (select count(*) from woken) as "woken!",
                (select min(next_at) from run where state = 'parked' and next_at > moment.now) as next_at
         from moment"#
    )
    .fetch_one(db)
    .await?;
    Ok(Timers { now: row.now, woken: row.woken, next_at: row.next_at })
}
