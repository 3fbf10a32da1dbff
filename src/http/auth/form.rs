use super::{SignedIn, is_same_secret};
use crate::http::{console::PageError, problem::Cause, state::Shared};
use axum::{
    Form, RequestExt,
    extract::{FromRequest, FromRequestParts, Request, rejection::FormRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// The fields of a form, in order; a name may come more than once.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Fields(pub Vec<(String, String)>);

impl Fields {
    pub(in crate::http) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A field with something in it; browsers send empty ones too.
    pub(in crate::http) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    }
}

/// A form sent by a signed-in person from one of our own pages.
#[derive(Debug)]
pub(in crate::http) struct PostedForm {
    pub who: SignedIn,
    pub fields: Fields,
}

impl FromRequest<Shared> for PostedForm {
    type Rejection = Response;

    async fn from_request(request: Request, door: &Shared) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let who =
            SignedIn::from_request_parts(&mut parts, door).await.map_err(IntoResponse::into_response)?;
        let request = Request::from_parts(parts, body);
        let Form(fields): Form<Vec<(String, String)>> =
            request.extract().await.map_err(|rejection: FormRejection| {
                let is_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
                PageError::new(if is_large { Cause::TooLarge } else { Cause::Malformed }).into_response()
            })?;
        let fields = Fields(fields);
        if !fields.get("csrf").is_some_and(|given| is_same_secret(given, &who.csrf)) {
            return Err(PageError::new(Cause::CsrfMissing).into_response());
        }
        Ok(Self { who, fields })
    }
}
