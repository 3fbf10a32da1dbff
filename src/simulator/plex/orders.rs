//! Sales orders and releases: what a customer gets when. Each job of the plant is for one release.

use super::{PlexError, PlexTime, Window, body, path_id, time};
use crate::simulator::{
    ledger::Written,
    query::Filters,
    state::Shared,
    world::{
        World, id_of,
        model::{Job, JobStatus},
    },
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{Path, State},
    response::IntoResponse,
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/sales/v1/orders", get(list_orders))
        .route("/sales/v1/releases", get(list_releases))
        .route("/sales/v1/releases/{id}", get(get_release).put(update_release))
}

fn release_id(job: &Job) -> Uuid {
    id_of("sales-release", &job.release())
}

fn status(job: &Job) -> &'static str {
    if job.status == JobStatus::Completed { "Staged" } else { "Open" }
}

async fn list_orders(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let wanted = world.jobs.iter().filter(|job| {
        filters.allows("customerId", &job.customer.to_string())
            && filters.allows("orderNumber", &job.order)
            && filters.allows("status", "Open")
    });
    let row = |job: &Job| {
        json!({
            "id": id_of("sales-order", &job.order), "customerId": job.customer, "orderNumber": job.order,
            "poNumber": job.order.replace("SO-", "CPO-"), "status": "Open", "type": "Production", "category": null,
            "terms": "Net 30", "orderDate": time(job.created), "createdDate": time(job.created),
            "modifiedDate": time(job.created), "note": null,
        })
    };
    Json(wanted.map(row).collect())
}

/// A release is due when its job is; what a caller wrote to it lies over that.
fn release_json(world: &World, job: &Job) -> Value {
    let customer = world.customer(job.customer);
    let mut row = json!({
        "id": release_id(job), "releaseNumber": job.release(), "orderLineId": id_of("sales-line", &job.order),
        "type": "Ship", "shipToAddressId": id_of("address", customer.map_or("", |customer| customer.code)),
        "shipDate": time(job.due), "dueDate": time(job.due), "quantity": job.quantity, "status": status(job),
        "source": "EDI 862", "note": null, "scheduleNo": null, "scheduleDate": time(job.created),
        "quantityShipped": 0, "orderQuantity": job.quantity, "createdById": Uuid::nil(),
        "createdDate": time(job.created), "modifiedById": Uuid::nil(), "modifiedDate": time(job.created),
        "partNumber": world.part_number(job.part), "orderNumber": job.order, "customerId": job.customer,
        "customerCode": customer.map(|customer| customer.code),
        "customerName": customer.map(|customer| customer.name),
    });
    if let (Some(row), Some(over)) = (row.as_object_mut(), world.release_notes.get(&job.release())) {
        row.extend(over.clone());
    }
    row
}

async fn list_releases(State(plant): State<Shared>, filters: Filters) -> Result<Json<Vec<Value>>, PlexError> {
    let due = Window::read(&filters, "dueDateBegin", "dueDateEnd")?;
    let world = plant.world();
    let wanted = world.jobs.iter().filter(|job| {
        filters.allows("id", &release_id(job).to_string())
            && filters.allows("releaseNumber", &job.release())
            && filters.allows("partNumber", world.part_number(job.part))
            && filters.allows("status", status(job))
            && due.holds(job.due)
    });
    Ok(Json(wanted.map(|job| release_json(&world, job)).collect()))
}

async fn get_release(State(plant): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, PlexError> {
    let id = path_id(&id)?;
    let world = plant.world();
    let job = world.jobs.iter().find(|job| release_id(job) == id).ok_or(PlexError::NotFound)?;
    Ok(Json(release_json(&world, job)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReleaseUpdate {
    ship_date: Option<PlexTime>,
    due_date: Option<PlexTime>,
    quantity: Option<f64>,
    status: Option<String>,
    note: Option<String>,
}

async fn update_release(
    State(plant): State<Shared>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<impl IntoResponse, PlexError> {
    let id = path_id(&id)?;
    let update: ReleaseUpdate = body(&bytes)?;
    let mut world = plant.world();
    let job = world.jobs.iter().find(|job| release_id(job) == id).ok_or(PlexError::NotFound)?.clone();
    let before = release_json(&world, &job);
    let given = [
        ("shipDate", update.ship_date.map(|at| json!(time(at.0)))),
        ("dueDate", update.due_date.map(|at| json!(time(at.0)))),
        ("quantity", update.quantity.map(|quantity| json!(quantity))),
        ("status", update.status.map(|status| json!(status))),
        ("note", update.note.map(|note| json!(note))),
    ];
    let over = world.release_notes.entry(job.release()).or_default();
    for (name, value) in given {
        if let Some(value) = value {
            over.insert(name.to_owned(), value);
        }
    }
    let changed = before != release_json(&world, &job);
    if changed {
        let modified = json!(time(world.now));
        world.release_notes.entry(job.release()).or_default().insert("modifiedDate".to_owned(), modified);
    }
    let written = Written::when(changed, format!("sales-release:{id}"));
    Ok((Extension(written), Json(release_json(&world, &job))))
}
