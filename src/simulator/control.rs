//! The simulator's own controls: clock, events, faults, and the ledger. Answers only callers on this machine.

use super::{
    connection::Link,
    faults::Fault,
    query::Filters,
    scenario::{FireError, Firing},
    state::Shared,
    world::{Recovery, model::OperationStatus},
};
use axum::{
    Json, Router,
    extract::{ConnectInfo, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/clock", get(read_clock).post(set_clock))
        .route("/fire", post(fire))
        .route("/auto_recover", post(auto_recover))
        .route("/target", post(set_target))
        .route("/events", get(events))
        .route("/writes", get(writes))
        .route("/writes/summary", get(summary))
        .route("/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/plant", get(plant_overview))
        .layer(middleware::from_fn(loopback_only))
}

async fn loopback_only(ConnectInfo(link): ConnectInfo<Link>, request: Request, next: Next) -> Response {
    if link.peer.ip().to_canonical().is_loopback() {
        next.run(request).await
    } else {
        refuse(StatusCode::FORBIDDEN, "the simulator is controlled from its own machine only")
    }
}

fn refuse(status: StatusCode, message: impl Into<String>) -> Response {
    (status, Json(json!({"error": message.into()}))).into_response()
}

fn now_json(now: DateTime<Utc>) -> Json<Value> {
    Json(json!({"now": now.to_rfc3339_opts(SecondsFormat::Millis, true)}))
}

async fn read_clock(State(plant): State<Shared>) -> Json<Value> {
    now_json(plant.clock.now())
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum ClockOrder {
    Set { now: DateTime<Utc> },
    Advance { advance_seconds: f64 },
}

async fn set_clock(State(plant): State<Shared>, Json(order): Json<ClockOrder>) -> Response {
    let moved = match order {
        ClockOrder::Set { now } => plant.clock.set(now),
        ClockOrder::Advance { advance_seconds } => Ok(advance_seconds)
            .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default())
            .map(|by| plant.clock.advance(TimeDelta::from_std(by).unwrap_or_default())),
    };
    match moved {
        Ok(now) => now_json(now).into_response(),
        Err(current) => {
            refuse(StatusCode::BAD_REQUEST, format!("the clock runs forward only, it is {current} now"))
        }
    }
}

async fn fire(State(plant): State<Shared>, Json(firing): Json<Firing>) -> Response {
    match plant.fire(firing) {
        Ok((id, event)) => {
            (StatusCode::ACCEPTED, Json(json!({"event_id": id, "event": event}))).into_response()
        }
        Err(error) => {
            let status = match error {
                FireError::Already(..) => StatusCode::CONFLICT,
                FireError::NotLate => StatusCode::BAD_REQUEST,
                _ => StatusCode::NOT_FOUND,
            };
            refuse(status, error.to_string())
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecoverOrder {
    work_center: String,
    after_seconds: f64,
}

async fn auto_recover(State(plant): State<Shared>, Json(order): Json<RecoverOrder>) -> Response {
    let mut world = plant.world();
    let Some(machine) = world.work_center_named(&order.work_center).map(|machine| machine.id) else {
        return refuse(StatusCode::NOT_FOUND, FireError::WorkCenter(order.work_center).to_string());
    };
    let after = Duration::try_from_secs_f64(order.after_seconds).unwrap_or_default();
    world.recovery = Some(Recovery { work_center: machine, after });
    Json(json!({"work_center": order.work_center, "after_seconds": after.as_secs_f64()})).into_response()
}

#[derive(Deserialize)]
struct TargetOrder {
    url: String,
}

async fn set_target(State(plant): State<Shared>, Json(order): Json<TargetOrder>) -> Response {
    if !(order.url.starts_with("http://") || order.url.starts_with("https://")) {
        return refuse(StatusCode::BAD_REQUEST, "`url` must start with http:// or https://");
    }
    plant.outbox.set_target(order.url.clone());
    Json(json!({"url": order.url})).into_response()
}

async fn events(State(plant): State<Shared>) -> Json<Value> {
    Json(json!({"events": plant.outbox.postings()}))
}

async fn writes(State(plant): State<Shared>, filters: Filters) -> Json<Value> {
    let ledger = plant.ledger();
    let wanted: Vec<_> = ledger
        .writes()
        .iter()
        .filter(|write| {
            filters.allows("system", &write.system)
                && filters.allows("key", write.takt_key.as_deref().unwrap_or_default())
        })
        .collect();
    Json(json!({"writes": wanted}))
}

async fn summary(State(plant): State<Shared>) -> Json<Value> {
    Json(json!(plant.ledger().summary()))
}

async fn list_faults(State(plant): State<Shared>) -> Json<Value> {
    Json(json!({"faults": plant.faults().active()}))
}

const SYSTEMS: [&str; 6] = ["plex", "cmms", "tickets", "erp", "portal", "andon"];

async fn add_fault(State(plant): State<Shared>, Json(fault): Json<Fault>) -> Response {
    if !SYSTEMS.contains(&fault.system.as_str()) {
        let message = format!("there is no system `{}`: choose one of {}", fault.system, SYSTEMS.join(", "));
        return refuse(StatusCode::BAD_REQUEST, message);
    }
    let mut faults = plant.faults();
    faults.add(fault);
    Json(json!({"faults": faults.active()})).into_response()
}

async fn clear_faults(State(plant): State<Shared>) -> Json<Value> {
    plant.faults().clear();
    Json(json!({"faults": []}))
}

/// The plant on one page, in its own words rather than Plex's.
async fn plant_overview(State(plant): State<Shared>) -> Json<Value> {
    let world = plant.world();
    let machines: Vec<Value> = world
        .work_centers
        .iter()
        .map(|machine| {
            json!({
                "id": machine.id, "code": machine.code, "name": machine.name, "area": machine.group.area(),
                "equipment": machine.equipment, "criticality": machine.criticality,
                "down": machine.stop.as_ref().map(|stop| &stop.reason),
            })
        })
        .collect();
    let operations =
        world.operations.iter().filter(|operation| operation.status != OperationStatus::Completed);
    let operations: Vec<Value> = operations
        .filter_map(|operation| {
            let job = world.job(operation.job)?;
            Some(json!({
                "id": operation.id, "job": job.number, "number": operation.number,
                "work_center": world.work_center_code(operation.work_center), "start": operation.start,
                "minutes": operation.minutes(), "setup_minutes": operation.setup_minutes,
                "in_process": operation.status == OperationStatus::InProcess,
            }))
        })
        .collect();
    let jobs: Vec<Value> = world
        .jobs
        .iter()
        .filter(|job| job.completed.is_none())
        .map(|job| {
            json!({
                "id": job.id, "number": job.number, "part": world.part_number(job.part), "quantity": job.quantity,
                "due": job.due, "tier": job.priority, "order": job.order,
                "customer": world.customer(job.customer).map(|customer| customer.name),
            })
        })
        .collect();
    let people: Vec<Value> = world
        .employees
        .iter()
        .map(|person| json!({"user": person.user, "name": person.name(), "position": person.position, "shift": person.shift}))
        .collect();
    Json(json!({
        "seed": world.seed, "now": world.now, "work_centers": machines, "jobs": jobs, "operations": operations,
        "people": people,
    }))
}
