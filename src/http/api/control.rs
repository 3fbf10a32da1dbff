//! Orders of programs: one run or many, always for a person who may, with a reason.

use super::{id, unread};
use crate::{
    engine::control::{
        Action, BulkFilter, BulkReport, ControlError, Order, Refusal, Version, apply, bulk, continue_bulk,
    },
    http::{
        auth::Caller,
        place::{may_order, within_run},
        problem::{Cause, Problem},
        state::Shared,
    },
    run::{Actor, RunId, StepPath, compat::Incompatible},
};
use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

const REASON_CHARS_MAX: usize = 2_000;

/// How long one request works on an order over many runs before it says how far it came.
const BULK_TIME: Duration = Duration::from_secs(20);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Given {
    reason: Option<String>,
    /// For `rerun`: the step it begins with.
    from: Option<StepPath>,
    /// For `rerun` and `migrate`: `same`, `newest`, or `{"sha256": …}`.
    version: Option<Version>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize)]
pub(in crate::http) struct Ordered {
    run: RunId,
    action: &'static str,
    dry_run: bool,
}

/// `POST /api/runs/{id}/{action}`.
pub(in crate::http) async fn one(
    State(door): State<Shared>,
    Path((run, action)): Path<(String, String)>,
    caller: Caller,
    given: Result<Json<Given>, JsonRejection>,
) -> Result<Json<Ordered>, Problem> {
    let run: RunId = id(&run, "run")?;
    let by = orderer(&door, &caller, Some(run)).await?;
    within_run(&door, &caller, run).await?;
    let Json(given) = given.map_err(|rejection| unread(&rejection))?;
    let action = read_action(&action, given.from, given.version)?;
    let (by, via) = (by.name().to_owned(), by.auth().map(str::to_owned));
    let order = Order { action, by, via, reason: reason(given.reason)? };
    apply(&door.app.store, &door.app.definitions, run, &order, given.dry_run).await?;
    door.app.hints.tell();
    Ok(Json(Ordered { run, action: order.action.word(), dry_run: given.dry_run }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct GivenBulk {
    /// Goes on with an order that was not finished; nothing else is given then.
    order: Option<Uuid>,
    action: Option<String>,
    #[serde(default)]
    filter: BulkFilter,
    reason: Option<String>,
    from: Option<StepPath>,
    version: Option<Version>,
    #[serde(default)]
    dry_run: bool,
}

/// `POST /api/runs/bulk`.
pub(in crate::http) async fn many(
    State(door): State<Shared>,
    caller: Caller,
    given: Result<Json<GivenBulk>, JsonRejection>,
) -> Result<Json<BulkReport>, Problem> {
    let by = orderer(&door, &caller, None).await?;
    let Json(given) = given.map_err(|rejection| unread(&rejection))?;
    let (store, definitions) = (&door.app.store, &door.app.definitions);
    let report = match given.order {
        Some(order) => continue_bulk(store, definitions, order, BULK_TIME).await?,
        None => {
            let action = read_action(&given.action.unwrap_or_default(), given.from, given.version)?;
            if given.filter.is_everything() {
                return Err(Problem::new(
                    Cause::Malformed,
                    "say which runs with `filter`: `ids`, `workflow`, `state`, …",
                ));
            }
            let (by, via) = (by.name().to_owned(), by.auth().map(str::to_owned));
            let order = Order { action, by, via, reason: reason(given.reason)? };
            bulk(store, definitions, &given.filter, &order, given.dry_run, BULK_TIME).await?
        }
    };
    door.app.hints.tell();
    Ok(Json(report))
}

/// Whoever asks must be named, and have a role that takt.yaml lists under `operators`, at the run's place where
/// the role is limited. A service account with the scope may order in its own name.
async fn orderer(door: &Shared, caller: &Caller, run: Option<RunId>) -> Result<Actor, Problem> {
    let unnamed = || Problem::new(Cause::NoSuchPerson, "say who orders it with `X-Takt-Person`");
    let by = caller.actor().ok_or_else(unnamed)?;
    let Some(person) = &caller.person else { return Ok(by) };
    if may_order(door, person, run).await? {
        return Ok(by);
    }
    let words = format!("{} has no role there that takt.yaml lists under `operators`", person.name);
    Err(Problem::new(Cause::NotPermitted, words))
}

fn reason(given: Option<String>) -> Result<String, Problem> {
    let given = given.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    let given = given.ok_or_else(|| Problem::new(Cause::Malformed, "say why with `reason`"))?;
    if given.chars().nth(REASON_CHARS_MAX).is_some() {
        let words = format!("`reason` has at most {REASON_CHARS_MAX} characters");
        return Err(Problem::new(Cause::Malformed, words));
    }
    Ok(given)
}

fn read_action(word: &str, from: Option<StepPath>, version: Option<Version>) -> Result<Action, Problem> {
    Action::read(word, from, version).map_err(|problem| match problem.is_unknown {
        true => Problem::new(Cause::NotFound, problem.words),
        false => Problem::new(Cause::Malformed, problem.words),
    })
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let words = error.to_string();
        match error {
            ControlError::Refused(Refusal::NoSuchRun(_)) | ControlError::NoSuchOrder(_) => {
                Self::new(Cause::NotFound, words)
            }
            ControlError::Refused(Refusal::Incompatible(all)) => Self::new(Cause::NotPossible, words)
                .with("why", "incompatible".into())
                .with("reasons", Incompatible::to_json(&all)),
            ControlError::Refused(refusal) => {
                Self::new(Cause::NotPossible, words).with("why", refusal.word().into())
            }
            ControlError::Store(error) => error.into(),
        }
    }
}
