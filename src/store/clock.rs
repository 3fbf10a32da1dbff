//! The database's clock, which the demo and tests may set ahead.

use super::{PgConnection, Result};
use chrono::{DateTime, Utc};
use std::time::Duration;

pub async fn now(db: &mut PgConnection) -> Result<DateTime<Utc>> {
    Ok(sqlx::query_scalar!(r#"select takt_now() as "now!""#).fetch_one(db).await?)
}

/// Moves the clock forward; it never goes back.
pub async fn advance(db: &mut PgConnection, by: Duration) -> Result<()> {
    let seconds = by.as_secs_f64();
    sqlx::query!("update clock set ahead = ahead + make_interval(secs => $1)", seconds).execute(db).await?;
    Ok(())
}

/// Sets the clock to a time, if that is ahead of what it says now.
pub async fn set(db: &mut PgConnection, to: DateTime<Utc>) -> Result<()> {
    sqlx::query!("update clock set ahead = greatest(ahead, $1 - clock_timestamp())", to).execute(db).await?;
    Ok(())
}

/// True where somebody has moved the clock: never on a real site.
pub async fn is_ahead(db: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar!(r#"select ahead > interval '0' as "ahead!" from clock"#).fetch_one(db).await?)
}
