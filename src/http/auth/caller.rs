use super::{Needs, SignedIn, is_same_secret};
use crate::{
    gate::{hash_of, via_of},
    http::{
        problem::{Cause, Problem},
        state::Shared,
    },
    run::Actor,
    site::{Person, ROOT_ACCOUNT, Scope, ServiceAccount},
};
use axum::{
    extract::FromRequestParts,
    http::{Method, header, request::Parts},
};
use secrecy::ExposeSecret;

/// The channel of programs, with or without an account.
const API: &str = "api";
const PERSON_HEADER: &str = "x-takt-person";
const CSRF_HEADER: &str = "x-csrf-token";

/// Who calls the API: a signed-in browser, or a program with a token, for the person it names.
#[derive(Debug, Clone)]
pub(in crate::http) struct Caller {
    /// A program may look without naming anybody, but never answers as itself.
    pub person: Option<Person>,
    /// A program with an account of takt.yaml.
    pub service: Option<ServiceAccount>,
    /// `web` or `api`, as it is recorded with an answer.
    pub channel: &'static str,
}

impl Caller {
    /// Who it is recorded as, and who vouches for that: the person, else the account in its own name.
    pub(in crate::http) fn actor(&self) -> Option<Actor> {
        match (&self.person, &self.service) {
            (Some(person), _) => Some(Actor::person(&person.id).vouched_by(Some(self.via()))),
            (None, Some(account)) => Some(Actor::service(&account.id).vouched_by(Some(self.via()))),
            (None, None) => None,
        }
    }

    /// The account that names a person, else the door.
    pub(in crate::http) fn via(&self) -> String {
        self.named_by().map_or_else(|| self.channel.to_owned(), via_of)
    }

    /// The program whose word it is that this person answers; nobody's where they signed in.
    pub(in crate::http) fn named_by(&self) -> Option<&str> {
        match &self.service {
            Some(account) => Some(&account.id),
            None => (self.channel == API).then_some(ROOT_ACCOUNT),
        }
    }

    /// Whether a service account has a scope; people have them all, as far as their roles go.
    pub(in crate::http) fn has(&self, scope: Scope) -> bool {
        self.service.as_ref().is_none_or(|account| account.scopes.contains(&scope))
    }
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
    let is_own =
        door.app.api_token.as_ref().is_some_and(|token| is_same_secret(given, token.expose_secret()));
    let service = if is_own { None } else { Some(account(given, parts, door)?) };
    let service = service.cloned();
    let Some(name) = parts.headers.get(PERSON_HEADER) else {
        return Ok(Caller { person: None, service, channel: API });
    };
    let person = name.to_str().ok().and_then(|name| door.app.site.person(name)).cloned();
    let unknown = || Problem::new(Cause::NoSuchPerson, "`X-Takt-Person` names nobody in takt.yaml");
    Ok(Caller { person: Some(person.ok_or_else(unknown)?), service, channel: API })
}

/// The account of this token, if it has the scope of the route.
fn account<'a>(given: &str, parts: &Parts, door: &'a Shared) -> Result<&'a ServiceAccount, Problem> {
    let hash = hash_of(given);
    let accounts = &door.app.site.access.service_accounts;
    let found = accounts.iter().fold(None, |found, account| {
        if is_same_secret(&hash, account.token_hash.expose_secret()) { Some(account) } else { found }
    });
    let unknown =
        || Problem::new(Cause::NotSignedIn, "no service account of takt.yaml has this bearer token");
    let account = found.ok_or_else(unknown)?;
    let needs = Needs::of(parts);
    match needs.scope {
        Some(scope) if account.scopes.contains(&scope) && account.is_limited() && !needs.is_placed => {
            let words =
                format!("the service account `{}` is limited to some places, and this is of all", account.id);
            Err(Problem::new(Cause::NotPermitted, words))
        }
        Some(scope) if account.scopes.contains(&scope) => Ok(account),
        Some(scope) => {
            let words = format!("the service account `{}` lacks the scope `{}`", account.id, scope.word());
            Err(Problem::new(Cause::NotPermitted, words))
        }
        None => Err(Problem::new(Cause::NotPermitted, "this is for people, not for service accounts")),
    }
}

async fn by_session(parts: &Parts, door: &Shared) -> Result<Caller, Problem> {
    let missing = || Problem::new(Cause::NotSignedIn, "sign in, or send `Authorization: Bearer …`");
    let who = SignedIn::find(parts, door).await?.ok_or_else(missing)?;
    let token = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if parts.method != Method::GET && !is_same_secret(token, &who.csrf) {
        return Err(Problem::new(Cause::CsrfMissing, "send the page's token as `X-CSRF-Token`"));
    }
    if !Needs::of(parts).may_read(&door.app.site, &who.person) {
        return Err(Problem::new(Cause::NotReadable, "takt.yaml says under `reading` who may read this"));
    }
    Ok(Caller { person: Some(who.person), service: None, channel: "web" })
}
