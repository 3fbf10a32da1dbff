//! Signatures: somebody proves anew who they are, and that binds their printed name, the time and the meaning to one answer.
//!
//! Asking for the password or the identity provider belongs to the doors; whether a signature counts is decided here.

use super::{Answer, Decision, Refusal};
use crate::{
    run::digest_of,
    site::{Person, Site},
    store::{
        gates::{Gate, Vote},
        signatures,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

/// How long after signing in again an answer may follow.
pub const FRESH: TimeDelta = TimeDelta::minutes(5);

/// What a rejection means, whatever an approval would have.
const REJECTED: &str = "rejected";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignMethod {
    /// Name and password, both given again.
    Password,
    /// A new sign-in at the identity provider.
    Oidc,
}

impl SignMethod {
    pub fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Oidc => "oidc",
        }
    }
}

/// That a person has just proved who they are, for one question. Made only by the functions below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    person: String,
    gate: Uuid,
    method: SignMethod,
    at: DateTime<Utc>,
}

impl Signature {
    /// Both components of a local sign-in, each time: the name must be the person's own. Slow on purpose.
    pub fn by_password(
        person: &Person,
        gate: Uuid,
        (name, password): (&str, &str),
        at: DateTime<Utc>,
    ) -> Option<Self> {
        let is_own_name = name.trim().eq_ignore_ascii_case(&person.id);
        let is_right = person.verify_password(password);
        (is_own_name && is_right).then(|| Self {
            person: person.id.clone(),
            gate,
            method: SignMethod::Password,
            at,
        })
    }

    /// A sign-in at the identity provider that was asked for anew; the caller has checked its `auth_time`.
    pub fn by_provider(person: &Person, gate: Uuid, at: DateTime<Utc>) -> Self {
        Self { person: person.id.clone(), gate, method: SignMethod::Oidc, at }
    }

    /// As the people of a workflow's test sign.
    pub fn in_play(site: &Site, person: &str, gate: &Gate, at: DateTime<Utc>) -> Option<Self> {
        meaning(gate)?;
        site.person(person).map(|person| Self::by_provider(person, gate.id, at))
    }
}

/// What an answer to this question is signed as; nothing where it needs no signature.
fn meaning(gate: &Gate) -> Option<&str> {
    gate.ask.get("sign").and_then(Value::as_str).filter(|meaning| !meaning.trim().is_empty())
}

pub fn meaning_of(gate: &Gate, decision: Decision) -> Option<&str> {
    let meaning = meaning(gate)?;
    Some(if decision == Decision::Reject { REJECTED } else { meaning })
}

pub(super) fn check(
    gate: &Gate,
    person: &Person,
    signature: Option<&Signature>,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    if meaning(gate).is_none() {
        return Ok(());
    }
    let signature = signature.ok_or(Refusal::SignatureMissing)?;
    if signature.person != person.id || signature.gate != gate.id {
        return Err(Refusal::SignatureForeign);
    }
    if now - signature.at > FRESH || signature.at > now {
        return Err(Refusal::SignatureStale);
    }
    Ok(())
}

/// The signature of an accepted answer, bound to it.
pub(super) fn signed(
    gate: &Gate,
    vote: &Vote,
    person: &Person,
    answer: &Answer,
) -> Option<signatures::Signature> {
    let meaning = meaning_of(gate, answer.decision)?.to_owned();
    let method = answer.signature.as_ref()?.method.word().to_owned();
    let mut signed = signatures::Signature {
        gate_id: gate.id,
        person: person.id.clone(),
        name: person.name.clone(),
        meaning,
        method,
        record_hash: String::new(),
        at: vote.at,
    };
    signed.record_hash = record_hash(vote, &signed);
    Some(signed)
}

/// Whether answer and signature are still the ones that were signed.
pub fn is_intact(vote: &Vote, signature: &signatures::Signature) -> bool {
    signature.record_hash == record_hash(vote, signature)
}

/// Over the proposal that was shown (by its hash), the whole answer, and the signature's own words.
fn record_hash(vote: &Vote, signature: &signatures::Signature) -> String {
    let record = json!({
        "gate": signature.gate_id,
        "proposal": vote.proposal_hash,
        "answered_by": vote.person,
        "on_behalf_of": vote.on_behalf_of,
        "overrides": vote.overrides,
        "decision": vote.decision,
        "body": vote.body,
        "reason_code": vote.reason_code,
        "reason": vote.reason,
        "channel": vote.channel,
        "answered_at": vote.at.timestamp_micros(),
        "signed_by": signature.person,
        "name": signature.name,
        "meaning": signature.meaning,
        "method": signature.method,
        "at": signature.at.timestamp_micros(),
    });
    digest_of(&record)
}
