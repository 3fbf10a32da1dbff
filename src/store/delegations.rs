//! Who answers for whom, and until when.

use super::{PgConnection, Result};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delegation {
    pub id: Uuid,
    /// Whose answers are handed over.
    pub person: String,
    pub delegate: String,
    /// `None` for everything the person is asked.
    pub role: Option<String>,
    pub starts_at: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// Ended before its time.
    pub ended_at: Option<DateTime<Utc>>,
    /// The program that says the person wants this.
    pub named_by: Option<String>,
}

impl Delegation {
    pub fn is_in_force(&self, at: DateTime<Utc>) -> bool {
        self.starts_at <= at && at < self.until && self.ended_at.is_none_or(|ended| at < ended)
    }
}

pub async fn start(db: &mut PgConnection, delegation: &Delegation) -> Result<()> {
    sqlx::query!(
        "insert into delegation (id, person, delegate, role, starts_at, until, named_by)
         values ($1, $2, $3, $4, $5, $6, $7)",
        delegation.id,
        delegation.person,
        delegation.delegate,
        delegation.role,
        delegation.starts_at,
        delegation.until,
        delegation.named_by
    )
    .execute(db)
    .await?;
    Ok(())
}

/// False when it was over already.
pub async fn end(db: &mut PgConnection, id: Uuid, by: &str, at: DateTime<Utc>) -> Result<bool> {
    let ended = sqlx::query!(
        "update delegation set ended_at = $3, ended_by = $2 where id = $1 and ended_at is null and until > $3",
        id,
        by,
        at
    );
    Ok(ended.execute(db).await?.rows_affected() == 1)
}

pub async fn get(db: &mut PgConnection, id: Uuid) -> Result<Option<Delegation>> {
    let found = sqlx::query_as!(
        Delegation,
        "select id, person, delegate, role, starts_at, until, ended_at, named_by from delegation where id = $1",
        id
    );
    Ok(found.fetch_optional(db).await?)
}

/// Those that are in force at a time, the oldest first.
pub async fn in_force(db: &mut PgConnection, at: DateTime<Utc>) -> Result<Vec<Delegation>> {
    let rows = sqlx::query_as!(
        Delegation,
        "select id, person, delegate, role, starts_at, until, ended_at, named_by from delegation
         where ended_at is null and starts_at <= $1 and until > $1 order by starts_at, id",
        at
    );
    Ok(rows.fetch_all(db).await?)
}

/// What a person handed over or was given, the latest first.
pub async fn of_person(db: &mut PgConnection, person: &str, limit: i64) -> Result<Vec<Delegation>> {
    let rows = sqlx::query_as!(
        Delegation,
        "select id, person, delegate, role, starts_at, until, ended_at, named_by from delegation
         where person = $1 or delegate = $1 order by starts_at desc, id limit $2",
        person,
        limit
    );
    Ok(rows.fetch_all(db).await?)
}
