//! Containers and lots: what is where, for which job, and what is blocked.

use super::{PlexError, time};
use crate::simulator::{
    query::Filters,
    state::Shared,
    world::{World, id_of, model::Container},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use serde_json::{Value, json};

pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/inventory/v1/inventory-tracking/containers", get(list_containers))
        .route("/inventory/v1/inventory-tracking/containers/{serial}", get(get_container))
        .route("/inventory/v1/inventory-tracking/lots", get(list_lots))
}

fn container_json(world: &World, container: &Container) -> Value {
    let part = world.part(container.part);
    let number = part.map_or("", |part| part.number);
    json!({
        "serialNo": container.serial, "partId": container.part, "partNo": number, "revision": "A",
        "partNoRevision": format!("{number}-A"), "partName": part.map(|part| part.name),
        "partOperationId": null, "operationNo": null, "operationCode": null,
        "containerStatus": container.status.text(), "locationId": id_of("location", &container.location),
        "location": container.location, "quantity": container.quantity, "quantityInventoryUnit": "ea",
        "grossWeight": null, "netWeight": null, "tareWeight": null, "containerType": "Bin",
        "trackingNo": container.job, "addDateTime": time(container.added),
        "updateDateTime": time(container.updated), "containerShelfDateTime": null, "masterUnitId": null,
        "masterUnitNo": null, "lotId": container.lot, "lotNo": world.lot(container.lot).map(|lot| &lot.number),
        "heatId": null, "heatCode": null, "heatNo": null, "eun": null, "inventoryType": container.kind,
    })
}

async fn list_containers(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let wanted = world.containers.iter().filter(|container| {
        filters.allows("partId", &container.part.to_string())
            && filters.allows("locationId", &id_of("location", &container.location).to_string())
            && filters.allows("lotId", &container.lot.to_string())
            && filters.allows("inventoryType", container.kind)
            && filters.allows("location", &container.location)
            && filters.allows("trackingNo", container.job.as_deref().unwrap_or_default())
    });
    Json(wanted.map(|container| container_json(&world, container)).collect())
}

async fn get_container(
    State(plant): State<Shared>,
    Path(serial): Path<String>,
) -> Result<Json<Value>, PlexError> {
    let world = plant.world();
    let container = world.containers.iter().find(|container| container.serial == serial);
    container.map(|container| Json(container_json(&world, container))).ok_or(PlexError::NotFound)
}

async fn list_lots(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let wanted = world.lots.iter().filter(|lot| {
        filters.allows("partId", &lot.part.to_string())
            && filters.allows("id", &lot.id.to_string())
            && filters.allows("lotNumber", &lot.number)
    });
    let row = |lot: &crate::simulator::world::model::Lot| {
        let containers = world.containers.iter().filter(|container| container.lot == lot.id).count();
        json!({
            "id": lot.id, "lotNumber": lot.number, "partId": lot.part, "partNumber": world.part_number(lot.part),
            "supplierLotNumber": lot.supplier.map(|_| format!("SL{}", &lot.number[2..])),
            "customerLotNumber": null, "lotPartConformant": lot.conformant,
            "manufacturedDateTime": time(lot.manufactured), "supplierId": lot.supplier, "customerId": null,
            "containerCount": containers,
        })
    };
    Json(wanted.map(row).collect())
}
