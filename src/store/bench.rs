//! What `takt bench` asks of the server: how much it has written, and how fast it can commit one row.

use super::{PgConnection, Result};

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

/// One durable commit of one row.
pub async fn commit_one(db: &mut PgConnection) -> Result<()> {
    raw(db, COMMIT_ONE).await
}

#[expect(clippy::disallowed_methods, reason = "the table is the measurement's own, no migration knows it")]
async fn raw(db: &mut PgConnection, sql: &'static str) -> Result<()> {
    sqlx::query(sql).execute(db).await?;
    Ok(())
}
