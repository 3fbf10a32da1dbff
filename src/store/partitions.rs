//! Daily partitions of the journal and its payloads, made ahead of time. A run's rows lie in the partition of the
//! day it began: the key is its time-ordered id.

use super::{PgConnection, Result};
use crate::run::RunId;
use chrono::{Days, NaiveDate, NaiveTime};

const DAYS_AHEAD: u64 = 7;

/// Makes today's and the next days' partitions. A day whose rows already went to the default partition is left there.
pub async fn make_ahead(db: &mut PgConnection) -> Result<()> {
    let today = sqlx::query_scalar!(r#"select (takt_now() at time zone 'utc')::date as "today!""#)
        .fetch_one(&mut *db)
        .await?;
    for day in (0..=DAYS_AHEAD).filter_map(|ahead| today.checked_add_days(Days::new(ahead))) {
        for table in ["journal", "payload"] {
            make(db, table, day).await?;
        }
    }
    Ok(())
}

async fn make(db: &mut PgConnection, table: &str, day: NaiveDate) -> Result<()> {
    let name = format!("{table}_{}", day.format("%Y%m%d"));
    let exists = sqlx::query_scalar!(r#"select to_regclass($1) is not null as "exists!""#, name)
        .fetch_one(&mut *db)
        .await?;
    if exists {
        return Ok(());
    }
    let Some(next) = day.succ_opt() else { return Ok(()) };
    let first = |day: NaiveDate| RunId::first_at(day.and_time(NaiveTime::MIN).and_utc());
    // Names and ids are made here and cannot hold anything but digits and our own words.
    let sql = format!(
        "create table if not exists {name} partition of {table} for values from ('{}') to ('{}')",
        first(day),
        first(next)
    );
    #[expect(clippy::disallowed_methods, reason = "DDL takes no parameters")]
    let made = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(db).await;
    match made {
        Ok(_) => Ok(()),
        // 23514: rows of that day are in the default partition; 42P07: another process was faster.
        Err(sqlx::Error::Database(error))
            if matches!(error.code().as_deref(), Some("23514" | "42P07" | "23505")) =>
        {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
