//! What `takt bench` asks of the server: how much it has written, and how fast it can commit one row.

use super::{PgConnection, Result, clock, partitions};
use chrono::Days;
use std::time::Duration;
use uuid::Uuid;

/// Counters of the server; only their differences mean something.
#[derive(Debug, Clone)]
pub struct Counters {
    /// Transactions that wrote something.
    pub transactions: i64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: i64,
    /// Processes of the server that are visible here.
    pub processes: Vec<i32>,
}

pub async fn counters(db: &mut PgConnection) -> Result<Counters> {
    let row = sqlx::query!(
        r#"select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as "transactions!",
                  (pg_current_wal_lsn() - '0/0')::bigint as "wal_bytes!",
                  array(select pid from pg_stat_activity where pid is not null) as "processes!""#
    )
    .fetch_one(db)
    .await?;
    Ok(Counters { transactions: row.transactions, wal_bytes: row.wal_bytes, processes: row.processes })
}

/// The newest run; the lowest id there can be where there is none.
pub async fn newest(db: &mut PgConnection, workflow: &str) -> Result<Uuid> {
    let id = sqlx::query_scalar!(
        "select id from run_summary where workflow = $1 order by id desc limit 1",
        workflow
    );
    Ok(id.fetch_optional(db).await?.unwrap_or_default())
}

/// The first run that has not ended, from one on: whoever goes on from there passes no run twice.
pub async fn first_open(db: &mut PgConnection, workflow: &str, from: Uuid) -> Result<Option<Uuid>> {
    let id = sqlx::query_scalar!(
        "select id from run_summary where workflow = $1 and id >= $2 and ended_at is null order by id limit 1",
        workflow,
        from
    );
    Ok(id.fetch_optional(db).await?)
}

pub async fn ended_after(db: &mut PgConnection, workflow: &str, run: Uuid) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from run_summary where workflow = $1 and id > $2 and ended_at is not null"#,
        workflow,
        run
    );
    Ok(count.fetch_one(db).await?)
}

pub async fn server(db: &mut PgConnection) -> Result<String> {
    let words = sqlx::query_scalar!(
        r#"select 'PostgreSQL ' || current_setting('server_version') || ', fsync ' || current_setting('fsync')
               || ', synchronous_commit ' || current_setting('synchronous_commit') as "words!""#
    );
    Ok(words.fetch_one(db).await?)
}

/// The statement of the limit: one row as narrow as a journal row, and its index entry.
pub const COMMIT_ONE: &str =
    "insert into bench_limit values (gen_random_uuid(), 0, clock_timestamp(), '[[0,\"s1\",1,\"started\"]]')";

/// An empty table for the limit.
pub async fn make_limit_table(db: &mut PgConnection) -> Result<()> {
    raw(
        db,
        "create table if not exists bench_limit (run_id uuid not null, seq integer not null, at timestamptz not null,
                                                 records json not null, primary key (run_id, seq))",
    )
    .await?;
    raw(db, "truncate bench_limit").await
}

/// As autovacuum leaves a site's tables, and does not while they are filled.
pub async fn vacuum(db: &mut PgConnection) -> Result<()> {
    raw(db, "vacuum (analyze)").await
}

/// One durable commit of one row.
pub async fn commit_one(db: &mut PgConnection) -> Result<()> {
    raw(db, COMMIT_ONE).await
}

#[expect(clippy::disallowed_methods, reason = "the table is the measurement's own, no migration knows it")]
async fn raw(db: &mut PgConnection, sql: &'static str) -> Result<()> {
    sqlx::query(sql).execute(db).await?;
    Ok(())
}

/// Partitions for today and the days before it.
pub async fn make_days(db: &mut PgConnection, back: u64) -> Result<()> {
    let today = clock::now(db).await?.date_naive();
    for day in (0..=back).filter_map(|back| today.checked_sub_days(Days::new(back))) {
        partitions::make_day(db, day).await?;
    }
    Ok(())
}

/// Runs as a long-lived site has them.
#[derive(Debug)]
pub struct History<'a> {
    pub workflow: &'a str,
    /// What its steps call.
    pub tool: &'a str,
    pub count: i64,
    /// They wait at their first step for a time a month away; the others have ended after five steps.
    pub parked: bool,
    /// Seconds ago that the first began, and the last.
    pub from: f64,
    pub until: f64,
}

/// Stores runs in the rows that the engine would have written, with those of the audit trail: the start, and each write.
pub async fn store_history(db: &mut PgConnection, history: &History<'_>) -> Result<()> {
    sqlx::query!(
        r#"with new as materialized (
             select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7'
                     || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid as id, at
             from (select clock_timestamp() - make_interval(secs => $5::double precision
                          + ($6::double precision - $5::double precision) * n / $3::bigint) as at
                   from generate_series(1, $3::bigint) as n) as times
         ), version as materialized (
             select id, sha256 from workflow_version where workflow = $1::text order by id desc limit 1
         ), summary as (
             insert into run_summary (id, workflow, title, started_at, ended_at, outcome, waiting_for)
             select id, $1::text, 'Bench', at, case when not $4::boolean then at end,
                    case when not $4::boolean then 'done' end, case when $4::boolean then 's1' end
             from new
         ), live as (
             insert into run (id, version_id, state, next_at)
             select new.id, version.id, 'parked', clock_timestamp() + interval '30 days'
             from new, version where $4::boolean
         ), journaled as (
             insert into journal (run_id, seq, at, records)
             select id, seq * 2, at, '[[0,"s1",1,"done",{"output":{}}],[12,"s2",1,"started"]]'::json
             from new, generate_series(0, case when $4::boolean then 1 else 5 end) as seq
         ), started as (
             insert into audit_record (at, actor, actor_kind, action, object, run_id, workflow, version)
             select at, 'bench', 'person', 'run.start', new.id::text, new.id, $1::text, sha256 from new, version
         )
         insert into audit_record (at, actor, actor_kind, action, object, run_id, step, workflow, version, system,
                                   request_hash, response_hash, correlation)
         select at, 'takt', 'system', 'write.done', $2::text, new.id, 's' || step, $1::text, sha256,
                split_part($2::text, '.', 1), sha256, sha256, gen_random_uuid()::text
         from new, version, generate_series(1, 5) as step where not $4::boolean"#,
        history.workflow,
        history.tool,
        history.count,
        history.parked,
        history.from,
        history.until
    )
    .execute(db)
    .await?;
    Ok(())
}

/// From the start to the end of each of the newest runs.
pub async fn latencies(db: &mut PgConnection, workflow: &str, count: i64) -> Result<Vec<Duration>> {
    let seconds = sqlx::query_scalar!(
        r#"select extract(epoch from ended_at - started_at)::double precision as "seconds!" from run_summary
           where workflow = $1 and ended_at is not null order by id desc limit $2"#,
        workflow,
        count
    );
    Ok(durations(seconds.fetch_all(db).await?))
}

/// From the start of each of the newest runs to the first thing that its worker did.
pub async fn claims(db: &mut PgConnection, workflow: &str, count: i64) -> Result<Vec<Duration>> {
    let seconds = sqlx::query_scalar!(
        r#"select extract(epoch from first.at - summary.started_at)::double precision as "seconds!"
           from run_summary summary join journal first on first.run_id = summary.id and first.seq = 1
           where workflow = $1 and ended_at is not null order by summary.id desc limit $2"#,
        workflow,
        count
    );
    Ok(durations(seconds.fetch_all(db).await?))
}

fn durations(seconds: Vec<f64>) -> Vec<Duration> {
    seconds.into_iter().map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()).collect()
}
