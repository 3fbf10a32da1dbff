//! What the audit trail keeps of answers: those that were taken, in their transaction, and those that were not.

use super::{
    Answer, DecideError, Refusal,
    decide::{Decided, take},
};
use crate::{
    run::{Actor, ActorKind, AuditRecord, GateId, RunId},
    site::Site,
    store::{Store, StoreError, audit, gates, signatures},
};
use serde_json::{Value, json};

/// Channels that can ask for a signature.
const PAGES: [&str; 2] = ["web", "embed"];

/// Takes an answer if it may be given, and wakes the run. The same person answering the same again gets
/// the same result; everybody else learns who was faster. Whatever comes of it stands in the audit.
pub async fn decide(
    store: &Store,
    site: &Site,
    gate: GateId,
    person: &str,
    answer: &Answer,
) -> Result<Decided, DecideError> {
    let taken = take(store, site, gate, person, answer).await;
    let mut action = "gate.refused";
    let (kind, because) = match &taken {
        Err(DecideError::NoSuchGate) => (ActorKind::Person, "no_such_gate".to_owned()),
        Err(DecideError::NoSuchPerson(_)) => (ActorKind::Unknown, "no_such_person".to_owned()),
        // The page asks for it next: nothing has been refused yet.
        Err(DecideError::Refused { refusal: Refusal::SignatureMissing })
            if PAGES.contains(&answer.channel.as_str()) =>
        {
            return taken;
        }
        Err(DecideError::Refused { refusal }) => (ActorKind::Person, refusal.to_string()),
        Err(DecideError::Late { .. }) => (ActorKind::Person, "too_late".to_owned()),
        Ok(decided) if decided.is_repeated => {
            action = "gate.repeated";
            (ActorKind::Person, "the same answer has counted before".to_owned())
        }
        Ok(_) | Err(DecideError::Store(_)) => return taken,
    };
    let record = AuditRecord {
        actor_kind: kind,
        auth: Some(answer.channel.clone()),
        decision: Some(answer.decision.word().to_owned()),
        ..AuditRecord::new(person, action).object(gate.to_string())
    };
    let mut tx = store.begin().await?;
    let asked = gates::get(&mut tx, gate).await?;
    let record = match asked {
        Some(asked) => record.of_run(RunId(asked.run_id), Some(&asked.path)),
        None => record,
    };
    let named_by = answer.named_by.as_ref().map(|account| format!("service:{account}"));
    let record = record.detail(json!({
        "via": named_by, "because": because, "choice": answer.choice, "reason": answer.reason, "reason_code": answer.reason_code,
        "proposal_hash": answer.proposal_hash,
    }));
    audit::append(&mut tx, &[record]).await?;
    tx.commit().await.map_err(StoreError::from)?;
    taken
}

/// Somebody whom only the channel knows pressed a button, or came through a link that answers nothing (any more).
/// The record of it; the door writes it down, or counts it with others of its kind.
pub fn stranger_refused(channel: &str, who: &str, gate: Option<GateId>, because: &str) -> AuditRecord {
    let who = Actor::stranger(who).vouched_by(Some(channel.to_owned()));
    let mut record = AuditRecord::new(who, "gate.refused").detail(json!({ "because": because }));
    record.object = gate.map(|gate| gate.to_string());
    record
}

/// An answer that counts: who, how, what of what was shown, whether it is what stood first, and how it was signed. Where
/// a program says whose it is, that it did so.
pub(super) fn accepted(
    asked: &gates::Gate,
    vote: &gates::Vote,
    signed: Option<&signatures::Signature>,
    named_by: Option<&str>,
) -> Vec<AuditRecord> {
    let options = asked.ask.get("options").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let choice = vote.body.get("choice").and_then(Value::as_u64);
    let chosen = choice.and_then(|choice| options.get(usize::try_from(choice).ok()?.checked_sub(1)?));
    let is_as_proposed = match vote.decision.as_str() {
        "reject" | "edit" => false,
        _ => choice.is_none_or(|choice| choice == 1),
    };
    let record = AuditRecord::new(&vote.person, &format!("gate.{}", vote.decision))
        .of_run(RunId(asked.run_id), Some(&asked.path))
        .object(asked.id.to_string())
        .detail(json!({
            "answer": vote.body, "reason": vote.reason, "reason_code": vote.reason_code,
            "on_behalf_of": vote.on_behalf_of, "alone": vote.overrides, "proposal_hash": vote.proposal_hash,
            "chosen": chosen, "options_shown": options.len(), "overridden": !is_as_proposed,
            "role": asked.role, "asked_at": asked.asked_at, "answered_at": vote.at, "signature": signed, "named_by": vote.named_by,
        }));
    let answered = AuditRecord {
        auth: Some(vote.channel.clone()),
        decision: Some(vote.decision.clone()),
        correlation: Some(vote.proposal_hash.clone()),
        ..record
    };
    let named = named_by.map(|account| {
        AuditRecord::new(Actor::service(account), "gate.answered_for")
            .of_run(RunId(asked.run_id), Some(&asked.path))
            .object(asked.id.to_string())
            .detail(json!({ "for": vote.person }))
    });
    std::iter::once(answered).chain(named).collect()
}
