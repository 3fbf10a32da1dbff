use super::unread;
use crate::{
    http::{
        auth::Caller,
        place::{may_order_of, within},
        problem::{Cause, Problem},
        state::Shared,
    },
    run::Actor,
    site::Place,
    store::{StoreError, clock},
    trigger::{Backfill, Schedule, View},
};
use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Firings that a schedule is shown with.
const SHOWN: i64 = 100;
/// Firings that each schedule of the list is shown with.
const LISTED: i64 = 5;

#[derive(Serialize)]
pub(in crate::http) struct Schedules {
    schedules: Vec<View>,
}

pub(in crate::http) async fn list(
    State(door): State<Shared>,
    _caller: Caller,
) -> Result<Json<Schedules>, Problem> {
    let mut db = door.app.store.connection().await?;
    let now = clock::now(&mut db).await?;
    let mut schedules = Vec::new();
    for definition in door.app.definitions.all_current() {
        if let Some(schedule) = Schedule::of(definition, &door.app.site) {
            schedules.push(schedule.view(&mut db, now, LISTED).await?);
        }
    }
    Ok(Json(Schedules { schedules }))
}

pub(in crate::http) async fn show(
    State(door): State<Shared>,
    Path(workflow): Path<String>,
    caller: Caller,
) -> Result<Json<View>, Problem> {
    within(&door, &caller, &Place { work_center: None, workflow: Some(&workflow) })?;
    let schedule = find(&door, &workflow)?;
    let mut db = door.app.store.connection().await?;
    let now = clock::now(&mut db).await?;
    Ok(Json(schedule.view(&mut db, now, SHOWN).await?))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Note {
    note: Option<String>,
}

pub(in crate::http) async fn pause(
    State(door): State<Shared>,
    Path(workflow): Path<String>,
    caller: Caller,
    given: Result<Json<Note>, JsonRejection>,
) -> Result<Json<View>, Problem> {
    let (schedule, by) = (find(&door, &workflow)?, orderer(&door, &caller, &workflow)?);
    let Note { note } = read(given)?;
    let mut tx = door.app.store.begin().await?;
    let now = clock::now(&mut tx).await?;
    schedule.pause(&mut tx, &by, note.as_deref(), now).await?;
    let view = schedule.view(&mut tx, now, SHOWN).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Json(view))
}

pub(in crate::http) async fn resume(
    State(door): State<Shared>,
    Path(workflow): Path<String>,
    caller: Caller,
    given: Result<Json<Note>, JsonRejection>,
) -> Result<Json<View>, Problem> {
    let (schedule, by) = (find(&door, &workflow)?, orderer(&door, &caller, &workflow)?);
    let Note { note } = read(given)?;
    let mut tx = door.app.store.begin().await?;
    let now = clock::now(&mut tx).await?;
    schedule.resume(&mut tx, &by, note.as_deref(), now).await?;
    let view = schedule.view(&mut tx, now, SHOWN).await?;
    tx.commit().await.map_err(StoreError::from)?;
    door.app.hints.tell();
    Ok(Json(view))
}

/// `at` is the time of the request: sent again with the same one, it is the same firing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Now {
    at: Option<DateTime<Utc>>,
}

pub(in crate::http) async fn trigger(
    State(door): State<Shared>,
    Path(workflow): Path<String>,
    caller: Caller,
    given: Result<Json<Now>, JsonRejection>,
) -> Result<Response, Problem> {
    let (schedule, by) = (find(&door, &workflow)?, orderer(&door, &caller, &workflow)?);
    let Now { at } = read(given)?;
    let mut tx = door.app.store.begin().await?;
    let now = clock::now(&mut tx).await?;
    let nominal = schedule.trigger(&mut tx, &by, at, now).await?;
    tx.commit().await.map_err(StoreError::from)?;
    door.app.hints.tell();
    Ok((StatusCode::ACCEPTED, Json(json!({ "nominal": nominal }))).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Range {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    #[serde(default)]
    dry_run: bool,
}

pub(in crate::http) async fn backfill(
    State(door): State<Shared>,
    Path(workflow): Path<String>,
    caller: Caller,
    given: Result<Json<Range>, JsonRejection>,
) -> Result<Json<Backfill>, Problem> {
    let (schedule, by) = (find(&door, &workflow)?, orderer(&door, &caller, &workflow)?);
    let Range { from, to, dry_run } = read(given)?;
    let mut tx = door.app.store.begin().await?;
    let now = clock::now(&mut tx).await?;
    if dry_run {
        return Ok(Json(schedule.plan_backfill(&mut tx, from, to, now).await?));
    }
    let backfill = schedule.backfill(&mut tx, &by, (from, to), now).await?;
    tx.commit().await.map_err(StoreError::from)?;
    door.app.hints.tell();
    Ok(Json(backfill))
}

fn find(door: &Shared, workflow: &str) -> Result<Schedule, Problem> {
    Ok(Schedule::find(door.app.definitions.current(workflow), workflow, &door.app.site)?)
}

/// Whoever orders something of a schedule is an operator of its workflow, or a service account with the scope.
fn orderer(door: &Shared, caller: &Caller, workflow: &str) -> Result<Actor, Problem> {
    let unnamed = || Problem::new(Cause::NoSuchPerson, "say who does it with `X-Takt-Person`");
    let by = caller.actor().ok_or_else(unnamed)?;
    within(door, caller, &Place { work_center: None, workflow: Some(workflow) })?;
    match &caller.person {
        Some(person) if !may_order_of(door, person, workflow) => {
            let words =
                format!("{} has no role for this that takt.yaml lists under `operators`", person.name);
            Err(Problem::new(Cause::NotPermitted, words))
        }
        _ => Ok(by),
    }
}

fn read<T>(given: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    let Json(given) = given.map_err(|rejection| unread(&rejection))?;
    Ok(given)
}
