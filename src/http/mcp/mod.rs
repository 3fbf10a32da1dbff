//! `POST /mcp`: tools of the site for assistants of others, in both eras of the protocol. Read and propose only: no
//! scope and no setting makes a write callable here.
//!
//! Stateless: no sessions, no streams, one answer per request. Served where `takt.yaml` has `mcp:`.

mod access;
mod call;
mod envelope;
mod own;
mod tools;

use super::{
    auth::Caller,
    problem::{Cause, Problem},
    state::Shared,
};
use crate::site::{McpServer, Site};
use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use envelope::{Era, Incoming, Refusal, Request};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _, clock::DefaultClock};
use serde_json::{Value, json};
use std::num::NonZeroU32;

/// What the door keeps for this route.
pub(super) struct Desk {
    settings: McpServer,
    /// By caller.
    limit: DefaultKeyedRateLimiter<String>,
    /// Tokens of one process mean nothing in another.
    mask_key: [u8; 32],
}

impl Desk {
    pub(super) fn new(site: &Site) -> Option<Self> {
        let settings = site.mcp.clone()?;
        let per_minute = NonZeroU32::new(settings.requests_per_minute)?;
        Some(Self {
            limit: RateLimiter::keyed(Quota::per_minute(per_minute)),
            settings,
            mask_key: rand::random(),
        })
    }
}

pub(super) async fn post(
    State(door): State<Shared>,
    headers: HeaderMap,
    caller: Result<Caller, Problem>,
    body: Bytes,
) -> Response {
    let Some(desk) = &door.mcp else { return not_here() };
    if !is_own_origin(&headers, desk, &door.app.base_url) {
        return Refusal::of_transport(StatusCode::FORBIDDEN, "this origin may not ask here").into_response();
    }
    let caller = match caller {
        Ok(caller) => caller,
        Err(problem) => return unknown_caller(problem),
    };
    if let Err(wait) = desk.limit.check_key(&access::counted(&caller)) {
        let seconds = wait.wait_time_from(DefaultClock::default().now()).as_secs().max(1);
        let refusal =
            Refusal::of_transport(StatusCode::TOO_MANY_REQUESTS, "too many requests; ask again later");
        return ([(header::RETRY_AFTER, HeaderValue::from(seconds))], refusal).into_response();
    }
    if let Err(refusal) = envelope::negotiate(&headers) {
        return refusal.into_response();
    }
    match envelope::read(&headers, &body) {
        Ok(Incoming::Notification) => StatusCode::ACCEPTED.into_response(),
        Ok(Incoming::Request(request)) => match answer(&door, desk, &caller, &headers, &request).await {
            Ok(result) => request.answer(result).into_response(),
            Err(refusal) => refusal.to(&request).into_response(),
        },
        Err(refusal) => refusal.into_response(),
    }
}

async fn answer(
    door: &Shared,
    desk: &Desk,
    caller: &Caller,
    headers: &HeaderMap,
    request: &Request,
) -> Result<Value, Refusal> {
    match (request.era, request.method.as_str()) {
        (Era::Modern, "server/discover") => Ok(json!({
            "supportedVersions": envelope::versions(),
            "capabilities": { "tools": {} },
            "ttlMs": tools::TTL_MS, "cacheScope": "private",
        })),
        (Era::Legacy, "initialize") => Ok(greeting(&request.params)),
        (Era::Legacy, "ping") => Ok(json!({})),
        (era, "tools/list") => tools::list(door, desk, caller, era, &request.params),
        (_, "tools/call") => call::call(door, desk, caller, trace(headers), &request.params).await,
        (_, method) => Err(Refusal::no_method(method)),
    }
}

/// The caller's version if it is one of the handshake, else the newest of those.
fn greeting(params: &Value) -> Value {
    json!({
        "protocolVersion": envelope::agreed(params["protocolVersion"].as_str().unwrap_or_default()),
        "capabilities": { "tools": {} },
        "serverInfo": envelope::server_info(),
    })
}

fn is_own_origin(headers: &HeaderMap, desk: &Desk, base_url: &str) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.all(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        origin == base_url || desk.settings.origins.iter().any(|allowed| allowed == origin)
    })
}

fn unknown_caller(problem: Problem) -> Response {
    let asks_for_token = problem.cause == Cause::NotSignedIn;
    let mut response = problem.into_response();
    if asks_for_token {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn not_here() -> Response {
    Problem::new(Cause::NotFound, "this site has no MCP server: takt.yaml has no `mcp:`").into_response()
}

/// A W3C `traceparent`, if it looks like one.
fn trace(headers: &HeaderMap) -> Option<String> {
    let given = headers.get(HeaderName::from_static("traceparent"))?.to_str().ok()?;
    let is_one = given.len() == 55 && given.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    is_one.then(|| given.to_owned())
}
