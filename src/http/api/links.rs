//! Links that stand for somebody without a session: making and revoking them.

use super::{gates::is_within, id, missing, unread};
use crate::{
    gate::Token,
    http::{
        auth::Caller,
        place::may_order,
        problem::{Cause, Problem},
        state::Shared,
    },
    run::{Actor, GateId},
    site::parse_duration,
    store::{StoreError, audit, gates, links},
};
use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

const EMBED_LENGTH: Duration = Duration::from_secs(600);
const PARTNER_LENGTH: Duration = Duration::from_secs(7 * 24 * 3600);
const PARTNER_LENGTH_MIN: Duration = Duration::from_secs(60);
const PARTNER_LENGTH_MAX: Duration = Duration::from_secs(90 * 24 * 3600);
const TEXT_CHARS_MAX: usize = 4_000;

#[derive(Serialize)]
pub(in crate::http) struct Made {
    id: Uuid,
    url: String,
    expires_at: DateTime<Utc>,
}

/// A page of one question for one person, to be shown inside another page. The program vouches for the person.
pub(in crate::http) async fn embed(
    State(door): State<Shared>,
    Path(gate): Path<String>,
    caller: Caller,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let gate: GateId = id(&gate, "gate")?;
    is_within(&door, &caller, gate).await?;
    let unnamed = || Problem::new(Cause::NoSuchPerson, "say for whom with `X-Takt-Person`");
    let vouched = Some(caller.channel.to_owned());
    let account = caller.service.as_ref().map(|account| Actor::service(&account.id).vouched_by(vouched));
    let by = account.or_else(|| caller.actor()).ok_or_else(unnamed)?;
    let named_by = caller.named_by().map(str::to_owned);
    let person = caller.person.ok_or_else(unnamed)?;
    if door.app.site.access.embed.is_none() {
        return Err(Problem::new(Cause::NotPossible, "takt.yaml declares no `embed`"));
    }
    let mut tx = door.app.store.begin().await?;
    gates::get(&mut tx, gate).await?.ok_or_else(|| missing("gate"))?;
    let new = links::NewLink {
        kind: "embed",
        person: Some(person.id.clone()),
        gate_id: Some(gate.0),
        partner: None,
        subject: None,
        // An answer through it is the person's by this program's word.
        ask: json!({ "named_by": named_by }),
        created_by: by.name().to_owned(),
        length: EMBED_LENGTH,
    };
    let (token, link) = (Token::random(), Uuid::now_v7());
    let expires_at = links::create(&mut tx, link, &token.hash, &new).await?;
    let detail = json!({ "link": link, "person": person.id });
    audit::add(&mut tx, &by, "embed.created", Some(&gate.to_string()), &detail).await?;
    tx.commit().await.map_err(StoreError::from)?;
    let url = format!("{}/embed/{}", door.app.base_url, token.secret);
    Ok((StatusCode::CREATED, Json(Made { id: link, url, expires_at })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Wanted {
    partner: String,
    order: String,
    title: String,
    question: Option<String>,
    expires_in: Option<String>,
}

/// A link for a partner to answer about one order.
pub(in crate::http) async fn partner(
    State(door): State<Shared>,
    caller: Caller,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let by = orderer(&door, &caller).await?;
    let malformed = |words: String| Problem::new(Cause::Malformed, words);
    let Json(wanted) = wanted.map_err(|rejection| unread(&rejection))?;
    if !door.app.site.access.partners.contains_key(&wanted.partner) {
        return Err(malformed(format!("takt.yaml has no partner `{}`", wanted.partner)));
    }
    let texts = [Some(&wanted.order), Some(&wanted.title), wanted.question.as_ref()];
    if texts.into_iter().flatten().any(|text| text.trim().is_empty() || text.chars().count() > TEXT_CHARS_MAX)
    {
        return Err(malformed("`order`, `title` and `question` are texts of at most 4000 characters".into()));
    }
    let length = wanted.expires_in.as_deref().map(parse_duration).transpose();
    let length = length.map_err(|error| malformed(error.to_string()))?.unwrap_or(PARTNER_LENGTH);
    if !(PARTNER_LENGTH_MIN..=PARTNER_LENGTH_MAX).contains(&length) {
        return Err(malformed("a link holds for a minute at least and 90 days at most".into()));
    }
    let new = links::NewLink {
        kind: "partner",
        person: None,
        gate_id: None,
        partner: Some(wanted.partner.clone()),
        subject: Some(wanted.order.clone()),
        ask: json!({ "title": wanted.title, "question": wanted.question }),
        created_by: by.name().to_owned(),
        length,
    };
    let (token, link) = (Token::random(), Uuid::now_v7());
    let mut tx = door.app.store.begin().await?;
    let expires_at = links::create(&mut tx, link, &token.hash, &new).await?;
    let detail = json!({ "partner": wanted.partner, "order": wanted.order });
    audit::add(&mut tx, &by, "partner_link.created", Some(&link.to_string()), &detail).await?;
    tx.commit().await.map_err(StoreError::from)?;
    let url = format!("{}/partner/{}", door.app.base_url, token.secret);
    Ok((StatusCode::CREATED, Json(Made { id: link, url, expires_at })))
}

pub(in crate::http) async fn revoke(
    State(door): State<Shared>,
    Path(link): Path<String>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    let by = orderer(&door, &caller).await?;
    let link: Uuid = id(&link, "link")?;
    let mut tx = door.app.store.begin().await?;
    if !links::revoke(&mut tx, "partner", link).await? {
        return Err(missing("link that still holds"));
    }
    audit::add(&mut tx, &by, "partner_link.revoked", Some(&link.to_string()), &json!({})).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A service account with the scope, or an operator of the whole plant.
async fn orderer(door: &Shared, caller: &Caller) -> Result<Actor, Problem> {
    let unnamed = || Problem::new(Cause::NoSuchPerson, "say who does it with `X-Takt-Person`");
    let by = caller.actor().ok_or_else(unnamed)?;
    match &caller.person {
        Some(person) if !may_order(door, person, None).await? => {
            Err(Problem::new(Cause::NotPermitted, "only operators make links for partners"))
        }
        _ => Ok(by),
    }
}
