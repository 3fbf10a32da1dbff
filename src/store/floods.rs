//! What came above a trigger's `flood`, kept until one message has told it.

use super::{PgConnection, Result};
use chrono::{DateTime, Utc};
use std::time::Duration;
use uuid::Uuid;

/// Subjects that are named in the message.
const SUBJECTS_MAX: i32 = 20;

/// A time in which more came than was let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flood {
    pub id: Uuid,
    pub workflow: String,
    pub began_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub events: i32,
    pub subjects: Vec<String>,
    /// The newest run of the workflow, which the message belongs to.
    pub run: Option<Uuid>,
}

/// Counts an event; the first one begins a time of `within`.
pub async fn count(
    db: &mut PgConnection,
    workflow: &str,
    subject: Option<&str>,
    within: Duration,
) -> Result<()> {
    sqlx::query!(
        "insert into flood (workflow, id, began_at, ends_at, events, subjects)
         values ($1, $2, takt_now(), takt_now() + make_interval(secs => $4), 1,
                 case when $3::text is null then '{}' else array[$3] end)
         on conflict (workflow) do update set
             events = flood.events + 1,
             subjects = case when $3 is null or $3 = any(flood.subjects) or cardinality(flood.subjects) >= $5
                             then flood.subjects else flood.subjects || $3 end",
        workflow,
        Uuid::now_v7(),
        subject,
        within.as_secs_f64(),
        SUBJECTS_MAX
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes the floods that are over out of the table.
pub async fn take_ended(db: &mut PgConnection) -> Result<Vec<Flood>> {
    let rows = sqlx::query_as!(
        Flood,
        "delete from flood where workflow in (
             select workflow from flood where ends_at <= takt_now() order by ends_at limit 100
             for update skip locked)
         returning id, workflow, began_at, ends_at, events, subjects,
             (select run.id from run_summary run where run.workflow = flood.workflow
              order by run.id desc limit 1) as run"
    );
    Ok(rows.fetch_all(db).await?)
}
