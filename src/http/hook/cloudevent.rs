//! CloudEvents 1.0 over HTTP in structured mode: the whole event is the body, which is what a sender signs.
//!
//! Binary mode is refused. Its attributes are headers, which no webhook signature covers: whoever has seen one signed
//! request could send its body again as any other event.

use crate::{
    run::{EventId, NESTING_MAX, has_nul, nesting_of},
    store::events::NewEvent,
};
use axum::http::{HeaderMap, header};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

/// Longest id, source, type or subject; they are shown and indexed.
const ATTRIBUTE_CHARS_MAX: usize = 512;
/// Source and id have an index of their own, which takes no more of both.
const ATTRIBUTE_BYTES_MAX: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("CloudEvents of version `{0}` are not read here, only 1.0")]
    Version(String),
    #[error("the attribute `{0}` is missing or empty")]
    Missing(&'static str),
    #[error(
        "the attribute `{0}` is longer than {ATTRIBUTE_CHARS_MAX} characters or {ATTRIBUTE_BYTES_MAX} bytes"
    )]
    TooLong(&'static str),
    #[error("`time` is not an RFC 3339 time: `{0}`")]
    Time(String),
    #[error(
        "send the whole event in the body, as `Content-Type: application/cloudevents+json`: attributes in `ce-*` headers \
         are not under the signature"
    )]
    NotStructured,
    #[error("a batch of events is not accepted; send them one by one")]
    Batch,
    #[error("`{0}` holds a NUL character, which cannot be kept")]
    Nul(&'static str),
    #[error("`data` nests deeper than {NESTING_MAX} levels, which cannot be kept")]
    TooDeep,
    #[error("`data_base64` is not accepted; send JSON in `data`")]
    Binary,
}

#[derive(Debug, Default, Deserialize)]
struct Attributes {
    specversion: Option<String>,
    id: Option<String>,
    source: Option<String>,
    r#type: Option<String>,
    subject: Option<String>,
    time: Option<String>,
    traceparent: Option<String>,
    plant: Option<String>,
    #[serde(default)]
    data: Value,
    data_base64: Option<Value>,
}

pub(super) fn read(id: EventId, headers: &HeaderMap, body: &[u8]) -> Result<NewEvent, Malformed> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.to_ascii_lowercase();
    if kind.starts_with("application/cloudevents-batch") {
        return Err(Malformed::Batch);
    }
    if !kind.starts_with("application/cloudevents") {
        return Err(Malformed::NotStructured);
    }
    let attributes = serde_json::from_slice(body).map_err(|error| Malformed::NotJson(error.to_string()))?;
    event(id, attributes)
}

fn event(id: EventId, attributes: Attributes) -> Result<NewEvent, Malformed> {
    match attributes.specversion.as_deref() {
        Some("1.0") => {}
        Some(other) => return Err(Malformed::Version(other.chars().take(20).collect())),
        None => return Err(Malformed::Missing("specversion")),
    }
    if attributes.data_base64.is_some() {
        return Err(Malformed::Binary);
    }
    if has_nul(&attributes.data) {
        return Err(Malformed::Nul("data"));
    }
    if nesting_of(&attributes.data) > NESTING_MAX {
        return Err(Malformed::TooDeep);
    }
    let time = match attributes.time {
        None => None,
        Some(text) => {
            let parsed = DateTime::parse_from_rfc3339(&text);
            Some(parsed.map_err(|_| Malformed::Time(text.chars().take(40).collect()))?.with_timezone(&Utc))
        }
    };
    // Senders that cannot add an attribute say it in their data.
    let plant = attributes.plant.or_else(|| Some(attributes.data.get("plant")?.as_str()?.to_owned()));
    Ok(NewEvent {
        id,
        source_id: required("id", attributes.id)?,
        source: required("source", attributes.source)?,
        kind: required("type", attributes.r#type)?,
        subject: attributes.subject.map(|subject| required("subject", Some(subject))).transpose()?,
        time,
        plant: plant.map(|plant| required("plant", Some(plant))).transpose()?,
        data: attributes.data,
        trace: attributes.traceparent.filter(|trace| trace.len() <= ATTRIBUTE_CHARS_MAX),
    })
}

fn required(name: &'static str, value: Option<String>) -> Result<String, Malformed> {
    let value = value.filter(|value| !value.is_empty()).ok_or(Malformed::Missing(name))?;
    if value.chars().count() > ATTRIBUTE_CHARS_MAX || value.len() > ATTRIBUTE_BYTES_MAX {
        return Err(Malformed::TooLong(name));
    }
    // PostgreSQL keeps no NUL in text.
    if value.contains('\0') { Err(Malformed::Nul(name)) } else { Ok(value) }
}
