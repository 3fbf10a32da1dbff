//! Signing in with name and password, and signing out. The identity provider's way is `sso`.

use super::{
    PageError,
    link::{local_path, query_value},
    template::{Frame, render},
};
use crate::{
    gate::Token,
    http::{
        auth::{
            ClientAddress, Cookie, Fields, PostedForm, cookie, is_same_secret, password_mark, set_cookie,
        },
        problem::Cause,
        refusals::note,
        state::Shared,
    },
    run::{Actor, AuditRecord},
    site::Person,
    store::{StoreError, audit, links, sessions},
};
use axum::{
    Form,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{sync::LazyLock, time::Duration};

/// The same word in a cookie and in the form proves that the form is ours.
const FORM_LENGTH: Duration = Duration::from_secs(3600);

#[derive(Debug, Deserialize)]
pub(in crate::http) struct Next {
    pub next: Option<String>,
}

#[derive(Serialize)]
struct SignIn<'a> {
    site_name: &'a str,
    next: &'a str,
    name: &'a str,
    proof: &'a str,
    error: Option<&'a str>,
    /// Whether there are names and passwords here.
    local: bool,
    sso: Option<Sso<'a>>,
}

#[derive(Serialize)]
struct Sso<'a> {
    title: &'a str,
    link: String,
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    Query(query): Query<Next>,
) -> Result<Response, PageError> {
    show(&door, local_path(query.next.as_deref()), "", None)
}

pub(super) fn show(
    door: &Shared,
    next: &str,
    name: &str,
    refusal: Option<(StatusCode, &str)>,
) -> Result<Response, PageError> {
    let proof = Token::random().secret;
    let sso = door.sso.as_ref().map(|provider| Sso {
        title: &provider.settings().title,
        link: format!("/sign-in/oidc?next={}", query_value(next)),
    });
    let form = SignIn {
        site_name: &door.app.site.name,
        next,
        name,
        proof: &proof,
        error: refusal.map(|(_, words)| words),
        local: door.app.site.access.sign_in.local,
        sso,
    };
    let page = render("sign_in", Frame::of_nobody("Sign in"), &form)?;
    let status = refusal.map_or(StatusCode::OK, |(status, _)| status);
    let mut response = (status, page).into_response();
    add_cookie(&mut response, set_cookie(Cookie::FORM, &proof, FORM_LENGTH, door.is_https()));
    Ok(response)
}

pub(super) fn add_cookie(response: &mut Response, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

pub(in crate::http) async fn sign_in(
    State(door): State<Shared>,
    from: ClientAddress,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, PageError> {
    let fields = Fields(fields);
    let proof = fields.get("proof").unwrap_or_default();
    if !cookie(&headers, Cookie::FORM, door.is_https()).is_some_and(|known| is_same_secret(proof, known)) {
        return Err(PageError::new(Cause::CsrfMissing));
    }
    let next = local_path(fields.get("next"));
    let name = fields.text("name").unwrap_or_default().to_lowercase();
    if !door.sign_in_limit.allows(&name, from.0) {
        let refusal = (StatusCode::TOO_MANY_REQUESTS, "Too many attempts. Wait a minute and try again.");
        return show(&door, next, &name, Some(refusal));
    }
    let password = fields.get("password").unwrap_or_default().to_owned();
    let known = door.app.site.person(&name).filter(|_| door.app.site.access.sign_in.local).cloned();
    let Some(is_right) = check(known.clone(), &door, password).await else {
        let refusal =
            (StatusCode::TOO_MANY_REQUESTS, "Many sign in at this moment. Try again in a few seconds.");
        return show(&door, next, &name, Some(refusal));
    };
    let Some(person) = known.filter(|_| is_right) else {
        let tried = door.app.site.person(&name).map_or_else(|| mark_of(&name), |person| person.id.clone());
        let nobody = Actor::nobody().vouched_by(Some("password".to_owned()));
        note(&door, AuditRecord::new(nobody, "sign_in.refused").object(tried).detail(json!({}))).await?;
        let refusal = (StatusCode::UNAUTHORIZED, "That name and password do not go together.");
        return show(&door, next, &name, Some(refusal));
    };
    let mut response = open_session(&door, &headers, &person, "password", next).await?;
    add_cookie(&mut response, set_cookie(Cookie::FORM, "", Duration::ZERO, door.is_https()));
    Ok(response)
}

/// What the audit keeps of a name that nobody has. It may be a password in the wrong field, and the audit forgets nothing:
/// so a mark that is the same for the same name, and only in this process.
fn mark_of(name: &str) -> String {
    static KEY: LazyLock<String> = LazyLock::new(|| Token::random().secret);
    let digest = crate::gate::hash_of(&format!("{}\n{name}", *KEY));
    format!("unknown name #{}", digest.chars().take(8).collect::<String>())
}

/// A session with a new secret; the one this browser had before ends.
pub(super) async fn open_session(
    door: &Shared,
    headers: &HeaderMap,
    person: &Person,
    via: &str,
    next: &str,
) -> Result<Response, PageError> {
    let (token, csrf) = (Token::random(), Token::random());
    let length = door.app.site.access.sign_in.length;
    let mut tx = door.app.store.begin().await?;
    if let Some(former) = cookie(headers, Cookie::SESSION, door.is_https()) {
        sessions::end(&mut tx, &crate::gate::hash_of(former)).await?;
    }
    let (token_hash, csrf) = (token.hash.as_str(), csrf.secret.as_str());
    let mark = password_mark(person).filter(|_| via == "password");
    let password_mark = mark.as_deref();
    let session = sessions::NewSession { token_hash, person: &person.id, csrf, via, password_mark, length };
    sessions::create(&mut tx, &session).await?;
    let detail = if via == "password" { json!({}) } else { json!({ "via": via }) };
    let by = Actor::person(&person.id).vouched_by(Some(via.to_owned()));
    audit::add(&mut tx, by, "sign_in", None, &detail).await?;
    tx.commit().await.map_err(StoreError::from)?;
    let mut response = Redirect::to(next).into_response();
    add_cookie(&mut response, set_cookie(Cookie::SESSION, &token.secret, length, door.is_https()));
    Ok(response)
}

/// Takes as long for a name that nobody has, so that names cannot be found by timing. `None` when too many wait already.
async fn check(known: Option<Person>, door: &Shared, password: String) -> Option<bool> {
    let has_password = known.as_ref().is_some_and(|person| person.password_hash.is_some());
    let checked = if has_password {
        known
    } else {
        door.app.site.people.iter().find(|person| person.password_hash.is_some()).cloned()
    };
    let Some(checked) = checked else { return Some(false) };
    let verified = door.hashing.with(move || checked.verify_password(&password)).await?;
    Some(has_password && verified)
}

/// Ends this session, or with `everywhere` every session of the person.
pub(in crate::http) async fn sign_out(
    State(door): State<Shared>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let person = &form.who.person.id;
    let mut tx = door.app.store.begin().await?;
    if form.fields.get("everywhere").is_some() {
        let ended = sessions::end_all(&mut tx, person).await?;
        links::end_embedded(&mut tx, person).await?;
        audit::add(
            &mut tx,
            Actor::person(person),
            "sign_out.everywhere",
            None,
            &json!({ "sessions": ended }),
        )
        .await?;
    } else {
        sessions::end(&mut tx, &form.who.token_hash).await?;
    }
    tx.commit().await.map_err(StoreError::from)?;
    let mut response = Redirect::to("/sign-in").into_response();
    add_cookie(&mut response, set_cookie(Cookie::SESSION, "", Duration::ZERO, door.is_https()));
    Ok(response)
}
