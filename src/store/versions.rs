//! Pinned workflow definitions.

use super::{PgConnection, Result, StoreError};
use crate::workflow::Bundle;

fn unreadable(source: serde_json::Error) -> StoreError {
    StoreError::Unreadable { what: "workflow_version.bundle", source }
}

/// Keeps a bundle for ever; the same content is kept once, and audited when it comes.
pub async fn save(db: &mut PgConnection, workflow: &str, sha256: &str, bundle: &Bundle) -> Result<i32> {
    let bundle = serde_json::to_value(bundle).map_err(unreadable)?;
    sqlx::query!(
        "with deployed as (
             insert into workflow_version (sha256, workflow, bundle) values ($1, $2, $3)
             on conflict (sha256) do nothing returning workflow, sha256
         )
         insert into audit_record (actor, actor_kind, action, object, workflow, version)
         select 'takt', 'system', 'workflow.deploy', workflow, workflow, sha256 from deployed",
        sha256,
        workflow,
        bundle
    )
    .execute(&mut *db)
    .await?;
    let id = id_of(db, sha256).await?;
    id.ok_or_else(|| StoreError::Database(sqlx::Error::RowNotFound))
}

pub async fn load(db: &mut PgConnection, sha256: &str) -> Result<Option<Bundle>> {
    let found = sqlx::query_scalar!("select bundle from workflow_version where sha256 = $1", sha256)
        .fetch_optional(db)
        .await?;
    found.map(|bundle| serde_json::from_value(bundle).map_err(unreadable)).transpose()
}

pub async fn id_of(db: &mut PgConnection, sha256: &str) -> Result<Option<i32>> {
    let id = sqlx::query_scalar!("select id from workflow_version where sha256 = $1", sha256);
    Ok(id.fetch_optional(db).await?)
}
