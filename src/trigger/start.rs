//! One run more: from an event, a firing or a person.

use crate::{
    engine::{Definitions, StartError, start_run},
    run::{NewRun, RunId, inputs_from},
    store::{PgConnection, StoreError, summaries},
    workflow::{Definition, Flood},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

/// What became of a wish to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Started {
    Run(RunId),
    /// An open run has this key.
    Joined(RunId),
    /// More than `flood` allows.
    Flooded,
}

pub(super) struct Wish<'a> {
    pub definition: &'a Definition,
    pub trigger: Value,
    pub subject: Option<String>,
    pub key: Option<String>,
    pub event: Option<Uuid>,
    pub trace: Option<String>,
    pub flood: Option<Flood>,
    /// Who asked for it; may not approve it.
    pub started_by: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum WishError {
    #[error("{0}")]
    Inputs(String),
    #[error(transparent)]
    Start(#[from] StartError),
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
            return Ok(Started::Flooded);
        }
    }
    let run = NewRun {
        id: RunId::at(now),
        workflow: workflow.id.clone(),
        title: workflow.title.clone(),
        subject: wish.subject,
        key: wish.key.clone(),
        sha256: wish.definition.sha256.clone(),
        trigger: wish.trigger,
        inputs: inputs_from(workflow, &Value::Null).map_err(WishError::Inputs)?,
        parent: None,
        approved: false,
        started_by: wish.started_by,
        event: wish.event,
        trace: wish.trace,
    };
    if start_run(db, &run, now).await? {
        return Ok(Started::Run(run.id));
    }
    // Somebody was faster with the same key.
    let open = match &wish.key {
        Some(key) => summaries::open_with_key(db, &workflow.id, key).await?,
        None => None,
    };
    Ok(Started::Joined(open.unwrap_or(run.id)))
}

#[derive(Debug, thiserror::Error)]
pub enum ManualError {
    #[error("there is no workflow `{0}`; `takt check` lists what this site has")]
    NoWorkflow(String),
    #[error("{0}")]
    Inputs(String),
}

/// The run that a person wants started. Who starts it may not approve it.
pub fn by_hand(
    definitions: &Definitions,
    workflow: &str,
    inputs: &Value,
    person: &str,
    now: DateTime<Utc>,
) -> Result<NewRun, ManualError> {
    let definition =
        definitions.current(workflow).ok_or_else(|| ManualError::NoWorkflow(workflow.to_owned()))?;
    Ok(NewRun {
        id: RunId::at(now),
        workflow: workflow.to_owned(),
        title: definition.workflow.title.clone(),
        subject: None,
        key: None,
        sha256: definition.sha256.clone(),
        trigger: json!({ "id": null, "type": "manual", "subject": null, "time": now, "by": person }),
        inputs: inputs_from(&definition.workflow, inputs).map_err(ManualError::Inputs)?,
        parent: None,
        approved: false,
        started_by: Some(person.to_owned()),
        event: None,
        trace: None,
    })
}
