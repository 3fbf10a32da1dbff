//! Who did what outside a run. Rows are only ever added.

use super::{PgConnection, Result};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    pub at: DateTime<Utc>,
    pub actor: String,
    pub action: String,
    pub object: Option<String>,
    pub detail: Value,
}

pub async fn add(
    db: &mut PgConnection,
    actor: &str,
    action: &str,
    object: Option<&str>,
    detail: &Value,
) -> Result<()> {
    sqlx::query!(
        "insert into audit (actor, action, object, detail) values ($1, $2, $3, $4)",
        actor,
        action,
        object,
        detail
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn recent(db: &mut PgConnection, limit: i64) -> Result<Vec<Entry>> {
    let rows = sqlx::query_as!(
        Entry,
        "select at, actor, action, object, detail from audit order by id desc limit $1",
        limit
    );
    Ok(rows.fetch_all(db).await?)
}

/// The same for each of many objects.
pub async fn add_for(
    db: &mut PgConnection,
    actor: &str,
    action: &str,
    objects: &[uuid::Uuid],
    detail: &Value,
) -> Result<()> {
    sqlx::query!(
        "insert into audit (actor, action, object, detail)
         select $1, $2, object::text, $4 from unnest($3::uuid[]) as of (object)",
        actor,
        action,
        objects,
        detail
    )
    .execute(db)
    .await?;
    Ok(())
}
