//! Purchase orders, their releases, and who may deliver what.

use super::{PlexError, PlexTime, Window, body, path_id, time};
use crate::simulator::{
    ledger::Written,
    query::Filters,
    state::Shared,
    world::{
        PLANT_NAME, World, id_of,
        model::{PurchaseOrder, Source},
    },
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{Path, State},
    response::IntoResponse,
    routing::{get, put},
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/purchasing/v1/purchase-orders", get(list_orders))
        .route("/purchasing/v1/purchase-orders/{id}", get(get_order))
        .route("/purchasing/v1/approved-suppliers", get(list_sources))
        .route("/purchasing/v2-beta1/releases", get(list_releases))
        .route("/purchasing/v2-beta1/releases/{id}", put(update_release))
}

fn status(order: &PurchaseOrder) -> &'static str {
    if order.open { "Open" } else { "Closed" }
}

fn order_json(order: &PurchaseOrder) -> Value {
    json!({
        "id": order.id, "poNumber": order.number, "currencyCode": "USD", "status": status(order),
        "active": order.open, "receive": order.open, "type": "Production", "supplierId": order.supplier,
        "supplierAddressId": null, "issuedById": Uuid::nil(), "poDate": time(order.ordered), "terms": "Net 30",
        "freightTerms": "Prepaid", "lineItemCount": 1, "lineItemTotal": (order.quantity * order.unit_price).round(),
        "shipTo": PLANT_NAME, "shipVia": null, "orderedById": Uuid::nil(), "orderedDate": time(order.ordered),
        "fob": null, "dueDate": time(order.due), "scheduledReceiptDate": time(order.due), "internalNote": null,
        "note": order.note, "consignment": false, "building": PLANT_NAME, "blanketOrder": false,
        "createdById": Uuid::nil(), "createdDate": time(order.ordered), "modifiedById": Uuid::nil(),
        "modifiedDate": time(order.modified),
    })
}

async fn list_orders(State(plant): State<Shared>, filters: Filters) -> Result<Json<Vec<Value>>, PlexError> {
    let due = Window::read(&filters, "dueDateBegin", "dueDateEnd")?;
    let modified = Window::read(&filters, "modifiedDateBegin", "modifiedDateEnd")?;
    let world = plant.world();
    let wanted = world.purchase_orders.iter().filter(|order| {
        filters.allows("id", &order.id.to_string())
            && filters.allows("pONumber", &order.number)
            && filters.allows("status", status(order))
            && filters.allows("supplierId", &order.supplier.to_string())
            && due.holds(order.due)
            && modified.holds(order.modified)
    });
    Ok(Json(wanted.map(order_json).collect()))
}

async fn get_order(State(plant): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, PlexError> {
    let id = path_id(&id)?;
    let world = plant.world();
    world
        .purchase_orders
        .iter()
        .find(|order| order.id == id)
        .map(|order| Json(order_json(order)))
        .ok_or(PlexError::NotFound)
}

fn release_json(world: &World, order: &PurchaseOrder) -> Value {
    let number = world.part_number(order.part);
    json!({
        "id": order.release, "poLineItemId": id_of("po-line", &order.number), "status": order.release_status,
        "releaseDate": time(order.ordered), "releaseById": Uuid::nil(), "quantity": order.quantity,
        "dueDate": time(order.due), "releaseLineNumber": 1, "note": order.note, "weightQuantity": null,
        "createdDate": time(order.ordered), "modifiedById": Uuid::nil(), "modifiedDate": time(order.modified),
        "partId": order.part, "originalDueDate": time(order.original_due), "poId": order.id,
        "supplierId": order.supplier, "releaseAuthorizationNumber": null, "operationCode": null, "type": "Firm",
        "lineItemNo": 1, "poNumber": order.number, "supplierCode": world.supplier_code(order.supplier),
        "releaseByDisplayName": "Ana Flores", "modifiedByDisplayName": "Ana Flores", "partNumber": number,
        "partRevision": "A", "partNumberRevision": format!("{number}-A"), "poShipTo": PLANT_NAME,
        "buildingCode": PLANT_NAME, "buildingId": id_of("building", PLANT_NAME),
    })
}

async fn list_releases(State(plant): State<Shared>, filters: Filters) -> Result<Json<Vec<Value>>, PlexError> {
    let due = Window::read(&filters, "dueDateBegin", "dueDateEnd")?;
    let modified = Window::read(&filters, "modifiedDateBegin", "modifiedDateEnd")?;
    let world = plant.world();
    let wanted = world.purchase_orders.iter().filter(|order| {
        filters.allows("id", &order.release.to_string())
            && filters.allows("status", &order.release_status)
            && filters.allows("partId", &order.part.to_string())
            && filters.allows("pOId", &order.id.to_string())
            && filters.allows("supplierId", &order.supplier.to_string())
            && due.holds(order.due)
            && modified.holds(order.modified)
    });
    Ok(Json(wanted.map(|order| release_json(&world, order)).collect()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReleaseUpdate {
    status: Option<String>,
    due_date: Option<PlexTime>,
    quantity: Option<f64>,
    note: Option<String>,
}

async fn update_release(
    State(plant): State<Shared>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<impl IntoResponse, PlexError> {
    let id = path_id(&id)?;
    let update: ReleaseUpdate = body(&bytes)?;
    if update.quantity.is_some_and(|quantity| quantity <= 0.0) {
        return Err(PlexError::invalid("INVALID", "quantity must be above 0."));
    }
    let mut world = plant.world();
    let now = world.now;
    let order =
        world.purchase_orders.iter_mut().find(|order| order.release == id).ok_or(PlexError::NotFound)?;
    let before = (order.release_status.clone(), order.due, order.quantity, order.note.clone());
    order.release_status = update.status.unwrap_or_else(|| before.0.clone());
    order.due = update.due_date.map_or(before.1, |time| time.0);
    order.quantity = update.quantity.unwrap_or(before.2);
    order.note = update.note.or_else(|| before.3.clone());
    let changed = before != (order.release_status.clone(), order.due, order.quantity, order.note.clone());
    if changed {
        order.modified = now;
    }
    let order = order.clone();
    let written = Written::when(changed, format!("purchase-release:{id}"));
    Ok((Extension(written), Json(release_json(&world, &order))))
}

async fn list_sources(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let wanted = world.sources.iter().filter(|source| {
        filters.allows("id", &source.id.to_string())
            && filters.allows("partId", &source.part.to_string())
            && filters.allows("supplierId", &source.supplier.to_string())
    });
    let row = |source: &Source| {
        json!({
            "id": source.id, "partId": source.part, "operationCode": null, "supplierId": source.supplier,
            "leadTime": source.lead_time_days, "supplierPartNumber": source.supplier_part,
            "businessPercentage": source.share_percent, "transitTime": source.transit_days, "note": null,
            "partOperationId": null,
        })
    };
    Json(wanted.map(row).collect())
}
