//! What the audit trail keeps of the questions in a commit: when they are asked, handed on and closed. In the commit's
//! own transaction, so a question stands in the trail before any message of it can be
//! delivered.

use super::commit::Commit;
use crate::run::{AuditRecord, Intent, NewGate, Reassign, RunId, TAKT, digest_of};
use serde_json::json;

/// The records of commits, in order.
pub(super) fn of(commits: &[&Commit]) -> Vec<AuditRecord> {
    let each = |commit: &&Commit| {
        let run = commit.run;
        commit.intents.iter().filter_map(move |intent| of_intent(run, intent)).collect::<Vec<_>>()
    };
    commits.iter().flat_map(each).collect()
}

fn of_intent(run: RunId, intent: &Intent) -> Option<AuditRecord> {
    match intent {
        Intent::OpenGate(gate) => Some(pending(run, gate)),
        Intent::Reassign(to) => Some(handed_on(run, to)),
        Intent::CloseGate(gate) => Some(AuditRecord::gate_closed(run, None, *gate, "EXPIRED")),
        // What steps say of their writes goes with the records of the run.
        Intent::Audit(_)
        | Intent::Subscribe { .. }
        | Intent::Unsubscribe { .. }
        | Intent::StartRun(_)
        | Intent::NoteFailure { .. }
        | Intent::Send(_) => None,
    }
}

/// What is asked, of whom, and the hash that an answer must name.
fn pending(run: RunId, gate: &NewGate) -> AuditRecord {
    let record = AuditRecord::new(TAKT, "gate.pending")
        .of_run(run, Some(gate.path.as_str()))
        .object(gate.id.to_string())
        .detail(json!({
            "form": gate.form, "role": gate.role, "person": gate.person, "excluded": gate.excluded,
            "quorum": gate.quorum, "ask": gate.ask, "proposal_hash": gate.proposal_hash, "expires_at": gate.expires_at,
        }));
    AuditRecord {
        decision: Some("PENDING_APPROVAL".into()),
        request_hash: Some(digest_of(&gate.ask)),
        correlation: Some(gate.proposal_hash.clone()),
        ..record
    }
}

fn handed_on(run: RunId, to: &Reassign) -> AuditRecord {
    AuditRecord::new(TAKT, "gate.escalated").of_run(run, None).object(to.gate.to_string()).detail(json!({
        "role": to.role, "person": to.person, "people": to.people, "rung": to.rung, "expires_at": to.expires_at,
    }))
}
