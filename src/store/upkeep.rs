//! Whose turn it is to do what has to be done from time to time, and what the last one found.

use super::{PgConnection, Result};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// One of the tasks that the migration lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Looks for what holds vacuum back and for tables that bloat.
    Watch,
    /// Gives the planner statistics of partitioned parents, which autovacuum never does.
    Analyze,
    /// Drops what the site's policy no longer keeps.
    Retention,
    /// Signs where the audit's chain stands.
    Checkpoint,
    /// Checks the audit's chain.
    Verify,
}

impl Task {
    pub const ALL: [Self; 5] = [Self::Watch, Self::Analyze, Self::Retention, Self::Checkpoint, Self::Verify];

    pub fn name(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Analyze => "analyze",
            Self::Retention => "retention",
            Self::Checkpoint => "checkpoint",
            Self::Verify => "verify",
        }
    }
}

/// Takes the tasks that are due, each for `every`: nobody else gets them until then. The clock is the real one,
/// and a time that lies further ahead than `every` (somebody set the host's clock back) counts as due.
pub async fn take_due(db: &mut PgConnection, every: &[(Task, Duration)]) -> Result<Vec<Task>> {
    let names: Vec<String> = every.iter().map(|(task, _)| task.name().to_owned()).collect();
    let seconds: Vec<f64> = every.iter().map(|(_, every)| every.as_secs_f64()).collect();
    let taken = sqlx::query_scalar!(
        "update upkeep set due_at = clock_timestamp() + make_interval(secs => mine.every)
         from unnest($1::text[], $2::float8[]) as mine (task, every)
         where upkeep.task = mine.task
           and (upkeep.due_at <= clock_timestamp()
                or upkeep.due_at > clock_timestamp() + make_interval(secs => mine.every))
         returning upkeep.task",
        &names,
        &seconds
    )
    .fetch_all(db)
    .await?;
    Ok(Task::ALL.into_iter().filter(|task| taken.iter().any(|name| name == task.name())).collect())
}

pub async fn done(db: &mut PgConnection, task: Task, finding: &Value) -> Result<()> {
    sqlx::query!(
        "update upkeep set done_at = clock_timestamp(), finding = $2, error = null where task = $1",
        task.name(),
        finding
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps why a task failed, and lets somebody try again soon.
pub async fn failed(db: &mut PgConnection, task: Task, error: &str, again: Duration) -> Result<()> {
    sqlx::query!(
        "update upkeep set error = $2, due_at = clock_timestamp() + make_interval(secs => $3) where task = $1",
        task.name(),
        error,
        again.as_secs_f64()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What stands beside a task.
#[derive(Debug, Clone)]
pub struct Last {
    pub task: String,
    pub done_at: Option<DateTime<Utc>>,
    pub finding: Value,
    pub error: Option<String>,
}

/// One sentence that a task left for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub sentence: String,
    /// What a culprit runs: only for people who are signed in.
    #[serde(default)]
    pub query: Option<String>,
}

impl Last {
    /// The audit's own tasks, which are not storage care.
    pub fn is_of_audit(&self) -> bool {
        [Task::Checkpoint, Task::Verify].iter().any(|task| task.name() == self.task)
    }

    /// What stands in `finding`, and the task's own failure.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found: Vec<Finding> = serde_json::from_value(self.finding.clone()).unwrap_or_default();
        if let Some(error) = &self.error {
            let who = if self.is_of_audit() { "The audit trail" } else { "Storage care" };
            let sentence = format!("{who} could not do its task `{}`: {error}.", self.task);
            found.push(Finding { sentence, query: None });
        }
        found
    }
}

pub async fn last(db: &mut PgConnection) -> Result<Vec<Last>> {
    let rows = sqlx::query_as!(Last, "select task, done_at, finding, error from upkeep order by task");
    Ok(rows.fetch_all(db).await?)
}

/// Statistics for the planner: partitioned parents, and hot tables while they are small.
pub async fn analyze(db: &mut PgConnection) -> Result<()> {
    for table in ["journal", "payload", "run", "run_summary", "event"] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("analyze {table}"))).execute(&mut *db).await?;
    }
    Ok(())
}
