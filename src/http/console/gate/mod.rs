//! One question to people: the card, and taking the answer.

mod answer;
pub(super) mod card;
mod draft;
mod evidence;
mod form;
mod signing;

use super::{
    PageError,
    live::Topic,
    template::{Frame, render},
    when::Clock,
};
use crate::{
    gate::{Asked, DecideError, Refusal, decide, progress},
    http::{
        auth::{Fields, PostedForm, SignedIn},
        problem::Cause,
        state::Shared,
    },
    run::{GateId, RunId},
    site::{Person, Section},
    store::{clock, delegations, gates, sessions, signatures, summaries},
};
use answer::Typed;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use card::{Card, Seen};

/// Who looks at a question or answers it, and through which door.
pub(super) struct Asker {
    pub person: Person,
    /// Absent where a link stands for the person.
    pub session: Option<SignedIn>,
    /// Where the forms go.
    pub action: String,
    /// The page of the question.
    pub back: String,
    pub channel: &'static str,
    /// The program whose word it is that this is the person.
    pub named_by: Option<String>,
    /// The page stands alone: nothing leads from it into the console.
    pub is_bare: bool,
}

impl Asker {
    fn in_console(who: SignedIn, gate: GateId) -> Self {
        Self {
            person: who.person.clone(),
            session: Some(who),
            action: format!("/gates/{gate}/answer"),
            back: format!("/gates/{gate}"),
            channel: "web",
            named_by: None,
            is_bare: false,
        }
    }

    pub(super) fn frame(&self, door: &Shared, title: &str) -> Frame {
        let site = door.app.site.name.clone();
        let frame = match &self.session {
            Some(who) => Frame::new(door, who, "inbox", title),
            None => Frame { site, ..Frame::of_nobody(title) },
        };
        Frame { is_bare: self.is_bare, ..frame }
    }
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    Path(id): Path<String>,
    who: SignedIn,
) -> Result<Response, PageError> {
    let id = gate_id(&id)?;
    read_page(&door, &Asker::in_console(who, id), id).await
}

/// Takes the answer of a form. Whoever comes late, or forgot something, sees the card again and why.
pub(in crate::http) async fn answer(
    State(door): State<Shared>,
    Path(id): Path<String>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let id = gate_id(&id)?;
    take(&door, &Asker::in_console(form.who, id), id, form.fields).await
}

pub(super) async fn read_page(door: &Shared, asker: &Asker, id: GateId) -> Result<Response, PageError> {
    Ok(show(door, asker, id, None, Typed::default()).await?.into_response())
}

pub(super) async fn take(
    door: &Shared,
    asker: &Asker,
    id: GateId,
    fields: Fields,
) -> Result<Response, PageError> {
    let mut db = door.app.store.connection().await?;
    let gate = gates::get(&mut db, id).await?.ok_or(PageError::new(Cause::NotFound))?;
    drop(db);
    let typed = Typed::read(&fields);
    let mut answer = match answer::read(&fields, &gate.ask) {
        Ok(answer) => answer,
        Err(mistake) => return refuse(door, asker, id, &mistake.to_string(), typed).await,
    };
    answer.channel = asker.channel.to_owned();
    answer.named_by.clone_from(&asker.named_by);
    answer.signature = match signing::read(door, asker, &gate, &fields).await? {
        Ok(signature) => signature,
        Err(wrong) => return signing::dialog(door, asker, &gate, &answer, &fields, Some(wrong)),
    };
    match decide(&door.app.store, &door.app.site, id, &asker.person.id, &answer).await {
        Ok(_) => {
            door.app.hints.tell();
            if let Some(who) = asker.session.as_ref().filter(|_| answer.signature.is_some()) {
                let mut db = door.app.store.connection().await?;
                sessions::end_reauthentication(&mut db, &who.token_hash, id.0).await?;
            }
            Ok(Redirect::to(&asker.back).into_response())
        }
        Err(DecideError::Refused { refusal: Refusal::SignatureMissing, .. }) => {
            signing::dialog(door, asker, &gate, &answer, &fields, None)
        }
        Err(DecideError::Refused { refusal }) => refuse(door, asker, id, &in_words(&refusal), typed).await,
        Err(DecideError::Late { words, .. }) => {
            let words = format!("Too late. {words} Your answer was not taken.");
            refuse(door, asker, id, &words, typed).await
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
    asker: &Asker,
    id: GateId,
    words: &str,
    typed: Typed,
) -> Result<Response, PageError> {
    let page = show(door, asker, id, Some(words.to_owned()), typed).await?;
    Ok((StatusCode::CONFLICT, page).into_response())
}

async fn show(
    door: &Shared,
    asker: &Asker,
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
    let signed_in_again = match &asker.session {
        Some(who) => {
            sessions::reauthentication(&mut db, &who.token_hash, gate.id, &gate.proposal_hash).await?
        }
        None => None,
    };
    let votes = gates::votes(&mut db, id).await?;
    let delegations = delegations::in_force(&mut db, now).await?;
    let asked = Asked { site, gate: &gate, votes: &votes, delegations: &delegations };
    let standing = asked.may_answer(&asker.person, now);
    let mut stand_ins = asked.stand_ins(site.time_zone, now);
    if gate.state != "open" {
        stand_ins.clear();
    }
    let clock = Clock { zone: site.time_zone, now };
    // Whoever is asked may know what it rests on, also where runs are kept for other roles.
    let evidence = if standing.is_ok() || site.may_read(&asker.person, Section::Runs) {
        evidence::read(door, &mut db, &gate, &clock).await?
    } else {
        Vec::new()
    };
    let seen = Seen {
        clock,
        evidence,
        vote: gates::vote(&mut db, id).await?,
        signatures: signatures::of_gate(&mut db, id).await?,
        signed_in_again,
        for_whom: standing
            .as_ref()
            .ok()
            .and_then(|standing| Some(asked.name(standing.on_behalf_of.as_ref()?))),
        may: standing.map(|_| ()).map_err(|refusal| in_words(&refusal)),
        may_override: asked.may_override(&asker.person, now).is_ok(),
        progress: progress(site, &gate, &votes),
        stand_ins,
        votes: votes.clone(),
        run: summaries::get(&mut db, run).await?,
        others: gates::of_run(&mut db, run).await?.into_iter().filter(|other| other.id != gate.id).collect(),
        gate: gate.clone(),
    };
    let card = Card::new(site, seen, asker, error, typed);
    let frame = asker.frame(door, &card.title);
    // A page without a session cannot listen for changes.
    let frame = if asker.session.is_some() { frame.live(live) } else { frame };
    Ok(render("gate", frame, &card)?)
}
