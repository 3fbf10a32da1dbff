//! Work centers: what they are, what their statuses mean, what each of them is doing now.

use super::{PlexError, body, path_id, time};
use crate::simulator::{
    query::Filters,
    state::Shared,
    world::{
        PLANT_NAME, World, id_of,
        model::{Approved, MachineStatus, OperationStatus, Routing, WorkCenter},
    },
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub fn routes() -> Router<Shared> {
    let definitions = "/production/v1/production-definitions";
    Router::new()
        .route(&format!("{definitions}/workcenters"), get(list_work_centers))
        .route(&format!("{definitions}/workcenters/{{id}}"), get(get_work_center))
        .route(&format!("{definitions}/workcenter-statuses"), get(list_statuses))
        .route(&format!("{definitions}/approved-workcenters"), get(list_approved))
        .route("/production/v1/control/workcenter-setups", post(search_setups))
        .route("/production/v1/control/workcenters/{id}", get(get_setup))
}

fn kind(machine: &WorkCenter) -> &'static str {
    match machine.group.code() {
        "PRESS" => "Press",
        "WELD" => "Weld Cell",
        "PAINT" => "Paint Line",
        "ASSY" => "Assembly Line",
        _ => "Packing Line",
    }
}

fn work_center_json(machine: &WorkCenter) -> Value {
    json!({
        "workcenterId": machine.id, "workcenterCode": machine.code, "name": machine.name,
        "workcenterType": kind(machine), "workcenterGroup": machine.group.code(),
        "buildingId": id_of("building", PLANT_NAME), "buildingCode": PLANT_NAME, "tankSilo": false,
        "productionLineId": null, "ipAddress": null, "plcName": format!("PLC-{}", machine.code),
    })
}

async fn list_work_centers(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let wanted = world.work_centers.iter().filter(|machine| {
        filters.allows("workcenterCode", machine.code)
            && filters.allows("name", machine.name)
            && filters.allows("workcenterType", kind(machine))
            && filters.allows("workcenterGroup", machine.group.code())
    });
    Json(wanted.map(work_center_json).collect())
}

async fn get_work_center(
    State(plant): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Value>, PlexError> {
    let world = plant.world();
    world.work_center(path_id(&id)?).map(|machine| Json(work_center_json(machine))).ok_or(PlexError::NotFound)
}

/// The tenant's list; the plant itself uses the first six.
const STATUSES: [&str; 8] = [
    "Production",
    "Setup",
    "Idle",
    "Waiting for Material",
    "Planned Maintenance",
    "Unplanned Downtime",
    "No Operator",
    "Off",
];

fn status_id(description: &str) -> Uuid {
    id_of("workcenter-status", description)
}

async fn list_statuses() -> Json<Vec<Value>> {
    let row = |description: &str| {
        json!({
            "id": status_id(description), "description": description,
            "canRunProduction": description == "Production", "offStatus": description == "Off",
            "idleStatus": matches!(description, "Idle" | "No Operator" | "Waiting for Material"),
            "productionStatus": description == "Production", "setupStatus": description == "Setup",
            "downtimeStatus": matches!(description, "Unplanned Downtime" | "Planned Maintenance"),
            "maintenanceStatus": description == "Planned Maintenance",
            "noOperatorRequired": matches!(description, "Off" | "No Operator"), "active": true,
            "linkedWorkcenterEvents": [],
        })
    };
    Json(STATUSES.into_iter().map(row).collect())
}

fn approved_json(world: &World, approved: &Approved) -> Value {
    json!({
        "workcenterId": approved.work_center, "workcenterCode": world.work_center_code(approved.work_center),
        "preference": approved.preference, "setupFamily": approved.family,
        "setupMinutes": approved.setup_minutes as f64, "minutesPerPiece": approved.minutes_per_piece,
        "crewSize": 1, "toolCode": approved.tool,
    })
}

pub fn routing_json(world: &World, routing: &Routing) -> Value {
    let approved: Vec<Value> =
        routing.approved.iter().map(|approved| approved_json(world, approved)).collect();
    json!({
        "id": routing.id, "partId": routing.part, "partNumber": world.part_number(routing.part),
        "operationNumber": routing.number, "operationCode": routing.group.code(),
        "operationType": "Production", "active": true, "approvedWorkcenters": approved,
    })
}

async fn list_approved(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let mut rows = Vec::new();
    for routing in &world.routings {
        for approved in &routing.approved {
            if !(filters.allows("partId", &routing.part.to_string())
                && filters.allows("partOperationId", &routing.id.to_string())
                && filters.allows("workcenterId", &approved.work_center.to_string()))
            {
                continue;
            }
            let mut row = json!({
                "id": id_of("approved-workcenter", &format!("{}/{}", routing.id, approved.work_center)),
                "partId": routing.part, "partNumber": world.part_number(routing.part),
                "partOperationId": routing.id, "operationNumber": routing.number,
                "operationCode": routing.group.code(),
            });
            if let (Some(row), Value::Object(more)) = (row.as_object_mut(), approved_json(&world, approved)) {
                row.extend(more);
            }
            rows.push(row);
        }
    }
    Json(rows)
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct SetupSearch {
    workcenter_ids: Vec<Uuid>,
    workcenter_codes: Vec<String>,
    workcenter_types: Vec<String>,
    workcenter_groups: Vec<String>,
}

impl SetupSearch {
    fn wants(&self, machine: &WorkCenter) -> bool {
        let within =
            |list: &[String], value: &str| list.is_empty() || list.iter().any(|entry| entry == value);
        (self.workcenter_ids.is_empty() || self.workcenter_ids.contains(&machine.id))
            && within(&self.workcenter_codes, machine.code)
            && within(&self.workcenter_types, kind(machine))
            && within(&self.workcenter_groups, machine.group.code())
    }
}

async fn search_setups(State(plant): State<Shared>, bytes: Bytes) -> Result<Response, PlexError> {
    let search: SetupSearch = if bytes.is_empty() { SetupSearch::default() } else { body(&bytes)? };
    let world = plant.world();
    let wanted = world.work_centers.iter().filter(|machine| search.wants(machine));
    let setups: Vec<Value> = wanted.map(|machine| setup_json(&world, machine)).collect();
    Ok(if setups.is_empty() { StatusCode::NO_CONTENT.into_response() } else { Json(setups).into_response() })
}

async fn get_setup(State(plant): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, PlexError> {
    let world = plant.world();
    world
        .work_center(path_id(&id)?)
        .map(|machine| Json(setup_json(&world, machine)))
        .ok_or(PlexError::NotFound)
}

/// What a work center is doing, and since when.
pub fn status_now(world: &World, machine: &WorkCenter) -> (MachineStatus, DateTime<Utc>) {
    if let Some(stop) = &machine.stop {
        return (stop.status, stop.since);
    }
    let running = world.running_on(machine.id).map(|index| &world.operations[index]);
    match running.and_then(|operation| Some((operation, operation.began?, operation.resumed?))) {
        Some((operation, began, resumed)) => {
            let setup_ends = began + TimeDelta::minutes(operation.setup_minutes);
            if world.now < setup_ends {
                (MachineStatus::Setup, resumed)
            } else {
                (MachineStatus::Production, setup_ends.max(resumed))
            }
        }
        None => (MachineStatus::Idle, machine.free_since),
    }
}

fn setup_json(world: &World, machine: &WorkCenter) -> Value {
    let (status, since) = status_now(world, machine);
    let running = world.operations.iter().find(|operation| {
        operation.work_center == machine.id && operation.status == OperationStatus::InProcess
    });
    let job = running.and_then(|operation| world.job(operation.job));
    let done = running.map(|operation| world.pieces_done(operation));
    let operator = world
        .employee(world.operator_at(machine.id, world.now))
        .map(|person| json!({"accountID": person.id, "employeeName": person.name(), "costSubTypeId": null}));
    json!({
        "id": machine.id, "code": machine.code, "name": machine.name, "type": kind(machine),
        "group": machine.group.code(), "statusId": status_id(status.description()),
        "statusDescription": status.description(), "statusSince": time(since),
        "statusNote": machine.stop.as_ref().map(|stop| &stop.reason),
        "jobId": job.map(|job| job.id), "jobNumber": job.map(|job| &job.number),
        "jobOperationId": running.map(|operation| operation.id),
        "operationNumber": running.map(|operation| operation.number),
        "operationCode": running.map(|operation| operation.group.code()),
        "partId": job.map(|job| job.part), "partNumber": job.map(|job| world.part_number(job.part)),
        "jobOperationQuantity": job.map(|job| job.quantity), "jobOperationQuantityCompleted": done,
        "jobOperationQuantityBalance": job.zip(done).map(|(job, done)| job.quantity - done),
        "lotId": null, "productionLineId": null, "batches": [],
        "operators": operator.into_iter().collect::<Vec<_>>(),
    })
}
