use super::{missing, unread};
use crate::{
    engine::CommitError,
    http::{
        auth::Caller,
        place::within,
        problem::{Cause, Problem},
        state::Shared,
    },
    run::NewRun,
    site::Place,
    store::{StoreError, clock},
    trigger::{ManualError, by_hand, check_manual, start_by_hand},
};
use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Most runs that one request may start.
const RUNS_MAX: usize = 1_000;

/// `{}`, `{ "inputs": … }`, or `{ "runs": [{ "inputs": … }, …] }` for many at once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Wanted {
    #[serde(default)]
    inputs: Value,
    runs: Option<Vec<One>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    #[serde(default)]
    inputs: Value,
}

/// The runs, durable when this is answered.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Started {
    runs: Vec<Uuid>,
}

/// Starts one run or many by hand. All of them begin, or none.
pub(in crate::http) async fn start(
    State(door): State<Shared>,
    Path(workflow): Path<String>,
    caller: Caller,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<(StatusCode, Json<Started>), Problem> {
    let unnamed = || Problem::new(Cause::NoSuchPerson, "say who starts it with `X-Takt-Person`");
    let by = caller.actor().ok_or_else(unnamed)?;
    within(&door, &caller, &Place { work_center: None, workflow: Some(&workflow) })?;
    let found = door.app.definitions.current(&workflow);
    check_manual(&workflow, found.as_ref().map(|definition| &definition.workflow))?;
    let Json(wanted) = wanted.map_err(|rejection| unread(&rejection))?;
    let inputs: Vec<Value> = match wanted.runs {
        Some(runs) => runs.into_iter().map(|run| run.inputs).collect(),
        None => vec![wanted.inputs],
    };
    if inputs.len() > RUNS_MAX {
        let detail = format!("{} runs at once; at most {RUNS_MAX} can be started together", inputs.len());
        return Err(Problem::new(Cause::TooLarge, detail));
    }
    let mut db = door.app.store.connection().await?;
    let now = clock::now(&mut db).await?;
    drop(db);
    let (site, limits) = (door.app.site.scope(), &door.app.site.limits);
    let runs: Vec<NewRun> = inputs
        .iter()
        .map(|inputs| by_hand(&door.app.definitions, &workflow, inputs, (&site, limits), &by, now))
        .collect::<Result<_, _>>()?;
    let ids = runs.iter().map(|run| run.id.0).collect();
    match <[NewRun; 1]>::try_from(runs) {
        Ok([run]) => {
            begin(&door, run).await?;
        }
        Err(many) => {
            start_all(&door, &many).await?;
        }
    }
    Ok((StatusCode::CREATED, Json(Started { runs: ids })))
}

/// In the hands of this process's worker if it has room, else for any.
async fn begin(door: &Shared, run: NewRun) -> Result<(), Problem> {
    match door.app.starter.hand_over(run) {
        Ok(mut handed) => Ok(handed.began().await?),
        Err(run) => start_all(door, &[*run]).await,
    }
}

/// For any worker, in one transaction: all of them begin or take their places in line, or none does.
async fn start_all(door: &Shared, runs: &[NewRun]) -> Result<(), Problem> {
    let mut tx = door.app.store.begin().await?;
    let now = clock::now(&mut tx).await?;
    start_by_hand(&mut tx, runs, now).await?;
    tx.commit().await.map_err(StoreError::from)?;
    door.app.hints.tell();
    Ok(())
}

impl From<ManualError> for Problem {
    fn from(error: ManualError) -> Self {
        match error {
            ManualError::NoWorkflow(_) => missing("workflow"),
            ManualError::Start(error) => StoreError::from(error).into(),
            ManualError::TooLarge(why) => Self::new(Cause::TooLarge, why),
            taken @ ManualError::OneAtATime { .. } => Self::new(Cause::OneAtATime, taken.to_string()),
            wrong => Self::new(Cause::Malformed, wrong.to_string()),
        }
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        tracing::warn!(%error, "a run was not started");
        Self::new(
            Cause::Internal,
            "nobody knows whether the run began; look at /api/runs before you try again",
        )
    }
}
