//! Counts for the health page.

use super::{PgConnection, Result};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// Live runs by what they are doing.
#[derive(Debug, Clone, Serialize)]
pub struct Runs {
    pub ready: i64,
    pub running: i64,
    pub parked: i64,
}

#[derive(Debug, Clone)]
pub struct Events {
    pub new: i64,
    pub oldest_new: Option<DateTime<Utc>>,
    pub failed: i64,
}

pub async fn runs(db: &mut PgConnection) -> Result<Runs> {
    let runs = sqlx::query_as!(
        Runs,
        r#"select count(*) filter (where state = 'ready') as "ready!",
                  count(*) filter (where state = 'running') as "running!",
                  count(*) filter (where state = 'parked') as "parked!"
           from run"#
    );
    Ok(runs.fetch_one(db).await?)
}

pub async fn events(db: &mut PgConnection) -> Result<Events> {
    let events = sqlx::query_as!(
        Events,
        r#"select (select count(*) from event where state = 'new') as "new!",
                  (select min(received_at) from event where state = 'new') as oldest_new,
                  (select count(*) from event where state = 'failed') as "failed!""#
    );
    Ok(events.fetch_one(db).await?)
}
