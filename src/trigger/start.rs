//! One run more: from an event or a firing.

use crate::{
    engine::{StartError, Way, make_way, queue_run},
    run::{NewRun, PaceKey, RunId, Turn, TurnError, admit, inputs_from},
    store::{
        PgConnection, StoreError, floods, lanes,
        paces::{self, PaceKind},
        summaries,
    },
    workflow::{Definition, Rate},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// What became of a wish to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Started {
    Run(RunId),
    /// An open run has this key.
    Joined(RunId),
    /// More than `flood` allows.
    Flooded,
    /// More than `rate` allows, in words.
    Limited(String),
}

pub(super) struct Wish<'a> {
    pub definition: &'a Definition,
    pub trigger: Value,
    pub subject: Option<String>,
    pub key: Option<String>,
    pub event: Option<Uuid>,
    pub trace: Option<String>,
    pub flood: Option<Rate>,
    /// Who asked for it; may not approve it.
    pub started_by: Option<String>,
    pub starts: &'a Starts<'a>,
}

/// What all starts of one transaction share.
pub(super) struct Starts<'a> {
    /// `site` as expressions see it.
    pub site: &'a Value,
    /// Lanes that were joined, for the end of the transaction.
    joined: Mutex<Vec<i64>>,
}

impl<'a> Starts<'a> {
    pub fn new(site: &'a Value) -> Self {
        Self { site, joined: Mutex::default() }
    }

    /// Lets new runs into their lanes; the last of the transaction.
    pub async fn settle(self, db: &mut PgConnection) -> Result<(), StoreError> {
        let joined = self.joined.into_inner().unwrap_or_else(PoisonError::into_inner);
        lanes::settle(db, &[], &joined).await.map(|_| ())
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum WishError {
    #[error("{0}")]
    Inputs(String),
    #[error(transparent)]
    Turn(#[from] TurnError),
    #[error(transparent)]
    Start(#[from] StartError),
}

impl WishError {
    /// What is wrong with the workflow or the event, in words; the store's own errors are passed on.
    pub fn blame(self) -> Result<String, StoreError> {
        match self {
            Self::Inputs(text) => Ok(text),
            Self::Turn(error) => Ok(error.to_string()),
            Self::Start(error) => Err(error.into()),
        }
    }
}

impl From<StoreError> for WishError {
    fn from(error: StoreError) -> Self {
        Self::Start(error.into())
    }
}

pub(super) async fn start(
    db: &mut PgConnection,
    wish: Wish<'_>,
    now: DateTime<Utc>,
) -> Result<Started, WishError> {
    let workflow = &wish.definition.workflow;
    if let Some(key) = &wish.key
        && let Some(open) = summaries::open_with_key(db, &workflow.id, key).await?
    {
        return Ok(Started::Joined(open));
    }
    if let Some(flood) = wish.flood {
        let since = now - TimeDelta::from_std(flood.within).unwrap_or(TimeDelta::MAX);
        if summaries::started_since(db, &workflow.id, since).await? >= i64::from(flood.count) {
            floods::count(db, &workflow.id, wish.subject.as_deref(), flood.within).await?;
            return Ok(Started::Flooded);
        }
    }
    let inputs = inputs_from(workflow, &Value::Null).map_err(WishError::Inputs)?;
    let turn = Turn::of(workflow, &wish.trigger, &inputs, wish.starts.site, now)?;
    let run = NewRun {
        id: RunId::at(now),
        workflow: workflow.id.clone(),
        title: workflow.title.clone(),
        subject: wish.subject,
        key: wish.key.clone(),
        sha256: wish.definition.sha256.clone(),
        trigger: wish.trigger,
        inputs,
        parent: None,
        approved: false,
        shadow: false,
        started_by: wish.started_by,
        event: wish.event,
        trace: wish.trace,
        turn,
    };
    if let Way::Taken(open) = make_way(db, &run).await? {
        return Ok(Started::Joined(open));
    }
    if let (Some(_), Some(refused)) = (run.event, over_rate(db, &run, now).await?) {
        return Ok(Started::Limited(refused));
    }
    let mut joined = Vec::new();
    if queue_run(db, &run, now, &mut joined).await? {
        wish.starts.joined.lock().unwrap_or_else(PoisonError::into_inner).extend(joined);
        return Ok(Started::Run(run.id));
    }
    // Somebody was faster with the same key.
    let open = match &wish.key {
        Some(key) => summaries::open_with_key(db, &workflow.id, key).await?,
        None => None,
    };
    Ok(Started::Joined(open.unwrap_or(run.id)))
}

/// Counts a start under `rate`, or says in words that there were too many.
async fn over_rate(
    db: &mut PgConnection,
    run: &NewRun,
    now: DateTime<Utc>,
) -> Result<Option<String>, StoreError> {
    let Some(PaceKey { key, limit }) = &run.turn.rate else { return Ok(None) };
    let mut starts = paces::lock(db, &run.workflow, PaceKind::Rate, key).await?;
    let is_free = admit(&mut starts, *limit, now);
    paces::save(db, &run.workflow, PaceKind::Rate, key, &starts).await?;
    let of = if key.is_empty() { String::new() } else { format!(" for {key}") };
    let text = || format!("more than `rate` of `{}` allows{of}: {} were started", run.workflow, limit.count);
    Ok((!is_free).then(text))
}
