//! Lanes: at most so many runs of a workflow with one key at a time. A run without a lane costs nothing here.
//!
//! `in_use` and who is let in change only under the lane's row lock. Transactions that start and end many runs
//! take these locks together and in the order of ids, as the last they do: see [`settle`]. So a place is free
//! exactly when its holder's end is committed, and nobody waits in a circle.

use super::{PgConnection, Result};
use crate::run::RunId;
use serde::Serialize;
use sqlx::Connection;
use uuid::Uuid;

/// The lane of this key; made when it is new. Call [`settle`] in the same transaction, after the run was added.
pub async fn find_or_make(db: &mut PgConnection, workflow: &str, key: &str, limit: i32) -> Result<i64> {
    loop {
        // The shared lock keeps `forget_unused` from deleting the lane before the run is in it.
        let found = sqlx::query_scalar!(
            "select id from lane where workflow = $1 and key = $2 for key share",
            workflow,
            key
        )
        .fetch_optional(&mut *db)
        .await?;
        if let Some(id) = found {
            return Ok(id);
        }
        sqlx::query!(
            r#"insert into lane (workflow, key, "limit") values ($1, $2, $3) on conflict do nothing"#,
            workflow,
            key,
            limit
        )
        .execute(&mut *db)
        .await?;
    }
}

/// Frees the places of runs that have ended (one lane for each of them) and lets queued runs into these lanes
/// and into those that were joined: by priority, then by age. Returns how many were let in.
pub async fn settle(db: &mut PgConnection, left: &[i64], joined: &[i64]) -> Result<u64> {
    if left.is_empty() && joined.is_empty() {
        return Ok(0);
    }
    let touched: Vec<i64> = left.iter().chain(joined).copied().collect();
    lock(db, &touched).await?;
    // A statement of its own: it must see what others committed before they let go of the lock.
    let let_in = sqlx::query_scalar!(
        r#"with room as (
               select lane.id, greatest(lane.in_use - coalesce(gone.runs, 0), 0) as used,
                      greatest(lane."limit" - lane.in_use + coalesce(gone.runs, 0), 0)::bigint as places
               from lane left join (
                   select id, count(*)::int as runs from unnest($1::bigint[]) as gone (id) group by id
               ) gone on gone.id = lane.id
               where lane.id = any($2)
           ), next as (
               select first.id from room cross join lateral (
                   select id from run where lane = room.id and state = 'queued'
                   order by priority desc, id limit room.places for update
               ) first
           ), let_in as (
               update run set state = case when next_at > takt_now() then 'parked' else 'ready' end,
                              next_at = greatest(next_at, takt_now())
               where id = any(array(select id from next)) and state = 'queued'
               returning lane
           ), counted as (
               update lane set in_use = room.used + coalesce(entered.runs, 0), used_at = takt_now()
               from room left join (
                   select lane, count(*)::int as runs from let_in group by lane
               ) entered on entered.lane = room.id
               where lane.id = room.id and lane.in_use <> room.used + coalesce(entered.runs, 0)
           )
           select count(*) as "count!" from let_in"#,
        left,
        &touched
    )
    .fetch_one(db)
    .await?;
    Ok(let_in.unsigned_abs())
}

async fn lock(db: &mut PgConnection, lanes: &[i64]) -> Result<()> {
    sqlx::query!("select id from lane where id = any($1) order by id for no key update", lanes)
        .fetch_all(db)
        .await?;
    Ok(())
}

/// Who is in this lane or in its queue, oldest first.
pub async fn members(db: &mut PgConnection, workflow: &str, key: &str) -> Result<Vec<RunId>> {
    let rows = sqlx::query_scalar!(
        "select run.id from run join lane on lane.id = run.lane
         where lane.workflow = $1 and lane.key = $2 order by run.id",
        workflow,
        key
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(RunId).collect())
}

/// Takes those of these runs that queue and have done nothing yet out of their queues, ready to hear that they were cancelled;
/// a reopened one has something to undo, and waits for its place. No lane is waited for:
/// nobody's place becomes free, and whoever orders this holds runs that a lane's owner may be waiting for.
pub async fn leave_queue(db: &mut PgConnection, runs: &[Uuid]) -> Result<()> {
    sqlx::query!(
        "update run set state = 'ready', lane = null, next_at = takt_now() where id = any($1) and state = 'queued'
             and not exists (select from journal where journal.run_id = run.id and seq > 0)",
        runs
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Puts the limits of published workflows in force, for runs that already queue as well. A workflow without
/// `concurrency` has none: whoever still queues is let in.
pub async fn set_limits(db: &mut PgConnection, workflows: &[String], limits: &[Option<i32>]) -> Result<u64> {
    let mut tx = db.begin().await?;
    let changed = sqlx::query_scalar!(
        r#"with changed as (
               select lane.id, coalesce(new."limit", 2147483647) as "limit"
               from unnest($1::text[], $2::int[]) as new (workflow, "limit")
               join lane on lane.workflow = new.workflow
               where lane."limit" <> coalesce(new."limit", 2147483647)
               order by lane.id for no key update of lane
           )
           update lane set "limit" = changed."limit" from changed where lane.id = changed.id
           returning lane.id"#,
        workflows,
        limits as &[Option<i32>]
    )
    .fetch_all(&mut *tx)
    .await?;
    let let_in = settle(&mut tx, &[], &changed).await?;
    tx.commit().await?;
    Ok(let_in)
}

/// The safety net: counts every lane again and lets in who should have been let in. Returns the lanes that were wrong.
pub async fn mend(db: &mut PgConnection) -> Result<Vec<Violation>> {
    let wrong = violations(&mut *db).await?;
    let lanes: Vec<i64> = wrong.iter().map(|wrong| wrong.lane).collect();
    if lanes.is_empty() {
        return Ok(wrong);
    }
    lock(db, &lanes).await?;
    // What was wrong in passing is right by now, under the lock.
    let wrong: Vec<Violation> =
        violations(&mut *db).await?.into_iter().filter(|wrong| lanes.contains(&wrong.lane)).collect();
    let lanes: Vec<i64> = wrong.iter().map(|wrong| wrong.lane).collect();
    sqlx::query!(
        "update lane set in_use = (select count(*) from run where run.lane = lane.id and run.state <> 'queued')
         where id = any($1)",
        &lanes
    )
    .execute(&mut *db)
    .await?;
    settle(db, &[], &lanes).await?;
    Ok(wrong)
}

/// A lane that does not tell the truth: its count is not that of the runs in it, or a run waits beside a free place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub lane: i64,
    pub workflow: String,
    pub key: String,
    pub limit: i32,
    pub in_use: i32,
    /// Runs that were let in and have not ended.
    pub runs: i64,
    pub queued: i64,
}

/// Empty when every lane's count is true and nobody waits without need.
pub async fn violations(db: &mut PgConnection) -> Result<Vec<Violation>> {
    let rows = sqlx::query_as!(
        Violation,
        r#"select lane.id as lane, lane.workflow, lane.key, lane."limit", lane.in_use,
                  coalesce(inside.runs, 0) as "runs!", coalesce(inside.queued, 0) as "queued!"
           from lane left join (
               select lane, count(*) filter (where state <> 'queued') as runs,
                      count(*) filter (where state = 'queued') as queued
               from run where lane is not null group by lane
           ) inside on inside.lane = lane.id
           where lane.in_use <> coalesce(inside.runs, 0)
              or (coalesce(inside.queued, 0) > 0 and lane.in_use < lane."limit")
           order by lane.id"#
    );
    Ok(rows.fetch_all(db).await?)
}

/// Deletes lanes that nobody has used for a day.
pub async fn forget_unused(db: &mut PgConnection) -> Result<u64> {
    let done = sqlx::query!(
        "delete from lane where id in (
             select id from lane where in_use = 0 and used_at < takt_now() - interval '1 day'
               and not exists (select from run where run.lane = lane.id)
             order by id limit 1000 for update skip locked)"
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// A run that waits for a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Queued {
    #[serde(skip)]
    pub run: Uuid,
    pub key: String,
    pub limit: i32,
    pub in_use: i32,
    /// 1 is next; counted up to 1,000.
    pub position: i64,
}

/// Where these runs stand in their queues; those that wait for no lane are left out.
pub async fn queued(db: &mut PgConnection, runs: &[Uuid]) -> Result<Vec<Queued>> {
    let rows = sqlx::query_as!(
        Queued,
        r#"select run.id as run, lane.key, lane."limit", lane.in_use,
                  (select count(*) from (
                       select from run ahead
                       where ahead.lane = run.lane and ahead.state = 'queued'
                         and (ahead.priority > run.priority or ahead.priority = run.priority and ahead.id <= run.id)
                       order by ahead.priority desc, ahead.id limit 1000) ahead) as "position!"
           from run join lane on lane.id = run.lane
           where run.id = any($1) and run.state = 'queued'"#,
        runs
    );
    Ok(rows.fetch_all(db).await?)
}

/// A lane as the status page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lane {
    pub workflow: String,
    pub key: String,
    pub limit: i32,
    pub in_use: i32,
    pub queued: i64,
}

/// Lanes that somebody waits for or is in, the longest queue first.
pub async fn busy(db: &mut PgConnection, limit: i64) -> Result<Vec<Lane>> {
    let rows = sqlx::query_as!(
        Lane,
        r#"select lane.workflow, lane.key, lane."limit", lane.in_use, coalesce(waiting.runs, 0) as "queued!"
           from lane left join (
               select lane, count(*) as runs from run where lane is not null and state = 'queued' group by lane
           ) waiting on waiting.lane = lane.id
           where lane.in_use > 0 or waiting.runs > 0
           order by waiting.runs desc nulls last, lane.workflow, lane.key limit $1"#,
        limit
    );
    Ok(rows.fetch_all(db).await?)
}
