//! Firings of schedules; each nominal time exists once.

use super::{PgConnection, Result};
use crate::run::RunId;
use chrono::{DateTime, Utc};

/// False when this firing happened already.
pub async fn fire(
    db: &mut PgConnection,
    workflow: &str,
    nominal: DateTime<Utc>,
    run: Option<RunId>,
    note: Option<&str>,
) -> Result<bool> {
    let done = sqlx::query!(
        "insert into cron_firing (workflow, nominal, run_id, note) values ($1, $2, $3, $4) on conflict do nothing",
        workflow,
        nominal,
        run.map(|run| run.0),
        note
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub async fn last(db: &mut PgConnection, workflow: &str) -> Result<Option<DateTime<Utc>>> {
    let last = sqlx::query_scalar!("select max(nominal) from cron_firing where workflow = $1", workflow);
    Ok(last.fetch_one(db).await?)
}
