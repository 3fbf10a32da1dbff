//! The supplier portal: messages, sent once per idempotency key, and advance ship notices.

use super::{ledger::Written, query::Filters, state::Shared, world::model::PurchaseOrder};
use axum::{
    Extension, Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use std::sync::Arc;
use subtle::ConstantTimeEq;

pub fn router(plant: &Shared) -> Router<Shared> {
    Router::new()
        .route("/api/messages", get(messages).post(send))
        .route("/api/asns", get(ship_notices))
        .fallback(async || refuse(StatusCode::NOT_FOUND, "not_found", "There is nothing here."))
        .layer(middleware::from_fn_with_state(Arc::clone(plant), authenticate))
}

async fn authenticate(State(plant): State<Shared>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
    if bool::from(given.ct_eq(format!("Bearer {}", plant.config.credentials.portal_token).as_bytes())) {
        next.run(request).await
    } else {
        refuse(StatusCode::UNAUTHORIZED, "unauthorized", "A valid bearer token is required.")
    }
}

fn refuse(status: StatusCode, error: &str, message: &str) -> Response {
    (status, Json(json!({"error": error, "message": message}))).into_response()
}

#[derive(Default)]
pub struct Messages {
    sent: Vec<Value>,
    /// Key, the request it came with, the reply it got.
    replies: Vec<(String, Value, Value)>,
}

async fn send(State(plant): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let missing = ["supplier", "body"].into_iter().find(|name| !body[*name].is_string());
    if let Some(name) = missing {
        return refuse(StatusCode::BAD_REQUEST, "invalid", &format!("`{name}` is required."));
    }
    let supplier = body["supplier"].as_str().unwrap_or_default();
    if !plant.world().suppliers.iter().any(|known| known.code == supplier) {
        return refuse(
            StatusCode::NOT_FOUND,
            "unknown_supplier",
            &format!("There is no supplier `{supplier}`."),
        );
    }
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let now = plant.clock.now();
    let mut messages = plant.messages();
    if let Some((_, request, reply)) = messages.replies.iter().find(|(known, ..)| Some(known) == key.as_ref())
    {
        return if *request == body {
            let replayed = [("idempotency-replayed", "true")];
            (StatusCode::CREATED, replayed, Extension(Written::repeated("message")), Json(reply.clone()))
                .into_response()
        } else {
            let message = "This Idempotency-Key came with another body before.";
            refuse(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", message)
        };
    }
    let reply = json!({
        "id": format!("MSG-{}", messages.sent.len() + 1), "supplier": body["supplier"],
        "po_number": body["po_number"], "subject": body["subject"], "body": body["body"], "status": "sent",
        "created_at": time(now),
    });
    messages.sent.push(reply.clone());
    if let Some(key) = key {
        messages.replies.push((key, body, reply.clone()));
    }
    (StatusCode::CREATED, Extension(Written::applied("message")), Json(reply)).into_response()
}

async fn messages(State(plant): State<Shared>, filters: Filters) -> Json<Value> {
    let messages = plant.messages();
    let wanted: Vec<&Value> = messages
        .sent
        .iter()
        .filter(|message| filters.allows("supplier", message["supplier"].as_str().unwrap_or_default()))
        .collect();
    Json(json!({"messages": wanted}))
}

async fn ship_notices(State(plant): State<Shared>, filters: Filters) -> Json<Value> {
    let world = plant.world();
    let row = |order: &PurchaseOrder| {
        let notice = order.asn.as_ref()?;
        Some(json!({
            "asn_number": notice.number, "po_number": order.number, "supplier": world.supplier_code(order.supplier),
            "part": world.part_number(order.part), "qty": order.quantity, "status": notice.status,
            "carrier": notice.carrier, "shipped_at": notice.shipped.map(time),
            "original_eta": time(notice.original_eta), "eta": time(notice.eta),
            "days_late": (notice.eta - notice.original_eta).num_days(), "reason_text": notice.reason,
        }))
    };
    let wanted = world.purchase_orders.iter().filter(|order| {
        filters.allows("po", &order.number) && filters.allows("supplier", world.supplier_code(order.supplier))
    });
    Json(json!({"asns": wanted.filter_map(row).collect::<Vec<Value>>()}))
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
