//! Errors for programs: `application/problem+json` (RFC 9457), one kind per cause.

use crate::{
    gate::{DecideError, DelegationError},
    store::StoreError,
    trigger::ScheduleError,
};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

/// Every cause a program may have to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    NotSignedIn,
    NoSuchPerson,
    CsrfMissing,
    NotFound,
    Malformed,
    TooLarge,
    UnknownSource,
    SignatureMissing,
    SignatureInvalid,
    SignatureTooOld,
    AnswerRefused,
    AlreadyAnswered,
    NotPermitted,
    /// A part of the console that takt.yaml keeps for other roles.
    NotReadable,
    NotPossible,
    /// The database as a whole cannot work now; nothing was taken, ask again.
    Unavailable,
    OneAtATime,
    Conflict,
    Internal,
}

impl Cause {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NotSignedIn => (StatusCode::UNAUTHORIZED, "not-signed-in", "sign in first"),
            Self::NoSuchPerson => {
                (StatusCode::FORBIDDEN, "no-such-person", "nobody of this name is known here")
            }
            Self::CsrfMissing => {
                (StatusCode::FORBIDDEN, "csrf-token", "the request does not come from this console")
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "there is no such thing"),
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "the request cannot be read"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too large"),
            Self::UnknownSource => {
                (StatusCode::UNAUTHORIZED, "unknown-source", "no webhook source of this name is declared")
            }
            Self::SignatureMissing => {
                (StatusCode::UNAUTHORIZED, "signature-missing", "the request is not signed")
            }
            Self::SignatureInvalid => {
                (StatusCode::UNAUTHORIZED, "signature-invalid", "the signature does not fit the body")
            }
            Self::SignatureTooOld => {
                (StatusCode::UNAUTHORIZED, "signature-too-old", "the signature's time is too far from now")
            }
            Self::AnswerRefused => {
                (StatusCode::UNPROCESSABLE_ENTITY, "answer-refused", "this answer cannot be accepted")
            }
            Self::OneAtATime => (StatusCode::CONFLICT, "one-at-a-time", "another run is open"),
            Self::AlreadyAnswered => (StatusCode::CONFLICT, "already-answered", "somebody was faster"),
            Self::NotPermitted => (StatusCode::FORBIDDEN, "not-permitted", "you may not do this"),
            Self::NotReadable => (StatusCode::FORBIDDEN, "not-readable", "this is kept for other roles"),
            Self::NotPossible => (StatusCode::CONFLICT, "not-possible", "the run cannot do this now"),
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "nothing was stored; ask again later")
            }
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "things have changed meanwhile"),
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "this did not work, and it is our fault")
            }
        }
    }

    pub(super) fn status(self) -> StatusCode {
        self.parts().0
    }

    /// The word in the problem's `type`, in counters and in the audit.
    pub(super) fn word(self) -> &'static str {
        self.parts().1
    }
}

/// One refusal on its way out.
#[derive(Debug)]
pub(super) struct Problem {
    pub cause: Cause,
    detail: String,
    more: Map<String, Value>,
}

impl Problem {
    pub(super) fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self { cause, detail: detail.into(), more: Map::new() }
    }

    pub(super) fn with(mut self, field: &str, value: Value) -> Self {
        self.more.insert(field.to_owned(), value);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, word, title) = self.cause.parts();
        let mut body = json!({
            "type": format!("urn:takt:problem:{word}"),
            "title": title,
            "status": status.as_u16(),
            "detail": self.detail,
        });
        if let Some(fields) = body.as_object_mut() {
            fields.extend(self.more);
        }
        let mut response = (status, body.to_string()).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if let Some(trouble) = error.trouble() {
            tracing::error!(%error, trouble = trouble.word(), "a request was refused: {trouble}");
            return Self::new(Cause::Unavailable, trouble.to_string()).with("trouble", json!(trouble.word()));
        }
        if error.is_bad_value() {
            let why = "a value cannot be kept: a text with the character NUL (`\\u0000`) or one too long to be \
                       indexed, or a number out of range";
            return Self::new(Cause::Malformed, why);
        }
        tracing::error!(%error, "a request failed");
        Self::new(Cause::Internal, "the database could not be asked; try again")
    }
}

/// What kind of refusal an error of a schedule is.
pub(super) fn cause_of(error: &ScheduleError) -> Cause {
    match error {
        ScheduleError::NoSchedule(_) => Cause::NotFound,
        ScheduleError::PausedAlready { .. }
        | ScheduleError::NotPaused
        | ScheduleError::AskedAlready(_)
        | ScheduleError::Times(_) => Cause::Conflict,
        ScheduleError::RangeReversed
        | ScheduleError::RangeInFuture(_)
        | ScheduleError::TooMany
        | ScheduleError::NotNow(_) => Cause::Malformed,
        ScheduleError::Store(_) => Cause::Internal,
    }
}

impl From<ScheduleError> for Problem {
    fn from(error: ScheduleError) -> Self {
        match error {
            ScheduleError::Store(error) => error.into(),
            error => Self::new(cause_of(&error), error.to_string()),
        }
    }
}

impl From<DelegationError> for Problem {
    fn from(error: DelegationError) -> Self {
        let cause = match &error {
            DelegationError::NotYours => Cause::NotFound,
            DelegationError::NoSuchPerson(_) => Cause::NoSuchPerson,
            DelegationError::Ended | DelegationError::Already => Cause::Conflict,
            DelegationError::Store(_) => Cause::Internal,
            _ => Cause::Malformed,
        };
        match error {
            DelegationError::Store(error) => error.into(),
            error => Self::new(cause, error.to_string()),
        }
    }
}

impl From<DecideError> for Problem {
    fn from(error: DecideError) -> Self {
        let words = error.to_string();
        match error {
            DecideError::NoSuchGate => Self::new(Cause::NotFound, words),
            DecideError::NoSuchPerson(_) => Self::new(Cause::NoSuchPerson, words),
            DecideError::Late { vote, .. } => {
                Self::new(Cause::AlreadyAnswered, words).with("vote", json!(vote))
            }
            DecideError::Refused { .. } => Self::new(Cause::AnswerRefused, words),
            DecideError::Store(error) => error.into(),
        }
    }
}
