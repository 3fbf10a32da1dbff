//! Storage care: on a schedule that all processes of a database share, looks for what holds vacuum back, gives
//! the planner statistics, and takes out what the site's policy no longer keeps. `takt db purge` takes the same way.

use crate::run::{AuditRecord, TAKT};
use crate::store::{
    PgConnection, Store, StoreError, audit, partitions,
    retention::{self, Kept, Trimmed},
    upkeep::{self, Task},
    watch::{self, Bounds},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a process asks whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const EVERY: [(Task, Duration); 3] = [
    (Task::Watch, Duration::from_secs(60)),
    (Task::Analyze, Duration::from_secs(6 * 3600)),
    (Task::Retention, Duration::from_secs(3600)),
];
/// A task that failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(300);

/// How long things are kept; what has no time is kept for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// Journal and payloads, by the day a run began.
    pub journal: Option<Duration>,
    pub events: Option<Duration>,
    pub messages: Option<Duration>,
    /// The list of runs with its questions and answers.
    pub runs: Option<Duration>,
}

impl Policy {
    fn trims(&self) -> [(Trimmed, Option<Duration>); 3] {
        [(Trimmed::Events, self.events), (Trimmed::Messages, self.messages), (Trimmed::Runs, self.runs)]
    }
}

/// What was taken out, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freed {
    /// Partitions by name with their size.
    pub days: Vec<(String, i64)>,
    /// Rows of each narrow table.
    pub rows: Vec<(Trimmed, u64)>,
    pub kept: Vec<Kept>,
}

impl Freed {
    pub fn bytes(&self) -> i64 {
        self.days.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// What happens on the way, for a progress line.
#[derive(Debug, Clone)]
pub enum Progress<'a> {
    Day { name: &'a str, bytes: i64 },
    Rows { what: Trimmed, so_far: u64 },
}

/// Takes out what is older than the policy keeps. `rehearse` only says what that would be.
pub async fn clean(
    db: &mut PgConnection,
    policy: &Policy,
    rehearse: bool,
    tell: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Freed, StoreError> {
    let mut freed = Freed::default();
    if let Some(kept) = policy.journal {
        let before = retention::before(db, kept).await?;
        for partition in retention::days_before(db, before).await? {
            let runs = retention::live_runs(db, &partition).await?;
            if !runs.is_empty() {
                freed.kept.push(Kept { partition: partition.name.clone(), runs });
                continue;
            }
            if !rehearse && !retention::drop_day(db, &partition).await? {
                freed.kept.push(Kept { partition: partition.name, runs: Vec::new() });
                continue;
            }
            tell(Progress::Day { name: &partition.name, bytes: partition.bytes });
            freed.days.push((partition.name, partition.bytes));
        }
    }
    for (what, kept) in policy.trims() {
        let Some(kept) = kept else { continue };
        let before = retention::before(db, kept).await?;
        if rehearse {
            let rows = retention::count(db, what, before).await?;
            freed.rows.push((what, u64::try_from(rows).unwrap_or(0)));
            continue;
        }
        let mut rows = 0;
        loop {
            let batch = retention::trim(db, what, before).await?;
            if batch == 0 {
                break;
            }
            rows += batch;
            tell(Progress::Rows { what, so_far: rows });
        }
        freed.rows.push((what, rows));
    }
    if !rehearse {
        tell_audit(db, &freed).await?;
    }
    Ok(freed)
}

/// What went for good stands in the audit.
async fn tell_audit(db: &mut PgConnection, freed: &Freed) -> Result<(), StoreError> {
    let rows: Vec<Value> = freed
        .rows
        .iter()
        .filter(|(_, rows)| *rows > 0)
        .map(|(what, rows)| json!({ "what": what.name(), "rows": rows }))
        .collect();
    if rows.is_empty() && freed.days.is_empty() {
        return Ok(());
    }
    let days: Vec<&str> = freed.days.iter().map(|(name, _)| name.as_str()).collect();
    let record = AuditRecord::new(TAKT, "retention.drop").detail(json!({ "days": days, "rows": rows }));
    audit::append(db, &[record]).await
}

pub struct Upkeep {
    pub store: Store,
    pub policy: Policy,
}

impl Upkeep {
    /// Looks every minute until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.pass().await {
                tracing::warn!(%error, "storage care could not begin; trying again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Does what is due and nobody else does.
    pub async fn pass(&self) -> Result<(), StoreError> {
        let mut db = self.store.connection().await?;
        for task in upkeep::take_due(&mut db, &EVERY).await? {
            match self.perform(&mut db, task).await {
                Ok(finding) => upkeep::done(&mut db, task, &finding).await?,
                Err(error) => {
                    tracing::warn!(task = task.name(), %error, "a task of storage care failed; trying again later");
                    upkeep::failed(&mut db, task, &error.to_string(), AGAIN).await?;
                }
            }
        }
        Ok(())
    }

    async fn perform(&self, db: &mut PgConnection, task: Task) -> Result<Value, StoreError> {
        match task {
            Task::Watch => {
                let found = watch::look(db, &Bounds::default()).await?;
                for finding in &found {
                    tracing::warn!("{}", finding.sentence());
                }
                let told = found.iter().map(|f| json!({ "sentence": f.sentence(), "query": f.query() }));
                Ok(told.collect())
            }
            Task::Analyze => {
                upkeep::analyze(db).await?;
                Ok(json!([]))
            }
            Task::Retention => {
                // Also where no worker runs: intake writes the first record of a run.
                partitions::make_ahead(db).await?;
                let mut quiet = |_: Progress<'_>| {};
                let freed = clean(db, &self.policy, false, &mut quiet).await?;
                for (name, bytes) in &freed.days {
                    tracing::info!(partition = name, bytes, "dropped a day that the policy no longer keeps");
                }
                Ok(freed.kept.iter().map(|kept| json!({ "sentence": kept.sentence() })).collect())
            }
            // Of the audit's keeper; they are not among ours.
            Task::Checkpoint | Task::Verify => Ok(json!([])),
        }
    }
}
