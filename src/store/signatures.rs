//! Signatures under answers. A row is added with the answer it belongs to and never changed.

use super::{PgConnection, Result};
use crate::run::GateId;
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signature {
    pub gate_id: Uuid,
    pub person: String,
    /// The name as it was printed when it was signed.
    pub name: String,
    pub meaning: String,
    /// How the person proved who they are: `password` or `oidc`.
    pub method: String,
    /// SHA-256 of the answer and this signature, in hexadecimal.
    pub record_hash: String,
    pub at: DateTime<Utc>,
}

pub async fn add(db: &mut PgConnection, signature: &Signature) -> Result<()> {
    sqlx::query!(
        "insert into gate_signature (gate_id, person, name, meaning, method, record_hash, at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        signature.gate_id,
        signature.person,
        signature.name,
        signature.meaning,
        signature.method,
        signature.record_hash,
        signature.at
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn of_gate(db: &mut PgConnection, gate: GateId) -> Result<Vec<Signature>> {
    let rows = sqlx::query_as!(
        Signature,
        "select gate_id, person, name, meaning, method, record_hash, at
         from gate_signature where gate_id = $1 order by at, person",
        gate.0
    );
    Ok(rows.fetch_all(db).await?)
}
