//! Taking old history out: whole days of journal and payloads by detaching and dropping their partitions, rows of
//! the narrow tables in small batches. Which days and rows is the caller's policy; that no live run loses a
//! record is decided here. The audit trail has no function here: it is append-only, and stays.

use super::{PgConnection, Result, StoreError};
use crate::run::RunId;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// Partitioned by the day on which a run began.
pub const PARTITIONED: [&str; 2] = ["journal", "payload"];
/// Rows deleted in one transaction.
pub const BATCH: i64 = 1_000;
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// Live runs that are named when they keep a day.
const NAMED_MAX: i64 = 10;

/// One day of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub table: &'static str,
    /// The relation's name: `journal_20261126`.
    pub name: String,
    pub day: NaiveDate,
    pub bytes: i64,
    state: PartitionState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartitionState {
    Attached,
    /// A concurrent detach was interrupted.
    DetachPending,
    /// Detached by somebody who did not live to drop it.
    Detached,
}

/// A day that cannot go yet, and because of whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub partition: String,
    /// Ids and workflows of live runs that began on that day; none where somebody reads it.
    pub runs: Vec<(Uuid, String)>,
}

impl Kept {
    pub fn sentence(&self) -> String {
        if self.runs.is_empty() {
            return format!(
                "{} is older than the policy keeps, and stays because somebody reads it (a backup, a long query); it \
                 goes at the next look.",
                self.partition
            );
        }
        let runs: Vec<String> = self.runs.iter().map(|(id, workflow)| format!("{id} ({workflow})")).collect();
        format!(
            "{} is older than the policy keeps, and stays because these runs have not ended: {}.",
            self.partition,
            runs.join(", ")
        )
    }
}

/// What has been detached is recognised by its name.
fn day_of(table: &str, name: &str) -> Option<NaiveDate> {
    let day = name.strip_prefix(table)?.strip_prefix('_')?;
    (day.len() == 8).then(|| NaiveDate::parse_from_str(day, "%Y%m%d").ok()).flatten()
}

/// Days that ended before `before`, oldest first but for one whose detaching was interrupted.
pub async fn days_before(db: &mut PgConnection, before: DateTime<Utc>) -> Result<Vec<Partition>> {
    let mut found = Vec::new();
    for table in PARTITIONED {
        let rows = sqlx::query!(
            r#"select child.relname::text as "name!", pg_total_relation_size(child.oid) as "bytes!",
                      link.inhrelid is not null as "attached!", coalesce(link.inhdetachpending, false) as "pending!"
               from pg_class child
               left join pg_inherits link on link.inhrelid = child.oid and link.inhparent = to_regclass($1)
               where child.relkind = 'r' and child.relname ~ ('^' || $1 || '_[0-9]{8}$')
                 and child.relnamespace = (select relnamespace from pg_class where oid = to_regclass($1))
               order by child.relname"#,
            table
        )
        .fetch_all(&mut *db)
        .await?;
        for row in rows {
            let Some(day) = day_of(table, &row.name) else { continue };
            let ended = day.succ_opt().map(|next| next.and_time(NaiveTime::MIN).and_utc());
            if ended.is_none_or(|ended| ended > before) {
                continue;
            }
            let state = match (row.attached, row.pending) {
                (true, true) => PartitionState::DetachPending,
                (true, false) => PartitionState::Attached,
                (false, _) => PartitionState::Detached,
            };
            found.push(Partition { table, name: row.name, day, bytes: row.bytes, state });
        }
    }
    // A table cannot lose a day before the one that it is losing is gone.
    found.sort_by_key(|one| (one.state != PartitionState::DetachPending, one.day, one.table));
    Ok(found)
}

fn first_id_of(day: NaiveDate) -> Uuid {
    RunId::first_at(day.and_time(NaiveTime::MIN).and_utc()).0
}

/// Live runs that still need a partition: those that began on its day.
pub async fn live_runs(db: &mut PgConnection, partition: &Partition) -> Result<Vec<(Uuid, String)>> {
    let from = first_id_of(partition.day);
    let until = partition.day.succ_opt().map_or(Uuid::max(), first_id_of);
    let rows = sqlx::query!(
        r#"select run.id, coalesce(summary.workflow, '?') as "workflow!"
           from run left join run_summary summary on summary.id = run.id
           where run.id >= $1 and run.id < $2 order by run.id limit $3"#,
        from,
        until,
        NAMED_MAX
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.workflow)).collect())
}

/// Detaches a day without stopping anybody, and drops it. Interrupted at any place, the next call goes on. False when
/// somebody reads the day for longer than this session waits for a lock: then it goes another time.
pub async fn drop_day(db: &mut PgConnection, partition: &Partition) -> Result<bool> {
    match detach_and_drop(db, partition).await {
        Ok(()) => Ok(true),
        Err(StoreError::Database(sqlx::Error::Database(error)))
            if error.code().as_deref() == Some(LOCK_NOT_AVAILABLE) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

async fn detach_and_drop(db: &mut PgConnection, partition: &Partition) -> Result<()> {
    let Partition { table, name, .. } = partition;
    match partition.state {
        PartitionState::Attached => {
            ddl(db, format!("alter table {table} detach partition {name} concurrently")).await?;
        }
        PartitionState::DetachPending => {
            ddl(db, format!("alter table {table} detach partition {name} finalize")).await?;
        }
        PartitionState::Detached => {}
    }
    ddl(db, format!("drop table if exists {name}")).await
}

/// DDL takes no parameters; what is put into it are our own names and digits.
async fn ddl(db: &mut PgConnection, sql: String) -> Result<()> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(db).await?;
    Ok(())
}

/// A narrow table whose old rows a policy may trim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trimmed {
    /// Events that were processed, whatever came of them.
    Events,
    /// Messages that were sent or given up.
    Messages,
    /// Ended runs in the list, with their questions and answers.
    Runs,
}

impl Trimmed {
    pub const ALL: [Self; 3] = [Self::Events, Self::Messages, Self::Runs];

    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Messages => "messages",
            Self::Runs => "runs",
        }
    }
}

/// How many rows a trim would delete.
pub async fn count(db: &mut PgConnection, what: Trimmed, before: DateTime<Utc>) -> Result<i64> {
    Ok(match what {
        Trimmed::Events => {
            let count = sqlx::query_scalar!(
                r#"select count(*) as "count!" from event
                   where received_at < $1 and state not in ('new', 'held', 'failed')
                     and not exists (select from hold where hold.event_id = event.id)
                     and not exists (select from gathered where gathered.event_id = event.id)"#,
                before
            );
            count.fetch_one(db).await?
        }
        Trimmed::Messages => {
            let count = sqlx::query_scalar!(
                r#"select count(*) as "count!" from outbox
                   where created_at < $1 and state in ('sent', 'failed')
                     and not exists (select from gate where gate.id = outbox.gate_id and gate.state = 'open')"#,
                before
            );
            count.fetch_one(db).await?
        }
        Trimmed::Runs => {
            let count = sqlx::query_scalar!(
                r#"select count(*) as "count!" from run_summary where id < $2 and ended_at < $1"#,
                before,
                RunId::first_at(before).0
            );
            count.fetch_one(db).await?
        }
    })
}

/// Deletes one batch; 0 when nothing is left. Each batch is a transaction of its own.
pub async fn trim(db: &mut PgConnection, what: Trimmed, before: DateTime<Utc>) -> Result<u64> {
    let done = match what {
        Trimmed::Events => {
            sqlx::query!(
                "delete from event where id in (
                     select id from event
                     where received_at < $1 and state not in ('new', 'held', 'failed')
                       and not exists (select from hold where hold.event_id = event.id)
                       and not exists (select from gathered where gathered.event_id = event.id)
                     order by received_at limit $2)",
                before,
                BATCH
            )
            .execute(db)
            .await?
        }
        Trimmed::Messages => {
            sqlx::query!(
                "with links as (
                     delete from answer_link where expires_at < $1
                 ), threads as (
                     delete from story_thread where ended and since < $1
                 )
                 delete from outbox where id in (
                     select id from outbox where created_at < $1 and state in ('sent', 'failed')
                       and not exists (select from gate where gate.id = outbox.gate_id and gate.state = 'open')
                     order by created_at limit $2)",
                before,
                BATCH
            )
            .execute(db)
            .await?
        }
        Trimmed::Runs => {
            // One statement, so that a list entry never goes without its questions or the other way round.
            sqlx::query!(
                "with old as (
                     select id from run_summary where id < $3 and ended_at < $1 order by id limit $2
                 ), votes as (
                     delete from gate_vote where gate_id in (select gate.id from gate join old on old.id = gate.run_id)
                 ), gates as (
                     delete from gate where run_id in (select id from old)
                 )
                 delete from run_summary where id in (select id from old)",
                before,
                BATCH,
                RunId::first_at(before).0
            )
            .execute(db)
            .await?
        }
    };
    Ok(done.rows_affected())
}

/// The real time of the database, which ids of runs are made of; a demo that moved its clock ahead loses nothing.
pub async fn before(db: &mut PgConnection, kept: Duration) -> Result<DateTime<Utc>> {
    let before = sqlx::query_scalar!(
        r#"select clock_timestamp() - make_interval(secs => $1) as "before!""#,
        kept.as_secs_f64()
    );
    Ok(before.fetch_one(db).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_of_the_table_are_its_partitions() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 26);
        assert_eq!(day_of("journal", "journal_20261126"), day);
        for name in ["journal_2026112", "journals_20261126", "payload_20261126", "journal_20261340"] {
            assert_eq!(day_of("journal", name), None, "{name}");
        }
    }

    #[test]
    fn a_run_of_a_day_lies_between_its_bounds() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 26).unwrap();
        let at = |hour: u32, second: u32| {
            let time = day.and_hms_opt(hour, 0, second).unwrap().and_utc();
            let seconds = u64::try_from(time.timestamp()).unwrap();
            Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0))
        };
        let (from, until) = (first_id_of(day), first_id_of(day.succ_opt().unwrap()));
        assert!(from <= at(0, 0) && at(23, 59) < until);
        assert!(first_id_of(day.pred_opt().unwrap()) < from);
    }
}
