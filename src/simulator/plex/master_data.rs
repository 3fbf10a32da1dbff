//! Master data: parts, routings, components, people, partners, equipment, deviations.

use super::{optional_time, production::routing_json, time};
use crate::simulator::{
    query::Filters,
    state::Shared,
    world::{
        PLANT_NAME, id_of,
        model::{Part, PartKind},
    },
};
use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};
use uuid::Uuid;

pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/mdm/v1/tenants", get(tenants))
        .route("/mdm/v1/parts", get(parts))
        .route("/mdm/v1/part-operations", get(part_operations))
        .route("/mdm/v1/employees", get(employees))
        .route("/mdm/v1/suppliers", get(suppliers))
        .route("/mdm/v1/customers", get(customers))
        .route("/engineering/v1/boms", get(boms))
        .route("/maintenance/v1/equipment", get(equipment))
        .route("/quality/v1/deviations", get(deviations))
}

async fn tenants() -> Json<Value> {
    Json(json!([{"id": id_of("tenant", PLANT_NAME), "code": "PLANT1", "name": PLANT_NAME}]))
}

fn part_type(part: &Part) -> &'static str {
    match part.kind {
        PartKind::Finished => "Finished",
        PartKind::Component => "Component",
    }
}

async fn parts(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let created = time(world.start - chrono::TimeDelta::days(700));
    let wanted = world.parts.iter().filter(|part| {
        filters.allows("id", &part.id.to_string())
            && filters.allows("number", part.number)
            && filters.allows("type", part_type(part))
            && filters.allows("status", "Production")
    });
    let row = |part: &Part| {
        json!({
            "id": part.id, "number": part.number, "name": part.name, "revision": "A", "description": part.name,
            "type": part_type(part), "group": part.number.split('-').next(),
            "source": if part.kind == PartKind::Finished { "Make" } else { "Buy" }, "productType": null,
            "status": "Production", "note": null, "leadTimeDays": part.lead_time_days, "buildingCode": PLANT_NAME,
            "createdById": Uuid::nil(), "createdDate": created, "modifiedById": Uuid::nil(),
            "modifiedDate": created, "allergens": [],
        })
    };
    Json(wanted.map(row).collect())
}

async fn part_operations(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let wanted = world.routings.iter().filter(|routing| {
        filters.allows("id", &routing.id.to_string())
            && filters.allows("partId", &routing.part.to_string())
            && filters.allows("partNumber", world.part_number(routing.part))
            && filters.allows("operationCode", routing.group.code())
    });
    Json(wanted.map(|routing| routing_json(&world, routing)).collect())
}

async fn boms(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let wanted = world.bom.iter().filter(|line| {
        filters.allows("partId", &line.part.to_string())
            && filters.allows("componentPartId", &line.component.to_string())
    });
    let row = |line: &crate::simulator::world::model::BomLine| {
        json!({
            "id": line.id, "partId": line.part, "partNumber": world.part_number(line.part),
            "partOperationId": line.routing,
            "operationNumber": world.routing(line.routing).map(|routing| routing.number),
            "componentPartId": line.component, "componentPartNumber": world.part_number(line.component),
            "quantity": line.quantity, "unit": "ea", "active": true,
        })
    };
    Json(wanted.map(row).collect())
}

async fn employees(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let supervisor = world.employees.iter().find(|person| person.user == "sam").map(|person| person.id);
    let wanted = world.employees.iter().filter(|person| {
        filters.allows("id", &person.id.to_string())
            && filters.allows("userId", &person.user)
            && filters.allows("badgeNumber", &person.badge)
            && filters.allows("shift", person.shift.unwrap_or_default())
            && filters.allows("department", person.department)
            && filters.allows("position", person.position)
            && filters.allows("status", "Active")
    });
    let row = |person: &crate::simulator::world::model::Employee| {
        let email = format!("{}.{}@plant1.example", person.first.to_lowercase(), person.last.to_lowercase());
        json!({
            "id": person.id, "badgeNumber": person.badge, "userId": person.user, "firstName": person.first,
            "middleName": null, "lastName": person.last,
            "supervisorId": if person.position == "Operator" { supervisor } else { None }, "status": "Active",
            "position": person.position, "shift": person.shift, "building": PLANT_NAME, "type": "Full Time",
            "department": person.department, "email": email, "workPhone": null, "workExtension": null,
            "homePhone": null, "mobilePhone": null,
        })
    };
    Json(wanted.map(row).collect())
}

async fn suppliers(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let wanted = world.suppliers.iter().filter(|supplier| {
        filters.allows("id", &supplier.id.to_string())
            && filters.allows("code", supplier.code)
            && filters.allows("name", supplier.name)
    });
    let row = |supplier: &crate::simulator::world::model::Supplier| {
        json!({
            "id": supplier.id, "code": supplier.code, "oldCode": null, "name": supplier.name, "language": "en",
            "category": supplier.group, "status": "Active", "type": "Direct", "parentSupplierId": null,
            "webAddress": null, "contactNote": supplier.email, "note": null,
        })
    };
    Json(wanted.map(row).collect())
}

async fn customers(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let wanted = world.customers.iter().filter(|customer| {
        filters.allows("id", &customer.id.to_string())
            && filters.allows("code", customer.code)
            && filters.allows("name", customer.name)
            && filters.allows("category", customer.tier)
    });
    let row = |customer: &crate::simulator::world::model::Customer| {
        json!({
            "id": customer.id, "code": customer.code, "oldCode": null, "name": customer.name,
            "category": customer.tier, "status": "Active", "type": "Direct", "language": "en",
            "parentCustomerId": null, "note": null,
        })
    };
    Json(wanted.map(row).collect())
}

async fn equipment(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let wanted = world.work_centers.iter().filter(|machine| {
        filters.allows("equipmentId", machine.equipment)
            && filters.allows("workcenterId", &machine.id.to_string())
    });
    let row = |machine: &crate::simulator::world::model::WorkCenter| {
        json!({
            "id": id_of("equipment", machine.equipment), "equipmentId": machine.equipment,
            "description": machine.name, "brand": machine.brand, "modelNo": machine.model,
            "equipmentType": machine.group.code(), "equipmentTypeId": id_of("equipment-type", machine.group.code()),
            "equipmentGroup": machine.group.area(), "equipmentCategory": null,
            "equipmentPriority": machine.criticality, "location": machine.group.area(),
            "locationId": id_of("location", machine.group.area()), "building": PLANT_NAME,
            "buildingId": id_of("building", PLANT_NAME), "workcenter": machine.code, "workcenterId": machine.id,
            "department": machine.group.area(), "status": if machine.stop.is_some() { "Down" } else { "Active" },
            "taxClassification": null, "champion": null, "serialNo": format!("{}-{}", machine.model, machine.equipment),
            "active": true, "equipmentAttributes": [], "parts": [],
        })
    };
    Json(wanted.map(row).collect())
}

async fn deviations(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let any = |name: &str, ids: &[Uuid]| {
        filters.get(name).is_none() || ids.iter().any(|id| filters.allows(name, &id.to_string()))
    };
    let wanted = world.deviations.iter().filter(|deviation| {
        deviation.effective <= world.now
            && filters.allows("ids", &deviation.id.to_string())
            && filters.allows("deviationStatus", deviation.status)
            && any("partId", &deviation.parts)
            && any("jobId", &deviation.jobs)
    });
    let row = |deviation: &crate::simulator::world::records::Deviation| {
        let parts: Vec<Value> = deviation
            .parts
            .iter()
            .map(|part| json!({"partId": part, "partNumber": world.part_number(*part)}))
            .collect();
        json!({
            "id": deviation.id, "acknowledgementLimit": null, "approvedByUserId": deviation.approved_by,
            "approvedDate": deviation.approved_by.as_ref().map(|_| time(deviation.effective)),
            "buildingId": id_of("building", PLANT_NAME), "buildingCode": PLANT_NAME, "codeNo": null,
            "departmentCode": null, "deviationNo": deviation.number, "deviationStatus": deviation.status,
            "effectiveDate": time(deviation.effective), "expirationDate": optional_time(deviation.expires),
            "jobIds": deviation.jobs, "note": deviation.note, "type": deviation.kind, "parts": parts,
            "piecesAffected": deviation.pieces, "reason": deviation.reason, "revisionDeviationId": null,
            "revisionDeviationNo": null, "supplierId": deviation.supplier,
        })
    };
    Json(wanted.map(row).collect())
}
