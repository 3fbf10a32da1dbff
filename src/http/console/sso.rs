//! Signing in at the plant's identity provider, and signing in there once more for a signature.
//!
//! The provider's answer arrives as a GET. It opens a session or makes an answer possible; it never decides a question.

use super::{
    PageError,
    error::say,
    link::local_path,
    sign_in::{Next, add_cookie, open_session, show},
};
use crate::{
    connector::oidc::{OidcError, Provider, Returned},
    gate::{FRESH, Token, hash_of},
    http::{
        auth::{ClientAddress, Cookie, SignedIn, cookie, set_cookie},
        hook::wall_clock,
        problem::Cause,
        refusals::note,
        state::Shared,
    },
    run::{Actor, AuditRecord, GateId},
    store::{audit, clock, gates, sessions},
};
use axum::{
    extract::{FromRequestParts, Path, Query, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

const ATTEMPT_LENGTH: Duration = Duration::from_secs(600);
/// How far the provider's clock may be behind ours when it says that somebody has just signed in.
const AUTH_TIME_LEEWAY_SECONDS: i64 = 10;

const ADVICE: &str = "Nothing was changed. Go back and try once more; if it happens again, tell whoever looks after takt.yaml.";

const TOO_MANY: &str = "Too many sign-ins at once. Try again in a minute.";

/// For whom somebody is sent to the provider.
struct Signing {
    session: String,
    gate: GateId,
    proposal_hash: String,
}

pub(in crate::http) async fn begin(
    State(door): State<Shared>,
    Query(query): Query<Next>,
    from: ClientAddress,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let next = local_path(query.next.as_deref());
    if !door.sign_in_limit.allows_sending(from.0) {
        let refusal = (StatusCode::TOO_MANY_REQUESTS, TOO_MANY);
        return show(&door, next, "", Some(refusal));
    }
    send(&door, &headers, next, None).await
}

/// Sends a signed-in person to prove once more who they are, for one question.
pub(in crate::http) async fn sign(
    State(door): State<Shared>,
    Path(id): Path<String>,
    who: SignedIn,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let id: GateId = id.parse().map_err(|_| PageError::new(Cause::NotFound))?;
    if !door.sign_in_limit.allows_signing(&who.person.id) {
        let refusal = (StatusCode::TOO_MANY_REQUESTS, TOO_MANY);
        return show(&door, &format!("/gates/{id}"), "", Some(refusal));
    }
    let mut db = door.app.store.connection().await?;
    let gate = gates::get(&mut db, id).await?.ok_or(PageError::new(Cause::NotFound))?;
    drop(db);
    let signing = Signing { session: who.token_hash, gate: id, proposal_hash: gate.proposal_hash };
    send(&door, &headers, &format!("/gates/{id}"), Some(signing)).await
}

async fn send(
    door: &Shared,
    headers: &HeaderMap,
    next: &str,
    signing: Option<Signing>,
) -> Result<Response, PageError> {
    let provider = door.sso.as_ref().ok_or(PageError::new(Cause::NotFound))?;
    let begun = match provider.begin(&redirect_uri(door), signing.is_some()).await {
        Ok(begun) => begun,
        Err(error) => {
            tracing::warn!(%error, "nobody can be sent to the identity provider");
            let words =
                format!("{} cannot be reached now. Try again in a moment.", provider.settings().title);
            return show(door, next, "", Some((StatusCode::BAD_GATEWAY, &words)));
        }
    };
    // Two pages of one browser may be on their way at once.
    let browser = cookie(headers, Cookie::SSO, door.is_https()).filter(|known| known.len() == 48);
    let browser = browser.map_or_else(|| Token::random().secret, str::to_owned);
    let attempt = sessions::Attempt {
        nonce: begun.nonce,
        verifier: begun.verifier,
        next: next.to_owned(),
        session: signing.as_ref().map(|signing| signing.session.clone()),
        gate_id: signing.as_ref().map(|signing| signing.gate.0),
        proposal_hash: signing.map(|signing| signing.proposal_hash),
        started_at: DateTime::UNIX_EPOCH,
    };
    let mut db = door.app.store.connection().await?;
    let hashes = (hash_of(&begun.state), hash_of(&browser));
    sessions::begin_attempt(&mut db, (&hashes.0, &hashes.1), &attempt, ATTEMPT_LENGTH).await?;
    let mut response = Redirect::to(&begun.url).into_response();
    add_cookie(&mut response, set_cookie(Cookie::SSO, &browser, ATTEMPT_LENGTH, door.is_https()));
    Ok(response)
}

fn redirect_uri(door: &Shared) -> String {
    format!("{}/sign-in/callback", door.app.base_url)
}

#[derive(Debug, Default, Deserialize)]
struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Where the provider sends people back to.
pub(in crate::http) async fn callback(
    State(door): State<Shared>,
    request: Request,
) -> Result<Response, PageError> {
    let (mut parts, _) = request.into_parts();
    let query = Query::<Answer>::try_from_uri(&parts.uri).map_err(|_| PageError::new(Cause::Malformed))?;
    let Query(answer) = query;
    let provider = door.sso.as_ref().ok_or(PageError::new(Cause::NotFound))?;
    let browser = cookie(&parts.headers, Cookie::SSO, door.is_https()).unwrap_or_default();
    let state = hash_of(answer.state.as_deref().unwrap_or_default());
    let mut db = door.app.store.connection().await?;
    let attempt = sessions::take_attempt(&mut db, &state, &hash_of(browser)).await?;
    drop(db);
    // Not ours, used before, or too old: nothing of the answer is looked at.
    let Some(attempt) = attempt else {
        let words = "This sign-in was not begun in this browser, or is over. Sign in here.";
        return refuse(&door, "state", None, words).await;
    };
    let token = match finish(&door, provider, &answer, &attempt).await {
        Ok(token) => token,
        Err((why, words)) => return refuse(&door, &why, None, &words).await,
    };
    let person = door.app.site.person_by_claim(provider.settings().claim, &token.person).cloned();
    let Some(person) = person else {
        let named: String = token.person.chars().filter(|letter| !letter.is_control()).take(120).collect();
        let words = format!(
            "{} knows you as {named}, but nobody of that name is in takt.yaml. Ask for it to be added.",
            provider.settings().title
        );
        return refuse(&door, "unknown-person", Some(&named), &words).await;
    };
    let Some(gate) = attempt.gate_id else {
        return open_session(&door, &parts.headers, &person, "oidc", local_path(Some(&attempt.next))).await;
    };
    let who = SignedIn::from_request_parts(&mut parts, &door).await.map_err(IntoResponse::into_response);
    let who = match who {
        Ok(who) => who,
        Err(to_sign_in) => return Ok(to_sign_in),
    };
    let is_same = who.person.id == person.id && attempt.session.as_ref() == Some(&who.token_hash);
    let earliest = attempt.started_at.timestamp() - AUTH_TIME_LEEWAY_SECONDS;
    let latest = DateTime::<Utc>::from(wall_clock()).timestamp() + AUTH_TIME_LEEWAY_SECONDS;
    let is_new = token.auth_time.is_some_and(|at| (earliest..=latest).contains(&at));
    let why = match (is_same, is_new) {
        (false, _) => Some(("other-person", "Somebody else signed in", "The signature must be yours.")),
        (true, false) => Some((
            "not-again",
            "You were not asked to sign in again",
            "The identity provider did not say that you have just signed in, so this cannot be a signature.",
        )),
        (true, true) => None,
    };
    let mut db = door.app.store.connection().await?;
    if let Some((cause, heading, advice)) = why {
        let detail = json!({ "via": "oidc", "cause": cause });
        audit::add(&mut db, Actor::person(&who.person.id), "sign.refused", Some(&gate.to_string()), &detail)
            .await?;
        return Ok(say(StatusCode::FORBIDDEN, heading, &format!("{advice} {ADVICE}")));
    }
    let now = clock::now(&mut db).await?;
    let proposal = attempt.proposal_hash.unwrap_or_default();
    let length = FRESH.to_std().unwrap_or_default();
    sessions::reauthenticated(&mut db, (&who.token_hash, gate, &proposal), now, length).await?;
    Ok(Redirect::to(&format!("/gates/{gate}")).into_response())
}

/// The token, or why there is none: a word for the audit and a sentence for the person.
async fn finish(
    door: &Shared,
    provider: &Provider,
    answer: &Answer,
    attempt: &sessions::Attempt,
) -> Result<crate::connector::oidc::IdToken, (String, String)> {
    let title = &provider.settings().title;
    let Some(code) = answer.code.as_deref().filter(|_| answer.error.is_none()) else {
        let error = answer.error.as_deref().unwrap_or("no code");
        let error: String = error
            .chars()
            .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
            .take(64)
            .collect();
        let words = format!("{title} did not sign you in ({error}).");
        return Err((format!("provider-said-{error}"), words));
    };
    let returned =
        Returned { code, issuer: answer.iss.as_deref(), nonce: &attempt.nonce, verifier: &attempt.verifier };
    let now = DateTime::<Utc>::from(wall_clock());
    provider.finish(returned, &redirect_uri(door), now).await.map_err(|error: OidcError| {
        tracing::warn!(%error, "a sign-in at the identity provider was refused");
        (error.word().to_owned(), format!("You are not signed in: {error}."))
    })
}

async fn refuse(door: &Shared, why: &str, named: Option<&str>, words: &str) -> Result<Response, PageError> {
    let mut record = AuditRecord::new(Actor::nobody().vouched_by(Some("oidc".to_owned())), "sign_in.refused");
    record.object = named.map(str::to_owned);
    note(door, record.detail(json!({ "via": "oidc", "cause": why }))).await?;
    show(door, "/", "", Some((StatusCode::UNAUTHORIZED, words)))
}
