//! Every route on one screen.

use super::{
    api,
    auth::Needs,
    console,
    doors::{Doors, Route},
    health, hook, mcp, metrics,
    problem::{Cause, Problem},
    state::Door,
};
use crate::site::{Scope, Section};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
};
use std::{any::Any, sync::Arc, time::Duration};
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer, trace::TraceLayer};

/// Largest form or API body; webhooks have the site's own limit.
const FORM_BYTES_MAX: usize = 256 * 1024;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

const ANYBODY: Needs = Needs::NOTHING;
const SIGNED_IN: Needs = Needs::NOTHING;
const READ_RUNS: Needs = Needs::both(Section::Runs, Scope::RunsRead);
const READ_GATES: Needs = Needs::scope(Scope::GatesRead);
const ANSWER: Needs = Needs::scope(Scope::GatesAnswer);
const START: Needs = Needs::both(Section::Runs, Scope::RunsStart);
const CONTROL: Needs = Needs::scope(Scope::Control);
const READ_EVENTS: Needs = Needs::both(Section::Events, Scope::EventsRead);
const SCHEDULES: Needs = Needs::both(Section::Schedules, Scope::Schedules);
const PARTNERS: Needs = Needs::scope(Scope::Partners);
const TOOLS: Needs = Needs::scope(Scope::Tools);
const RUNS: Needs = Needs::reading(Section::Runs);
const EVENTS: Needs = Needs::reading(Section::Events);
const AUDIT: Needs = Needs::reading(Section::Audit);
const EVALS: Needs = Needs::reading(Section::Evals);

/// Programs that prove themselves by a signature.
fn hooks() -> Doors {
    Doors::default().post("/hooks/{source}", ANYBODY, hook::receive)
}

fn clicks() -> Doors {
    Doors::default().post("/slack/interactions", ANYBODY, hook::interactions).post(
        "/teams/messages",
        ANYBODY,
        hook::messages,
    )
}

/// Programs, and scripts of our own pages.
fn programs() -> Doors {
    Doors::default()
        .get("/api/runs", READ_RUNS, api::runs::list)
        .get("/api/runs/{id}", READ_RUNS.placed(), api::runs::show)
        .post("/api/workflows/{id}/runs", START.placed(), api::starts::start)
        .post("/api/runs/{id}/{action}", CONTROL.placed(), api::control::one)
        .post("/api/runs/bulk", CONTROL, api::control::many)
        .get("/api/gates/{id}", READ_GATES.placed(), api::gates::show)
        .post("/api/gates/{id}/answer", ANSWER.placed(), api::gates::answer)
        .post("/api/gates/{id}/embed", ANSWER.placed(), api::links::embed)
        .get("/api/delegations", READ_GATES, api::delegations::list)
        .post("/api/delegations", ANSWER, api::delegations::start)
        .post("/api/delegations/{id}/end", ANSWER, api::delegations::end)
        .post("/api/partner-links", PARTNERS, api::links::partner)
        .post("/api/partner-links/{id}/revoke", PARTNERS, api::links::revoke)
        .get("/api/events", READ_EVENTS, api::events::list)
        .get("/api/schedules", SCHEDULES, api::schedules::list)
        .get("/api/schedules/{workflow}", SCHEDULES.placed(), api::schedules::show)
        .post("/api/schedules/{workflow}/pause", SCHEDULES.placed(), api::schedules::pause)
        .post("/api/schedules/{workflow}/resume", SCHEDULES.placed(), api::schedules::resume)
        .post("/api/schedules/{workflow}/trigger", SCHEDULES.placed(), api::schedules::trigger)
        .post("/api/schedules/{workflow}/backfill", SCHEDULES.placed(), api::schedules::backfill)
        .get("/api/{*rest}", ANYBODY, api::not_found)
        .post("/mcp", TOOLS, mcp::post)
}

/// People.
fn pages() -> Doors {
    Doors::default()
        .get("/", SIGNED_IN, console::inbox::page)
        .get("/me", SIGNED_IN, console::me::page)
        .get("/runs", RUNS, console::runs::page)
        .get("/runs/{id}", RUNS, console::run::page)
        .post("/runs/{id}/{action}", RUNS, console::control::one)
        .post("/runs/bulk", RUNS, console::control::many)
        .get("/workflows", RUNS, console::workflows::list)
        .get("/workflows/{id}", RUNS, console::workflows::page)
        .post("/workflows/{id}/runs", RUNS, console::start::start)
        .get("/evals", EVALS, console::evals::page)
        .get("/attention", RUNS, console::attention::page)
        .get("/events", EVENTS, console::events::page)
        .post("/events/{id}/fire-again", EVENTS, console::events::fire_again)
        .get("/gates/{id}", SIGNED_IN, console::gate::page)
        .get("/gates/{id}/sign", SIGNED_IN, console::sso::sign)
        .post("/gates/{id}/answer", SIGNED_IN, console::gate::answer)
        .get("/delegations", SIGNED_IN, console::delegations::page)
        .post("/delegations", SIGNED_IN, console::delegations::start)
        .post("/delegations/{id}/end", SIGNED_IN, console::delegations::end)
        .get("/schedules", SCHEDULES, console::schedules::page)
        .get("/schedules/{workflow}", SCHEDULES, console::schedule::page)
        .post("/schedules/{workflow}/pause", SCHEDULES, console::schedule::pause)
        .post("/schedules/{workflow}/resume", SCHEDULES, console::schedule::resume)
        .post("/schedules/{workflow}/trigger", SCHEDULES, console::schedule::trigger)
        .post("/schedules/{workflow}/backfill", SCHEDULES, console::schedule::backfill)
        .get("/audit", AUDIT, console::audit::page)
        .get("/status", SIGNED_IN, console::status::page)
        .get("/live/{*topic}", SIGNED_IN, console::live::stream)
        .post("/sign-out", SIGNED_IN, console::sign_in::sign_out)
}

/// The only ones that answer without a session: sign-in, what pages are made of, and links that stand for somebody.
fn open() -> Doors {
    Doors::default()
        .get("/sign-in", ANYBODY, console::sign_in::page)
        .post("/sign-in", ANYBODY, console::sign_in::sign_in)
        .get("/sign-in/oidc", ANYBODY, console::sso::begin)
        .get("/sign-in/callback", ANYBODY, console::sso::callback)
        .get("/answer/{gate}/{token}", ANYBODY, console::mail_link::page)
        .post("/answer/{gate}/{token}", ANYBODY, console::mail_link::answer)
        .get("/embed/{token}", ANYBODY, console::embed::page)
        .post("/embed/{token}", ANYBODY, console::embed::answer)
        .get("/partner/{token}", ANYBODY, console::partner::page)
        .post("/partner/{token}", ANYBODY, console::partner::answer)
        .get("/assets/{*path}", ANYBODY, console::assets::asset)
}

/// What watches over this process asks here, whatever its role.
fn watching() -> Doors {
    Doors::default().get("/health", ANYBODY, health::probe).get("/metrics", ANYBODY, metrics::scrape)
}

/// Every route there is.
pub fn routes() -> Vec<Route> {
    let all = watching().merge(hooks()).merge(clicks()).merge(programs()).merge(pages()).merge(open());
    all.routes
}

/// The whole web door as one service.
pub fn router(door: Arc<Door>) -> Router {
    let is_https = door.is_https();
    let event_bytes_max = door.app.site.limits.event_bytes_max;
    let mut doors = watching().router;
    if door.app.console {
        let people = programs().merge(pages()).merge(open()).router;
        doors = doors.merge(people.layer(DefaultBodyLimit::max(FORM_BYTES_MAX)));
        doors = doors.merge(clicks().router.layer(DefaultBodyLimit::max(event_bytes_max)));
        doors = doors.fallback(console::not_found);
    } else {
        doors = doors.fallback(api::not_served_here);
    }
    if door.app.hooks {
        doors = doors.merge(hooks().router.layer(DefaultBodyLimit::max(event_bytes_max)));
    }
    doors
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_TIME_MAX))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(map_response(move |response| harden(response, is_https)))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .with_state(door)
}

/// The words of a link stand for a person and stay out of the log.
fn span(request: &Request) -> tracing::Span {
    let path = request.uri().path();
    let secret = ["/answer/", "/embed/", "/partner/"].into_iter().find(|start| path.starts_with(start));
    let path = secret.map_or_else(|| path.to_owned(), |start| format!("{start}…"));
    tracing::debug_span!("request", method = %request.method(), path)
}

/// Headers of every answer. Scripts, styles and images come from us or not at all.
async fn harden(mut response: Response, is_https: bool) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
        connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors";
    // Only a page that says so itself may stand in another one.
    let framed = response.extensions_mut().remove::<console::embed::FrameAncestors>();
    let ancestors = framed.map_or_else(|| "'none'".to_owned(), |allowed| allowed.0);
    let policy = HeaderValue::from_str(&format!("{POLICY} {ancestors}"));
    let policy = policy.unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    let always = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    let headers = response.headers_mut();
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A bug in one page must not stop the others; the words of a panic stay in the log.
fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    let words = cause.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(panic = words, "a request panicked");
    Problem::new(Cause::Internal, "this request hit a bug; it has been logged").into_response()
}
