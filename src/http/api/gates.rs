use super::{id, missing, runs::Asked, unread};
use crate::{
    gate::{Answer, Decision, ItemAnswer, decide, place_of},
    http::{
        auth::Caller,
        place::within,
        problem::{Cause, Problem},
        state::Shared,
    },
    run::GateId,
    store::{gates, signatures},
};
use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

pub(in crate::http) async fn show(
    State(door): State<Shared>,
    Path(gate): Path<String>,
    caller: Caller,
) -> Result<Response, Problem> {
    let gate: GateId = id(&gate, "gate")?;
    let mut db = door.app.store.connection().await?;
    let found = gates::get(&mut db, gate).await?.ok_or_else(|| missing("gate"))?;
    within(&door, &caller, &place_of(&found))?;
    let vote = gates::vote(&mut db, gate).await?;
    let votes = gates::votes(&mut db, gate).await?;
    let signatures = signatures::of_gate(&mut db, gate).await?;
    let mut body = json!(Asked { gate: found, vote, signatures });
    body["votes"] = json!(votes);
    Ok(Json(body).into_response())
}

/// A program that is limited has to do with the questions of its places only.
pub(super) async fn is_within(door: &Shared, caller: &Caller, gate: GateId) -> Result<(), Problem> {
    if caller.service.is_none() {
        return Ok(());
    }
    let found = gates::get(&mut *door.app.store.connection().await?, gate).await?;
    let found = found.ok_or_else(|| missing("gate"))?;
    within(door, caller, &place_of(&found))
}

/// An answer as programs send it. `proposal_hash` is that of the gate as it was read: nobody
/// approves what they have not seen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct GivenAnswer {
    decision: Decision,
    choice: Option<usize>,
    edited: Option<Value>,
    #[serde(default)]
    items: Vec<ItemAnswer>,
    /// What a form is filled in with.
    fields: Option<Value>,
    /// One of the site's reasons; required with `reject` and `edit`.
    reason_code: Option<String>,
    /// In words; required with `other`, and with `override`.
    reason: Option<String>,
    /// Decide alone, in place of those who are asked.
    #[serde(default, rename = "override")]
    overrides: bool,
    proposal_hash: String,
}

pub(in crate::http) async fn answer(
    State(door): State<Shared>,
    Path(gate): Path<String>,
    caller: Caller,
    given: Result<Json<GivenAnswer>, JsonRejection>,
) -> Result<Response, Problem> {
    let gate: GateId = id(&gate, "gate")?;
    is_within(&door, &caller, gate).await?;
    let unnamed = || {
        Problem::new(Cause::NoSuchPerson, "a program never answers as itself: say who with `X-Takt-Person`")
    };
    let program = caller.named_by().map(str::to_owned);
    let person = caller.person.ok_or_else(unnamed)?;
    let Json(given) = given.map_err(|rejection| unread(&rejection))?;
    let answer = Answer {
        choice: given.choice,
        edited: given.edited,
        items: given.items,
        fields: given.fields,
        reason_code: given.reason_code,
        reason: given.reason,
        overrides: given.overrides,
        named_by: program,
        ..Answer::of(given.decision, caller.channel, &given.proposal_hash)
    };
    let decided = decide(&door.app.store, &door.app.site, gate, &person.id, &answer).await?;
    door.app.hints.tell();
    Ok(Json(json!({ "vote": decided.vote })).into_response())
}
