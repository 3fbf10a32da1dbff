//! Production history: status entries, production, scrap and labor in a required window of time.

use super::{PlexError, Window, time};
use crate::simulator::{
    query::Filters,
    state::Shared,
    world::{World, model::Employee, records::StatusEntry},
};
use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/production/v1/production-history/workcenter-status-entries", get(statuses))
        .route("/production/v1/production-history/production-entries", get(production))
        .route("/production/v1/production-history/scrap-entries", get(scrap))
        .route("/production/v1/production-history/labor-entries", get(labor))
}

/// The columns that tell which machine, job, part and operation an entry is of.
fn where_and_what(world: &World, work_center: Uuid, operation: Option<Uuid>) -> Map<String, Value> {
    let operation = operation.and_then(|operation| world.operation(operation));
    let job = operation.and_then(|operation| world.job(operation.job));
    let number = job.map(|job| world.part_number(job.part));
    let row = json!({
        "workcenterId": work_center, "workcenterCode": world.work_center_code(work_center),
        "jobId": job.map(|job| job.id), "jobCode": job.map(|job| &job.number), "partId": job.map(|job| job.part),
        "partNumber": number, "revision": number.map(|_| "A"),
        "partNumberRevision": number.map(|number| format!("{number}-A")),
        "partOperationId": operation.map(|operation| operation.routing),
        "operationNumber": operation.map(|operation| operation.number),
        "operationCode": operation.map(|operation| operation.group.code()),
    });
    match row {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

fn wanted(filters: &Filters, row: &Map<String, Value>) -> bool {
    ["workcenterId", "jobId", "partId", "partOperationId"]
        .iter()
        .all(|name| filters.allows(name, row.get(*name).and_then(Value::as_str).unwrap_or_default()))
}

fn row(base: Map<String, Value>, more: Value) -> Value {
    let mut row = base;
    if let Value::Object(more) = more {
        row.extend(more);
    }
    Value::Object(row)
}

async fn statuses(State(plant): State<Shared>, filters: Filters) -> Result<Json<Vec<Value>>, PlexError> {
    let window = Window::required(&filters, "beginDate", "endDate")?;
    let world = plant.world();
    // A stop that still lasts has no entry yet, but it must not be missing from the shift's story.
    let lasting = world.work_centers.iter().filter_map(|machine| {
        let stop = machine.stop.as_ref()?;
        Some(StatusEntry {
            work_center: machine.id,
            at: stop.since,
            status: stop.status,
            operation: world.running_on(machine.id).map(|index| world.operations[index].id),
            duration: world.now - stop.since,
            note: Some(stop.reason.clone()),
        })
    });
    let mut entries: Vec<StatusEntry> = world.history.statuses.iter().cloned().chain(lasting).collect();
    entries.sort_by_key(|entry| entry.at);
    let rows =
        entries.iter().filter(|entry| entry.at <= world.now && window.holds(entry.at)).filter_map(|entry| {
            let base = where_and_what(&world, entry.work_center, entry.operation);
            let status = entry.status.description();
            (wanted(&filters, &base) && filters.allows("status", status)).then(|| {
                row(
                    base,
                    json!({
                        "logDate": time(entry.at), "workcenterStatus": status,
                        "duration": entry.duration.num_seconds(), "note": entry.note,
                    }),
                )
            })
        });
    Ok(Json(rows.collect()))
}

async fn production(State(plant): State<Shared>, filters: Filters) -> Result<Json<Vec<Value>>, PlexError> {
    let window = Window::required(&filters, "beginDate", "endDate")?;
    let world = plant.world();
    let entries = world.history.production.iter().filter(|entry| window.holds(entry.at));
    let rows = entries.filter_map(|entry| {
        let base = where_and_what(&world, entry.work_center, Some(entry.operation));
        let job = base.get("jobCode").cloned();
        wanted(&filters, &base).then(|| {
            row(
                base,
                json!({
                    "transactionDate": time(entry.at), "serialNo": entry.serial,
                    "lotNo": world.lot(entry.lot).map(|lot| &lot.number), "lotId": entry.lot,
                    "employeeId": entry.employee,
                    "employeeName": world.employee(entry.employee).map(Employee::name),
                    "quantity": entry.quantity, "jobNo": job, "unit": "ea", "masterUnitNo": null,
                    "masterUnitId": null, "heatCode": null, "heatNo": null, "heatId": null, "trackingNo": null,
                }),
            )
        })
    });
    Ok(Json(rows.collect()))
}

async fn scrap(State(plant): State<Shared>, filters: Filters) -> Result<Json<Vec<Value>>, PlexError> {
    let window = Window::required(&filters, "beginDate", "endDate")?;
    let world = plant.world();
    let entries = world
        .history
        .scrap
        .iter()
        .filter(|entry| window.holds(entry.at) && filters.allows("scrapReason", entry.reason));
    let rows = entries.filter_map(|entry| {
        let base = where_and_what(&world, entry.work_center, Some(entry.operation));
        wanted(&filters, &base).then(|| {
            row(
                base,
                json!({
                    "transactionDate": time(entry.at), "scrapReason": entry.reason, "transactionType": "Scrap",
                    "quantity": entry.quantity, "serialNo": entry.serial,
                }),
            )
        })
    });
    Ok(Json(rows.collect()))
}

async fn labor(State(plant): State<Shared>, filters: Filters) -> Result<Json<Vec<Value>>, PlexError> {
    let window = Window::required(&filters, "beginDate", "endDate")?;
    let world = plant.world();
    let entries = world.history.labor.iter().filter(|entry| {
        window.holds(entry.begin)
            && filters.allows("employeeId", &entry.employee.to_string())
            && filters.allows("accountId", &entry.employee.to_string())
    });
    let rows = entries.filter_map(|entry| {
        let base = where_and_what(&world, entry.work_center, Some(entry.operation));
        wanted(&filters, &base).then(|| {
            row(
                base,
                json!({
                    "employee": world.employee(entry.employee).map(Employee::name),
                    "employeeId": entry.employee, "accountId": entry.employee, "costActivity": "Direct",
                    "beginTime": time(entry.begin), "endTime": time(entry.end),
                    "duration": (entry.end - entry.begin).num_seconds(),
                }),
            )
        })
    });
    Ok(Json(rows.collect()))
}
