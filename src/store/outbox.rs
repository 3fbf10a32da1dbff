//! Messages on their way to people.

use super::{PgConnection, Result, StoreError, delegations::Delegation, gates::Gate};
use crate::run::{OutboxMessage, RunId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// A message as it stands in the outbox.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    pub id: Uuid,
    pub run_id: Uuid,
    pub gate_id: Option<Uuid>,
    pub channel: String,
    pub role: Option<String>,
    pub person: Option<String>,
    /// `{kind, …}` as the step wrote it.
    pub message: Value,
    pub attempts: i32,
    pub created_at: DateTime<Utc>,
    /// What has been delivered already: one for each place.
    pub receipt: Option<Value>,
}

/// Queues a message once for each channel; the console needs no delivery, its message is sent by being here.
pub async fn queue(
    db: &mut PgConnection,
    run: RunId,
    out: &OutboxMessage,
    channels: &[String],
) -> Result<()> {
    let mut message = out.message.clone();
    if let Some(fields) = message.as_object_mut() {
        let kind = serde_json::to_value(out.kind)
            .map_err(|source| StoreError::Unreadable { what: "outbox.message", source })?;
        fields.insert("kind".into(), kind);
    } else {
        message = json!({ "kind": out.kind, "body": message });
    }
    for channel in channels {
        let name = format!("message:{}:{}:{channel}", out.path, out.ordinal);
        sqlx::query!(
            "insert into outbox (id, run_id, path, gate_id, channel, role, person, message, state)
             values ($1, $2, $3, $4, $5, $6, $7, $8, case when $5 = 'console' then 'sent' else 'queued' end)
             on conflict (id) do nothing",
            Uuid::new_v5(&run.0, name.as_bytes()),
            run.0,
            out.path.as_str(),
            out.gate.map(|gate| gate.0),
            channel,
            out.role,
            out.person,
            message
        )
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Takes messages of a channel that are due, and keeps others from taking them for a while.
pub async fn take_due(
    db: &mut PgConnection,
    channel: &str,
    limit: i64,
    hold: Duration,
) -> Result<Vec<Message>> {
    let rows = sqlx::query_as!(
        Message,
        "update outbox set attempts = attempts + 1, next_at = takt_now() + make_interval(secs => $2)
         where id in (select id from outbox where state = 'queued' and next_at <= takt_now() and channel = $3
                      order by next_at limit $1 for update skip locked)
         returning id, run_id, gate_id, channel, role, person, message, attempts, created_at, receipt",
        limit,
        hold.as_secs_f64(),
        channel
    );
    let mut messages = rows.fetch_all(db).await?;
    messages.sort_by_key(|message| (message.created_at, message.id));
    Ok(messages)
}

/// Gives up messages for channels that are not configured any more; says how many.
pub async fn fail_others(db: &mut PgConnection, channels: &[String], error: &str) -> Result<u64> {
    let done = sqlx::query!(
        "update outbox set state = 'failed', error = $2
         where state = 'queued' and next_at <= takt_now() and channel <> all($1)",
        channels,
        error
    );
    Ok(done.execute(db).await?.rows_affected())
}

/// Delivered to some of its places.
pub async fn progress(db: &mut PgConnection, id: Uuid, receipt: &Value) -> Result<()> {
    sqlx::query!("update outbox set receipt = $2 where id = $1", id, receipt).execute(db).await?;
    Ok(())
}

/// Nothing was sent: the message waits for its turn, which is no failed attempt.
pub async fn put_off(db: &mut PgConnection, id: Uuid, pause: Duration) -> Result<()> {
    sqlx::query!(
        "update outbox set attempts = attempts - 1, next_at = takt_now() + make_interval(secs => $2) where id = $1",
        id,
        pause.as_secs_f64()
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn sent(db: &mut PgConnection, id: Uuid, receipt: &Value) -> Result<()> {
    sqlx::query!("update outbox set state = 'sent', receipt = $2, error = null where id = $1", id, receipt)
        .execute(db)
        .await?;
    Ok(())
}

/// Notes a failed delivery; without a next time the message is given up and stays visible.
pub async fn failed(db: &mut PgConnection, id: Uuid, error: &str, again: Option<Duration>) -> Result<()> {
    sqlx::query!(
        "update outbox set error = $2,
             state = case when $3::float8 is null then 'failed' else 'queued' end,
             next_at = takt_now() + make_interval(secs => coalesce($3, 0))
         where id = $1",
        id,
        error,
        again.map(|pause| pause.as_secs_f64())
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What a channel gave back for the questions of a gate, so that they can be changed in place.
pub async fn receipts_of_gate(db: &mut PgConnection, gate: Uuid, channel: &str) -> Result<Vec<Value>> {
    let rows = sqlx::query_scalar!(
        "select receipt from outbox
         where gate_id = $1 and channel = $2 and receipt is not null and message ->> 'kind' = 'ask'
         order by created_at",
        gate,
        channel
    );
    Ok(rows.fetch_all(db).await?.into_iter().flat_map(receipts_in).collect())
}

/// The word that stands for a gate in buttons, from the message that asked first.
pub async fn token_of_gate(db: &mut PgConnection, gate: Uuid) -> Result<Option<String>> {
    let token = sqlx::query_scalar!(
        r#"select message ->> 'token' as "token!" from outbox where gate_id = $1 and message ->> 'token' <> '' limit 1"#,
        gate
    );
    Ok(token.fetch_optional(db).await?)
}

/// One receipt, or a list of them where a message went to several places.
pub(super) fn receipts_in(stored: Option<Value>) -> Vec<Value> {
    match stored {
        Some(Value::Array(all)) => all.into_iter().filter(Value::is_object).collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    }
}

/// The cards of an open question say how far it is answered: each message once more, with these words and whose cards are
/// to be changed.
pub async fn show_progress(db: &mut PgConnection, gate: Uuid, answers: usize, words: &str) -> Result<()> {
    let nth = i64::try_from(answers).unwrap_or(i64::MAX);
    sqlx::query!(
        "insert into outbox (id, run_id, path, gate_id, channel, role, person, message)
         select md5('progress:' || id || ':' || $2::bigint)::uuid, run_id, path, gate_id, channel, role, person,
                message || jsonb_build_object('progress', $3::text, 'card', id)
         from outbox
         where gate_id = $1 and channel <> 'console' and message ->> 'kind' = 'ask' and not message ? 'progress'
         on conflict (id) do nothing",
        gate,
        nth,
        words
    )
    .execute(db)
    .await?;
    Ok(())
}

/// An open question once more, for one person, where they are reached by themselves.
struct OnceMore<'a> {
    gate: Uuid,
    person: &'a str,
    /// What it is sent for: once for each.
    cause: String,
    /// Before the words of the question.
    title: String,
    /// What this message says in place of the question's own fields.
    fields: Value,
    /// One channel, also where its first message reached nobody, as long as this rung is asked; otherwise each that has
    /// sent it.
    only: Option<(&'a str, i16)>,
}

/// An open question once more, for somebody who answers for one of those who are asked; by each channel that has sent it.
pub async fn hand_over(db: &mut PgConnection, gate: Uuid, given: &Delegation, giver: &str) -> Result<()> {
    let once_more = OnceMore {
        gate,
        person: &given.delegate,
        cause: given.id.to_string(),
        title: format!("{giver} has handed this to you: "),
        fields: json!({ "handed_over_by": giver }),
        only: None,
    };
    send_once_more(db, once_more).await.map(|_| ())
}

/// An open question, for somebody who came on shift or on duty since it was asked; `asked` are those it is for, in words.
/// False where it does not have to be sent, or cannot be yet.
pub async fn send_to_newcomer(
    db: &mut PgConnection,
    gate: &Gate,
    channel: &str,
    person: &str,
    asked: &str,
) -> Result<bool> {
    let once_more = OnceMore {
        gate: gate.id,
        person,
        cause: person.to_owned(),
        title: String::new(),
        fields: json!({ "came_in": true, "asked": asked }),
        only: Some((channel, gate.rung)),
    };
    send_once_more(db, once_more).await
}

async fn send_once_more(db: &mut PgConnection, once_more: OnceMore<'_>) -> Result<bool> {
    let (channel, rung) = once_more.only.unzip();
    let sent = sqlx::query!(
        "insert into outbox (id, run_id, path, gate_id, channel, person, message)
         select md5('handed over:' || id || $2::text)::uuid, run_id, path, gate_id, channel, $3,
                message || jsonb_build_object('title', $4::text || (message ->> 'title')) || $5::jsonb
         from (select distinct on (channel) id, run_id, path, gate_id, channel, message, state, created_at
               from outbox
               where gate_id = $1 and channel <> 'console' and message ->> 'kind' = 'ask'
                 and not message ?| array['progress', 'handed_over_by', 'came_in']
               order by channel, created_at desc, id) latest
         where (state = 'sent' or ($6::text is not null and state = 'failed'))
           and ($6::text is null or channel = $6)
           and ($7::smallint is null
                or exists (select 1 from gate where gate.id = $1 and gate.state = 'open' and gate.rung = $7))
           and not exists (select 1 from outbox given
                           where given.gate_id = $1 and given.channel = latest.channel and given.person = $3
                             and given.message ?| array['handed_over_by', 'came_in']
                             and given.created_at >= latest.created_at)
         on conflict (id) do nothing",
        once_more.gate,
        once_more.cause,
        once_more.person,
        once_more.title,
        once_more.fields,
        channel,
        rung
    );
    Ok(sent.execute(db).await?.rows_affected() > 0)
}

/// Whether a question of the gate is on its way in a channel.
pub async fn is_being_asked(db: &mut PgConnection, gate: Uuid, channel: &str) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from outbox
                          where gate_id = $1 and channel = $2 and state = 'queued' and message ->> 'kind' = 'ask') as "is!""#,
        gate,
        channel
    );
    Ok(found.fetch_one(db).await?)
}

/// Who was sent the question of a gate by themselves since a time, in a channel.
pub async fn sent_once_more(
    db: &mut PgConnection,
    gate: Uuid,
    channel: &str,
    since: DateTime<Utc>,
) -> Result<Vec<String>> {
    let people = sqlx::query_scalar!(
        r#"select distinct person as "person!" from outbox
           where gate_id = $1 and channel = $2 and created_at >= $3 and person is not null
             and message ?| array['handed_over_by', 'came_in']"#,
        gate,
        channel,
        since
    );
    Ok(people.fetch_all(db).await?)
}

/// Informations shown in the console's inbox, newest first.
pub async fn notices(
    db: &mut PgConnection,
    roles: &[String],
    person: &str,
    limit: i64,
) -> Result<Vec<Message>> {
    let rows = sqlx::query_as!(
        Message,
        "select id, run_id, gate_id, channel, role, person, message, attempts, created_at, receipt
         from outbox
         where channel = 'console' and message ->> 'kind' = 'tell' and (role = any($1) or person = $2)
         order by created_at desc limit $3",
        roles,
        person,
        limit
    );
    Ok(rows.fetch_all(db).await?)
}

/// Deliveries that were given up, for health.
pub async fn failed_count(db: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar!(r#"select count(*) as "count!" from outbox where state = 'failed'"#)
        .fetch_one(db)
        .await?)
}
