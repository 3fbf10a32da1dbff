//! Events from outside: stored before they are acknowledged, routed afterwards.

use super::{PgConnection, Result};
use crate::run::{EventId, RunId, StepPath};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Duration;
use uuid::Uuid;

#[derive(Debug, Clone, Serialize)]
pub struct StoredEvent {
    pub id: Uuid,
    pub source: String,
    pub source_id: String,
    pub r#type: String,
    pub subject: Option<String>,
    pub time: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
    pub data: Value,
    pub trace: Option<String>,
    /// Its attribute `plant`, else its source.
    pub plant: String,
    /// `new`, `routed`, `held`, `joined`, `ignored`, `flooded`, `limited`, `failed`.
    pub state: String,
    pub note: Option<String>,
    /// The workflows that could not take it: to be fired again for these only. Absent for every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_for: Option<Vec<String>>,
}

impl StoredEvent {
    /// The event as expressions see it: its data, with `id`, `type`, `subject`, `plant` and `time` beside.
    pub fn seen(&self) -> Value {
        let mut fields = match &self.data {
            Value::Object(data) => data.clone(),
            other => Map::from_iter([("data".to_owned(), other.clone())]),
        };
        fields.insert("id".into(), json!(self.id));
        fields.insert("type".into(), json!(self.r#type));
        fields.insert("subject".into(), json!(self.subject));
        fields.insert("plant".into(), json!(self.plant));
        fields.insert("time".into(), json!(self.time.to_rfc3339_opts(SecondsFormat::Millis, true)));
        Value::Object(fields)
    }
}

/// An event as intake verified it.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub id: EventId,
    pub source: String,
    pub source_id: String,
    pub kind: String,
    pub subject: Option<String>,
    pub time: Option<DateTime<Utc>>,
    pub data: Value,
    pub trace: Option<String>,
    pub plant: Option<String>,
}

/// False when the source sent this id before. Something is written to the log all the same: only who writes waits for the
/// standby, and what is acknowledged twice has to be there after a fail-over, too. The row itself is the router's to lock.
pub async fn insert(db: &mut PgConnection, event: &NewEvent) -> Result<bool> {
    let is_new = sqlx::query_scalar!(
        r#"with new as (
             insert into event (id, source, source_id, type, subject, time, data, trace, plant)
             values ($1, $2, $3, $4, $5, coalesce($6, takt_now()), $7, $8, $9)
             on conflict (source, source_id) do nothing returning id)
         select case when exists (select from new) then true
                     else pg_logical_emit_message(true, 'takt', 'sent again') is null end as "is_new!""#,
        event.id.0,
        event.source,
        event.source_id,
        event.kind,
        event.subject,
        event.time,
        event.data,
        event.trace,
        event.plant
    );
    Ok(is_new.fetch_one(db).await?)
}

/// Takes the router's turn until the transaction ends; false when another router has it.
pub async fn take_turn(db: &mut PgConnection) -> Result<bool> {
    let turn = sqlx::query_scalar!("select only_row from router_turn for update skip locked");
    Ok(turn.fetch_optional(db).await?.is_some())
}

/// The oldest events nobody has routed, locked for this transaction.
pub async fn lock_new(db: &mut PgConnection, limit: i64) -> Result<Vec<StoredEvent>> {
    let rows = sqlx::query_as!(
        StoredEvent,
        r#"select id, source, source_id, type, subject, time, received_at, data, trace,
                coalesce(plant, source) as "plant!", state, note, failed_for
         from event where state = 'new' order by received_at, id limit $1 for update skip locked"#,
        limit
    );
    Ok(rows.fetch_all(db).await?)
}

/// Whether the router has anything to do: a new event, or a hold that is over.
pub async fn is_waiting(db: &mut PgConnection) -> Result<bool> {
    let waiting = sqlx::query_scalar!(
        r#"select exists (select from event where state = 'new')
               or exists (select from hold where fire_at <= takt_now())
               or exists (select from gathering where fire_at <= takt_now())
               or exists (select from flood where ends_at <= takt_now()) as "waiting!""#
    );
    Ok(waiting.fetch_one(db).await?)
}

pub async fn mark(db: &mut PgConnection, id: Uuid, state: &str, note: Option<&str>) -> Result<()> {
    sqlx::query!("update event set state = $2, note = $3 where id = $1", id, state, note).execute(db).await?;
    Ok(())
}

/// Keeps an event that these workflows could not take.
pub async fn fail(db: &mut PgConnection, id: Uuid, note: &str, workflows: &[String]) -> Result<()> {
    sqlx::query!(
        "update event set state = 'failed', note = $2, failed_for = $3 where id = $1",
        id,
        note,
        workflows
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The same of held events; what other workflows made of them stands in the note.
pub async fn fail_held(db: &mut PgConnection, ids: &[Uuid], note: &str, workflow: &str) -> Result<()> {
    sqlx::query!(
        "update event set state = 'failed', note = concat_ws('; ', note, $2::text),
                          failed_for = array_append(failed_for, $3::text)
         where id = any($1)",
        ids,
        note,
        workflow
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Puts an event back in the queue, so that it is routed again: to the workflows that could not take it, where it says
/// which.
pub async fn fire_again(db: &mut PgConnection, id: EventId) -> Result<bool> {
    let done = sqlx::query!(
        "update event set state = 'new', note = null where id = $1 and state in ('failed', 'ignored', 'flooded', 'limited')",
        id.0
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub async fn get(db: &mut PgConnection, id: Uuid) -> Result<Option<StoredEvent>> {
    let found = sqlx::query_as!(
        StoredEvent,
        r#"select id, source, source_id, type, subject, time, received_at, data, trace,
                coalesce(plant, source) as "plant!", state, note, failed_for
         from event where id = $1"#,
        id
    );
    Ok(found.fetch_optional(db).await?)
}

/// These events, in no order.
pub async fn get_many(db: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<StoredEvent>> {
    let found = sqlx::query_as!(
        StoredEvent,
        r#"select id, source, source_id, type, subject, time, received_at, data, trace,
                coalesce(plant, source) as "plant!", state, note, failed_for
         from event where id = any($1)"#,
        ids
    );
    Ok(found.fetch_all(db).await?)
}

/// Says of held events what they came to; what another workflow made of them stands.
pub async fn settle_held(db: &mut PgConnection, ids: &[Uuid], state: &str, note: &str) -> Result<()> {
    sqlx::query!(
        "update event set state = case when state = 'held' then $2 else state end,
                          note = concat_ws('; ', note, $3::text)
         where id = any($1)",
        ids,
        state,
        note
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn received_at(db: &mut PgConnection, id: Uuid) -> Result<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar!("select received_at from event where id = $1", id).fetch_optional(db).await?)
}

/// Events of a type, oldest first, from a time and id on.
pub async fn past(
    db: &mut PgConnection,
    event: &str,
    after: (DateTime<Utc>, Uuid),
    limit: i64,
) -> Result<Vec<StoredEvent>> {
    let rows = sqlx::query_as!(
        StoredEvent,
        r#"select id, source, source_id, type, subject, time, received_at, data, trace,
                coalesce(plant, source) as "plant!", state, note, failed_for
         from event where type = $1 and (received_at, id) > ($2, $3) order by received_at, id limit $4"#,
        event,
        after.0,
        after.1,
        limit
    );
    Ok(rows.fetch_all(db).await?)
}

/// The same, only those about a subject.
pub async fn past_about(
    db: &mut PgConnection,
    event: &str,
    subject: &str,
    after: (DateTime<Utc>, Uuid),
    limit: i64,
) -> Result<Vec<StoredEvent>> {
    let rows = sqlx::query_as!(
        StoredEvent,
        r#"select id, source, source_id, type, subject, time, received_at, data, trace,
                coalesce(plant, source) as "plant!", state, note, failed_for
         from event where type = $1 and subject = $2 and (received_at, id) > ($3, $4)
         order by received_at, id limit $5"#,
        event,
        subject,
        after.0,
        after.1,
        limit
    );
    Ok(rows.fetch_all(db).await?)
}

/// Events, newest first: all, or only those that could not be processed.
pub async fn list(db: &mut PgConnection, failed_only: bool, limit: i64) -> Result<Vec<StoredEvent>> {
    let rows = sqlx::query_as!(
        StoredEvent,
        r#"select id, source, source_id, type, subject, time, received_at, data, trace,
                coalesce(plant, source) as "plant!", state, note, failed_for
         from event where (not $1 or state = 'failed') order by received_at desc, id desc limit $2"#,
        failed_only,
        limit
    );
    Ok(rows.fetch_all(db).await?)
}

/// Starts or keeps a hold; an earlier one for the same key stands.
pub async fn hold(
    db: &mut PgConnection,
    workflow: &str,
    key: &str,
    event: Uuid,
    hold: Duration,
) -> Result<bool> {
    let done = sqlx::query!(
        "insert into hold (workflow, key, event_id, fire_at)
         values ($1, $2, $3, takt_now() + make_interval(secs => $4)) on conflict do nothing",
        workflow,
        key,
        event,
        hold.as_secs_f64()
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends a hold whose condition no longer holds.
pub async fn release_hold(db: &mut PgConnection, workflow: &str, key: &str) -> Result<bool> {
    let done =
        sqlx::query!("delete from hold where workflow = $1 and key = $2", workflow, key).execute(db).await?;
    Ok(done.rows_affected() == 1)
}

/// Takes the holds that are over out of the table.
pub async fn take_due_holds(db: &mut PgConnection) -> Result<Vec<(String, String, Uuid)>> {
    let rows = sqlx::query!(
        "delete from hold where (workflow, key) in (
             select workflow, key from hold where fire_at <= takt_now() order by fire_at limit 100 for update skip locked)
         returning workflow, key, event_id"
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.workflow, row.key, row.event_id)).collect())
}

/// When the next hold is over.
pub async fn next_hold(db: &mut PgConnection) -> Result<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar!("select min(fire_at) from hold").fetch_one(db).await?)
}

pub async fn subscribe(
    db: &mut PgConnection,
    run: RunId,
    path: &StepPath,
    event: &str,
    subject: Option<&str>,
) -> Result<()> {
    sqlx::query!(
        "insert into subscription (run_id, path, event_type, subject) values ($1, $2, $3, $4)
         on conflict do nothing",
        run.0,
        path.as_str(),
        event,
        subject
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn unsubscribe(db: &mut PgConnection, run: RunId, path: &StepPath) -> Result<()> {
    sqlx::query!("delete from subscription where run_id = $1 and path = $2", run.0, path.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// Steps that wait for an event of this type about this subject, or about any.
pub async fn subscribers(
    db: &mut PgConnection,
    event: &str,
    subject: Option<&str>,
) -> Result<Vec<(RunId, StepPath)>> {
    let rows = sqlx::query!(
        "select run_id, path from subscription where event_type = $1 and (subject is null or subject = $2)",
        event,
        subject
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (RunId(row.run_id), StepPath::from(row.path))).collect())
}

/// Counts what was refused at the door; nothing else of it is stored.
pub async fn count_rejection(db: &mut PgConnection, source: &str, reason: &str) -> Result<()> {
    sqlx::query!(
        "insert into intake_rejection (source, reason, day) values ($1, $2, (takt_now() at time zone 'utc')::date)
         on conflict (source, reason, day) do update set count = intake_rejection.count + 1",
        source,
        reason
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn rejections(db: &mut PgConnection) -> Result<Vec<(String, String, i64)>> {
    let rows = sqlx::query!(
        r#"select source, reason, sum(count)::bigint as "count!" from intake_rejection
           group by source, reason order by source, reason"#
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.source, row.reason, row.count)).collect())
}
