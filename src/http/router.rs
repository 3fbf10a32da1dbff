//! Every route on one screen.

use super::{
    api, console, health, hook, metrics,
    problem::{Cause, Problem},
    state::{AppState, Door},
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::{any::Any, time::Duration};
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer, trace::TraceLayer};

/// Largest form or API body; webhooks have the site's own limit.
const FORM_BYTES_MAX: usize = 256 * 1024;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// The whole web door as one service.
pub fn router(state: AppState) -> Router {
    let event_bytes_max = state.site.limits.event_bytes_max;
    let door = Door::new(state);

    // Programs that prove themselves by a signature.
    let hooks = Router::new().route("/hooks/{source}", post(hook::receive));
    let clicks = Router::new()
        .route("/slack/interactions", post(hook::interactions))
        .route("/teams/messages", post(hook::messages));

    // Programs, and scripts of our own pages.
    let programs = Router::new()
        .route("/api/runs", get(api::runs::list))
        .route("/api/runs/{id}", get(api::runs::show))
        .route("/api/workflows/{id}/runs", post(api::starts::start))
        .route("/api/runs/{id}/{action}", post(api::control::one))
        .route("/api/runs/bulk", post(api::control::many))
        .route("/api/gates/{id}", get(api::gates::show))
        .route("/api/gates/{id}/answer", post(api::gates::answer))
        .route("/api/events", get(api::events::list))
        .route("/api/schedules", get(api::schedules::list))
        .route("/api/schedules/{workflow}", get(api::schedules::show))
        .route("/api/schedules/{workflow}/pause", post(api::schedules::pause))
        .route("/api/schedules/{workflow}/resume", post(api::schedules::resume))
        .route("/api/schedules/{workflow}/trigger", post(api::schedules::trigger))
        .route("/api/schedules/{workflow}/backfill", post(api::schedules::backfill))
        .route("/api/{*rest}", get(api::not_found));

    // People.
    let pages = Router::new()
        .route("/", get(console::inbox::page))
        .route("/runs", get(console::runs::page))
        .route("/runs/{id}", get(console::run::page))
        .route("/runs/{id}/{action}", post(console::control::one))
        .route("/runs/bulk", post(console::control::many))
        .route("/workflows", get(console::workflows::list))
        .route("/workflows/{id}", get(console::workflows::page))
        .route("/workflows/{id}/runs", post(console::start::start))
        .route("/evals", get(console::evals::page))
        .route("/attention", get(console::attention::page))
        .route("/events", get(console::events::page))
        .route("/events/{id}/fire-again", post(console::events::fire_again))
        .route("/gates/{id}", get(console::gate::page))
        .route("/gates/{id}/answer", post(console::gate::answer))
        .route("/schedules", get(console::schedules::page))
        .route("/schedules/{workflow}", get(console::schedule::page))
        .route("/schedules/{workflow}/pause", post(console::schedule::pause))
        .route("/schedules/{workflow}/resume", post(console::schedule::resume))
        .route("/schedules/{workflow}/trigger", post(console::schedule::trigger))
        .route("/schedules/{workflow}/backfill", post(console::schedule::backfill))
        .route("/status", get(console::status::page))
        .route("/live/{*topic}", get(console::live::stream))
        .route("/sign-out", post(console::sign_in::sign_out));

    // The only ones that answer to anybody; a link in a mail is its own proof.
    let open = Router::new()
        .route("/answer/{gate}/{token}", get(console::mail_link::page).post(console::mail_link::answer))
        .route("/sign-in", get(console::sign_in::page).post(console::sign_in::sign_in))
        .route("/assets/{*path}", get(console::assets::asset));

    // What watches over this process asks here, whatever its role.
    let mut doors =
        Router::new().route("/health", get(health::probe)).route("/metrics", get(metrics::scrape));
    if door.app.console {
        let people = programs.merge(pages).merge(open).layer(DefaultBodyLimit::max(FORM_BYTES_MAX));
        doors = doors.merge(people).merge(clicks.layer(DefaultBodyLimit::max(event_bytes_max)));
        doors = doors.fallback(console::not_found);
    } else {
        doors = doors.fallback(api::not_served_here);
    }
    if door.app.hooks {
        doors = doors.merge(hooks.layer(DefaultBodyLimit::max(event_bytes_max)));
    }
    doors
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_TIME_MAX))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(map_response(harden))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .with_state(door)
}

/// The words of a link in a mail stand for a person and stay out of the log.
fn span(request: &Request) -> tracing::Span {
    let path = request.uri().path();
    let path = if path.starts_with("/answer/") { "/answer/…" } else { path };
    tracing::debug_span!("request", method = %request.method(), path)
}

/// Headers of every answer. Scripts, styles and images come from us or not at all.
async fn harden(mut response: Response) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
        connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let always = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    let headers = response.headers_mut();
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
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
