//! The rules of answering, without any I/O.

use crate::{
    run::{NESTING_MAX, nesting_of},
    site::{Person, Place, Site},
    store::gates::Gate,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    #[error("say why")]
    ReasonMissing,
    #[error("answer every item")]
    ItemsMissing,
    #[error("this needs your signature: sign in again on its page in the console and answer there")]
    SignatureMissing,
    #[error("your signature is too old: sign in again and answer within five minutes")]
    SignatureStale,
    #[error("the signature is not yours, or not for this question")]
    SignatureForeign,
    #[error("a changed draft keeps the fields of the draft, each a text, a list or a number as it was")]
    UnfitDraft,
}

/// Whether this person is among those asked: who filled the role when it was asked, or fills it now.
pub fn may_answer(site: &Site, gate: &Gate, person: &Person, now: DateTime<Utc>) -> Result<(), Refusal> {
    if gate.excluded.contains(&person.id) {
        return Err(Refusal::SamePerson);
    }
    let by_role = gate.role.as_ref().is_some_and(|role| {
        let holds =
            site.holds_role(&person.id, role, gate.opened_at) || site.holds_role(&person.id, role, now);
        holds && site.reaches(person, role, &place_of(gate))
    });
    let by_name = gate.person.as_ref().is_some_and(|asked| *asked == person.id);
    if by_role || by_name {
        return Ok(());
    }
    let asked = match (&gate.role, &gate.person) {
        (Some(role), _) => site.role_title(role).to_owned(),
        (None, Some(person)) => site.person(person).map_or(person.clone(), |person| person.name.clone()),
        (None, None) => "nobody".to_owned(),
    };
    Err(Refusal::WrongRole { asked })
}

/// Where a question belongs: the work center of what triggered its run, else the run's subject; and its workflow.
pub fn place_of(gate: &Gate) -> Place<'_> {
    let text = |field: &str| gate.ask.get(field).and_then(Value::as_str);
    Place { work_center: text("work_center").or_else(|| text("subject")), workflow: text("workflow") }
}

/// Whether this answer fits the question at this time.
pub fn check(
    site: &Site,
    gate: &Gate,
    person: &Person,
    answer: &super::Answer,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    if gate.state != "open" {
        return Err(Refusal::NotOpen);
    }
    may_answer(site, gate, person, now)?;
    if gate.expires_at <= now {
        return Err(Refusal::Expired);
    }
    if gate.proposal_hash != answer.proposal_hash {
        return Err(Refusal::Changed);
    }
    let offered = list(&gate.ask, "allow").iter().any(|word| word == answer.decision.word());
    if !offered {
        return Err(Refusal::NotOffered);
    }
    match (&answer.edited, answer.decision) {
        (Some(edited), Decision::Edit) => {
            let draft = gate.ask.get("draft").unwrap_or(&Value::Null);
            if !keeps_shape(draft, edited) || nesting_of(edited) > NESTING_MAX {
                return Err(Refusal::UnfitDraft);
            }
        }
        (Some(_), _) => return Err(Refusal::NotOffered),
        (None, _) => {}
    }
    match answer.decision {
        Decision::Choose => {
            let options = list(&gate.ask, "options").len();
            if answer.choice.is_none_or(|choice| choice == 0 || choice > options) {
                return Err(Refusal::NoSuchOption);
            }
        }
        Decision::Reject | Decision::Edit => {
            let is_blank = |text: &String| text.trim().is_empty();
            if answer.reason.as_ref().is_none_or(is_blank) {
                return Err(Refusal::ReasonMissing);
            }
        }
        Decision::Acknowledge => {
            let items = list(&gate.ask, "items").len();
            let answered =
                answer.items.iter().filter(|item| item.acknowledged || item.note.is_some()).count();
            if answered < items {
                return Err(Refusal::ItemsMissing);
            }
        }
        Decision::Approve => {}
    }
    // Last, so that nobody is asked to sign what would not be taken.
    super::sign::check(gate, person, answer.signature.as_ref(), now)
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
