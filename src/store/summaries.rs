//! What people list: one row per run, live or ended.

use super::{PgConnection, Result};
use crate::run::RunId;
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    pub id: Uuid,
    pub workflow: String,
    pub title: String,
    pub subject: Option<String>,
    pub key: Option<String>,
    pub parent_run: Option<Uuid>,
    pub event_id: Option<Uuid>,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub outcome: Option<String>,
    pub waiting_for: Option<String>,
}

pub async fn open_with_key(db: &mut PgConnection, workflow: &str, key: &str) -> Result<Option<RunId>> {
    let id =
        sqlx::query_scalar!("select run_id from open_key where workflow = $1 and key = $2", workflow, key)
            .fetch_optional(db)
            .await?;
    Ok(id.map(RunId))
}

pub async fn started_since(db: &mut PgConnection, workflow: &str, since: DateTime<Utc>) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from run_summary where workflow = $1 and id >= $2 and started_at > $3"#,
        workflow,
        RunId::first_at(since).0,
        since
    );
    Ok(count.fetch_one(db).await?)
}

pub async fn get(db: &mut PgConnection, run: RunId) -> Result<Option<Summary>> {
    let found = sqlx::query_as!(
        Summary,
        "select id, workflow, title, subject, key, parent_run, event_id, started_at, ended_at, outcome, waiting_for
         from run_summary where id = $1",
        run.0
    );
    Ok(found.fetch_optional(db).await?)
}

/// What a list shows: open or ended runs, of one workflow or all, with a word in them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub open: Option<bool>,
    pub workflow: Option<String>,
    pub text: Option<String>,
    /// Keyset: only runs before this one; ids are in the order of their starts.
    pub before: Option<Uuid>,
}

pub async fn list(db: &mut PgConnection, filter: &Filter, limit: i64) -> Result<Vec<Summary>> {
    let text = filter.text.as_ref().map(|text| format!("%{}%", text.replace(['%', '_', '\\'], "")));
    let rows = sqlx::query_as!(
        Summary,
        "select id, workflow, title, subject, key, parent_run, event_id, started_at, ended_at, outcome, waiting_for
         from run_summary
         where ($1::bool is null or exists (select from run where run.id = run_summary.id) = $1)
           and ($2::text is null or workflow = $2)
           and ($3::text is null or title ilike $3 or subject ilike $3 or key ilike $3)
           and ($4::uuid is null or id < $4)
         order by id desc limit $5",
        filter.open,
        filter.workflow,
        text,
        filter.before,
        limit
    );
    Ok(rows.fetch_all(db).await?)
}

/// Runs that a run started, oldest first.
pub async fn children(db: &mut PgConnection, run: RunId) -> Result<Vec<Summary>> {
    let rows = sqlx::query_as!(
        Summary,
        "select id, workflow, title, subject, key, parent_run, event_id, started_at, ended_at, outcome, waiting_for
         from run_summary where parent_run = $1 order by started_at, id",
        run.0
    );
    Ok(rows.fetch_all(db).await?)
}
