//! What people order of runs: holding, reopening, moving and releasing them, and orders over many.

use super::{PgConnection, Result, StoreError, gates, signals::kind_word};
use crate::run::{Failure, Rank, RunId, SignalKind, StepPath, WorkerId};
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

/// A run as an order finds it; locked against the engine until the transaction ends.
#[derive(Debug, Clone)]
pub struct Target {
    pub id: Uuid,
    pub workflow: String,
    pub key: Option<String>,
    pub parent_run: Option<Uuid>,
    pub ended_at: Option<DateTime<Utc>>,
    pub outcome: Option<String>,
    /// `paused`, `quarantined`, `unreadable`, `no_definition`.
    pub hold: Option<String>,
    pub hold_reason: Option<String>,
    pub dismissed_at: Option<DateTime<Utc>>,
    /// `ready`, `running`, `parked`, `set_aside`; absent when it has ended.
    pub state: Option<String>,
}

/// Locks these runs and says how they stand, in the order of their ids.
pub async fn lock(tx: &mut PgConnection, runs: &[Uuid]) -> Result<Vec<Target>> {
    sqlx::query_scalar!("select id from run where id = any($1) order by id for update", runs)
        .fetch_all(&mut *tx)
        .await?;
    sqlx::query_scalar!("select id from run_summary where id = any($1) order by id for update", runs)
        .fetch_all(&mut *tx)
        .await?;
    look(tx, runs).await
}

/// How these runs stand, without a lock.
pub async fn look(db: &mut PgConnection, runs: &[Uuid]) -> Result<Vec<Target>> {
    let rows = sqlx::query_as!(
        Target,
        r#"select summary.id, summary.workflow, summary.key, summary.parent_run, summary.ended_at,
                  summary.outcome, summary.hold, summary.hold_reason, summary.dismissed_at,
                  run.state as "state?"
           from run_summary summary left join run on run.id = summary.id
           where summary.id = any($1) order by summary.id"#,
        runs
    );
    Ok(rows.fetch_all(db).await?)
}

/// Which runs an order over many is about.
#[derive(Debug, Clone, Default)]
pub struct Match {
    pub ids: Option<Vec<Uuid>>,
    pub workflow: Option<String>,
    /// `open`, `ended`, `paused`, `set_aside`, `attention`, or an outcome such as `failed`.
    pub state: Option<String>,
    pub started_before: Option<DateTime<Utc>>,
    pub failed_step: Option<String>,
    pub class: Option<String>,
}

/// The next runs after an id that match.
pub async fn matching(db: &mut PgConnection, wanted: &Match, after: Uuid, limit: i64) -> Result<Vec<Uuid>> {
    let rows = sqlx::query_scalar!(
        "select id from run_summary
         where id > $1
           and ($2::uuid[] is null or id = any($2))
           and ($3::text is null or workflow = $3)
           and ($4::text is null or case $4
                when 'open' then ended_at is null
                when 'ended' then ended_at is not null
                when 'paused' then hold = 'paused' and ended_at is null
                when 'set_aside' then hold <> 'paused' and ended_at is null
                when 'attention' then attention and (outcome = 'failed' or (hold <> 'paused' and ended_at is null))
                else outcome = $4 end)
           and ($5::timestamptz is null or started_at < $5)
           and ($6::text is null or failed_step = $6)
           and ($7::text is null or failure_class = $7)
         order by id limit $8",
        after,
        wanted.ids.as_deref(),
        wanted.workflow,
        wanted.state,
        wanted.started_before,
        wanted.failed_step,
        wanted.class,
        limit
    );
    Ok(rows.fetch_all(db).await?)
}

/// Runs that these wait for, their children and so on, as far as they are open.
pub async fn open_descendants(db: &mut PgConnection, runs: &[Uuid]) -> Result<Vec<Uuid>> {
    let rows = sqlx::query_scalar!(
        r#"with recursive below as (
               select id from run_summary where parent_run = any($1) and ended_at is null
               union
               select child.id from run_summary child join below on child.parent_run = below.id
               where child.ended_at is null
           )
           select id as "id!" from below"#,
        runs
    );
    Ok(rows.fetch_all(db).await?)
}

/// Sends one signal to each of these runs and wakes those that are parked.
pub async fn send(db: &mut PgConnection, runs: &[Uuid], kind: SignalKind, body: &Value) -> Result<()> {
    let ids: Vec<Uuid> = runs.iter().map(|_| Uuid::now_v7()).collect();
    sqlx::query!(
        "with woken as (
             update run set signals = signals + 1,
                 state = case when state = 'parked' then 'ready' else state end,
                 next_at = case when state = 'parked' then takt_now() else next_at end
             where id = any($1) returning id
         )
         insert into signal (id, run_id, kind, body)
         select new.id, new.run_id, $3, $4 from unnest($2::uuid[], $1::uuid[]) as new (id, run_id)
         join woken on woken.id = new.run_id",
        runs,
        &ids,
        kind_word(kind),
        body
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Says in the list that runs are paused and why, or no longer. Why a run was set aside stays until it is released.
pub async fn mark_paused(db: &mut PgConnection, runs: &[Uuid], reason: Option<&str>) -> Result<()> {
    sqlx::query!(
        "update run_summary set hold = case when $2::text is not null then 'paused' end, hold_reason = $2
         where id = any($1) and (hold is null or hold = 'paused')",
        runs,
        reason
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn dismiss(db: &mut PgConnection, runs: &[Uuid]) -> Result<()> {
    sqlx::query!(
        "update run_summary set dismissed_at = takt_now(), attention = false where id = any($1)",
        runs
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What a run failed at, for lists; the journal has it too.
pub async fn failed(db: &mut PgConnection, run: RunId, step: &StepPath, failure: &Failure) -> Result<()> {
    sqlx::query!(
        "update run_summary set failed_step = $2, failure_class = $3, failure = $4, attention = true where id = $1",
        run.0,
        step.as_str(),
        failure.class,
        failure.message
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Puts an ended run back among the live ones, pinned to a version; with a lane into its queue, see [`super::lanes::settle`].
/// False when an open run has its key.
pub async fn reopen(
    tx: &mut PgConnection,
    run: RunId,
    sha256: &str,
    rank: &Rank,
    lane: Option<i64>,
) -> Result<bool> {
    let keyed = sqlx::query!(
        "insert into open_key (workflow, key, run_id)
         select workflow, key, id from run_summary where id = $1 and key is not null
         on conflict do nothing",
        run.0
    )
    .execute(&mut *tx)
    .await?;
    let live = sqlx::query!(
        "with reopened as (
             update run_summary
             set ended_at = null, outcome = null, waiting_for = null, hold = null, hold_reason = null,
                 failed_step = null, failure_class = null, failure = null, dismissed_at = null, attention = false
             where id = $1 and ended_at is not null and (key is null or $3)
             returning id
         )
         insert into run (id, version_id, state, next_at, priority, fair, lane)
         select reopened.id, version.id, case when $6::bigint is null then 'ready' else 'queued' end,
                case when $6::bigint is null then takt_now() end, $4, $5, $6
         from reopened, workflow_version version where version.sha256 = $2",
        run.0,
        sha256,
        keyed.rows_affected() == 1,
        rank.priority,
        rank.fair,
        lane
    )
    .execute(&mut *tx)
    .await?;
    if live.rows_affected() == 1 {
        return Ok(true);
    }
    if keyed.rows_affected() == 1 {
        sqlx::query!("delete from open_key where run_id = $1", run.0).execute(tx).await?;
    }
    Ok(false)
}

/// Pins a live run to another version and lets it look around.
pub async fn pin(tx: &mut PgConnection, run: RunId, sha256: &str) -> Result<()> {
    sqlx::query!(
        "update run set version_id = version.id,
             state = case when state = 'parked' then 'ready' else state end,
             next_at = case when state = 'parked' then takt_now() else next_at end
         from workflow_version version where run.id = $1 and version.sha256 = $2",
        run.0,
        sha256
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The newest version of a workflow that is stored.
pub async fn newest_version(db: &mut PgConnection, workflow: &str) -> Result<Option<String>> {
    let sha256 = sqlx::query_scalar!(
        "select sha256 from workflow_version where workflow = $1 order by id desc limit 1",
        workflow
    );
    Ok(sha256.fetch_optional(db).await?)
}

/// Takes a run that its worker cannot drive out of the engine's hands.
pub async fn set_aside(
    db: &mut PgConnection,
    run: RunId,
    worker: WorkerId,
    hold: &str,
    reason: &str,
) -> Result<()> {
    sqlx::query!(
        "with aside as (
             update run set state = 'set_aside', owner = null, next_at = null
             where id = $1 and owner = $2 returning id
         )
         update run_summary summary set hold = $3, hold_reason = $4, waiting_for = null, attention = true
         from aside where summary.id = aside.id",
        run.0,
        worker.0,
        hold,
        reason
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Gives a run that was set aside back to the engine, with a clean record.
pub async fn release(tx: &mut PgConnection, run: RunId) -> Result<()> {
    sqlx::query!(
        "update run set state = 'ready', next_at = takt_now(), takeovers = 0, taken_at = null
         where id = $1 and state = 'set_aside'",
        run.0
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update run_summary set hold = null, hold_reason = null, attention = failed_step is not null where id = $1",
        run.0
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Lets another run begin with the key of one that is held; true where it had one.
pub async fn give_up_key(db: &mut PgConnection, run: RunId) -> Result<bool> {
    let given_up = sqlx::query!("delete from open_key where run_id = $1", run.0).execute(db).await?;
    Ok(given_up.rows_affected() > 0)
}

/// Ends a run that nobody can drive any more: nothing of it is undone.
pub async fn abandon(tx: &mut PgConnection, run: RunId) -> Result<()> {
    sqlx::query!(
        "update run_summary set ended_at = takt_now(), outcome = 'cancelled', waiting_for = null where id = $1",
        run.0
    )
    .execute(&mut *tx)
    .await?;
    gates::close_of_runs(tx, &[run.0]).await?;
    sqlx::query!("delete from subscription where run_id = $1", run.0).execute(&mut *tx).await?;
    sqlx::query!("delete from signal where run_id = $1", run.0).execute(&mut *tx).await?;
    sqlx::query!("delete from open_key where run_id = $1", run.0).execute(&mut *tx).await?;
    sqlx::query!("delete from run where id = $1", run.0).execute(tx).await?;
    Ok(())
}

/// Working runs of this worker that somebody wants to pause or cancel.
pub async fn urgent(db: &mut PgConnection, worker: WorkerId) -> Result<Vec<RunId>> {
    let rows = sqlx::query_scalar!(
        "select id from run
         where id = any(array(select run_id from signal where kind in ('cancel', 'pause')))
           and owner = $1 and state = 'running'",
        worker.0
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(RunId).collect())
}

/// An order over many runs on its way.
#[derive(Debug, Clone)]
pub struct BulkOrder {
    pub id: Uuid,
    pub action: Value,
    pub filter: Value,
    pub by: String,
    pub reason: String,
    pub cursor: Uuid,
    pub done: i64,
    pub left_out: Value,
    pub finished_at: Option<DateTime<Utc>>,
}

pub async fn open_order(db: &mut PgConnection, order: &BulkOrder) -> Result<()> {
    sqlx::query!(
        "insert into bulk_order (id, action, filter, by, reason) values ($1, $2, $3, $4, $5)",
        order.id,
        order.action,
        order.filter,
        order.by,
        order.reason
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Locks an order for its next page: two that work on it take turns.
pub async fn lock_order(tx: &mut PgConnection, id: Uuid) -> Result<Option<BulkOrder>> {
    let order = sqlx::query_as!(
        BulkOrder,
        "select id, action, filter, by, reason, cursor, done, left_out, finished_at
         from bulk_order where id = $1 for update",
        id
    );
    Ok(order.fetch_optional(tx).await?)
}

pub async fn advance_order(tx: &mut PgConnection, order: &BulkOrder, is_finished: bool) -> Result<()> {
    sqlx::query!(
        "update bulk_order set cursor = $2, done = $3, left_out = $4,
             finished_at = case when $5 then takt_now() end
         where id = $1",
        order.id,
        order.cursor,
        order.done,
        order.left_out,
        is_finished
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Adds to today's counts of deferred retries.
pub async fn count_deferred(db: &mut PgConnection, counts: &[(String, u32)]) -> Result<()> {
    let (systems, counts): (Vec<String>, Vec<i64>) =
        counts.iter().map(|(system, count)| (system.clone(), i64::from(*count))).unzip();
    sqlx::query!(
        "insert into retry_deferral (system, day, count)
         select system, takt_now()::date, count from unnest($1::text[], $2::bigint[]) as new (system, count)
         on conflict (system, day) do update set count = retry_deferral.count + excluded.count",
        &systems,
        &counts
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Retries deferred today and yesterday, by system.
pub async fn deferred(db: &mut PgConnection) -> Result<Vec<(String, i64)>> {
    let rows = sqlx::query!(
        r#"select system, sum(count)::bigint as "count!" from retry_deferral
           where day >= takt_now()::date - 1 group by system order by system"#
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(|row| (row.system, row.count)).collect())
}

/// Runs that somebody has to look at.
pub async fn attention_count(db: &mut PgConnection) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from run_summary
           where attention and (outcome = 'failed' or (hold <> 'paused' and ended_at is null))"#
    );
    Ok(count.fetch_one(db).await?)
}

/// Makes the runs of a dead worker ready; one over which too many have died since it last got on is quarantined.
/// Returns how many became ready and how many were quarantined.
pub async fn release_dead(tx: &mut PgConnection, worker: WorkerId, takeovers_max: i16) -> Result<(u64, u64)> {
    // What got on since the first of these deaths begins to count afresh.
    let freed = sqlx::query!(
        r#"with dead as (
               select run.id, run.takeovers,
                      run.takeovers + 1 >= $2 and not exists (
                          select from journal_record record
                          where record.run_id = run.id and record.at > run.taken_at
                            and record.kind not in ('noted', 'started', 'signalled', 'waiting')) as is_poison,
                      run.takeovers + 1 >= $2 as is_suspect
               from run where owner = $1 and state = 'running'
           ), freed as (
               update run set
                   state = case when dead.is_poison then 'set_aside' else 'ready' end,
                   owner = null, next_at = case when dead.is_poison then null else takt_now() end,
                   takeovers = (case when dead.is_suspect and not dead.is_poison then 1
                                     else dead.takeovers + 1 end)::smallint,
                   taken_at = case when dead.takeovers = 0 or (dead.is_suspect and not dead.is_poison)
                                   then takt_now() else run.taken_at end
               from dead where run.id = dead.id returning run.id, run.state, run.takeovers
           ), held as (
               update run_summary summary set hold = 'quarantined', waiting_for = null, attention = true,
                   hold_reason = 'a worker died over it ' || freed.takeovers
                       || ' times without getting any further'
               from freed where summary.id = freed.id and freed.state = 'set_aside'
           )
           select count(*) filter (where state = 'ready') as "ready!",
                  count(*) filter (where state = 'set_aside') as "quarantined!" from freed"#,
        worker.0,
        i32::from(takeovers_max)
    )
    .fetch_one(tx)
    .await?;
    Ok((u64::try_from(freed.ready).unwrap_or(0), u64::try_from(freed.quarantined).unwrap_or(0)))
}

/// The rows of a list are unreadable only when another version wrote them.
pub fn unreadable(source: serde_json::Error) -> StoreError {
    StoreError::Unreadable { what: "bulk_order", source }
}

/// A run that needs somebody, with the reason.
#[derive(Debug, Clone)]
pub struct Attention {
    pub id: Uuid,
    pub workflow: String,
    pub title: String,
    pub subject: Option<String>,
    pub parent_run: Option<Uuid>,
    pub started_at: DateTime<Utc>,
    pub hold: Option<String>,
    pub hold_reason: Option<String>,
    pub failed_step: Option<String>,
    pub failure_class: Option<String>,
    pub failure: Option<String>,
}

/// The newest first.
pub async fn attention(db: &mut PgConnection, limit: i64) -> Result<Vec<Attention>> {
    let rows = sqlx::query_as!(
        Attention,
        "select id, workflow, title, subject, parent_run, started_at, hold, hold_reason, failed_step,
                failure_class, failure
         from run_summary
         where attention and (outcome = 'failed' or (hold <> 'paused' and ended_at is null))
         order by id desc limit $1",
        limit
    );
    Ok(rows.fetch_all(db).await?)
}
