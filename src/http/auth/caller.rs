use super::{SignedIn, is_same_secret};
use crate::{
    http::{
        problem::{Cause, Problem},
        state::Shared,
    },
    site::Person,
};
use axum::{
    extract::FromRequestParts,
    http::{Method, header, request::Parts},
};
use secrecy::ExposeSecret;

const PERSON_HEADER: &str = "x-takt-person";
const CSRF_HEADER: &str = "x-csrf-token";

/// Who calls the API: a signed-in browser, or a program with the token, for the person it names.
#[derive(Debug, Clone)]
pub(in crate::http) struct Caller {
    /// A program may look without naming anybody, but not answer.
    pub person: Option<Person>,
    /// `web` or `api`, as it is recorded with an answer.
    pub channel: &'static str,
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, door: &Shared) -> Result<Self, Problem> {
        match parts.headers.get(header::AUTHORIZATION) {
            Some(value) => by_token(value.to_str().unwrap_or_default(), parts, door),
            None => by_session(parts, door).await,
        }
    }
}

fn by_token(authorization: &str, parts: &Parts, door: &Shared) -> Result<Caller, Problem> {
    let given = authorization.strip_prefix("Bearer ").unwrap_or_default();
    let is_known =
        door.app.api_token.as_ref().is_some_and(|token| is_same_secret(given, token.expose_secret()));
    if !is_known {
        return Err(Problem::new(Cause::NotSignedIn, "the bearer token is not the one of this server"));
    }
    let Some(name) = parts.headers.get(PERSON_HEADER) else {
        return Ok(Caller { person: None, channel: "api" });
    };
    let person = name.to_str().ok().and_then(|name| door.app.site.person(name)).cloned();
    let unknown = || Problem::new(Cause::NoSuchPerson, "`X-Takt-Person` names nobody in takt.yaml");
    Ok(Caller { person: Some(person.ok_or_else(unknown)?), channel: "api" })
}

async fn by_session(parts: &Parts, door: &Shared) -> Result<Caller, Problem> {
    let missing = || Problem::new(Cause::NotSignedIn, "sign in, or send `Authorization: Bearer …`");
    let who = SignedIn::find(parts, door).await?.ok_or_else(missing)?;
    let token = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if parts.method != Method::GET && !is_same_secret(token, &who.csrf) {
        return Err(Problem::new(Cause::CsrfMissing, "send the page's token as `X-CSRF-Token`"));
    }
    Ok(Caller { person: Some(who.person), channel: "web" })
}
