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
    /// It was let in here; its end frees the place.
    pub lane: Option<i64>,
}

/// Takes ready runs: the higher priority first; within a priority plants take turns, and within a plant its
/// workflows; of each the timer that is due longest first, then the oldest run. One place in eight goes to the run of a lower priority that is
/// the oldest, so that none waits for ever.
///
/// Looks only at what became ready since a time: what vacuum may not remove yet, because somebody reads for long,
/// lies before it. None when the fence refuses. One statement, so a claim is one commit.
#[expect(clippy::too_many_lines, reason = "it is one statement")]
pub async fn claim(
    db: &mut PgConnection,
    fence: Fence,
    since: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Claimed>> {
    // `queue` hops from one (priority, plant, workflow) to the next in the ready-only index, however many rows
    // each has; with a single queue nothing of that is executed. With more queues than four for each place it sees
    // only so many of them, within a priority from another plant on each time (leg 1 goes down from there, leg 2
    // through those above it), and begins a second time in a lower priority that is drawn. Places that are left over
    // go to a queue that has more, so a claim that is not full has left nothing. `id = any(array(…))` keeps the
    // planner from joining the whole table.
    let rows = sqlx::query!(
        r#"with recursive fence as materialized (
             select id from worker where id = $1 and epoch = $2 for key share
         ), top as (
             select priority, fair, version_id from run where state = 'ready' and next_at >= $4 and exists (select from fence)
             order by priority desc, fair desc, version_id desc limit 1
         ), bottom as (
             select priority, fair, version_id from run where state = 'ready' and next_at >= $4
             order by priority, fair, version_id limit 1
         ), start as materialized (
             select floor(random() * 4294967296 - 2147483648)::int as fair
         ), level as (
             select lower.priority from top, bottom cross join lateral (
                 select priority from run where state = 'ready' and next_at >= $4 and priority < top.priority
                 order by priority desc limit 1
             ) lower where bottom.priority < top.priority
             union all
             select lower.priority from level cross join lateral (
                 select priority from run where state = 'ready' and next_at >= $4 and priority < level.priority
                 order by priority desc limit 1
             ) lower
         ), drawn as materialized (
             select priority from level order by random() limit 1
         ), queue as (
             (select top.priority, top.fair, top.version_id, top.fair as top_fair, top.version_id as top_version,
                     0 as leg, 4 * $3::bigint as hops
              from top, bottom where top is distinct from bottom
              union all
              select head.priority, head.fair, head.version_id, head.fair, head.version_id, 0, $3::bigint
              from drawn cross join lateral (
                  select priority, fair, version_id from run
                  where state = 'ready' and next_at >= $4 and priority = drawn.priority
                  order by fair desc, version_id desc limit 1
              ) head)
             union all
             select next.*, queue.hops - 1 from queue cross join start cross join lateral (
                 (select priority, fair, version_id, queue.top_fair, queue.top_version, 1 as leg from run
                  where queue.leg < 2 and state = 'ready' and next_at >= $4 and priority = queue.priority
                    and (fair, version_id) < (least(queue.fair, start.fair),
                        case when start.fair < queue.fair then 2147483647 else queue.version_id end)
                  order by fair desc, version_id desc limit 1)
                 union all
                 (select priority, fair, version_id, queue.top_fair, queue.top_version, 2 from run
                  where state = 'ready' and next_at >= $4 and priority = queue.priority and fair > start.fair
                    and (fair, version_id) < (case when queue.leg = 2 then queue.fair else queue.top_fair end,
                        case when queue.leg = 2 then queue.version_id else queue.top_version end)
                  order by fair desc, version_id desc limit 1)
                 union all
                 (select priority, fair, version_id, fair, version_id, 0 from run
                  where state = 'ready' and next_at >= $4 and priority < queue.priority
                  order by priority desc, fair desc, version_id desc limit 1)
                 limit 1
             ) next where queue.hops > 1
         ), candidate as (
             select queue.*, head.id, head.nth
             from (select *, 1 + 2 * $3::bigint / count(*) over () as share
                   from (select distinct priority, fair, version_id from queue) seen) queue
             cross join lateral (
                 select id, row_number() over (order by next_at, id) as nth
                 from (select id, next_at from run
                       where state = 'ready' and next_at >= $4 and priority = queue.priority and fair = queue.fair
                         and version_id = queue.version_id
                       order by next_at, id limit queue.share) oldest
             ) head
         ), turned as (
             select priority, fair, version_id, share, id,
                    row_number() over (partition by priority, fair order by nth, random()) as turn
             from candidate
         ), aged as (
             select id from turned where priority < (select priority from top)
             order by id limit (select floor($3::bigint / 8.0 + random())::bigint)
         ), seated as (
             (select priority, fair, version_id, share from turned where id not in (select id from aged)
              order by priority desc, turn, random() limit $3::bigint - (select count(*) from aged))
             union all
             select priority, fair, version_id, share from turned where id in (select id from aged)
         ), chosen as (
             select priority, fair, version_id, count(*) = share as has_more,
                    count(*) + case when count(*) = share then $3::bigint - sum(count(*)) over () else 0 end as places
             from seated group by priority, fair, version_id, share
             union all
             select top.*, true, $3::bigint from top, bottom where top is not distinct from bottom
         ), next as (
             select oldest.id from (select * from chosen order by has_more) chosen cross join lateral (
                 select id from run
                 where state = 'ready' and next_at >= $4 and priority = chosen.priority and fair = chosen.fair
                   and version_id = chosen.version_id
                 order by next_at, id limit chosen.places for update skip locked
             ) oldest limit $3
         ), taken as (
             update run set state = 'running', owner = $1, next_at = null
             where id = any(array(select id from next))
             returning run.id, run.version_id, run.signals, run.lane
         )
         select taken.id as "id!", taken.signals as "signals!", taken.lane, coalesce(version.sha256, 'deleted') as "sha256!"
         from taken left join workflow_version version on version.id = taken.version_id"#,
        fence.worker.0,
        fence.epoch,
        limit,
        since
    )
    .fetch_all(db)
    .await?;
    let claimed = rows.into_iter().map(|row| Claimed {
        run: RunId(row.id),
        sha256: row.sha256,
        signals: row.signals,
        lane: row.lane,
    });
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

/// When a run that rests goes on by itself.
pub async fn not_before(db: &mut PgConnection, run: RunId) -> Result<Option<DateTime<Utc>>> {
    let at = sqlx::query_scalar!("select next_at from run where id = $1 and state = 'parked'", run.0);
    Ok(at.fetch_optional(db).await?.flatten())
}

/// Gives up a run without a result: whoever claims it next reads the journal afresh.
pub async fn give_back(db: &mut PgConnection, run: RunId, worker: WorkerId) -> Result<()> {
    sqlx::query!(
        "update run set state = 'ready', owner = null, next_at = takt_now() where id = $1 and owner = $2",
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

/// Since always.
pub const ALWAYS: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// Ready runs of a version that did not say since when they are.
pub async fn date_ready(db: &mut PgConnection) -> Result<()> {
    sqlx::query!("update run set next_at = takt_now() where state = 'ready' and next_at is null")
        .execute(db)
        .await?;
    Ok(())
}

/// Makes parked runs ready whose time has come since a time, the longest overdue first.
pub async fn wake_due(db: &mut PgConnection, since: DateTime<Utc>) -> Result<Timers> {
    let row = sqlx::query!(
        r#"with moment as materialized (
             select takt_now() as now
         ), woken as (
             update run set state = 'ready' where id = any(array(
                 select id from run where state = 'parked' and next_at <= (select now from moment) and next_at >= $1
                 order by next_at limit 1000 for update skip locked))
             returning id
         )
         select moment.now as "now!", (select count(*) from woken) as "woken!",
                (select min(next_at) from run where state = 'parked' and next_at > moment.now) as next_at
         from moment"#,
        since
    )
    .fetch_one(db)
    .await?;
    Ok(Timers { now: row.now, woken: row.woken, next_at: row.next_at })
}
