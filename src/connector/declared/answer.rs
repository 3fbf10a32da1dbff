//! What a system answered, and what kind of failure a status is.

use crate::tool::ToolErrorKind;
use bytes::Bytes;
use reqwest::StatusCode;
use serde_json::Value;
use std::time::Duration;

/// What people are told of an error body.
const SAID_CHARS_MAX: usize = 300;
/// What the audit keeps of it.
const DETAIL_CHARS_MAX: usize = 2000;

pub(super) struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// Null when empty or not JSON.
    pub body: Value,
    /// The body where it is not JSON.
    pub text: Option<String>,
}

impl Answer {
    pub(super) fn new(status: StatusCode, retry_after: Option<Duration>, bytes: &Bytes) -> Self {
        let blank = bytes.iter().all(u8::is_ascii_whitespace);
        let (body, text) = match serde_json::from_slice(bytes) {
            Ok(body) => (body, None),
            Err(_) if blank => (Value::Null, None),
            Err(_) => (Value::Null, Some(String::from_utf8_lossy(bytes).into_owned())),
        };
        Self { status: status.as_u16(), retry_after, body, text }
    }

    pub(super) fn asks_for_patience(&self) -> bool {
        matches!(self.status, 408 | 429 | 500..=599)
    }

    pub(super) fn is_expected(&self, expected: &[u16]) -> bool {
        if expected.is_empty() { (200..300).contains(&self.status) } else { expected.contains(&self.status) }
    }

    /// `repeatable`: a read, or a write of which a repeat leaves one effect.
    pub(super) fn kind(&self, repeatable: bool) -> ToolErrorKind {
        match self.status {
            400 | 422 => ToolErrorKind::Invalid,
            401 | 403 => ToolErrorKind::Denied,
            404 | 410 => ToolErrorKind::NotFound,
            429 => ToolErrorKind::RateLimited { retry_after: self.retry_after },
            408 | 500..=599 if !repeatable => ToolErrorKind::OutcomeUnknown,
            503 if self.retry_after.is_some() => ToolErrorKind::RateLimited { retry_after: self.retry_after },
            408 | 500..=599 => ToolErrorKind::Transient,
            _ => ToolErrorKind::Permanent,
        }
    }

    /// The words for people in an error body, as the usual APIs write them.
    pub(super) fn said(&self) -> Option<String> {
        let said = match &self.text {
            Some(text) if text.trim_start().starts_with('<') => None,
            Some(text) => Some(text.clone()),
            None => words(&self.body),
        };
        said.map(|text| shorten(text.trim(), SAID_CHARS_MAX)).filter(|text| !text.is_empty())
    }

    pub(super) fn detail(&self) -> Option<String> {
        let text = self.text.clone().or_else(|| (!self.body.is_null()).then(|| self.body.to_string()));
        text.map(|text| shorten(&text, DETAIL_CHARS_MAX))
    }
}

fn words(body: &Value) -> Option<String> {
    const KEYS: [&str; 6] = ["message", "error", "detail", "title", "exception", "errors"];
    match body {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let all: Vec<String> = items.iter().filter_map(words).collect();
            (!all.is_empty()).then(|| all.join("; "))
        }
        Value::Object(map) => {
            let mut all: Vec<String> = Vec::new();
            for text in KEYS.iter().filter_map(|key| map.get(*key)).filter_map(words) {
                if !all.contains(&text) {
                    all.push(text);
                }
            }
            (!all.is_empty()).then(|| all.join(": "))
        }
        _ => None,
    }
}

fn shorten(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).expect("status");
        Answer::new(status, None, &Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn finds_the_words_in_every_usual_error_body() {
        let said = |body: &str| answer(400, body).said();
        let plex = r#"{"code":"REQUEST_VALIDATION_FAILED","message":"Invalid","errors":[{"code":"X","message":"beginDate is required"}]}"#;
        assert_eq!(said(plex).as_deref(), Some("Invalid: beginDate is required"));
        let servicenow = r#"{"error":{"message":"Operation Failed","detail":"ACL"},"status":"failure"}"#;
        assert_eq!(said(servicenow).as_deref(), Some("Operation Failed: ACL"));
        assert_eq!(said(r#"{"ok":false,"error":"channel_not_found"}"#).as_deref(), Some("channel_not_found"));
        assert_eq!(said("no such asset").as_deref(), Some("no such asset"));
        assert_eq!(said("<html>502</html>"), None);
        assert_eq!(said(""), None);
        let long = said(&"é".repeat(1000)).expect("text");
        assert_eq!(long.chars().count(), SAID_CHARS_MAX + 1);
    }

    #[test]
    fn a_server_error_is_unknown_only_where_a_repeat_would_hurt() {
        assert_eq!(answer(500, "").kind(true), ToolErrorKind::Transient);
        assert_eq!(answer(500, "").kind(false), ToolErrorKind::OutcomeUnknown);
        assert_eq!(answer(503, "").kind(false), ToolErrorKind::OutcomeUnknown);
        assert_eq!(answer(429, "").kind(false), ToolErrorKind::RateLimited { retry_after: None });
        assert_eq!(answer(422, "").kind(false), ToolErrorKind::Invalid);
        assert_eq!(answer(409, "").kind(true), ToolErrorKind::Permanent);
        assert_eq!(answer(302, "").kind(true), ToolErrorKind::Permanent);
    }
}
