//! Links that stand for somebody without a session; of their secret only the hash is kept.

use super::{PgConnection, Result};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

#[derive(Debug, Clone, Serialize)]
pub struct Link {
    pub id: Uuid,
    /// `embed` or `partner`.
    pub kind: String,
    pub person: Option<String>,
    pub gate_id: Option<Uuid>,
    pub partner: Option<String>,
    pub subject: Option<String>,
    pub ask: Value,
    pub created_by: String,
    pub expires_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub is_over: bool,
}

/// What a new link stands for.
#[derive(Debug, Clone)]
pub struct NewLink {
    pub kind: &'static str,
    pub person: Option<String>,
    pub gate_id: Option<Uuid>,
    pub partner: Option<String>,
    pub subject: Option<String>,
    pub ask: Value,
    pub created_by: String,
    pub length: Duration,
}

/// Gives the moment it ends.
pub async fn create(
    db: &mut PgConnection,
    id: Uuid,
    token_hash: &str,
    new: &NewLink,
) -> Result<DateTime<Utc>> {
    let expires_at = sqlx::query_scalar!(
        "insert into access_link
             (id, token_hash, kind, person, gate_id, partner, subject, ask, created_by, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp() + make_interval(secs => $10))
         returning expires_at",
        id,
        token_hash,
        new.kind,
        new.person,
        new.gate_id,
        new.partner,
        new.subject,
        new.ask,
        new.created_by,
        new.length.as_secs_f64()
    );
    Ok(expires_at.fetch_one(db).await?)
}

/// A link of this kind, also one that is over: whoever comes late is told so.
pub async fn find(db: &mut PgConnection, kind: &str, token_hash: &str) -> Result<Option<Link>> {
    let found = sqlx::query_as!(
        Link,
        r#"select id, kind, person, gate_id, partner, subject, ask, created_by, expires_at, used_at, revoked_at,
                  (expires_at <= clock_timestamp() or revoked_at is not null) as "is_over!"
           from access_link where token_hash = $1 and kind = $2"#,
        token_hash,
        kind
    );
    Ok(found.fetch_optional(db).await?)
}

/// True for the first answer that comes through it while it holds.
pub async fn use_up(db: &mut PgConnection, id: Uuid) -> Result<bool> {
    let used = sqlx::query!(
        "update access_link set used_at = clock_timestamp()
         where id = $1 and used_at is null and revoked_at is null and expires_at > clock_timestamp()",
        id
    );
    Ok(used.execute(db).await?.rows_affected() == 1)
}

/// Ends the embedded pages of a person; gives how many there were.
pub async fn end_embedded(db: &mut PgConnection, person: &str) -> Result<u64> {
    let ended = sqlx::query!(
        "update access_link set revoked_at = clock_timestamp()
         where kind = 'embed' and person = $1 and revoked_at is null and expires_at > clock_timestamp()",
        person
    );
    Ok(ended.execute(db).await?.rows_affected())
}

/// False when there is no such link of this kind, or it was revoked before.
pub async fn revoke(db: &mut PgConnection, kind: &str, id: Uuid) -> Result<bool> {
    let revoked = sqlx::query!(
        "update access_link set revoked_at = clock_timestamp() where id = $1 and kind = $2 and revoked_at is null",
        id,
        kind
    );
    Ok(revoked.execute(db).await?.rows_affected() == 1)
}
