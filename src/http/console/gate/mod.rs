//! One question to people: the card, and taking the answer.

mod answer;
pub(super) mod card;
mod draft;
mod form;

use super::{
    PageError,
    live::Topic,
    template::{Frame, render},
    when::Clock,
};
use crate::{
    gate::{Asked, DecideError, Refusal, decide, progress},
    http::{
        auth::{PostedForm, SignedIn},
        problem::Cause,
        state::Shared,
    },
    run::{GateId, RunId},
    store::{clock, delegations, gates, summaries},
};
use answer::Typed;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use card::{Card, Seen};

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    Path(id): Path<String>,
    who: SignedIn,
) -> Result<Response, PageError> {
    let id = gate_id(&id)?;
    Ok(show(&door, &who, id, None, Typed::default()).await?.into_response())
}

/// Takes the answer of a form. Whoever comes late, or forgot something, sees the card again and why.
pub(in crate::http) async fn answer(
    State(door): State<Shared>,
    Path(id): Path<String>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let id = gate_id(&id)?;
    let mut db = door.app.store.connection().await?;
    let gate = gates::get(&mut db, id).await?.ok_or(PageError::new(Cause::NotFound))?;
    drop(db);
    let typed = Typed::read(&form.fields);
    let answer = match answer::read(&form.fields, &gate.ask) {
        Ok(answer) => answer,
        Err(mistake) => return refuse(&door, &form.who, id, &mistake.to_string(), typed).await,
    };
    match decide(&door.app.store, &door.app.site, id, &form.who.person.id, &answer).await {
        Ok(_) => {
            door.app.hints.tell();
            Ok(Redirect::to(&format!("/gates/{id}")).into_response())
        }
        Err(DecideError::Refused { refusal }) => {
            refuse(&door, &form.who, id, &in_words(&refusal), typed).await
        }
        Err(DecideError::Late { words, .. }) => {
            let words = format!("Too late. {words} Your answer was not taken.");
            refuse(&door, &form.who, id, &words, typed).await
        }
        Err(error) => Err(error.into()),
    }
}

fn gate_id(text: &str) -> Result<GateId, PageError> {
    text.parse().map_err(|_| PageError::new(Cause::NotFound))
}

fn in_words(refusal: &Refusal) -> String {
    let words = refusal.to_string();
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

async fn refuse(
    door: &Shared,
    who: &SignedIn,
    id: GateId,
    words: &str,
    typed: Typed,
) -> Result<Response, PageError> {
    let page = show(door, who, id, Some(words.to_owned()), typed).await?;
    Ok((StatusCode::CONFLICT, page).into_response())
}

async fn show(
    door: &Shared,
    who: &SignedIn,
    id: GateId,
    error: Option<String>,
    typed: Typed,
) -> Result<impl IntoResponse + use<>, PageError> {
    let site = &door.app.site;
    let live = Topic::Gate(id).live(door).await?;
    let mut db = door.app.store.connection().await?;
    let gate = gates::get(&mut db, id).await?.ok_or(PageError::new(Cause::NotFound))?;
    let run = RunId(gate.run_id);
    let now = clock::now(&mut db).await?;
    let votes = gates::votes(&mut db, id).await?;
    let delegations = delegations::in_force(&mut db, now).await?;
    let asked = Asked { site, gate: &gate, votes: &votes, delegations: &delegations };
    let standing = asked.may_answer(&who.person, now);
    let mut stand_ins = asked.stand_ins(site.time_zone, now);
    if gate.state != "open" {
        stand_ins.clear();
    }
    let seen = Seen {
        clock: Clock { zone: site.time_zone, now },
        vote: gates::vote(&mut db, id).await?,
        for_whom: standing
            .as_ref()
            .ok()
            .and_then(|standing| Some(asked.name(standing.on_behalf_of.as_ref()?))),
        may: standing.map(|_| ()).map_err(|refusal| in_words(&refusal)),
        may_override: asked.may_override(&who.person, now).is_ok(),
        progress: progress(site, &gate, &votes),
        stand_ins,
        votes: votes.clone(),
        run: summaries::get(&mut db, run).await?,
        others: gates::of_run(&mut db, run).await?.into_iter().filter(|other| other.id != gate.id).collect(),
        gate: gate.clone(),
    };
    let card = Card::new(site, &seen, error, typed);
    let frame = Frame::new(door, who, "inbox", card.title.clone()).live(live);
    Ok(render("gate", frame, &card)?)
}
