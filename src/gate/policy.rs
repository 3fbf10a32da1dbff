//! The rules of answering, without any I/O.

use super::{
    Answer,
    standing::{Asked, Standing},
};
use crate::{
    run::{NESTING_MAX, nesting_of},
    site::{OTHER, Person, Place, ROOT_ACCOUNT, Site},
    store::gates::Gate,
    workflow::form,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// As much of a code that is none as a refusal repeats.
const CODE_CHARS_SHOWN: usize = 40;
/// Of a reason or a note: it stands in every record of the answer.
const WORDS_CHARS_MAX: usize = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Acknowledge,
    Approve,
    Choose,
    Edit,
    Reject,
}

impl Decision {
    pub fn word(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Approve => "approve",
            Self::Choose => "choose",
            Self::Edit => "edit",
            Self::Reject => "reject",
        }
    }
}

/// Why an answer is not accepted, in words for the person who gave it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("only {asked} can answer this")]
    WrongRole { asked: String },
    #[error("you already answered or requested this: a second person must decide")]
    SamePerson,
    #[error("this question is no longer open")]
    NotOpen,
    #[error("the time to answer is over; it has been passed on")]
    Expired,
    #[error("the proposal has changed since you saw it: look at it again")]
    Changed,
    #[error("this answer is not offered here")]
    NotOffered,
    #[error("choose one of the options")]
    NoSuchOption,
    #[error("{by} has answered already, and that counts for you: another one must agree")]
    Counted { by: String },
    #[error(
        "the program `{program}` has spoken for somebody else here already: this one answers in the console, in a chat or \
         by mail"
    )]
    SameProgram { program: String },
    #[error(
        "you may not decide this alone: takt.yaml names the roles that may, under `overrides`, and where they count"
    )]
    NoOverride,
    #[error("say why with one of the reasons: {codes}")]
    ReasonMissing { codes: String },
    #[error("there is no reason `{code}`: say why with one of {codes}")]
    NoSuchReason { code: String, codes: String },
    #[error("say why in a few words")]
    WordsMissing,
    #[error("that is too long: {WORDS_CHARS_MAX} characters at most")]
    TooLong,
    #[error("say in a few words why you decide this alone")]
    OverrideReasonMissing,
    #[error("the form is not filled in as it has to be: {0}")]
    UnfitForm(String),
    #[error("answer every item")]
    ItemsMissing,
    #[error("there are {asked} items: answer each of them once, in their order")]
    TooManyItems { asked: usize },
    #[error("the run was cancelled: an answer would change nothing any more")]
    Cancelled,
    #[error("this needs your signature: sign in again on its page in the console and answer there")]
    SignatureMissing,
    #[error("your signature is too old: sign in again and answer within five minutes")]
    SignatureStale,
    #[error("the signature is not yours, or not for this question")]
    SignatureForeign,
    #[error("a changed draft keeps the fields of the draft, each a text, a list or a number as it was")]
    UnfitDraft,
    #[error("say what it is changed to: give the changed draft as `edited`")]
    DraftMissing,
}

/// Where a question belongs: the work center of what triggered its run, else the run's subject; and its workflow.
pub fn place_of(gate: &Gate) -> Place<'_> {
    place_in(&gate.ask)
}

/// The place of what is asked, before there is a gate of it.
pub fn place_in(ask: &Value) -> Place<'_> {
    let text = |field: &str| ask.get(field).and_then(Value::as_str);
    Place { work_center: text("work_center").or_else(|| text("subject")), workflow: text("workflow") }
}

/// Whether this answer fits the question at this time, and as whom the person gives it.
pub fn check(
    asked: &Asked<'_>,
    person: &Person,
    answer: &Answer,
    now: DateTime<Utc>,
) -> Result<Standing, Refusal> {
    let gate = asked.gate;
    if gate.state != "open" {
        return Err(Refusal::NotOpen);
    }
    let standing = if answer.overrides {
        asked.may_override(person, now)?;
        Standing::default()
    } else {
        asked.may_answer(person, now)?
    };
    if gate.expires_at <= now {
        return Err(Refusal::Expired);
    }
    if gate.proposal_hash != answer.proposal_hash {
        return Err(Refusal::Changed);
    }
    speaks_for_one(asked, answer, &standing)?;
    if !list(&gate.ask, "allow").iter().any(|word| word == answer.decision.word()) {
        return Err(Refusal::NotOffered);
    }
    fits_options(gate, answer)?;
    fits_items(gate, answer)?;
    fits_draft(gate, answer)?;
    fits_form(gate, answer)?;
    says_why(asked.site, answer)?;
    let notes = answer.items.iter().map(|item| &item.note);
    let is_long =
        |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().nth(WORDS_CHARS_MAX).is_some());
    if notes.chain([&answer.reason]).any(is_long) {
        return Err(Refusal::TooLong);
    }
    if answer.overrides && is_blank(&answer.reason) {
        return Err(Refusal::OverrideReasonMissing);
    }
    // Last, so that nobody is asked to sign what would not be taken.
    super::sign::check(gate, person, answer.signature.as_ref(), now)?;
    Ok(standing)
}

/// A program is believed whom it names, and who handed theirs to whom. That makes one person of a quorum, of the two of a
/// second approval, or of the one who asks and the one who approves, and never the other ones too.
fn speaks_for_one(asked: &Asked<'_>, answer: &Answer, standing: &Standing) -> Result<(), Refusal> {
    let Some(program) = standing.handed_over_by.as_ref().or(answer.named_by.as_ref()) else { return Ok(()) };
    // Two programs in one answer would make it rest on the word of either.
    if answer.named_by.as_ref().is_some_and(|other| other != program) {
        return Err(Refusal::SameProgram { program: program.clone() });
    }
    let requested_via = asked.gate.ask.get("requested_via").and_then(|via| via.as_str());
    let is_yes = !matches!(answer.decision, Decision::Acknowledge | Decision::Reject);
    let has_asked = is_yes && requested_via == Some(&via_of(program));
    let of_first = asked.gate.ask.get("first").map_or(&[][..], |first| list(first, "named_by"));
    let has_spoken = asked.votes.iter().any(|vote| vote.named_by.as_ref() == Some(program))
        || of_first.iter().any(|other| other == program);
    if has_spoken || has_asked { Err(Refusal::SameProgram { program: program.clone() }) } else { Ok(()) }
}

/// How a door records that a program said who somebody is: the site's own token has no account.
pub fn via_of(program: &str) -> String {
    if program == ROOT_ACCOUNT { "api".to_owned() } else { format!("service:{program}") }
}

/// Only a choice carries a number; any other answer with one would be another answer than the same without.
fn fits_options(gate: &Gate, answer: &Answer) -> Result<(), Refusal> {
    match (answer.decision, answer.choice) {
        (Decision::Choose, Some(choice)) if (1..=list(&gate.ask, "options").len()).contains(&choice) => {
            Ok(())
        }
        (Decision::Choose, _) => Err(Refusal::NoSuchOption),
        (_, Some(_)) => Err(Refusal::NotOffered),
        (_, None) => Ok(()),
    }
}

/// Answers belong to items by their place, so there are exactly as many.
fn fits_items(gate: &Gate, answer: &Answer) -> Result<(), Refusal> {
    if answer.decision != Decision::Acknowledge {
        return if answer.items.is_empty() { Ok(()) } else { Err(Refusal::NotOffered) };
    }
    let asked = list(&gate.ask, "items").len();
    let is_answered = |item: &super::ItemAnswer| item.acknowledged || !is_blank(&item.note);
    if answer.items.len() > asked {
        return Err(Refusal::TooManyItems { asked });
    }
    let is_whole = answer.items.len() == asked && answer.items.iter().all(is_answered);
    if is_whole { Ok(()) } else { Err(Refusal::ItemsMissing) }
}

fn fits_draft(gate: &Gate, answer: &Answer) -> Result<(), Refusal> {
    match (&answer.edited, answer.decision) {
        (Some(edited), Decision::Edit) => {
            let draft = gate.ask.get("draft").unwrap_or(&Value::Null);
            let fits = keeps_shape(draft, edited) && nesting_of(edited) <= NESTING_MAX;
            if fits { Ok(()) } else { Err(Refusal::UnfitDraft) }
        }
        (Some(_), _) => Err(Refusal::NotOffered),
        (None, Decision::Edit) => Err(Refusal::DraftMissing),
        (None, _) => Ok(()),
    }
}

fn fits_form(gate: &Gate, answer: &Answer) -> Result<(), Refusal> {
    let schema = gate.ask.get("fields").filter(|schema| !schema.is_null());
    match (schema, answer.decision, &answer.fields) {
        (Some(schema), Decision::Approve, filled) => {
            let problems = form::problems(schema, filled.as_ref().unwrap_or(&Value::Null));
            if problems.is_empty() { Ok(()) } else { Err(Refusal::UnfitForm(problems.join("; "))) }
        }
        (_, _, Some(_)) => Err(Refusal::NotOffered),
        (_, _, None) => Ok(()),
    }
}

/// A code from the site's list, and where it says nothing by itself, words. A no and a change must have one; whatever
/// else has one keeps to the list too.
fn says_why(site: &Site, answer: &Answer) -> Result<(), Refusal> {
    let reasons = &site.answering.reasons;
    let codes = || reasons.iter().map(|reason| reason.code.as_str()).collect::<Vec<_>>().join(", ");
    let Some(code) = &answer.reason_code else {
        let must = matches!(answer.decision, Decision::Reject | Decision::Edit);
        return if must { Err(Refusal::ReasonMissing { codes: codes() }) } else { Ok(()) };
    };
    if site.answering.reason(code).is_none() {
        let code = code.chars().take(CODE_CHARS_SHOWN).collect();
        return Err(Refusal::NoSuchReason { code, codes: codes() });
    }
    if code == OTHER && is_blank(&answer.reason) {
        return Err(Refusal::WordsMissing);
    }
    Ok(())
}

fn is_blank(text: &Option<String>) -> bool {
    text.as_ref().is_none_or(|text| text.trim().is_empty())
}

/// Whether a changed draft is of the kind of the one that was shown. Where none was, it is a text.
fn keeps_shape(draft: &Value, edited: &Value) -> bool {
    match (draft, edited) {
        (Value::Object(before), Value::Object(after)) => {
            before.len() == after.len()
                && before
                    .iter()
                    .all(|(name, draft)| after.get(name).is_some_and(|now| keeps_shape(draft, now)))
        }
        (Value::Null, Value::String(_)) => true,
        (before, after) => std::mem::discriminant(before) == std::mem::discriminant(after),
    }
}

fn list<'a>(ask: &'a Value, field: &str) -> &'a [Value] {
    ask.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod machine;
