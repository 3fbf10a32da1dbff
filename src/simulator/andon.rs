//! The andon board: calls that people raise at a work center, and that someone answers.

use super::{
    ledger::Written,
    query::Filters,
    state::Shared,
    world::{World, records::AndonCall},
};
use axum::{
    Extension, Json, Router,
    extract::{Path, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use subtle::ConstantTimeEq;

pub fn router(plant: &Shared) -> Router<Shared> {
    Router::new()
        .route("/api/calls", get(list))
        .route("/api/calls/{id}/resolve", post(resolve))
        .fallback(async || refuse(StatusCode::NOT_FOUND, "not_found", "There is nothing here."))
        .layer(middleware::from_fn_with_state(Arc::clone(plant), authenticate))
}

async fn authenticate(State(plant): State<Shared>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
    if bool::from(given.ct_eq(format!("Bearer {}", plant.config.credentials.andon_token).as_bytes())) {
        next.run(request).await
    } else {
        refuse(StatusCode::UNAUTHORIZED, "unauthorized", "A valid bearer token is required.")
    }
}

fn refuse(status: StatusCode, error: &str, message: &str) -> Response {
    (status, Json(json!({"error": error, "message": message}))).into_response()
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A call as of now: what is scripted for later has not happened yet.
fn call_json(world: &World, call: &AndonCall) -> Value {
    let acknowledged = call.acknowledged.as_ref().filter(|(at, _)| *at <= world.now);
    let resolved = call.resolved.as_ref().filter(|(at, _)| *at <= world.now);
    json!({
        "id": call.id, "work_center": world.work_center_code(call.work_center), "category": call.category,
        "raised_by": call.raised_by, "raised_at": time(call.raised),
        "acknowledged_by": acknowledged.map(|(_, by)| by), "acknowledged_at": acknowledged.map(|(at, _)| time(*at)),
        "arrived_at": acknowledged.map(|(at, _)| time(*at)), "resolved_by": resolved.map(|(_, by)| by),
        "resolved_at": resolved.map(|(at, _)| time(*at)),
        "reason_code": resolved.and(call.reason_code.as_ref()), "note": resolved.and(call.note.as_ref()),
        "line_stop": call.line_stop, "escalation_level": call.escalation_level, "text": call.text,
        "open": resolved.is_none(),
    })
}

async fn list(State(plant): State<Shared>, filters: Filters) -> Response {
    let read = |name: &str| match filters.get(name) {
        None => Ok(None),
        Some(text) => {
            text.parse::<DateTime<Utc>>().map(Some).map_err(|_| format!("`{name}` is not an RFC 3339 time."))
        }
    };
    let (from, to) = match (read("from"), read("to")) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(message), _) | (_, Err(message)) => return refuse(StatusCode::BAD_REQUEST, "invalid", &message),
    };
    let world = plant.world();
    let calls: Vec<Value> = world
        .andon
        .iter()
        .filter(|call| call.raised <= world.now)
        .filter(|call| from.is_none_or(|from| from <= call.raised) && to.is_none_or(|to| call.raised < to))
        .map(|call| call_json(&world, call))
        .filter(|call| {
            filters.allows("open", &call["open"].to_string())
                && filters.allows("work_center", call["work_center"].as_str().unwrap_or_default())
        })
        .collect();
    Json(json!({"calls": calls})).into_response()
}

#[derive(Deserialize)]
struct Resolution {
    resolved_by: String,
    #[serde(default)]
    reason_code: Option<String>,
    #[serde(default)]
    note: Option<String>,
}

async fn resolve(
    State(plant): State<Shared>,
    Path(id): Path<String>,
    Json(resolution): Json<Resolution>,
) -> Response {
    let mut world = plant.world();
    let now = world.now;
    let Some(place) = world.andon.iter().position(|call| call.id == id && call.raised <= now) else {
        return refuse(StatusCode::NOT_FOUND, "not_found", &format!("There is no call `{id}`."));
    };
    let call = &mut world.andon[place];
    let open = call.resolved.as_ref().is_none_or(|(at, _)| *at > now);
    if open {
        call.acknowledged.get_or_insert((now, resolution.resolved_by.clone()));
        call.resolved = Some((now, resolution.resolved_by));
        call.reason_code = resolution.reason_code;
        call.note = resolution.note;
    }
    let written = Written::when(open, format!("andon-call:{id}"));
    (Extension(written), Json(call_json(&world, &world.andon[place]))).into_response()
}
