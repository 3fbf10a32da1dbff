//! What people list: one row per run, live or ended.

use super::{PgConnection, Result};
use crate::run::{NewRun, RunId};
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

/// Adds a run to the list. False when an open run of the workflow already has this key, or the run exists.
pub async fn insert(db: &mut PgConnection, run: &NewRun, started_at: DateTime<Utc>) -> Result<bool> {
    let done = sqlx::query!(
        "insert into run_summary (id, workflow, title, subject, key, parent_run, parent_path, event_id, started_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing",
        run.id.0,
        run.workflow,
        run.title,
        run.subject,
        run.key,
        run.parent.as_ref().map(|parent| parent.run.0),
        run.parent.as_ref().map(|parent| parent.path.to_string()),
        run.event,
        started_at
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub async fn open_with_key(db: &mut PgConnection, workflow: &str, key: &str) -> Result<Option<RunId>> {
    let id = sqlx::query_scalar!(
        "select id from run_summary where workflow = $1 and key = $2 and ended_at is null",
        workflow,
        key
    )
    .fetch_optional(db)
    .await?;
    Ok(id.map(RunId))
}

pub async fn started_since(db: &mut PgConnection, workflow: &str, since: DateTime<Utc>) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from run_summary where workflow = $1 and started_at > $2"#,
        workflow,
        since
    );
    Ok(count.fetch_one(db).await?)
}

pub async fn end(
    db: &mut PgConnection,
    runs: &[Uuid],
    at: &[DateTime<Utc>],
    outcomes: &[String],
) -> Result<()> {
    sqlx::query!(
        "update run_summary summary set ended_at = new.at, outcome = new.outcome, waiting_for = null
         from unnest($1::uuid[], $2::timestamptz[], $3::text[]) as new (id, at, outcome)
         where summary.id = new.id",
        runs,
        at,
        outcomes
    )
    .execute(db)
    .await?;
    Ok(())
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
    /// Keyset: only runs before this start and id.
    pub before: Option<(DateTime<Utc>, Uuid)>,
}

pub async fn list(db: &mut PgConnection, filter: &Filter, limit: i64) -> Result<Vec<Summary>> {
    let (before_at, before_id) = filter.before.unzip();
    let text = filter.text.as_ref().map(|text| format!("%{}%", text.replace(['%', '_', '\\'], "")));
    let rows = sqlx::query_as!(
        Summary,
        "select id, workflow, title, subject, key, parent_run, event_id, started_at, ended_at, outcome, waiting_for
         from run_summary
         where ($1::bool is null or (ended_at is null) = $1)
           and ($2::text is null or workflow = $2)
           and ($3::text is null or title ilike $3 or subject ilike $3 or key ilike $3)
           and ($4::timestamptz is null or (started_at, id) < ($4, $5))
         order by started_at desc, id desc limit $6",
        filter.open,
        filter.workflow,
        text,
        before_at,
        before_id,
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
