//! Plex Connect REST: key header, throttling, error bodies, and one file per API collection.
//!
//! Quirks kept on purpose: bare arrays, no paging, unknown parameters ignored, UTC times with a time part only.

mod custom_objects;
mod history;
mod inventory;
mod master_data;
mod orders;
mod production;
mod purchasing;
mod scheduling;

use super::{query::Filters, state::Shared};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use subtle::ConstantTimeEq;
use uuid::Uuid;

pub fn router(plant: &Shared) -> Router<Shared> {
    Router::new()
        .merge(scheduling::routes())
        .merge(production::routes())
        .merge(history::routes())
        .merge(inventory::routes())
        .merge(master_data::routes())
        .merge(purchasing::routes())
        .merge(orders::routes())
        .merge(custom_objects::routes())
        .fallback(async || PlexError::NotFound)
        .layer(middleware::from_fn_with_state(Arc::clone(plant), authenticate))
}

async fn authenticate(State(plant): State<Shared>, request: Request, next: Next) -> Response {
    let key = request.headers().get("x-plex-connect-api-key").map_or(&[][..], |key| key.as_bytes());
    if !bool::from(key.ct_eq(plant.config.credentials.plex_key.as_bytes())) {
        return PlexError::NotAuthenticated.into_response();
    }
    if !plant.throttle().admit(plant.config.plex_calls_per_minute) {
        return PlexError::Throttled.into_response();
    }
    next.run(request).await
}

/// Calls of the last minute, by the machine's clock: a limit is about load, not about the plant's time.
#[derive(Default)]
pub struct Throttle {
    calls: VecDeque<Instant>,
}

impl Throttle {
    fn admit(&mut self, per_minute: usize) -> bool {
        while self.calls.front().is_some_and(|call| call.elapsed() > Duration::from_secs(60)) {
            self.calls.pop_front();
        }
        let admitted = self.calls.len() < per_minute;
        if admitted {
            self.calls.push_back(Instant::now());
        }
        admitted
    }
}

#[derive(Debug)]
pub enum PlexError {
    NotAuthenticated,
    Throttled,
    NotFound,
    Malformed(String),
    /// A value that is in use already.
    ArgumentInvalid(String),
    /// Codes and messages of everything that is wrong.
    Invalid(Vec<(&'static str, String)>),
}

impl PlexError {
    fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![(code, message.into())])
    }
}

impl IntoResponse for PlexError {
    fn into_response(self) -> Response {
        let (status, code, message, errors) = match self {
            Self::NotAuthenticated => (
                StatusCode::UNAUTHORIZED,
                "REQUEST_NOT_AUTHENTICATED",
                "The request is not authenticated.".to_owned(),
                vec![],
            ),
            Self::Throttled => {
                (StatusCode::TOO_MANY_REQUESTS, "REQUEST_THROTTLED", "Too many requests.".to_owned(), vec![])
            }
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "RESOURCE_NOT_FOUND",
                "The resource does not exist.".to_owned(),
                vec![],
            ),
            Self::Malformed(message) => (StatusCode::BAD_REQUEST, "REQUEST_MALFORMED", message, vec![]),
            Self::ArgumentInvalid(message) => (StatusCode::BAD_REQUEST, "ARGUMENT_INVALID", message, vec![]),
            Self::Invalid(errors) => (
                StatusCode::BAD_REQUEST,
                "REQUEST_VALIDATION_FAILED",
                "The request is not valid.".to_owned(),
                errors,
            ),
        };
        let errors: Vec<Value> =
            errors.into_iter().map(|(code, message)| json!({"code": code, "message": message})).collect();
        (status, Json(json!({"code": code, "message": message, "errors": errors}))).into_response()
    }
}

/// A time as Plex takes it: UTC, with the time part.
#[derive(Debug, Clone, Copy)]
struct PlexTime(DateTime<Utc>);

impl PlexTime {
    fn parse(text: &str) -> Option<Self> {
        let naive = text.strip_suffix('Z')?;
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(naive, format).ok())
            .map(|naive| Self(naive.and_utc()))
    }
}

impl<'de> Deserialize<'de> for PlexTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is not a time like 2026-11-23T12:10:00Z"))
        })
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn optional_time(at: Option<DateTime<Utc>>) -> Option<String> {
    at.map(time)
}

fn path_id(text: &str) -> Result<Uuid, PlexError> {
    text.parse().map_err(|_| PlexError::invalid("INVALID", format!("`{text}` is not an id.")))
}

fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, PlexError> {
    serde_json::from_slice(bytes)
        .map_err(|error| PlexError::Malformed(format!("The body cannot be read: {error}")))
}

/// A window of time, from `…Begin`/`…End` or `beginDate`/`endDate`.
#[derive(Debug, Clone, Copy)]
struct Window {
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

impl Window {
    fn read(filters: &Filters, from: &str, to: &str) -> Result<Self, PlexError> {
        let read = |name: &str| match filters.get(name) {
            None => Ok(None),
            Some(text) => PlexTime::parse(text).map(|time| Some(time.0)).ok_or_else(|| {
                PlexError::invalid("INVALID_DATE", format!("{name} `{text}` is not a UTC date-time."))
            }),
        };
        Ok(Self { from: read(from)?, to: read(to)? })
    }

    fn required(filters: &Filters, from: &str, to: &str) -> Result<Self, PlexError> {
        let missing: Vec<_> = [from, to]
            .into_iter()
            .filter(|name| filters.get(name).is_none())
            .map(|name| ("REQUIRED", format!("{name} is required.")))
            .collect();
        if missing.is_empty() { Self::read(filters, from, to) } else { Err(PlexError::Invalid(missing)) }
    }

    fn holds(self, at: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at < to)
    }

    fn holds_optional(self, at: Option<DateTime<Utc>>) -> bool {
        match at {
            Some(at) => self.holds(at),
            None => self.from.is_none() && self.to.is_none(),
        }
    }
}
