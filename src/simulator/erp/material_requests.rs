//! Material requests: created as drafts under a unique key, submitted, cancelled.

use super::{Document, ErpError, MATERIAL_REQUEST};
use crate::simulator::{ledger::Written, state::Shared};
use axum::{
    Extension, Json,
    extract::{Path, State},
    response::IntoResponse,
};
use chrono::Datelike;
use serde_json::{Map, Value, json};

const KEY: &str = "custom_takt_key";

#[derive(Default)]
pub struct MaterialRequests(Vec<Document>);

impl MaterialRequests {
    pub fn all(&self) -> &[Document] {
        &self.0
    }
}

pub async fn create(
    State(plant): State<Shared>,
    Path(doctype): Path<String>,
    Json(body): Json<Map<String, Value>>,
) -> Result<impl IntoResponse, ErpError> {
    if doctype != MATERIAL_REQUEST {
        return Err(ErpError::ReadOnly(doctype));
    }
    let (today, year) = {
        let world = plant.world();
        let local = world.now.with_timezone(&world.zone);
        check_items(&body, |item| world.parts.iter().any(|part| part.number == item))?;
        (local.format("%Y-%m-%d").to_string(), local.year())
    };
    let mut requests = plant.material_requests();
    let key = body.get(KEY).filter(|key| !key.is_null());
    if let Some((key, taken)) =
        key.and_then(|key| Some((key, requests.0.iter().find(|row| row.get(KEY) == Some(key))?)))
    {
        let name = taken["name"].as_str().unwrap_or_default();
        return Err(ErpError::Invalid {
            kind: "UniqueValidationError",
            message: format!(
                "('{MATERIAL_REQUEST}', '{name}', IntegrityError(1062, \"Duplicate entry {key} for key '{KEY}'\"))"
            ),
        });
    }
    let name = format!("MAT-MR-{year}-{:05}", requests.0.len() + 1);
    let mut document = Map::new();
    for (field, value) in [
        ("doctype", json!(MATERIAL_REQUEST)),
        ("name", json!(name)),
        ("material_request_type", json!("Purchase")),
        ("transaction_date", json!(today)),
        ("schedule_date", json!(null)),
        ("status", json!("Draft")),
        ("docstatus", json!(0)),
        ("custom_supplier", json!(null)),
        (KEY, json!(null)),
    ] {
        document.insert(field.to_owned(), value);
    }
    let settable =
        body.into_iter().filter(|(field, _)| !matches!(field.as_str(), "name" | "doctype" | "status"));
    document.extend(settable);
    document.insert("docstatus".to_owned(), json!(0));
    requests.0.push(document.clone());
    Ok((Extension(Written::applied("material-request")), Json(json!({"data": document}))))
}

fn check_items(body: &Map<String, Value>, known: impl Fn(&str) -> bool) -> Result<(), ErpError> {
    let items = body.get("items").and_then(Value::as_array).filter(|items| !items.is_empty());
    let Some(items) = items else {
        return Err(ErpError::Invalid {
            kind: "MandatoryError",
            message: "[Material Request]: items".to_owned(),
        });
    };
    for item in items {
        let code = item["item_code"].as_str().unwrap_or_default();
        if !known(code) {
            return Err(ErpError::Invalid {
                kind: "LinkValidationError",
                message: format!("Could not find Item: {code}"),
            });
        }
        if item["qty"].as_f64().is_none_or(|qty| qty <= 0.0) {
            return Err(ErpError::validation(format!("Quantity of {code} must be above 0")));
        }
    }
    Ok(())
}

pub async fn update(
    State(plant): State<Shared>,
    Path((doctype, name)): Path<(String, String)>,
    Json(body): Json<Map<String, Value>>,
) -> Result<impl IntoResponse, ErpError> {
    if doctype != MATERIAL_REQUEST {
        return Err(ErpError::ReadOnly(doctype));
    }
    let mut requests = plant.material_requests();
    let document = requests
        .0
        .iter_mut()
        .find(|document| document["name"] == name)
        .ok_or_else(|| ErpError::NotFound(format!("{doctype} {name}")))?;
    let mut changed = document.clone();
    let was = changed["docstatus"].as_i64().unwrap_or(0);
    let becomes = body.get("docstatus").and_then(Value::as_i64).unwrap_or(was);
    let stopped = was == 0 && body.get("status").is_some_and(|status| status == "Stopped");
    match (was, becomes) {
        (0, 0) => {}
        (0, 1) | (1, 2) => {
            let status = if becomes == 1 { "Pending" } else { "Cancelled" };
            changed.insert("docstatus".to_owned(), json!(becomes));
            changed.insert("status".to_owned(), json!(status));
        }
        (before, after) if before == after => {}
        (before, after) => {
            return Err(ErpError::validation(format!("Cannot change docstatus from {before} to {after}")));
        }
    }
    for (field, value) in body {
        if matches!(field.as_str(), "docstatus" | "name" | "doctype" | "status")
            || changed.get(&field) == Some(&value)
        {
            continue;
        }
        if was != 0 {
            return Err(ErpError::Invalid {
                kind: "UpdateAfterSubmitError",
                message: format!("Not allowed to change {field} after submission"),
            });
        }
        changed.insert(field, value);
    }
    if stopped {
        changed.insert("status".to_owned(), json!("Stopped"));
    }
    let differs = *document != changed;
    *document = changed;
    let written = Written::when(differs, format!("material-request:{name}"));
    Ok((Extension(written), Json(json!({"data": document}))))
}
