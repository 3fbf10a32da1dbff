//! The signature under an answer: the dialog that asks for it, and what comes back.
//!
//! The dialog comes after an answer was found good in everything else, and carries its fields along.

use super::{
    super::{PageError, inbox::text, template::render},
    Asker, card,
};
use crate::{
    gate::{Answer, Signature, meaning_of},
    http::{auth::Fields, state::Shared},
    run::Actor,
    store::{audit, clock, gates::Gate, sessions},
};
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;

const NAME: &str = "sign-name";
const PASSWORD: &str = "sign-password";

#[derive(Serialize)]
struct Dialog<'a> {
    title: &'a str,
    did: String,
    reason: Option<&'a str>,
    meaning: &'a str,
    /// The name as it is printed under the answer.
    printed: &'a str,
    action: &'a str,
    back: &'a str,
    /// The answer, to be sent once more with the signature.
    fields: Vec<(&'a str, &'a str)>,
    /// Asks for name and password.
    password: bool,
    /// Where to sign in again at the identity provider.
    again: Option<String>,
    provider: Option<&'a str>,
    error: Option<Wrong>,
}

/// Why somebody has not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Wrong {
    #[serde(rename = "That name and password are not yours. Nothing was signed.")]
    NotYours,
    #[serde(rename = "Too many attempts. Wait a minute and try again.")]
    TooOften,
}

/// The signature of a form: name and password, or the new sign-in of this session; nothing where there is neither.
pub(super) async fn read(
    door: &Shared,
    asker: &Asker,
    gate: &Gate,
    fields: &Fields,
) -> Result<Result<Option<Signature>, Wrong>, PageError> {
    if text(&gate.ask, "sign").is_none() {
        return Ok(Ok(None));
    }
    let mut db = door.app.store.connection().await?;
    let now = clock::now(&mut db).await?;
    let (Some(name), Some(password)) = (fields.text(NAME), fields.get(PASSWORD)) else {
        let Some(who) = &asker.session else { return Ok(Ok(None)) };
        let again =
            sessions::reauthentication(&mut db, &who.token_hash, gate.id, &gate.proposal_hash).await?;
        return Ok(Ok(again.map(|at| Signature::by_provider(&asker.person, gate.id, at))));
    };
    drop(db);
    let is_local = door.app.site.access.sign_in.local;
    if !door.sign_in_limit.allows_signing(&asker.person.id) {
        return Ok(Err(Wrong::TooOften));
    }
    let (person, id, password) = (asker.person.clone(), gate.id, password.to_owned());
    let signed = door
        .hashing
        .with(move || Signature::by_password(&person, id, (&name, &password), now).filter(|_| is_local));
    let Some(signed) = signed.await else { return Ok(Err(Wrong::TooOften)) };
    if let Some(signature) = signed {
        return Ok(Ok(Some(signature)));
    }
    let mut db = door.app.store.connection().await?;
    let detail = json!({ "via": "password", "channel": asker.channel });
    audit::add(&mut db, Actor::person(&asker.person.id), "sign.refused", Some(&gate.id.to_string()), &detail)
        .await?;
    Ok(Err(Wrong::NotYours))
}

/// Asks for the signature under this answer.
pub(super) fn dialog(
    door: &Shared,
    asker: &Asker,
    gate: &Gate,
    answer: &Answer,
    fields: &Fields,
    error: Option<Wrong>,
) -> Result<Response, PageError> {
    let own = [NAME, PASSWORD, "csrf"];
    let provider = door.sso.as_ref().map(|provider| provider.settings().title.as_str());
    let is_via_provider = asker.session.as_ref().is_some_and(|who| who.via == "oidc");
    let has_password = asker.person.password_hash.is_some() && door.app.site.access.sign_in.local;
    let password = has_password && !(is_via_provider && provider.is_some());
    // Inside another page the sign-in opens in the console of its own tab, and the answer is given there.
    let again = match asker.session {
        Some(_) => format!("/gates/{}/sign", gate.id),
        None => format!("/gates/{}", gate.id),
    };
    let dialog = Dialog {
        title: text(&gate.ask, "title").unwrap_or("A question"),
        did: card::did(answer.decision.word(), answer.choice, &gate.ask),
        reason: answer.reason.as_deref(),
        meaning: meaning_of(gate, answer.decision).unwrap_or_default(),
        printed: &asker.person.name,
        action: &asker.action,
        back: &asker.back,
        fields: fields
            .0
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
        password,
        again: provider.filter(|_| !password).map(|_| again),
        provider,
        error,
    };
    let status = match error {
        None => StatusCode::OK,
        Some(Wrong::NotYours) => StatusCode::UNAUTHORIZED,
        Some(Wrong::TooOften) => StatusCode::TOO_MANY_REQUESTS,
    };
    Ok((status, render("sign", asker.frame(door, "Sign your answer"), &dialog)?).into_response())
}
