//! Answering: the one transaction behind every button, form and tap.

use super::policy::{Decision, Refusal, check};
use crate::{
    engine::crash_point,
    run::{GateId, RunId, Signal, SignalKind, StepPath},
    site::Site,
    store::{Store, StoreError, audit, gates, signals},
};
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
    pub reason: Option<String>,
    /// `web`, `slack`, …
    pub channel: String,
    pub proposal_hash: String,
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
}

#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    #[error("there is no such question")]
    NoSuchGate,
    #[error("nobody here is called `{0}`")]
    NoSuchPerson(String),
    #[error("{refusal}")]
    Refused { refusal: Refusal, earlier: Option<Box<gates::Vote>> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The answer in its one transaction; what was refused is audited by the caller.
pub(super) async fn take(
    store: &Store,
    site: &Site,
    gate: GateId,
    person: &str,
    answer: &Answer,
) -> Result<Decided, DecideError> {
    let person = site.person(person).ok_or_else(|| DecideError::NoSuchPerson(person.to_owned()))?;
    let mut tx = store.begin().await?;
    let Some(asked) = gates::get(&mut tx, gate).await? else { return Err(DecideError::NoSuchGate) };
    let Some((asked, now)) = gates::lock(&mut tx, GateId(asked.id)).await? else {
        return Err(DecideError::NoSuchGate);
    };
    if let Err(refusal) = check(site, &asked, person, answer, now) {
        let earlier = gates::vote(&mut tx, gate).await?;
        if let Some(vote) = &earlier
            && vote.person == person.id
            && vote.decision == answer.decision.word()
            && vote.body.get("choice") == Some(&json!(answer.choice))
        {
            return Ok(Decided { gate: asked, vote: vote.clone() });
        }
        return Err(DecideError::Refused { refusal, earlier: earlier.map(Box::new) });
    }
    let vote = gates::Vote {
        gate_id: gate.0,
        person: person.id.clone(),
        decision: answer.decision.word().to_owned(),
        body: json!({ "choice": answer.choice, "edited": answer.edited, "items": answer.items }),
        reason: answer.reason.clone(),
        channel: answer.channel.clone(),
        proposal_hash: answer.proposal_hash.clone(),
        at: now,
    };
    gates::answer(&mut tx, &vote).await?;
    audit::append(&mut tx, &[super::audited::accepted(&asked, &vote)]).await?;
    let signal = Signal {
        id: Uuid::new_v5(&gate.0, b"answer"),
        kind: SignalKind::Answer,
        path: Some(StepPath::from(asked.path.clone())),
        body: json!({
            "gate": gate, "by": person.id, "by_name": person.name, "decision": vote.decision,
            "choice": answer.choice, "edited": answer.edited, "items": answer.items,
            "reason": answer.reason, "channel": answer.channel, "at": now,
            "proposal_hash": answer.proposal_hash,
        }),
    };
    signals::send(&mut tx, RunId(asked.run_id), &signal).await?;
    crash_point("before_answer");
    tx.commit().await.map_err(StoreError::from)?;
    crash_point("after_answer");
    Ok(Decided { gate: asked, vote })
}
