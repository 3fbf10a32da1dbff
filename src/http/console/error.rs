use super::template;
use crate::{gate::DecideError, http::problem::Cause, store::StoreError};
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// A page that says why there is no page.
#[derive(Debug)]
pub(in crate::http) struct PageError {
    cause: Cause,
}

impl PageError {
    pub(in crate::http) fn new(cause: Cause) -> Self {
        Self { cause }
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        if error.is_bad_value() {
            return Self::new(Cause::Malformed);
        }
        tracing::error!(%error, "a page failed");
        Self::new(Cause::Internal)
    }
}

impl From<handlebars::RenderError> for PageError {
    fn from(error: handlebars::RenderError) -> Self {
        tracing::error!(%error, "a template failed");
        Self::new(Cause::Internal)
    }
}

impl From<DecideError> for PageError {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::NoSuchGate => Self::new(Cause::NotFound),
            DecideError::NoSuchPerson(_) => Self::new(Cause::NoSuchPerson),
            DecideError::Refused { .. } => Self::new(Cause::AnswerRefused),
            DecideError::Late { .. } => Self::new(Cause::AlreadyAnswered),
            DecideError::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let (heading, advice) = match self.cause {
            Cause::NotFound => {
                ("There is nothing here", "The link may be old, or something is missing in it.")
            }
            Cause::CsrfMissing => {
                ("This form has expired", "Go back, reload the page and send it again. Nothing was changed.")
            }
            Cause::TooLarge => {
                ("This is too long", "Go back, shorten it and send it again. Nothing was changed.")
            }
            Cause::Malformed => ("This could not be read", "Go back and send it again. Nothing was changed."),
            Cause::NotPermitted => (
                "This is not yours to do",
                "Ask somebody whom takt.yaml lists under operators. Nothing was changed.",
            ),
            Cause::NotReadable => (
                "This is kept for other roles",
                "takt.yaml says under `reading` who may look at this part of the console.",
            ),
            Cause::NoSuchPerson => ("You are no longer known here", "Ask whoever looks after takt.yaml."),
            _ => ("This did not work", "It is our fault, and it has been logged. Try again in a moment."),
        };
        say(self.cause.status(), heading, advice)
    }
}

/// A page that says only this.
pub(super) fn say(status: StatusCode, heading: &str, advice: &str) -> Response {
    let frame = template::Frame::of_nobody(heading);
    match template::render("error", frame, &json!({ "heading": heading, "advice": advice })) {
        Ok(page) => (status, page).into_response(),
        Err(error) => {
            tracing::error!(%error, "the error page failed");
            (status, heading.to_owned()).into_response()
        }
    }
}

pub(in crate::http) async fn not_found() -> PageError {
    PageError::new(Cause::NotFound)
}
