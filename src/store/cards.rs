//! Cards of questions in chats: which still show buttons, though their gate has moved on.

use super::{PgConnection, Result, outbox::receipts_in};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

/// Cards of one gate in one channel.
const KNOWN_MAX: usize = 200;

/// A card that shows buttons nobody can use any more.
#[derive(Debug, Clone)]
pub struct Stale {
    /// Of the message in the outbox.
    pub id: Uuid,
    pub gate_id: Uuid,
    pub receipts: Vec<Value>,
    /// `{kind, title, …}` as the step wrote it.
    pub message: Value,
}

/// A question was delivered: its card shows buttons for those who are asked at this rung.
pub async fn shown(db: &mut PgConnection, message: Uuid, rung: i16) -> Result<()> {
    sqlx::query!(
        "update outbox set card = 'open', card_rung = $2, next_at = takt_now() where id = $1",
        message,
        rung
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What the channel gave back for a message whose cards show buttons.
pub async fn open_receipts(db: &mut PgConnection, message: Uuid) -> Result<Vec<Value>> {
    let row = sqlx::query_scalar!("select receipt from outbox where id = $1 and card = 'open'", message);
    Ok(receipts_in(row.fetch_optional(db).await?.flatten()))
}

/// The cards of the gate in this channel may show buttons again.
pub async fn shows_buttons(db: &mut PgConnection, gate: Uuid, channel: &str) -> Result<()> {
    sqlx::query!(
        "update outbox set card = 'open', next_at = takt_now()
         where gate_id = $1 and channel = $2 and card = 'settled'",
        gate,
        channel
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A card of the gate that is not among the known ones, of which `find` makes a receipt: it is changed with those of the
/// same message from now on, at once where the gate has moved on. Two at the same time: one of them comes again.
pub async fn take_in(
    db: &mut PgConnection,
    gate: Uuid,
    channel: &str,
    find: impl Fn(&[Value]) -> Option<Value>,
) -> Result<()> {
    let rows = sqlx::query!(
        r#"select id, receipt as "receipt!" from outbox
           where gate_id = $1 and channel = $2 and state = 'sent' and card is not null and receipt is not null
           order by created_at desc"#,
        gate,
        channel
    );
    let rows = rows.fetch_all(&mut *db).await?;
    let known: Vec<Value> = rows.iter().flat_map(|row| receipts_in(Some(row.receipt.clone()))).collect();
    let Some(found) = find(&known).filter(|_| known.len() < KNOWN_MAX) else { return Ok(()) };
    let is_beside = |receipts: &Value| find(&receipts_in(Some(receipts.clone()))).is_some();
    let Some(beside) = rows.iter().find(|row| is_beside(&row.receipt)) else { return Ok(()) };
    let mut receipts = match beside.receipt.clone() {
        Value::Array(receipts) => receipts,
        one => vec![one],
    };
    receipts.push(found);
    sqlx::query!(
        "update outbox set receipt = $2, card = 'open', next_at = takt_now() where id = $1 and receipt = $3",
        beside.id,
        Value::Array(receipts),
        beside.receipt
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Every card of the gate in this channel says how it ended.
pub async fn settled(db: &mut PgConnection, gate: Uuid, channel: &str) -> Result<()> {
    sqlx::query!(
        "update outbox set card = 'settled' where gate_id = $1 and channel = $2 and card = 'open'",
        gate,
        channel
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn settled_one(db: &mut PgConnection, message: Uuid) -> Result<()> {
    sqlx::query!("update outbox set card = 'settled' where id = $1", message).execute(db).await?;
    Ok(())
}

/// Takes cards whose gate is closed, answered, or passed on to others; nobody else takes them for a while. What is to be
/// said of an answered gate may be under way already: then there is nothing to do here for a moment.
pub async fn take_stale(
    db: &mut PgConnection,
    channel: &str,
    limit: i64,
    hold: Duration,
) -> Result<Vec<Stale>> {
    let rows = sqlx::query!(
        r#"update outbox set next_at = takt_now() + make_interval(secs => $3)
         where id in (
             select card.id from outbox card join gate on gate.id = card.gate_id
             where card.card = 'open' and card.channel = $1 and card.next_at <= takt_now()
               and (gate.state <> 'open' or gate.rung > card.card_rung)
               and not exists (select 1 from outbox said
                               where said.gate_id = card.gate_id and said.channel = card.channel
                                 and said.state = 'queued' and said.message ->> 'kind' = 'decided'
                                 and said.created_at > takt_now() - interval '500 ms')
             order by card.next_at limit $2 for update of card skip locked)
         returning id, gate_id as "gate_id!", receipt, message"#,
        channel,
        limit,
        hold.as_secs_f64()
    );
    let stale = rows.fetch_all(db).await?.into_iter().map(|row| Stale {
        id: row.id,
        gate_id: row.gate_id,
        receipts: receipts_in(row.receipt),
        message: row.message,
    });
    Ok(stale.collect())
}

/// The card could not be changed; it is tried again after a while.
pub async fn later(db: &mut PgConnection, message: Uuid, pause: Duration) -> Result<()> {
    sqlx::query!(
        "update outbox set next_at = takt_now() + make_interval(secs => $2) where id = $1",
        message,
        pause.as_secs_f64()
    )
    .execute(db)
    .await?;
    Ok(())
}
