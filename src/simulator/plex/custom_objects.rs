//! Tenant-defined objects, such as the shift handover note: create, read, replace, search.

use super::{PlexError, body, path_id, time};
use crate::simulator::{
    ledger::Written,
    state::Shared,
    world::{CustomObject, id_of},
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub fn routes() -> Router<Shared> {
    let data = "/platform/custom-objects/v1/data/{name}";
    Router::new()
        .route(data, get(list).post(create))
        .route(&format!("{data}/search"), post(search))
        .route(&format!("{data}/{{id}}"), get(read).put(update))
}

fn object_json(object: &CustomObject) -> Value {
    json!({
        "id": object.id, "recordIdentifier": object.record, "createdDateTime": time(object.created),
        "modifiedDateTime": time(object.modified), "customFields": object.fields,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectBody {
    record_identifier: Option<String>,
    custom_fields: Map<String, Value>,
}

async fn create(
    State(plant): State<Shared>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Result<impl IntoResponse, PlexError> {
    let given: ObjectBody = body(&bytes)?;
    let mut world = plant.world();
    let of_name = world.custom_objects.iter().filter(|object| object.object == name);
    let record = given.record_identifier.unwrap_or_else(|| format!("{name}-{}", of_name.clone().count() + 1));
    if of_name.clone().any(|object| object.record == record) {
        return Err(PlexError::ArgumentInvalid(format!("recordIdentifier `{record}` exists.")));
    }
    let now = world.now;
    let object = CustomObject {
        id: id_of("custom-object", &format!("{name}/{record}")),
        object: name.clone(),
        record,
        created: now,
        modified: now,
        fields: given.custom_fields,
    };
    let reply = object_json(&object);
    world.custom_objects.push(object);
    Ok((StatusCode::CREATED, Extension(Written::applied(format!("custom-object:{name}"))), Json(reply)))
}

async fn list(State(plant): State<Shared>, Path(name): Path<String>) -> Json<Vec<Value>> {
    let world = plant.world();
    Json(world.custom_objects.iter().filter(|object| object.object == name).map(object_json).collect())
}

async fn read(
    State(plant): State<Shared>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<Value>, PlexError> {
    let id = path_id(&id)?;
    let world = plant.world();
    let object = world.custom_objects.iter().find(|object| object.object == name && object.id == id);
    object.map(|object| Json(object_json(object))).ok_or(PlexError::NotFound)
}

async fn update(
    State(plant): State<Shared>,
    Path((name, id)): Path<(String, String)>,
    bytes: Bytes,
) -> Result<impl IntoResponse, PlexError> {
    let id = path_id(&id)?;
    let given: ObjectBody = body(&bytes)?;
    let mut world = plant.world();
    let now = world.now;
    let object = world.custom_objects.iter_mut().find(|object| object.object == name && object.id == id);
    let object = object.ok_or(PlexError::NotFound)?;
    let mut fields = object.fields.clone();
    fields.extend(given.custom_fields);
    let changed = fields != object.fields;
    if changed {
        object.fields = fields;
        object.modified = now;
    }
    let written = Written::when(changed, format!("custom-object:{id}"));
    Ok((Extension(written), Json(object_json(object))))
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Search {
    ids: Vec<Uuid>,
    record_identifiers: Vec<String>,
    field_value_search_filters: Vec<FieldFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FieldFilter {
    field_name: String,
    operation: String,
    operand: Value,
}

impl FieldFilter {
    fn allows(&self, object: &CustomObject) -> Result<bool, PlexError> {
        let value = object.fields.get(&self.field_name).unwrap_or(&Value::Null);
        match self.operation.as_str() {
            "Equals" => Ok(*value == self.operand),
            "NotEquals" => Ok(*value != self.operand),
            "Contains" => Ok(matches!(
                (value.as_str(), self.operand.as_str()),
                (Some(value), Some(operand)) if value.contains(operand)
            )),
            other => Err(PlexError::invalid("INVALID", format!("Operation `{other}` is not known."))),
        }
    }
}

async fn search(
    State(plant): State<Shared>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Result<Json<Vec<Value>>, PlexError> {
    let search: Search = body(&bytes)?;
    let world = plant.world();
    let mut found = Vec::new();
    for object in world.custom_objects.iter().filter(|object| object.object == name) {
        let named = (search.ids.is_empty() || search.ids.contains(&object.id))
            && (search.record_identifiers.is_empty() || search.record_identifiers.contains(&object.record));
        let mut fits = named;
        for filter in &search.field_value_search_filters {
            fits &= filter.allows(object)?;
        }
        if fits {
            found.push(object_json(object));
        }
    }
    Ok(Json(found))
}
