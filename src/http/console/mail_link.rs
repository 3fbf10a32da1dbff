//! The page behind a link in a mail: it shows the question to the one person the link was sent to. Looking at it decides
//! nothing, since mail scanners look at every link; only its buttons do, once.

use super::{
    PageError,
    template::{Frame, render},
    when::{Clock, When},
};
use crate::{
    gate::{Answer, did, hash_of, late, progress, stranger_refused},
    http::{
        hook::answering::{self, NotTaken, Said, answer_of},
        problem::Cause,
        refusals::note,
        state::Shared,
    },
    notify::{Button, CONTENT_TOO_LONG, Fact, OPEN_TO_READ, Question},
    run::GateId,
    site::{Person, Reason},
    store::{answer_links, clock, gates},
};
use axum::{
    Form,
    extract::{Path, Query, State, rejection::FormRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The name of this door in answers and in the audit.
const CHANNEL: &str = "mail";

#[derive(Deserialize)]
pub(in crate::http) struct Wanted {
    /// The answer whose link was followed: `choose.2`.
    answer: Option<String>,
}

#[derive(Deserialize)]
pub(in crate::http) struct Sent {
    answer: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    reason: String,
}

/// A link that is good now.
struct Good<'a> {
    gate: gates::Gate,
    person: &'a Person,
    proposal_hash: String,
    /// How far it is answered, where more than one has to agree.
    progress: Option<String>,
    now: DateTime<Utc>,
}

/// Why a link shows no question, in words for whoever followed it.
struct Gone {
    status: StatusCode,
    heading: String,
    words: String,
}

#[derive(Serialize)]
struct Page {
    heading: String,
    /// Where a link no longer works.
    words: Option<String>,
    question: Option<Shown>,
    error: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    body: String,
    person: String,
    asked: String,
    progress: Option<String>,
    due: When,
    on_silence: String,
    basis: Vec<String>,
    options: Vec<Offered>,
    /// What a yes agrees to, or none of it where that is too long.
    content: Vec<Fact>,
    too_long: Option<&'static str>,
    open_to_read: &'static str,
    /// The answer whose link was followed comes first.
    buttons: Vec<Offer>,
    reject: bool,
    reject_open: bool,
    reasons: Vec<Reason>,
    details: String,
}

#[derive(Serialize)]
struct Offered {
    number: usize,
    title: String,
    rationale: String,
    facts: Vec<Fact>,
}

#[derive(Serialize, Clone, PartialEq, Eq)]
struct Offer {
    answer: String,
    label: String,
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    Path((gate, token)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageError> {
    match find(&door, &gate, &token).await? {
        Ok(good) => show(&door, &good, wanted.answer.as_deref(), None),
        Err(gone) => tell(gone),
    }
}

pub(in crate::http) async fn answer(
    State(door): State<Shared>,
    Path((gate, token)): Path<(String, String)>,
    sent: Result<Form<Sent>, FormRejection>,
) -> Result<Response, PageError> {
    let Form(sent) = sent.map_err(|_| PageError::new(Cause::Malformed))?;
    let good = match find(&door, &gate, &token).await? {
        Ok(good) => good,
        Err(gone) => return tell(gone),
    };
    let Some(answer) = read(&sent, &good.proposal_hash) else {
        return Err(PageError::new(Cause::Malformed));
    };
    match answering::answer(&door, &good.gate, &good.person.id, &answer).await? {
        Ok(decided) => {
            answer_links::used(&mut *door.app.store.connection().await?, &hash_of(&token)).await?;
            let words = match decided.progress {
                Some(progress) => format!("Your answer counts. {progress}."),
                None => format!("Your answer counts: {}.", did(&decided.vote)),
            };
            tell(Gone { status: StatusCode::OK, heading: "Thank you".to_owned(), words })
        }
        Err(NotTaken { words, settled: Some(_) }) => {
            tell(Gone { status: StatusCode::GONE, heading: "Already answered".to_owned(), words })
        }
        Err(NotTaken { words, settled: None }) => show(&door, &good, Some(&sent.answer), Some(words)),
    }
}

/// Everything that has to hold for a link; what does not is audited.
async fn find<'a>(door: &'a Shared, gate: &str, token: &str) -> Result<Result<Good<'a>, Gone>, PageError> {
    let mut db = door.app.store.connection().await?;
    let link = answer_links::get(&mut db, &hash_of(token)).await?;
    let now = clock::now(&mut db).await?;
    let unknown = || Gone {
        status: StatusCode::NOT_FOUND,
        heading: "This link is not known".to_owned(),
        words: "Something is missing in it, or it is very old. The question itself is in the inbox."
            .to_owned(),
    };
    let Some(link) = link else {
        drop(db);
        note(door, stranger_refused(CHANNEL, "unknown", None, "no_such_link")).await?;
        return Ok(Err(unknown()));
    };
    let asked = gates::get(&mut db, GateId(link.gate_id)).await?;
    let votes = gates::votes(&mut db, GateId(link.gate_id)).await?;
    let vote = gates::vote(&mut db, GateId(link.gate_id)).await?;
    drop(db);
    let is_same = gate.parse::<GateId>().is_ok_and(|gate| gate.0 == link.gate_id);
    let (Some(asked), Some(person), true) = (asked, door.app.site.person(&link.person), is_same) else {
        let gate = Some(GateId(link.gate_id));
        note(door, stranger_refused(CHANNEL, &link.person, gate, "link_of_another_gate")).await?;
        return Ok(Err(unknown()));
    };
    let said = vote.map(|vote| late(&door.app.site, &vote));
    let gone = |why: &'static str, heading: &str, words: String| {
        (why, Gone { status: StatusCode::GONE, heading: heading.to_owned(), words })
    };
    let gone = if let (true, Some(said)) = (asked.state != "open", &said) {
        let why = if link.used_at.is_some() { "link_used" } else { "too_late" };
        Some(gone(why, "Already answered", format!("Too late. {said}")))
    } else if link.used_at.is_some() {
        Some(gone("link_used", "This link was used", "It works once, and you have answered.".to_owned()))
    } else if asked.state != "open" {
        Some(gone("gate_closed", "Nothing to answer", "This question was closed.".to_owned()))
    } else if link.expires_at <= now {
        let words = "The time to answer is over; the question has been passed on.".to_owned();
        Some(gone("link_expired", "Too late", words))
    } else if link.proposal_hash != asked.proposal_hash {
        let words = "It has changed since this mail was sent: look at it again in the inbox.".to_owned();
        Some(gone("proposal_changed", "The proposal has changed", words))
    } else {
        None
    };
    if let Some((why, gone)) = gone {
        note(door, stranger_refused(CHANNEL, &link.person, Some(GateId(asked.id)), why)).await?;
        return Ok(Err(gone));
    }
    let progress = progress(&door.app.site, &asked, &votes);
    Ok(Ok(Good { gate: asked, person, proposal_hash: link.proposal_hash, progress, now }))
}

fn read(sent: &Sent, proposal_hash: &str) -> Option<Answer> {
    let (word, choice) = match sent.answer.split_once('.') {
        Some((word, option)) => (word, Some(option.parse().ok()?)),
        None => (sent.answer.as_str(), None),
    };
    let button = match word {
        "acknowledge" => Button::Acknowledge,
        "approve" => Button::Approve,
        "choose" => Button::Choose,
        "reject" => Button::Reject,
        _ => return None,
    };
    let given = |text: &str| {
        let text = text.trim();
        (button == Button::Reject && !text.is_empty()).then(|| text.to_owned())
    };
    let said = Said { choice, edited: None, code: given(&sent.code), reason: given(&sent.reason) };
    Some(answer_of(button, said, CHANNEL, proposal_hash))
}

fn show(
    door: &Shared,
    good: &Good<'_>,
    wanted: Option<&str>,
    error: Option<String>,
) -> Result<Response, PageError> {
    let details = format!("{}/gates/{}", door.app.base_url, good.gate.id);
    // What buttons carry in chats is not needed here: the link stands for the person and the gate.
    let question = Question::of_gate(&good.gate, "", &door.app.site.answering.reasons, details.clone())
        .map_err(|error| {
            tracing::error!(%error, "a question cannot be shown");
            PageError::new(Cause::Internal)
        })?;
    let mut buttons = offers(&question);
    buttons.sort_by_key(|offer| Some(offer.answer.as_str()) != wanted);
    let clock = Clock { zone: door.app.site.time_zone, now: good.now };
    let options = question.options.iter().enumerate().map(|(at, option)| Offered {
        number: at + 1,
        title: option.title.clone(),
        rationale: option.rationale.clone(),
        facts: option.facts.clone(),
    });
    let is_too_long = !question.fits_cards();
    let shown = Shown {
        person: good.person.name.clone(),
        progress: good.progress.clone(),
        content: if is_too_long { Vec::new() } else { question.content() },
        too_long: is_too_long.then_some(CONTENT_TOO_LONG),
        open_to_read: OPEN_TO_READ,
        due: clock.when(question.expires_at),
        options: options.collect(),
        reject: question.takes(Button::Reject),
        reject_open: wanted == Some("reject"),
        reasons: question.reasons,
        buttons,
        details,
        body: question.body,
        asked: question.asked,
        on_silence: question.on_silence,
        basis: question.basis,
    };
    let status = if error.is_some() { StatusCode::CONFLICT } else { StatusCode::OK };
    let page = Page { heading: question.title, words: None, question: Some(shown), error };
    Ok((status, render("answer", Frame::of_nobody(&page.heading), &page)?).into_response())
}

fn offers(question: &Question) -> Vec<Offer> {
    let offers = question.offers().into_iter().filter(|offer| offer.button != Button::Reject);
    offers.map(|offer| Offer { answer: offer.word(), label: question.label_in_full(&offer) }).collect()
}

fn tell(gone: Gone) -> Result<Response, PageError> {
    let page = Page { heading: gone.heading, words: Some(gone.words), question: None, error: None };
    Ok((gone.status, render("answer", Frame::of_nobody(&page.heading), &page)?).into_response())
}
