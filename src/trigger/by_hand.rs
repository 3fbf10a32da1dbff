//! Runs that a person starts, in the console, on the command line or through the API.

use crate::{
    engine::{Caps, Definitions, StartError, Way, make_way, start_runs},
    run::{Actor, NewRun, RunId, Turn, TurnError, inputs_from},
    site::Limits,
    store::{PgConnection, StoreError},
    workflow::{Trigger, Workflow},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

#[derive(Debug, thiserror::Error)]
pub enum ManualError {
    #[error("there is no workflow `{0}`; `takt check` lists what this site has")]
    NoWorkflow(String),
    #[error("`{0}` is started by its events, not by hand: fire one, or give it `trigger: manual`")]
    ByEvent(String),
    #[error("`{0}` is started by its schedule, not by hand: `takt cron trigger {0}` fires it once more")]
    ByClock(String),
    #[error("{0}")]
    Inputs(String),
    #[error("{0} (`limits.payload_bytes_max` in takt.yaml)")]
    TooLarge(String),
    #[error(transparent)]
    Turn(#[from] TurnError),
    #[error("`{workflow}` runs one at a time, and run {open} is open: wait for its end, or cancel it")]
    OneAtATime { workflow: String, open: RunId },
    #[error(transparent)]
    Start(#[from] StartError),
}

impl From<StoreError> for ManualError {
    fn from(error: StoreError) -> Self {
        Self::Start(error.into())
    }
}

/// The workflow, if people start it: with `trigger: manual` it reads nothing of an event.
pub fn check_manual<'a>(id: &str, found: Option<&'a Workflow>) -> Result<&'a Workflow, ManualError> {
    let workflow = found.ok_or_else(|| ManualError::NoWorkflow(id.to_owned()))?;
    match workflow.trigger {
        Trigger::Manual => Ok(workflow),
        Trigger::Events(_) => Err(ManualError::ByEvent(id.to_owned())),
        Trigger::Cron(_) => Err(ManualError::ByClock(id.to_owned())),
    }
}

/// The site's limits as the engine applies them to one run.
pub fn caps_of(limits: &Limits) -> Caps {
    Caps { payload_bytes_max: limits.payload_bytes_max, run_bytes_max: limits.run_bytes_max }
}

/// The run that a person wants started, with `site` as expressions see it. Who starts it may not approve it.
pub fn by_hand(
    definitions: &Definitions,
    workflow: &str,
    inputs: &Value,
    (site, limits): (&Value, &Limits),
    by: &Actor,
    now: DateTime<Utc>,
) -> Result<NewRun, ManualError> {
    if let Some(refused) = caps_of(limits).refuse_inputs(inputs) {
        return Err(ManualError::TooLarge(refused.message));
    }
    let definition =
        definitions.current(workflow).ok_or_else(|| ManualError::NoWorkflow(workflow.to_owned()))?;
    let mut trigger = json!({ "id": null, "type": "manual", "subject": null, "time": now, "by": by.name() });
    if let Some(via) = by.auth() {
        trigger["via"] = json!(via);
    }
    let inputs = inputs_from(&definition.workflow, inputs).map_err(ManualError::Inputs)?;
    Ok(NewRun {
        id: RunId::at(now),
        workflow: workflow.to_owned(),
        title: definition.workflow.title.clone(),
        subject: None,
        key: None,
        sha256: definition.sha256.clone(),
        turn: Turn::of(&definition.workflow, &trigger, &inputs, site, now)?,
        trigger,
        inputs,
        parent: None,
        approved: false,
        shadow: false,
        started_by: Some(by.name().to_owned()),
        event: None,
        trace: None,
    })
}

/// Makes the runs ready for any worker; their start stands in the audit: all of them begin or take their places in line,
/// or none does.
pub async fn start_by_hand(
    db: &mut PgConnection,
    runs: &[NewRun],
    now: DateTime<Utc>,
) -> Result<(), ManualError> {
    for run in runs {
        if let Way::Taken(open) = make_way(db, run).await? {
            return Err(ManualError::OneAtATime { workflow: run.workflow.clone(), open });
        }
    }
    start_runs(db, runs, now).await?;
    Ok(())
}
