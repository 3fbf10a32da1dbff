//! Daily partitions of the journal and its payloads, made ahead of time, and when somebody writes into a day that is
//! missing. A run's rows lie in the partition of the day it began: the key is its time-ordered id.

use super::{CHECK_VIOLATION, PgConnection, Result, Store, StoreError, retention::PARTITIONED};
use crate::run::RunId;
use chrono::{DateTime, Days, NaiveDate, NaiveTime};
use sqlx::{Connection, postgres::PgDatabaseError};
use uuid::Uuid;

const DAYS_AHEAD: u64 = 7;
/// The longest that a day waits for its table: others have days of time to try again.
const LOCK_TIME_MAX: &str = "1s";

impl Store {
    /// True when a write met a day that has no partition, and the day is there now: the same again is right.
    pub async fn has_made_day_for(&self, error: &StoreError) -> Result<bool> {
        let Some(day) = missing_day(error) else { return Ok(false) };
        make_day(&mut *self.connection().await?, day).await?;
        Ok(true)
    }
}

/// Makes today's and the next days' partitions where they are missing.
pub async fn make_ahead(db: &mut PgConnection) -> Result<()> {
    let today = sqlx::query_scalar!(r#"select (takt_now() at time zone 'utc')::date as "today!""#)
        .fetch_one(&mut *db)
        .await?;
    for day in (0..=DAYS_AHEAD).filter_map(|ahead| today.checked_add_days(Days::new(ahead))) {
        make_day(db, day).await?;
    }
    Ok(())
}

/// Makes a day's partitions where they are missing. Whoever reads or writes the tables meanwhile is not held up.
pub async fn make_day(db: &mut PgConnection, day: NaiveDate) -> Result<()> {
    for table in PARTITIONED {
        let name = format!("{table}_{}", day.format("%Y%m%d"));
        if is_attached(db, table, &name).await? {
            continue;
        }
        if let Err(error) = make(db, table, &name, day).await
            // Another process may have been faster.
            && !is_attached(db, table, &name).await?
        {
            return Err(error);
        }
    }
    Ok(())
}

async fn is_attached(db: &mut PgConnection, table: &str, name: &str) -> Result<bool> {
    let attached = sqlx::query_scalar!(
        r#"select exists (select from pg_inherits where inhparent = to_regclass($1) and inhrelid = to_regclass($2)
                          and not inhdetachpending) as "attached!""#,
        table,
        name
    );
    Ok(attached.fetch_one(db).await?)
}

/// Made beside the table and then attached: `partition of` would keep everybody from the table until it has its lock.
async fn make(db: &mut PgConnection, table: &str, name: &str, day: NaiveDate) -> Result<()> {
    let Some(next) = day.succ_opt() else { return Ok(()) };
    let first = |day: NaiveDate| RunId::first_at(day.and_time(NaiveTime::MIN).and_utc());
    let (from, until) = (first(day), first(next));
    let mut tx = db.begin().await?;
    // DDL takes no parameters; names and ids are made here and hold nothing but digits and our own words.
    for sql in [
        format!("set local lock_timeout = '{LOCK_TIME_MAX}'"),
        format!("create table if not exists {name} (like {table} including all)"),
        format!("alter table {table} attach partition {name} for values from ('{from}') to ('{until}')"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

/// The day whose partition a write did not find.
pub fn missing_day(error: &StoreError) -> Option<NaiveDate> {
    let StoreError::Database(sqlx::Error::Database(error)) = error else { return None };
    let error = error.try_downcast_ref::<PgDatabaseError>()?;
    let is_missing = error.code() == CHECK_VIOLATION && PARTITIONED.contains(&error.table()?);
    // The key of the row stands in the detail, whatever the server's language.
    let words = error.detail()?.split(|c: char| !c.is_ascii_hexdigit() && c != '-');
    let id: Uuid = words.filter(|word| word.len() == 36).find_map(|word| word.parse().ok())?;
    is_missing.then(|| day_of(id)).flatten()
}

fn day_of(id: Uuid) -> Option<NaiveDate> {
    let millis = i64::try_from(id.as_u128() >> 80).ok()?;
    let day = DateTime::from_timestamp_millis(millis)?.date_naive();
    // Names of later days would not have eight digits.
    (day.format("%Y").to_string().len() == 4).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_which_day_it_lies_in() {
        let day = NaiveDate::from_ymd_opt(2026, 11, 27);
        for time in ["2026-11-27T00:00:00Z", "2026-11-27T23:59:59.999Z"] {
            assert_eq!(day_of(RunId::at(time.parse().unwrap()).beside()), day, "{time}");
        }
        assert_eq!(day_of(Uuid::max()), None);
    }
}
