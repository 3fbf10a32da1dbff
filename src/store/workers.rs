//! Worker processes: lease, epoch, takeover.

use super::{PgConnection, Result, commits::Fence};
use crate::run::WorkerId;
use chrono::{DateTime, Utc};
use std::time::Duration;

pub async fn register(db: &mut PgConnection, name: &str, lease: Duration) -> Result<WorkerId> {
    let id = sqlx::query_scalar!(
        "insert into worker (name, lease_until)
         values ($1, clock_timestamp() + make_interval(secs => $2)) returning id",
        name,
        lease.as_secs_f64()
    )
    .fetch_one(db)
    .await?;
    Ok(WorkerId(id))
}

/// False when somebody took this worker's runs over: it must stop writing.
pub async fn heartbeat(db: &mut PgConnection, id: WorkerId, epoch: i32, lease: Duration) -> Result<bool> {
    let done = sqlx::query!(
        "update worker set lease_until = clock_timestamp() + make_interval(secs => $3)
         where id = $1 and epoch = $2",
        id.0,
        epoch,
        lease.as_secs_f64()
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// No lease is this long: one that reaches further was written before the host's clock was set back.
const LEASE_AHEAD_MAX: Duration = Duration::from_secs(60);

/// A worker's lease as it stands in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leased {
    pub worker: WorkerId,
    pub until: DateTime<Utc>,
    /// By the clock of the database's host, which may have been set.
    pub is_over: bool,
}

pub async fn leases(db: &mut PgConnection) -> Result<Vec<Leased>> {
    let rows = sqlx::query!(
        r#"select id, lease_until,
                  lease_until < clock_timestamp()
                      or lease_until > clock_timestamp() + make_interval(secs => $1) as "is_over!"
           from worker order by id"#,
        LEASE_AHEAD_MAX.as_secs_f64()
    );
    let leased = rows.fetch_all(db).await?.into_iter().map(|row| Leased {
        worker: WorkerId(row.id),
        until: row.lease_until,
        is_over: row.is_over,
    });
    Ok(leased.collect())
}

/// Bumps the epoch of these workers, unless they have renewed their lease meanwhile, and makes their runs ready; call
/// it in a transaction.
/// Returns who died, how many runs that freed, and how many were quarantined because too many died over them.
pub async fn take_over(
    tx: &mut PgConnection,
    dead: &[Leased],
    takeovers_max: i16,
) -> Result<Vec<(WorkerId, u64, u64)>> {
    let (ids, leases): (Vec<i64>, Vec<DateTime<Utc>>) =
        dead.iter().map(|leased| (leased.worker.0, leased.until)).unzip();
    let dead = sqlx::query_scalar!(
        "update worker set epoch = epoch + 1
         where id in (select held.id from worker held
                      join unnest($1::bigint[], $2::timestamptz[]) as seen (id, lease_until)
                        on seen.id = held.id and seen.lease_until = held.lease_until
                      for update of held skip locked)
         returning id",
        &ids,
        &leases
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut freed = Vec::with_capacity(dead.len());
    for id in dead {
        let worker = WorkerId(id);
        let (ready, quarantined) = super::control::release_dead(tx, worker, takeovers_max).await?;
        freed.push((worker, ready, quarantined));
        sqlx::query!("delete from worker where id = $1", id).execute(&mut *tx).await?;
    }
    Ok(freed)
}

async fn release_runs(db: &mut PgConnection, id: WorkerId) -> Result<u64> {
    let done = sqlx::query!(
        "update run set state = 'ready', owner = null, next_at = takt_now() where owner = $1 and state = 'running'",
        id.0
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// A worker that stops in peace hands its runs over at once; call it in a transaction.
pub async fn retire(tx: &mut PgConnection, id: WorkerId) -> Result<u64> {
    sqlx::query!("delete from worker where id = $1", id.0).execute(&mut *tx).await?;
    release_runs(tx, id).await
}

/// Workers alive now, for health.
pub async fn alive(db: &mut PgConnection) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from worker where lease_until > clock_timestamp()"#
    );
    Ok(count.fetch_one(db).await?)
}

/// The worker that registered last; only a seeded fault asks.
pub async fn newest(db: &mut PgConnection) -> Result<Option<Fence>> {
    let row =
        sqlx::query!("select id, epoch from worker order by id desc limit 1").fetch_optional(db).await?;
    Ok(row.map(|row| Fence { worker: WorkerId(row.id), epoch: row.epoch }))
}
