use super::{Cookie, Needs, cookie};
use crate::{
    gate::hash_of,
    http::{
        console::{PageError, query_value},
        problem::{Cause, Problem},
        state::Shared,
    },
    site::Person,
    store::{StoreError, sessions},
};
use axum::{
    extract::FromRequestParts,
    http::{Method, StatusCode, request::Parts},
    response::{IntoResponse, Redirect, Response},
};

/// Of the password somebody signs in with: with another one, sessions that were opened with it are over.
pub(in crate::http) fn password_mark(person: &Person) -> Option<String> {
    person.password_hash.as_deref().map(hash_of)
}

/// The person whose browser this is.
#[derive(Debug, Clone)]
pub(in crate::http) struct SignedIn {
    pub person: Person,
    /// Comes back in every form of this session.
    pub csrf: String,
    pub token_hash: String,
    /// `password` or `oidc`: how they signed in.
    pub via: String,
}

/// Why a request has no person: a browser is led to the sign-in page and back.
#[derive(Debug)]
pub(in crate::http) enum NotSignedIn {
    Redirect {
        next: String,
    },
    /// A fragment was asked for: only a whole page can show the sign-in.
    Reload,
    Refuse,
    /// They are somebody, but takt.yaml keeps this part of the console for others.
    NotReadable,
    Store(StoreError),
}

impl SignedIn {
    /// The session of these headers, if it is known and its person still is.
    pub(in crate::http) async fn find(parts: &Parts, door: &Shared) -> Result<Option<Self>, StoreError> {
        let Some(secret) = cookie(&parts.headers, Cookie::SESSION, door.is_https()) else { return Ok(None) };
        let token_hash = hash_of(secret);
        let mut db = door.app.store.connection().await?;
        let idle = door.app.site.access.sign_in.idle;
        let Some(session) = sessions::find(&mut db, &token_hash, idle).await? else { return Ok(None) };
        let Some(person) = door.app.site.person(&session.person).cloned() else { return Ok(None) };
        if session.via == "password" && session.password_mark != password_mark(&person) {
            return Ok(None);
        }
        // A page that refreshes itself is not somebody at work.
        if !parts.headers.contains_key("hx-request") && !parts.uri.path().starts_with("/live/") {
            sessions::touch(&mut db, &token_hash, idle).await?;
        }
        Ok(Some(Self { person, csrf: session.csrf, token_hash, via: session.via }))
    }
}

impl FromRequestParts<Shared> for SignedIn {
    type Rejection = NotSignedIn;

    async fn from_request_parts(parts: &mut Parts, door: &Shared) -> Result<Self, NotSignedIn> {
        if let Some(found) = Self::find(parts, door).await.map_err(NotSignedIn::Store)? {
            let may = Needs::of(parts).may_read(&door.app.site, &found.person);
            return if may { Ok(found) } else { Err(NotSignedIn::NotReadable) };
        }
        if parts.headers.contains_key("hx-request") {
            return Err(NotSignedIn::Reload);
        }
        if parts.method != Method::GET {
            return Err(NotSignedIn::Refuse);
        }
        let next = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        Err(NotSignedIn::Redirect { next: next.to_owned() })
    }
}

impl IntoResponse for NotSignedIn {
    fn into_response(self) -> Response {
        match self {
            Self::Redirect { next } => {
                Redirect::to(&format!("/sign-in?next={}", query_value(&next))).into_response()
            }
            Self::Reload => (StatusCode::UNAUTHORIZED, [("hx-refresh", "true")]).into_response(),
            Self::Refuse => {
                Problem::new(Cause::NotSignedIn, "the session has ended; sign in again").into_response()
            }
            Self::NotReadable => PageError::new(Cause::NotReadable).into_response(),
            Self::Store(error) => PageError::from(error).into_response(),
        }
    }
}
