//! The ticket system, ServiceNow's table API: incidents with a correlation id, looked up by encoded queries.

use super::{ledger::Written, query::Filters, state::Shared};
use axum::{
    Extension, Json, Router,
    extract::{Path, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, patch},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use subtle::ConstantTimeEq;

pub fn router(plant: &Shared) -> Router<Shared> {
    Router::new()
        .route("/api/now/table/incident", get(list).post(create))
        .route("/api/now/table/incident/{sys_id}", patch(update).get(read))
        .fallback(async || TicketError::NotFound)
        .layer(middleware::from_fn_with_state(Arc::clone(plant), authenticate))
}

async fn authenticate(State(plant): State<Shared>, request: Request, next: Next) -> Response {
    let credentials = &plant.config.credentials;
    let pair = STANDARD.encode(format!("{}:{}", credentials.tickets_user, credentials.tickets_password));
    let given = request.headers().get(header::AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
    if bool::from(given.ct_eq(format!("Basic {pair}").as_bytes())) {
        next.run(request).await
    } else {
        TicketError::NotAuthenticated.into_response()
    }
}

enum TicketError {
    NotAuthenticated,
    NotFound,
    Refused(&'static str),
}

impl IntoResponse for TicketError {
    fn into_response(self) -> Response {
        let (status, message, detail) = match self {
            Self::NotAuthenticated => {
                (StatusCode::UNAUTHORIZED, "User Not Authenticated", "Required to provide Auth information")
            }
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "No Record found",
                "Record doesn't exist or ACL restricts the record retrieval",
            ),
            Self::Refused(detail) => (StatusCode::FORBIDDEN, "Operation Failed", detail),
        };
        let error = json!({"error": {"message": message, "detail": detail}, "status": "failure"});
        (status, Json(error)).into_response()
    }
}

/// Records as the table API shows them: every value is a string.
#[derive(Default)]
pub struct Incidents(Vec<Map<String, Value>>);

fn now_text(now: DateTime<Utc>) -> Value {
    json!(now.format("%Y-%m-%d %H:%M:%S").to_string())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// ServiceNow's own matrix for urgency and impact.
fn priority(urgency: &str, impact: &str) -> &'static str {
    match (urgency, impact) {
        ("1", "1") => "1",
        ("1", "2") | ("2", "1") => "2",
        ("1", _) | ("2", "2") | ("3", "1") => "3",
        ("2", _) | ("3", "2") => "4",
        _ => "5",
    }
}

async fn create(State(plant): State<Shared>, Json(body): Json<Map<String, Value>>) -> impl IntoResponse {
    let now = now_text(plant.clock.now());
    let mut incidents = plant.incidents();
    let number = format!("INC{:07}", 10_001 + incidents.0.len());
    let sys_id = super::world::id_of("incident", &number).simple().to_string();
    let mut record = Map::new();
    record.insert("sys_id".into(), json!(sys_id));
    record.insert("number".into(), json!(number));
    for (name, default) in [
        ("short_description", ""),
        ("description", ""),
        ("state", "1"),
        ("urgency", "3"),
        ("impact", "3"),
        ("category", ""),
        ("assignment_group", ""),
        ("correlation_id", ""),
        ("cmdb_ci", ""),
        ("work_notes", ""),
        ("close_code", ""),
        ("close_notes", ""),
        ("resolved_at", ""),
        ("closed_at", ""),
    ] {
        record.insert(name.into(), json!(default));
    }
    for name in ["opened_at", "sys_created_on", "sys_updated_on"] {
        record.insert(name.into(), now.clone());
    }
    for (name, value) in body {
        if !matches!(name.as_str(), "sys_id" | "number") {
            record.insert(name, json!(text(&value)));
        }
    }
    let priority = priority(&text(&record["urgency"]), &text(&record["impact"]));
    record.insert("priority".into(), json!(priority));
    incidents.0.push(record.clone());
    let location = format!("/tickets/api/now/table/incident/{sys_id}");
    (
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Extension(Written::applied("incident")),
        Json(json!({"result": record})),
    )
}

async fn read(State(plant): State<Shared>, Path(sys_id): Path<String>) -> Result<Json<Value>, TicketError> {
    let incidents = plant.incidents();
    let record = incidents.0.iter().find(|record| record["sys_id"] == sys_id).ok_or(TicketError::NotFound)?;
    Ok(Json(json!({"result": record})))
}

async fn update(
    State(plant): State<Shared>,
    Path(sys_id): Path<String>,
    Json(body): Json<Map<String, Value>>,
) -> Result<impl IntoResponse, TicketError> {
    let now = now_text(plant.clock.now());
    let mut incidents = plant.incidents();
    let record =
        incidents.0.iter_mut().find(|record| record["sys_id"] == sys_id).ok_or(TicketError::NotFound)?;
    let mut changed = record.clone();
    for (name, value) in body {
        let value = text(&value);
        let value = match (name.as_str(), text(&changed.get("work_notes").cloned().unwrap_or_default())) {
            ("sys_id" | "number", _) => continue,
            // A journal field: what is written to it is added to it.
            ("work_notes", before) if !before.is_empty() => format!("{before}\n{value}"),
            _ => value,
        };
        changed.insert(name, json!(value));
    }
    let empty = |name: &str| changed.get(name).is_none_or(|value| text(value).is_empty());
    let state = text(&changed["state"]);
    if matches!(state.as_str(), "6" | "7") && (empty("close_code") || empty("close_notes")) {
        return Err(TicketError::Refused("Data Policy Exception: close_code and close_notes are mandatory"));
    }
    for (stamp, since) in [("resolved_at", ["6", "7"]), ("closed_at", ["7", "7"])] {
        if since.contains(&state.as_str()) && empty_in(&changed, stamp) {
            changed.insert(stamp.into(), now.clone());
        }
    }
    let differs = *record != changed;
    if differs {
        changed.insert("sys_updated_on".into(), now);
        *record = changed;
    }
    let written = Written::when(differs, format!("incident:{}", text(&record["number"])));
    Ok((Extension(written), Json(json!({"result": record}))))
}

fn empty_in(record: &Map<String, Value>, name: &str) -> bool {
    record.get(name).is_none_or(|value| text(value).is_empty())
}

async fn list(State(plant): State<Shared>, filters: Filters) -> Json<Value> {
    let limit = filters.get("sysparm_limit").and_then(|limit| limit.parse().ok()).unwrap_or(10_000);
    let conditions: Vec<&str> =
        filters.get("sysparm_query").map_or_else(Vec::new, |query| query.split('^').collect());
    let fields: Vec<&str> =
        filters.get("sysparm_fields").map_or_else(Vec::new, |list| list.split(',').collect());
    let incidents = plant.incidents();
    let found: Vec<Map<String, Value>> = incidents
        .0
        .iter()
        .filter(|record| conditions.iter().all(|condition| holds(record, condition)))
        .take(limit)
        .map(|record| {
            let shown = |name: &String| fields.is_empty() || fields.contains(&name.as_str());
            record
                .iter()
                .filter(|(name, _)| shown(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        })
        .collect();
    Json(json!({"result": found}))
}

/// One condition of an encoded query. What is not understood is ignored, as ServiceNow does by default.
fn holds(record: &Map<String, Value>, condition: &str) -> bool {
    let value = |name: &str| record.get(name).map(text).unwrap_or_default();
    if condition.is_empty() || condition.starts_with("ORDERBY") {
        return true;
    }
    if let Some((name, wanted)) = condition.split_once("!=") {
        return value(name) != wanted;
    }
    if let Some((name, wanted)) = condition.split_once('=') {
        return value(name) == wanted;
    }
    for (operator, test) in OPERATORS {
        if let Some((name, wanted)) = condition.split_once(operator) {
            return test(&value(name), wanted);
        }
    }
    true
}

type Test = fn(&str, &str) -> bool;

const OPERATORS: [(&str, Test); 3] = [
    ("STARTSWITH", |value, wanted| value.starts_with(wanted)),
    ("LIKE", |value, wanted| value.contains(wanted)),
    ("IN", |value, wanted| wanted.split(',').any(|one| one == value)),
];
