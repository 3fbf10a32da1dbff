//! The ERP, Frappe REST: read-only documents made from the plant, and material requests that callers write.

mod documents;
mod material_requests;
mod select;

use super::{query::Filters, state::Shared};
use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use subtle::ConstantTimeEq;

pub use material_requests::MaterialRequests;

const MATERIAL_REQUEST: &str = "Material Request";

/// A document: its fields, child tables included.
type Document = Map<String, Value>;

pub fn router(plant: &Shared) -> Router<Shared> {
    Router::new()
        .route("/api/resource/{doctype}", get(list).post(material_requests::create))
        .route("/api/resource/{doctype}/{name}", get(read).put(material_requests::update))
        .fallback(async || ErpError::NotFound("page".to_owned()))
        .layer(middleware::from_fn_with_state(Arc::clone(plant), authenticate))
}

async fn authenticate(State(plant): State<Shared>, request: Request, next: Next) -> Response {
    let credentials = &plant.config.credentials;
    let wanted = format!("token {}:{}", credentials.erp_key, credentials.erp_secret);
    let given = request.headers().get(header::AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
    if bool::from(given.ct_eq(wanted.as_bytes())) {
        next.run(request).await
    } else {
        ErpError::NotAuthenticated.into_response()
    }
}

pub enum ErpError {
    NotAuthenticated,
    NotFound(String),
    /// 417, as Frappe answers a `ValidationError`.
    Invalid {
        kind: &'static str,
        message: String,
    },
    ReadOnly(String),
}

impl ErpError {
    fn validation(message: impl Into<String>) -> Self {
        Self::Invalid { kind: "ValidationError", message: message.into() }
    }
}

impl IntoResponse for ErpError {
    fn into_response(self) -> Response {
        let (status, kind, message) = match self {
            Self::NotAuthenticated => {
                (StatusCode::UNAUTHORIZED, "AuthenticationError", "Not authenticated".to_owned())
            }
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "DoesNotExistError", format!("{what} not found")),
            Self::Invalid { kind, message } => (StatusCode::EXPECTATION_FAILED, kind, message),
            Self::ReadOnly(doctype) => {
                let message = format!("No permission for {doctype}");
                (StatusCode::FORBIDDEN, "PermissionError", message)
            }
        };
        // Frappe sends messages as JSON inside JSON inside JSON.
        let inner = json!({"message": message, "title": "Message", "indicator": "red"}).to_string();
        let body = json!({
            "exception": format!("frappe.exceptions.{kind}: {message}"), "exc_type": kind,
            "_server_messages": json!([inner]).to_string(),
        });
        (status, Json(body)).into_response()
    }
}

/// All documents of a type as of now.
fn all(plant: &Shared, doctype: &str) -> Result<Vec<Document>, ErpError> {
    if doctype == MATERIAL_REQUEST {
        return Ok(plant.material_requests().all().to_vec());
    }
    documents::of_type(&plant.world(), doctype)
        .ok_or_else(|| ErpError::NotFound(format!("DocType {doctype}")))
}

async fn list(
    State(plant): State<Shared>,
    Path(doctype): Path<String>,
    filters: Filters,
) -> Result<Json<Value>, ErpError> {
    let selection = select::Selection::read(&filters)?;
    let rows = selection.apply(all(&plant, &doctype)?)?;
    Ok(Json(json!({"data": rows})))
}

async fn read(
    State(plant): State<Shared>,
    Path((doctype, name)): Path<(String, String)>,
) -> Result<Json<Value>, ErpError> {
    let found = all(&plant, &doctype)?.into_iter().find(|document| document["name"] == name);
    found
        .map(|document| Json(json!({"data": document})))
        .ok_or_else(|| ErpError::NotFound(format!("{doctype} {name}")))
}
