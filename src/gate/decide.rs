//! Answering: the one transaction behind every button, form and tap.

use super::{
    policy::{Decision, Refusal, check},
    review,
    sign::{self, Signature},
    standing::{Asked, Standing, name_of},
    tally::{progress, settled_by},
    words::late,
};
use crate::{
    engine::crash_point,
    run::{GateId, RunId, Signal, SignalKind, StepPath, digest_of},
    site::{Person, Site},
    store::{PgConnection, Store, StoreError, audit, delegations, gates, outbox, signals, signatures},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// What a person says. `proposal_hash` is that of the question as they saw it.
#[derive(Debug, Clone)]
pub struct Answer {
    pub decision: Decision,
    /// Option number, from 1.
    pub choice: Option<usize>,
    /// The changed draft of an `edit`.
    pub edited: Option<Value>,
    pub items: Vec<ItemAnswer>,
    /// What was filled in, where the question is a form.
    pub fields: Option<Value>,
    /// One of the site's reasons; with `reject` and `edit`.
    pub reason_code: Option<String>,
    pub reason: Option<String>,
    /// Decided alone, in place of those who are asked.
    pub overrides: bool,
    /// `web`, `slack`, …
    pub channel: String,
    pub proposal_hash: String,
    /// The program that says whose answer this is; nobody else's word is needed for the others.
    pub named_by: Option<String>,
    /// Where the question wants one.
    pub signature: Option<Signature>,
}

impl Answer {
    pub fn of(decision: Decision, channel: &str, proposal_hash: &str) -> Self {
        Self {
            decision,
            choice: None,
            edited: None,
            items: Vec::new(),
            fields: None,
            reason_code: None,
            reason: None,
            overrides: false,
            channel: channel.to_owned(),
            proposal_hash: proposal_hash.to_owned(),
            named_by: None,
            signature: None,
        }
    }

    /// What was answered, beside the decision itself. Of a change also the hash of what it makes of the question:
    /// `proposal_hash` is that of the draft nobody agreed to.
    fn body(&self, gate: &gates::Gate) -> Value {
        let mut body = json!({ "choice": self.choice, "edited": self.edited, "items": self.items, "fields": self.fields });
        if let Some(edited) = &self.edited {
            body["edited_hash"] = json!(edited_hash(&gate.ask, edited));
        }
        body
    }

    /// The answer as it counts: given by this person, for whom, and when.
    pub fn vote(
        &self,
        gate: &gates::Gate,
        person: &Person,
        standing: Standing,
        at: DateTime<Utc>,
    ) -> gates::Vote {
        gates::Vote {
            gate_id: gate.id,
            person: person.id.clone(),
            on_behalf_of: standing.on_behalf_of,
            named_by: self.named_by.clone().or(standing.handed_over_by),
            decision: self.decision.word().to_owned(),
            body: self.body(gate),
            reason_code: self.reason_code.clone(),
            reason: self.reason.clone(),
            overrides: self.overrides,
            channel: self.channel.clone(),
            proposal_hash: self.proposal_hash.clone(),
            at,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemAnswer {
    pub acknowledged: bool,
    pub note: Option<String>,
}

/// The answer that counts, which may be an earlier one of the same person (a double click).
#[derive(Debug, Clone)]
pub struct Decided {
    pub gate: gates::Gate,
    pub vote: gates::Vote,
    /// How far the question is answered, while more answers are needed.
    pub progress: Option<String>,
    /// It had counted before: a double click, or a request that somebody sent once more.
    pub is_repeated: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    #[error("there is no such question")]
    NoSuchGate,
    #[error("nobody here is called `{0}`")]
    NoSuchPerson(String),
    #[error("{refusal}")]
    Refused { refusal: Refusal },
    /// Somebody was faster; `words` say who, when and where.
    #[error("too late: {words}")]
    Late { words: String, vote: Box<gates::Vote> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The answer in its one transaction; what was refused is audited by the caller. The run is woken once the question is
/// settled. The same person answering the same again gets the same result; everybody else learns who was faster.
pub(super) async fn take(
    store: &Store,
    site: &Site,
    gate: GateId,
    person: &str,
    answer: &Answer,
) -> Result<Decided, DecideError> {
    let person = site.person(person).ok_or_else(|| DecideError::NoSuchPerson(person.to_owned()))?;
    let mut tx = store.begin().await?;
    let Some((asked, now)) = gates::lock(&mut tx, gate).await? else { return Err(DecideError::NoSuchGate) };
    let mut votes = gates::votes(&mut tx, gate).await?;
    let delegations = delegations::in_force(&mut tx, now).await?;
    let question = Asked { site, gate: &asked, votes: &votes, delegations: &delegations };
    let checked = match signals::is_cancelled(&mut tx, RunId(asked.run_id)).await? {
        true if asked.state == "open" => Err(Refusal::Cancelled),
        _ => check(&question, person, answer, now),
    };
    let standing = match checked {
        Ok(standing) => standing,
        Err(refusal) => return refused(site, asked, votes, person, answer, refusal),
    };
    let vote = answer.vote(&asked, person, standing, now);
    gates::add_vote(&mut tx, &vote).await?;
    let signed = sign::signed(&asked, &vote, person, answer);
    let records = super::audited::accepted(&asked, &vote, signed.as_ref(), answer.named_by.as_deref());
    audit::append(&mut tx, &records).await?;
    if let Some(signed) = &signed {
        signatures::add(&mut tx, signed).await?;
    }
    if vote.overrides {
        overridden(&mut tx, site, &asked, &vote).await?;
    }
    votes.push(vote.clone());
    let more = match settled_by(&asked, &votes) {
        Some(agreed) => {
            gates::settle(&mut tx, gate).await?;
            let signed = signatures::of_gate(&mut tx, gate).await?;
            signals::send(&mut tx, RunId(asked.run_id), &signal(site, &asked, &agreed, &signed)).await?;
            None
        }
        None => {
            let words = progress(site, &asked, &votes).unwrap_or_default();
            outbox::show_progress(&mut tx, gate.0, votes.len(), &words).await?;
            Some(words)
        }
    };
    crash_point("before_answer");
    tx.commit().await.map_err(StoreError::from)?;
    crash_point("after_answer");
    Ok(Decided { gate: asked, vote, progress: more, is_repeated: false })
}

/// Of the question with the changed draft in it. Anybody can work it out again from what was asked and what was answered.
pub fn edited_hash(ask: &Value, edited: &Value) -> String {
    let mut changed = ask.clone();
    changed["draft"] = edited.clone();
    digest_of(&changed)
}

/// A double click is the same answer; whoever else comes late learns who was faster.
fn refused(
    site: &Site,
    gate: gates::Gate,
    votes: Vec<gates::Vote>,
    person: &Person,
    answer: &Answer,
    refusal: Refusal,
) -> Result<Decided, DecideError> {
    let is_same = |vote: &&gates::Vote| {
        vote.person == person.id
            && vote.decision == answer.decision.word()
            && vote.overrides == answer.overrides
            && vote.proposal_hash == answer.proposal_hash
            && (&vote.reason_code, &vote.reason) == (&answer.reason_code, &answer.reason)
            && vote.body == answer.body(&gate)
    };
    if let Some(vote) = votes.iter().find(is_same) {
        let more = if gate.state == "open" { progress(site, &gate, &votes) } else { None };
        return Ok(Decided { vote: vote.clone(), gate, progress: more, is_repeated: true });
    }
    match votes.last() {
        Some(vote) if gate.state == "answered" => {
            Err(DecideError::Late { words: late(site, vote), vote: Box::new(vote.clone()) })
        }
        _ => Err(DecideError::Refused { refusal }),
    }
}

/// Stands in the audit, and somebody else will look at it.
async fn overridden(
    db: &mut PgConnection,
    site: &Site,
    gate: &gates::Gate,
    vote: &gates::Vote,
) -> Result<(), DecideError> {
    let review = review::review_of(RunId(gate.run_id), gate.id);
    let detail = json!({
        "run": gate.run_id, "step": gate.path, "decision": vote.decision, "choice": vote.body["choice"],
        "reason": vote.reason, "channel": vote.channel, "proposal_hash": vote.proposal_hash,
        "review": review,
    });
    audit::add(db, &vote.person, "gate_overridden", Some(&gate.id.to_string()), &detail).await?;
    review::begin(db, site, gate, vote).await
}

/// The news of a settled question for its run: the last answer, and everybody who gave the same.
pub fn signal(
    site: &Site,
    gate: &gates::Gate,
    agreed: &[&gates::Vote],
    signed: &[signatures::Signature],
) -> Signal {
    let voices: Vec<Value> = agreed
        .iter()
        .map(|vote| {
            json!({
                "by": vote.person, "by_name": name_of(site, &vote.person), "on_behalf_of": vote.on_behalf_of,
                "on_behalf_of_name": vote.on_behalf_of.as_deref().map(|other| name_of(site, other)),
                "at": vote.at, "channel": vote.channel, "named_by": vote.named_by,
                "signature": signed.iter().find(|one| one.person == vote.person),
            })
        })
        .collect();
    let mut body = json!({ "gate": gate.id, "agreed": voices });
    if let Some(vote) = agreed.last() {
        body["by"] = json!(vote.person);
        body["by_name"] = json!(name_of(site, &vote.person));
        body["decision"] = json!(vote.decision);
        for field in ["choice", "edited", "items", "fields"] {
            body[field] = vote.body.get(field).cloned().unwrap_or_default();
        }
        if let Some(hash) = vote.body.get("edited_hash") {
            body["edited_hash"] = hash.clone();
        }
        let title = vote.reason_code.as_deref().and_then(|code| site.answering.reason(code));
        body["reason_code"] = json!(vote.reason_code);
        body["reason"] = json!(vote.reason.clone().or_else(|| title.map(|reason| reason.title.clone())));
        body["overridden"] = json!(vote.overrides);
        body["channel"] = json!(vote.channel);
        body["at"] = json!(vote.at);
        body["proposal_hash"] = json!(vote.proposal_hash);
    }
    Signal {
        id: Uuid::new_v5(&gate.id, b"answer"),
        kind: SignalKind::Answer,
        path: Some(StepPath::from(gate.path.clone())),
        body,
    }
}
