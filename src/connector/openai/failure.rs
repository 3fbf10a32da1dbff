//! What kind of failure an error answer of a chat-completions server is. Servers differ: `error` may be an
//! object or text, `code` a word or a number, and the body may be a page of a proxy.

use crate::agent::ModelErrorClass;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Words in `error.code` or `error.type` that stand for a status, where an error comes in the middle of a stream.
const MEANT: [(&str, u16); 6] = [
    ("rate_limit_exceeded", 429),
    ("rate_limit_error", 429),
    ("slow_down", 429),
    ("content_filter", 400),
    ("context_length_exceeded", 400),
    ("invalid_request_error", 400),
];

const SAID_CHARS_MAX: usize = 300;

/// Words in `error.code` or `error.type` that mean: no money or quota left.
const QUOTA: [&str; 5] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
];

pub(super) struct Failure {
    pub class: ModelErrorClass,
    /// Goes on after "model endpoint `x` …".
    pub what: String,
}

pub(super) fn classify(status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let error = body.get("error").filter(|error| !error.is_null()).unwrap_or(&body);
    let word = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
    let (code, kind) = (word("code"), word("type"));
    let class = class(status, code, kind);
    let should_retry = headers.get("x-should-retry").and_then(|value| value.to_str().ok());
    let class = match (should_retry, class) {
        (Some("false"), ModelErrorClass::RateLimited) => ModelErrorClass::Quota,
        (Some("false"), ModelErrorClass::Server) => ModelErrorClass::BadRequest,
        (Some("true"), ModelErrorClass::BadRequest) => ModelErrorClass::Server,
        (_, class) => class,
    };
    Failure { class, what: what(status, error, code, kind) }
}

/// An error that came instead of the next chunk: the status was sent long before, so its words count.
pub(super) fn in_stream(error: &Value) -> Failure {
    let word = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
    let (code, kind) = (word("code"), word("type"));
    let number = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let meant = MEANT.iter().find(|(word, _)| *word == code || *word == kind).map(|(_, status)| *status);
    let status = number.filter(|code| (400..600).contains(code)).or(meant).unwrap_or(200);
    let what = what(200, error, code, kind).replacen("answered 200", "broke its answer off with an error", 1);
    Failure { class: class(status, code, kind), what }
}

fn class(status: u16, code: &str, kind: &str) -> ModelErrorClass {
    if QUOTA.contains(&code) || QUOTA.contains(&kind) {
        return ModelErrorClass::Quota;
    }
    match status {
        400 if code == "content_filter" => ModelErrorClass::ContentFilter,
        400 if code == "invalid_api_key" => ModelErrorClass::Auth,
        401 | 403 => ModelErrorClass::Auth,
        404 => ModelErrorClass::NotFound,
        402 => ModelErrorClass::Quota,
        429 => ModelErrorClass::RateLimited,
        408 | 409 | 425 => ModelErrorClass::Server,
        // Without a failure status the error came from behind the server.
        200..=299 | 500..=599 => ModelErrorClass::Server,
        _ => ModelErrorClass::BadRequest,
    }
}

fn what(status: u16, error: &Value, code: &str, kind: &str) -> String {
    let said = match error {
        Value::String(text) => Some(text.as_str()),
        _ => ["message", "detail"].iter().find_map(|key| error.get(*key).and_then(Value::as_str)),
    };
    let label = if code.is_empty() { kind } else { code };
    let mut what = format!("answered {status}");
    if !label.is_empty() {
        what.push_str(&format!(" ({label})"));
    }
    if let Some(said) = said {
        let end = said.char_indices().nth(SAID_CHARS_MAX).map_or(said.len(), |(end, _)| end);
        what.push_str(&format!(": {}", &said[..end]));
    }
    what
}
