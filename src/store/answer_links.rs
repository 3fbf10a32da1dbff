//! One-time links in mails. Only their hashes are known here.

use super::{PgConnection, Result};
use crate::run::GateId;
use chrono::{DateTime, Utc};
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct AnswerLink {
    pub gate_id: Uuid,
    pub person: String,
    /// Of the question as it was mailed.
    pub proposal_hash: String,
    pub expires_at: DateTime<Utc>,
    pub used_at: Option<DateTime<Utc>>,
}

/// A link is good as long as the question is.
pub async fn add(db: &mut PgConnection, token_hash: &str, gate: GateId, person: &str) -> Result<()> {
    sqlx::query!(
        "insert into answer_link (token_hash, gate_id, person, proposal_hash, expires_at)
         select $1, id, $3, proposal_hash, expires_at from gate where id = $2",
        token_hash,
        gate.0,
        person
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn get(db: &mut PgConnection, token_hash: &str) -> Result<Option<AnswerLink>> {
    let found = sqlx::query_as!(
        AnswerLink,
        "select gate_id, person, proposal_hash, expires_at, used_at from answer_link where token_hash = $1",
        token_hash
    );
    Ok(found.fetch_optional(db).await?)
}

/// Its one use. An answer that was refused does not use it up.
pub async fn used(db: &mut PgConnection, token_hash: &str) -> Result<()> {
    sqlx::query!(
        "update answer_link set used_at = takt_now() where token_hash = $1 and used_at is null",
        token_hash
    )
    .execute(db)
    .await?;
    Ok(())
}
