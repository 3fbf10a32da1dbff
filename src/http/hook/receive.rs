use super::{cloudevent, refuse, unread, wall_clock};
use crate::{
    http::{
        console::partner::EVENT as PARTNER_EVENT,
        problem::{Cause, Problem},
        state::Shared,
    },
    run::EventId,
    site::{Source, Verification},
    store::events,
    telemetry::{
        metrics,
        trace::{self, Kind},
    },
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use secrecy::ExposeSecret;
use serde_json::json;
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;
use tracing::Instrument;

/// A `traceparent` has 55 characters; a later version of it may have some more.
const TRACE_CHARS_MAX: usize = 128;
/// As much of a foreign source as a refusal repeats.
const SOURCE_CHARS_SHOWN: usize = 80;

/// Stores an event before it is acknowledged; of a refused request only its count and cause are kept.
pub(in crate::http) async fn receive(
    State(door): State<Shared>,
    Path(source): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    match accept(&door, &source, &headers, body).await {
        Ok(response) => Ok(response),
        // Ours, not the sender's: there is nothing to count against it, and nowhere to write it.
        Err(problem) if problem.cause == Cause::Unavailable => {
            metrics::webhook(counted_as(&door, &source), problem.cause.word());
            Err(problem)
        }
        Err(problem) => {
            metrics::webhook(counted_as(&door, &source), problem.cause.word());
            let is_declared = door.app.site.sources.contains_key(&source);
            refuse(&door, &source, is_declared, problem.cause).await?;
            Err(problem)
        }
    }
}

async fn accept(
    door: &Shared,
    source: &str,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| unread(&rejection, door.app.site.limits.event_bytes_max))?;
    let declared = door.app.site.sources.get(source);
    verify(declared, headers, &body, wall_clock(), door.app.site.limits.webhook_age_max)?;
    let id = EventId::new();
    let mut event = cloudevent::read(id, headers, &body)
        .map_err(|error| Problem::new(Cause::Malformed, error.to_string()))?;
    speaks_for_itself(declared, &event)?;
    // The event's own trace, or that of the request it came with.
    let sent = || headers.get("traceparent")?.to_str().ok().map(str::to_owned);
    let incoming = event.trace.take().or_else(sent).filter(|trace| trace.len() <= TRACE_CHARS_MAX);
    let span = trace::span(Kind::Server, &format!("webhook {source}"), incoming.as_deref());
    event.trace = trace::traceparent(&span).or(incoming);
    let (source_id, of) = (event.source_id.clone(), event.source.clone());
    let is_new = door.app.store.take_in(event).instrument(span).await?;
    door.app.hints.tell();
    metrics::webhook(source, if is_new { "accepted" } else { "duplicate" });
    let answer = json!({ "id": source_id, "source": of, "duplicate": !is_new });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// Sources that are not declared are one label, whatever they call themselves.
fn counted_as<'a>(door: &Shared, source: &'a str) -> &'a str {
    if door.app.site.sources.contains_key(source) { source } else { "unknown" }
}

/// A sender tells what happens in its own systems, never what another source would tell, nor what partners answer.
fn speaks_for_itself(source: Option<&Source>, event: &events::NewEvent) -> Result<(), Problem> {
    let foreign = |words: String| Err(Problem::new(Cause::NotPermitted, words));
    if event.kind == PARTNER_EVENT {
        return foreign(format!(
            "only Takt itself makes events of the type `{PARTNER_EVENT}`, from a partner's page"
        ));
    }
    if source.is_some_and(|source| source.speaks_for(&event.source)) {
        return Ok(());
    }
    let named: String = event.source.chars().take(SOURCE_CHARS_SHOWN).collect();
    foreign(format!(
        "this sender does not speak for the source `{named}`: takt.yaml says for which under `from`"
    ))
}

/// Standard Webhooks: HMAC-SHA256 of `{id}.{timestamp}.{body}`, one signature of the list must fit.
fn verify(
    source: Option<&Source>,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
    age_max: Duration,
) -> Result<(), Problem> {
    let unknown = || Problem::new(Cause::UnknownSource, "declare it under `sources` in takt.yaml");
    let Source { verify: Verification::StandardWebhooks { secret }, .. } = source.ok_or_else(unknown)?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(id), Some(timestamp), Some(signatures)) =
        (header(HEADER_WEBHOOK_ID), header(HEADER_WEBHOOK_TIMESTAMP), header(HEADER_WEBHOOK_SIGNATURE))
    else {
        return Err(Problem::new(
            Cause::SignatureMissing,
            "`webhook-id`, `webhook-timestamp` and `webhook-signature` are needed",
        ));
    };
    let invalid = |words: &str| Problem::new(Cause::SignatureInvalid, words);
    let seconds: i64 =
        timestamp.parse().map_err(|_| invalid("`webhook-timestamp` is not a number of seconds"))?;
    let webhook = Webhook::new(secret.expose_secret()).map_err(|error| {
        tracing::error!(%error, "the secret of a webhook source cannot be read");
        Problem::new(Cause::Internal, "this source's secret is not usable; see the log")
    })?;
    let expected = webhook.sign(id, seconds, body).map_err(|_| invalid("the body is not UTF-8"))?;
    let fits = signatures
        .split(' ')
        .fold(subtle::Choice::from(0), |any, given| any | given.as_bytes().ct_eq(expected.as_bytes()));
    if !bool::from(fits) {
        return Err(invalid("sign `{id}.{timestamp}.{body}` with the secret of this source"));
    }
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let distance = now.abs_diff(u64::try_from(seconds).unwrap_or(0));
    if distance > age_max.as_secs() {
        let words = format!("{distance} s from this server's clock, {} s are allowed", age_max.as_secs());
        return Err(Problem::new(Cause::SignatureTooOld, words));
    }
    Ok(())
}
