//! The edge of the plant, around every request: faults strike here and writes are entered in the ledger here.

use super::{
    connection::Link,
    faults::{FaultKind, Victim},
    ledger::{Effect, Write, Written},
    memory::{self, What},
    state::{Plant, Shared},
};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use std::time::Duration;

const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Runs a request through the faults, then the handler, then the ledger.
pub async fn guard(State(plant): State<Shared>, request: Request, next: Next) -> Response {
    let call = Call::of(&request);
    if call.system == "sim" {
        return next.run(request).await;
    }
    let fault = plant.faults().strike(&Victim {
        system: &call.system,
        method: call.method.as_str(),
        path: &call.path,
        key: call.key.as_deref(),
    });
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let link = parts.extensions.get::<ConnectInfo<Link>>().map(|ConnectInfo(link)| link.clone());
    let replay = Request::from_parts(parts, Body::from(body.clone()));
    let response = match fault {
        None => next.run(replay).await,
        Some((kind, delay)) => misbehave(kind, delay, link, replay, next).await,
    };
    if call.is_write() {
        record(&plant, &call, &body, &response);
    }
    response
}

async fn misbehave(
    kind: FaultKind,
    delay: Duration,
    link: Option<Link>,
    request: Request,
    next: Next,
) -> Response {
    match kind {
        FaultKind::Throttled => {
            let body = axum::Json(json!({"code": "REQUEST_THROTTLED", "message": "Too many requests."}));
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], body).into_response()
        }
        FaultKind::ServerError => {
            let body =
                axum::Json(json!({"code": "INTERNAL_ERROR", "message": "An unexpected error occurred."}));
            (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
        }
        FaultKind::Slow => {
            tokio::time::sleep(delay).await;
            next.run(request).await
        }
        FaultKind::Down => {
            cut(link);
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        FaultKind::LostReply => {
            let response = next.run(request).await;
            cut(link);
            response
        }
    }
}

fn cut(link: Option<Link>) {
    if let Some(link) = link {
        link.cut();
    }
}

/// What the ledger and the faults want to know of a request.
struct Call {
    system: String,
    method: Method,
    path: String,
    key: Option<String>,
    idempotency_key: Option<String>,
    traceparent: Option<String>,
}

impl Call {
    fn of(request: &Request) -> Self {
        let path = request.uri().path();
        let header = |name| request.headers().get(name).and_then(|key| key.to_str().ok()).map(str::to_owned);
        Self {
            system: path.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned(),
            method: request.method().clone(),
            path: path.to_owned(),
            key: header("x-takt-key"),
            idempotency_key: header("idempotency-key"),
            traceparent: header("traceparent"),
        }
    }

    /// Searches are POSTs too, but they ask.
    fn is_write(&self) -> bool {
        let asks = self.path.ends_with("/search") || self.path.ends_with("/workcenter-setups");
        !(self.method.is_safe() || asks)
    }
}

fn record(plant: &Plant, call: &Call, body: &Bytes, response: &Response) {
    let accepted = response.status().is_success();
    let written = response.extensions().get::<Written>().cloned();
    let (effect, target) = match (accepted, written) {
        (true, Some(written)) => (written.effect, written.target),
        (true, None) => (Effect::Applied, call.path.clone()),
        (false, _) => (Effect::Refused, call.path.clone()),
    };
    let body: Value = serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
    let at = plant.clock.now();
    if effect == Effect::Applied {
        let deed = memory::Written {
            method: call.method.to_string(),
            path: call.path.clone(),
            takt_key: call.key.clone(),
            idempotency_key: call.idempotency_key.clone(),
            body: body.clone(),
        };
        plant.remember(at, What::Written(deed));
    }
    plant.ledger().record(Write {
        seq: 0,
        at,
        system: call.system.clone(),
        method: call.method.to_string(),
        path: call.path.clone(),
        takt_key: call.key.clone(),
        traceparent: call.traceparent.clone(),
        status: response.status().as_u16(),
        effect,
        accepted,
        target,
        body,
    });
}
