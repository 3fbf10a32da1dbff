//! What holds vacuum back and by how much the hot tables have bloated, with names: the session, prepared
//! transaction, replication slot or standby to blame. Reads statistics only and needs no special right; without
//! `pg_read_all_stats` the queries of other roles stay hidden.

use super::{PgConnection, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// From when on somebody should look.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// A snapshot held this long keeps dead rows of the hot tables from being cleaned.
    pub held: Duration,
    /// The same for what has no age of its own (slots), in transactions since.
    pub transactions: i64,
    /// WAL that an unused slot keeps on the disk.
    pub slot_bytes: i64,
    /// Dead rows of one hot table, besides as many as it has live ones.
    pub dead_rows: i64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            held: Duration::from_secs(300),
            transactions: 1_000_000,
            slot_bytes: 1 << 30,
            dead_rows: 20_000,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderKind {
    Session,
    Prepared,
    Slot,
    Standby,
}

impl HolderKind {
    pub const ALL: [Self; 4] = [Self::Session, Self::Prepared, Self::Slot, Self::Standby];

    pub fn word(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Prepared => "prepared",
            Self::Slot => "slot",
            Self::Standby => "standby",
        }
    }
}

/// Something that vacuum must wait for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    pub kind: HolderKind,
    pub pid: Option<i32>,
    /// The application's, slot's or transaction's own name.
    pub name: String,
    pub seconds: f64,
    pub transactions: i64,
    /// WAL kept for a slot.
    pub bytes: i64,
    /// What a session runs or ran last: for signed-in people only.
    pub query: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub name: String,
    pub dead_rows: i64,
    pub live_rows: i64,
    pub bytes: i64,
}

/// Longest text of a query that is kept.
const QUERY_CHARS_MAX: i32 = 160;

/// Every holder in this database, oldest first.
pub async fn holders(db: &mut PgConnection) -> Result<Vec<Holder>> {
    let rows = sqlx::query!(
        r#"select 'session' as "kind!", pid, coalesce(nullif(application_name, ''), usename, 'unnamed') as "name!",
                  coalesce(extract(epoch from clock_timestamp() - coalesce(xact_start, query_start)), 0)::float8 as "seconds!",
                  age(coalesce(backend_xmin, backend_xid))::bigint as "transactions!",
                  0::bigint as "bytes!",
                  left(regexp_replace(query, '\s+', ' ', 'g'), $1) as query
           from pg_stat_activity
           where datname = current_database() and pid <> pg_backend_pid()
             and coalesce(backend_xmin, backend_xid) is not null and backend_type <> 'autovacuum worker'
           union all
           select 'prepared', null, gid, extract(epoch from clock_timestamp() - prepared)::float8,
                  age(transaction)::bigint, 0, null
           from pg_prepared_xacts where database = current_database()
           union all
           select 'slot', active_pid, slot_name, 0, coalesce(age(coalesce(xmin, catalog_xmin)), 0)::bigint,
                  case when active or pg_is_in_recovery() then 0
                       else coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0) end::bigint, null
           from pg_replication_slots
           union all
           select 'standby', pid, coalesce(nullif(application_name, ''), 'unnamed'), 0,
                  age(backend_xmin)::bigint, 0, null
           from pg_stat_replication where backend_xmin is not null
           order by 4 desc, 5 desc"#,
        QUERY_CHARS_MAX
    )
    .fetch_all(db)
    .await?;
    let holders = rows.into_iter().filter_map(|row| {
        let kind = HolderKind::ALL.into_iter().find(|kind| kind.word() == row.kind)?;
        Some(Holder {
            kind,
            pid: row.pid,
            name: row.name,
            seconds: row.seconds,
            transactions: row.transactions,
            bytes: row.bytes,
            query: row.query,
        })
    });
    Ok(holders.collect())
}

/// The tables that change all the time.
pub async fn tables(db: &mut PgConnection) -> Result<Vec<Table>> {
    let rows = sqlx::query_as!(
        Table,
        r#"select relname::text as "name!", n_dead_tup as "dead_rows!", n_live_tup as "live_rows!",
                  pg_total_relation_size(relid) as "bytes!"
           from pg_stat_user_tables
           where relname in ('run', 'worker', 'open_key', 'signal', 'subscription', 'hold', 'event', 'gate', 'outbox', 'run_summary')
             and schemaname = any(current_schemas(false))
           order by relname"#
    );
    Ok(rows.fetch_all(db).await?)
}

pub async fn database_bytes(db: &mut PgConnection) -> Result<i64> {
    let size = sqlx::query_scalar!(r#"select pg_database_size(current_database()) as "size!""#);
    Ok(size.fetch_one(db).await?)
}

/// One thing people should look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    Holder(Holder),
    Bloat(Table),
}

/// What is worth telling, worst first.
pub async fn look(db: &mut PgConnection, bounds: &Bounds) -> Result<Vec<Finding>> {
    let is_long = |holder: &Holder| {
        holder.seconds >= bounds.held.as_secs_f64()
            || (holder.seconds == 0.0 && holder.transactions >= bounds.transactions)
            || holder.bytes >= bounds.slot_bytes
    };
    let is_bloated =
        |table: &Table| table.dead_rows >= bounds.dead_rows && table.dead_rows >= table.live_rows;
    let holders = holders(db).await?.into_iter().filter(is_long).map(Finding::Holder);
    let bloated = tables(db).await?.into_iter().filter(is_bloated).map(Finding::Bloat);
    Ok(holders.chain(bloated).collect())
}

impl Finding {
    /// Without the query: a probe that needs no sign-in may read it.
    pub fn sentence(&self) -> String {
        match self {
            Self::Holder(holder) => holder.sentence(),
            Self::Bloat(table) => format!(
                "Table {} has {} dead rows beside {} live ones ({} MiB): vacuum does not get through, or something \
                 holds it back.",
                table.name,
                table.dead_rows,
                table.live_rows,
                table.bytes >> 20
            ),
        }
    }

    pub fn query(&self) -> Option<&str> {
        match self {
            Self::Holder(holder) => holder.query.as_deref().filter(|query| !query.is_empty()),
            Self::Bloat(_) => None,
        }
    }
}

impl Holder {
    fn sentence(&self) -> String {
        let (name, seconds, transactions) = (&self.name, self.seconds, self.transactions);
        let pid = self.pid.unwrap_or_default();
        match self.kind {
            HolderKind::Session => format!(
                "Session {pid} ({name}) has held a transaction for {seconds:.0} s: vacuum cannot clean what became \
                 dead since. End it there, or with `select pg_terminate_backend({pid})`."
            ),
            HolderKind::Prepared => format!(
                "Prepared transaction {name} has been open for {seconds:.0} s: vacuum cannot clean what became dead \
                 since. Commit it, or `rollback prepared '{name}'`."
            ),
            HolderKind::Slot if self.bytes > 0 => format!(
                "Replication slot {name} is used by nobody and keeps {} MiB of WAL: start its consumer, or \
                 `select pg_drop_replication_slot('{name}')`.",
                self.bytes >> 20
            ),
            HolderKind::Slot => format!(
                "Replication slot {name} is {transactions} transactions behind: vacuum cannot clean what became dead \
                 since. See to its consumer."
            ),
            HolderKind::Standby => format!(
                "Standby {name} holds vacuum back by {transactions} transactions (hot_standby_feedback): end the long \
                 query there."
            ),
        }
    }
}
