//! Events that are gathered into one run: which, and when the run is due.

use super::{PgConnection, Result};
use std::time::Duration;
use uuid::Uuid;

/// What has been gathered under a key so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gathering {
    pub events: i32,
    pub bytes: i64,
}

/// Adds an event; the run is due `wait` from now, at the latest `at_most` after the first event.
pub async fn add(
    db: &mut PgConnection,
    workflow: &str,
    key: &str,
    event: Uuid,
    wait: Duration,
    at_most: Duration,
) -> Result<Gathering> {
    // The row's lock puts the events of two routers in one order.
    let gathering = sqlx::query_as!(
        Gathering,
        "insert into gathering (workflow, key, began_at, fire_at, events, bytes)
         select $1, $2, takt_now(), takt_now() + make_interval(secs => $4), 1, octet_length(data::text)
         from event where id = $3
         on conflict (workflow, key) do update
             set events = gathering.events + 1, bytes = gathering.bytes + excluded.bytes,
                 fire_at = least(excluded.fire_at, gathering.began_at + make_interval(secs => $5))
         returning events, bytes",
        workflow,
        key,
        event,
        wait.as_secs_f64(),
        at_most.as_secs_f64()
    )
    .fetch_one(&mut *db)
    .await?;
    sqlx::query!(
        "insert into gathered (workflow, key, position, event_id) values ($1, $2, $3, $4)",
        workflow,
        key,
        gathering.events,
        event
    )
    .execute(db)
    .await?;
    Ok(gathering)
}

/// Gatherings whose time has come, locked until the transaction ends.
pub async fn lock_due(db: &mut PgConnection, limit: i64) -> Result<Vec<(String, String)>> {
    let rows = sqlx::query!(
        "select workflow, key from gathering where fire_at <= takt_now()
         order by fire_at limit $1 for update skip locked",
        limit
    );
    Ok(rows.fetch_all(db).await?.into_iter().map(|row| (row.workflow, row.key)).collect())
}

/// Ends a gathering and gives its events, oldest first.
pub async fn take(db: &mut PgConnection, workflow: &str, key: &str) -> Result<Vec<Uuid>> {
    let events = sqlx::query_scalar!(
        "select event_id from gathered where workflow = $1 and key = $2 order by position",
        workflow,
        key
    )
    .fetch_all(&mut *db)
    .await?;
    sqlx::query!("delete from gathering where workflow = $1 and key = $2", workflow, key).execute(db).await?;
    Ok(events)
}
