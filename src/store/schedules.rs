//! Schedules and their firings; each nominal time of a schedule exists once, whoever asks for it.

use super::{PgConnection, Result, StoreError};
use crate::run::RunId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Who asked for a firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Clock,
    Backfill,
    Trigger,
}

/// What became of a firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FiringState {
    /// The overlap policy will decide.
    Asked,
    /// Starts when the open run has ended.
    Buffered,
    Started,
    /// Late beyond what `catch_up` makes up for.
    Missed,
    /// The schedule was paused.
    Paused,
    /// The overlap policy left it out.
    Skipped,
    /// No run could be started.
    Failed,
}

impl Origin {
    fn word(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Backfill => "backfill",
            Self::Trigger => "trigger",
        }
    }
}

impl FiringState {
    fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Buffered => "buffered",
            Self::Started => "started",
            Self::Missed => "missed",
            Self::Paused => "paused",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

fn read<T: for<'a> Deserialize<'a>>(what: &'static str, word: String) -> Result<T> {
    serde_json::from_value(Value::String(word)).map_err(|source| StoreError::Unreadable { what, source })
}

/// Where a schedule stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Every nominal time up to here has been decided.
    pub through: DateTime<Utc>,
    /// What the schedule was then; absent where that is not known.
    #[serde(skip)]
    pub spec: Option<String>,
    pub pause: Option<Pause>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    pub at: DateTime<Utc>,
    pub by: String,
    pub note: Option<String>,
}

struct StandingRow {
    through: DateTime<Utc>,
    spec: Option<String>,
    paused_at: Option<DateTime<Utc>>,
    paused_by: Option<String>,
    pause_note: Option<String>,
}

impl From<StandingRow> for Standing {
    fn from(row: StandingRow) -> Self {
        let pause = row.paused_at.zip(row.paused_by);
        Self {
            through: row.through,
            spec: row.spec,
            pause: pause.map(|(at, by)| Pause { at, by, note: row.pause_note }),
        }
    }
}

/// A firing that waits for its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub nominal: DateTime<Utc>,
    pub origin: Origin,
    pub asked: Option<Asker>,
    pub state: FiringState,
}

/// Who asked for a firing, and the door or program that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    pub by: String,
    pub via: Option<String>,
}

/// A firing and what became of its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Firing {
    pub nominal: DateTime<Utc>,
    pub origin: Origin,
    pub asked_by: Option<String>,
    pub state: FiringState,
    pub note: Option<String>,
    /// When that was decided.
    pub at: DateTime<Utc>,
    pub run: Option<Uuid>,
    /// Of the run, once it has ended.
    pub outcome: Option<String>,
}

/// The time, and which schedules have firings that wait.
pub async fn look(db: &mut PgConnection) -> Result<(DateTime<Utc>, Vec<String>)> {
    let row = sqlx::query!(
        r#"select takt_now() as "now!",
               array(select distinct workflow from firing where state in ('asked', 'buffered')) as "waiting!""#
    )
    .fetch_one(db)
    .await?;
    Ok((row.now, row.waiting))
}

/// A schedule that nobody has seen yet begins now: what lies before it was never missed.
pub async fn begin(db: &mut PgConnection, workflow: &str, spec: &str, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "insert into schedule (workflow, through, spec) values ($1, $2, $3) on conflict do nothing",
        workflow,
        now,
        spec
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Locks a schedule for this transaction; `None` when somebody else has it, or it has not begun.
pub async fn try_lock(db: &mut PgConnection, workflow: &str) -> Result<Option<Standing>> {
    let row = sqlx::query_as!(
        StandingRow,
        "select through, spec, paused_at, paused_by, pause_note from schedule where workflow = $1
         for update skip locked",
        workflow
    );
    Ok(row.fetch_optional(db).await?.map(Standing::from))
}

/// The same, waiting for whoever has it.
pub async fn lock(db: &mut PgConnection, workflow: &str) -> Result<Option<Standing>> {
    let row = sqlx::query_as!(
        StandingRow,
        "select through, spec, paused_at, paused_by, pause_note from schedule where workflow = $1 for update",
        workflow
    );
    Ok(row.fetch_optional(db).await?.map(Standing::from))
}

pub async fn standing(db: &mut PgConnection, workflow: &str) -> Result<Option<Standing>> {
    let row = sqlx::query_as!(
        StandingRow,
        "select through, spec, paused_at, paused_by, pause_note from schedule where workflow = $1",
        workflow
    );
    Ok(row.fetch_optional(db).await?.map(Standing::from))
}

pub async fn advance(
    db: &mut PgConnection,
    workflow: &str,
    through: DateTime<Utc>,
    spec: &str,
) -> Result<()> {
    sqlx::query!("update schedule set through = $2, spec = $3 where workflow = $1", workflow, through, spec)
        .execute(db)
        .await?;
    Ok(())
}

/// False when it is paused already.
pub async fn pause(db: &mut PgConnection, workflow: &str, pause: &Pause) -> Result<bool> {
    let done = sqlx::query!(
        "update schedule set paused_at = $2, paused_by = $3, pause_note = $4
         where workflow = $1 and paused_at is null",
        workflow,
        pause.at,
        pause.by,
        pause.note
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub async fn resume(db: &mut PgConnection, workflow: &str) -> Result<()> {
    sqlx::query!(
        "update schedule set paused_at = null, paused_by = null, pause_note = null where workflow = $1",
        workflow
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds firings of one kind; gives back those whose nominal time was not there yet.
pub async fn add(
    db: &mut PgConnection,
    workflow: &str,
    nominal: &[DateTime<Utc>],
    state: FiringState,
    asked: (Origin, Option<&Asker>),
) -> Result<Vec<DateTime<Utc>>> {
    let (origin, asker) = asked;
    let added = sqlx::query_scalar!(
        "insert into firing (workflow, nominal, origin, asked_by, asked_via, state)
         select $1, nominal, $3, $4, $5, $6 from unnest($2::timestamptz[]) as new (nominal)
         on conflict do nothing returning nominal",
        workflow,
        nominal,
        origin.word(),
        asker.map(|asker| asker.by.as_str()),
        asker.and_then(|asker| asker.via.as_deref()),
        state.word()
    );
    Ok(added.fetch_all(db).await?)
}

/// Buffers firings of a backfill: those that are not there yet, and those that came to nothing.
pub async fn backfill(
    db: &mut PgConnection,
    workflow: &str,
    nominal: &[DateTime<Utc>],
    asker: &Asker,
) -> Result<Vec<DateTime<Utc>>> {
    let asked = sqlx::query_scalar!(
        "insert into firing (workflow, nominal, origin, asked_by, asked_via, state)
         select $1, nominal, 'backfill', $3, $4, 'buffered' from unnest($2::timestamptz[]) as new (nominal)
         on conflict (workflow, nominal) do update
             set origin = 'backfill', asked_by = $3, asked_via = $4, state = 'buffered', note = null, at = takt_now()
             where firing.state in ('missed', 'paused', 'skipped', 'failed')
         returning nominal",
        workflow,
        nominal,
        asker.by,
        asker.via.as_deref()
    );
    Ok(asked.fetch_all(db).await?)
}

/// Which of these nominal times have a run, or wait for one.
pub async fn taken(
    db: &mut PgConnection,
    workflow: &str,
    nominal: &[DateTime<Utc>],
) -> Result<Vec<DateTime<Utc>>> {
    let taken = sqlx::query_scalar!(
        "select nominal from firing where workflow = $1 and nominal = any($2)
             and state in ('asked', 'buffered', 'started')",
        workflow,
        nominal
    );
    Ok(taken.fetch_all(db).await?)
}

/// Says what became of a firing.
pub async fn settle(
    db: &mut PgConnection,
    workflow: &str,
    nominal: DateTime<Utc>,
    state: FiringState,
    run: Option<RunId>,
    note: Option<&str>,
) -> Result<()> {
    sqlx::query!(
        "update firing set state = $3, run_id = $4, note = $5, at = takt_now()
         where workflow = $1 and nominal = $2",
        workflow,
        nominal,
        state.word(),
        run.map(|run| run.0),
        note
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Firings that wait, in the order of their nominal times. While a schedule is paused its own firings rest,
/// and only those that people asked for go on.
pub async fn waiting(
    db: &mut PgConnection,
    workflow: &str,
    with_clock: bool,
    limit: i64,
) -> Result<Vec<Waiting>> {
    let rows = sqlx::query!(
        "select nominal, origin, asked_by, asked_via, state from firing
         where workflow = $1 and state in ('asked', 'buffered') and ($2 or origin <> 'clock')
         order by nominal limit $3",
        workflow,
        with_clock,
        limit
    )
    .fetch_all(db)
    .await?;
    let mut waiting = Vec::with_capacity(rows.len());
    for row in rows {
        waiting.push(Waiting {
            nominal: row.nominal,
            origin: read("firing.origin", row.origin)?,
            asked: row.asked_by.map(|by| Asker { by, via: row.asked_via }),
            state: read("firing.state", row.state)?,
        });
    }
    Ok(waiting)
}

pub async fn buffered(db: &mut PgConnection, workflow: &str) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from firing where workflow = $1 and state = 'buffered'"#,
        workflow
    );
    Ok(count.fetch_one(db).await?)
}

/// A newer firing takes the place of those that wait; those of a backfill stay.
pub async fn replace_buffered(db: &mut PgConnection, workflow: &str, note: &str) -> Result<()> {
    sqlx::query!(
        "update firing set state = 'skipped', note = $2, at = takt_now()
         where workflow = $1 and state = 'buffered' and origin <> 'backfill'",
        workflow,
        note
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The newest firings, by nominal time.
pub async fn recent(db: &mut PgConnection, workflow: &str, limit: i64) -> Result<Vec<Firing>> {
    let rows = sqlx::query!(
        r#"select firing.nominal, firing.origin, firing.asked_by, firing.state, firing.note, firing.at,
               firing.run_id, summary.outcome as "outcome?"
           from firing left join run_summary summary on summary.id = firing.run_id
           where firing.workflow = $1 order by firing.nominal desc limit $2"#,
        workflow,
        limit
    )
    .fetch_all(db)
    .await?;
    let mut firings = Vec::with_capacity(rows.len());
    for row in rows {
        firings.push(Firing {
            nominal: row.nominal,
            origin: read("firing.origin", row.origin)?,
            asked_by: row.asked_by,
            state: read("firing.state", row.state)?,
            note: row.note,
            at: row.at,
            run: row.run_id,
            outcome: row.outcome,
        });
    }
    Ok(firings)
}
