//! What `takt bench` asks of the server: how much it has written, and how fast it can commit one row.

use super::{PgConnection, Result};
use std::time::Duration;

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

pub async fn ended(db: &mut PgConnection, workflow: &str) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from run_summary where workflow = $1 and ended_at is not null"#,
        workflow
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

/// Stores runs as a long-lived site has them, in the rows that the engine would have written: `count` that have ended
/// after five steps, or that wait at their first step for a time a month away. The ids end `age` before now.
pub async fn store_history(
    db: &mut PgConnection,
    workflow: &str,
    count: i64,
    parked: bool,
    age: i64,
) -> Result<()> {
    sqlx::query!(
        r#"with new as materialized (
             select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint - $4 - $2 + n), 12, '0') || '7'
                     || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid as id,
                    clock_timestamp() as at
             from generate_series(1, $2::bigint) as n
         ), summary as (
             insert into run_summary (id, workflow, title, started_at, ended_at, outcome, waiting_for)
             select id, $1, 'Bench', at, case when not $3 then at end, case when not $3 then 'done' end,
                    case when $3 then 's1' end
             from new
         ), live as (
             insert into run (id, version_id, state, next_at)
             select id, (select max(id) from workflow_version where workflow = $1), 'parked', at + interval '30 days'
             from new where $3
         )
         insert into journal (run_id, seq, at, records)
         select id, seq * 2, at, '[[0,"s1",1,"done",{"output":{}}],[12,"s2",1,"started"]]'::json
         from new, generate_series(0, case when $3 then 1 else 5 end) as seq"#,
        workflow,
        count,
        parked,
        age
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
