//! Conversations of a chat, as it described them when it was heard last.

use super::{PgConnection, Result};
use serde_json::Value;

/// Keeps the newest description of a conversation.
pub async fn keep(
    db: &mut PgConnection,
    channel: &str,
    id: &str,
    person: Option<&str>,
    reference: &Value,
) -> Result<()> {
    sqlx::query!(
        "insert into conversation (channel, id, person, reference) values ($1, $2, $3, $4)
         on conflict (channel, id) do update
         set person = excluded.person, reference = excluded.reference, seen_at = takt_now()",
        channel,
        id,
        person,
        reference
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The conversation with this id, or the newest one with this person.
pub async fn find(
    db: &mut PgConnection,
    channel: &str,
    id: Option<&str>,
    person: Option<&str>,
) -> Result<Option<Value>> {
    let found = sqlx::query_scalar!(
        "select reference from conversation where channel = $1 and (id = $2 or person = $3)
         order by seen_at desc limit 1",
        channel,
        id,
        person
    );
    Ok(found.fetch_optional(db).await?)
}

/// The app was removed from it.
pub async fn forget(db: &mut PgConnection, channel: &str, id: &str) -> Result<()> {
    sqlx::query!("delete from conversation where channel = $1 and id = $2", channel, id).execute(db).await?;
    Ok(())
}
