//! People of a test answer: the same rules as at every other door, and the same news for the run.

use super::live::Live;
use crate::{
    expr::Scope,
    gate::{Answer, Decision, ItemAnswer, Signature, check},
    run::{Signal, SignalKind, StepPath},
    site::Site,
    store::gates::Gate,
    workflow::cases::{GivenAnswer, Says},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

/// Gives the answer to the first open question of this name; the error says why it is refused.
pub(super) fn answer(
    site: &Site,
    runs: &mut [Live],
    given: &GivenAnswer,
    scope: &Scope,
    now: DateTime<Utc>,
) -> Result<String, String> {
    let is_open = |run: &Live| run.gates.get(&given.gate).is_some_and(|gate| gate.state == "open");
    let index = runs.iter().position(is_open);
    let index = index.or_else(|| runs.iter().position(|run| run.gates.contains_key(&given.gate)));
    let run = index.and_then(|index| runs.get_mut(index));
    let run = run.ok_or_else(|| format!("nobody is asked `{}`", given.gate))?;
    let gate = run.gates.get_mut(&given.gate).ok_or_else(|| format!("nobody is asked `{}`", given.gate))?;
    let person = site.person(&given.by).ok_or_else(|| format!("nobody here is called `{}`", given.by))?;
    let mut answer = said(gate, given, scope)?;
    answer.signature = Signature::in_play(site, &given.by, gate, now);
    check(site, gate, person, &answer, now).map_err(|refusal| refusal.to_string())?;
    gate.state = "answered".into();
    let signal = Signal {
        id: Uuid::new_v5(&gate.id, b"answer"),
        kind: SignalKind::Answer,
        path: Some(StepPath::from(gate.path.clone())),
        body: json!({
            "gate": gate.id, "by": person.id, "by_name": person.name, "decision": answer.decision.word(),
            "choice": answer.choice, "edited": answer.edited, "items": answer.items,
            "reason": answer.reason, "channel": answer.channel, "at": now,
            "proposal_hash": answer.proposal_hash,
        }),
    };
    run.inbox.push(signal);
    Ok(format!("{} answers `{}`: {}", given.by, given.gate, answer.decision.word()))
}

fn said(gate: &Gate, given: &GivenAnswer, scope: &Scope) -> Result<Answer, String> {
    let list = |field: &str| gate.ask[field].as_array().map(Vec::as_slice).unwrap_or_default();
    let decision = match &given.says {
        Says::Yes if list("allow").iter().any(|word| word == "acknowledge") => Decision::Acknowledge,
        Says::Yes => Decision::Approve,
        Says::Choose(_) => Decision::Choose,
        Says::Edit(_) => Decision::Edit,
        Says::Reject => Decision::Reject,
    };
    let edited: Option<Value> = match &given.says {
        Says::Edit(edit) => Some(edit.eval(scope).map_err(|error| error.to_string())?),
        _ => None,
    };
    let choice = match given.says {
        Says::Choose(choice) => Some(choice),
        _ => None,
    };
    let items = match &given.items {
        Some(items) => items
            .iter()
            .map(|item| ItemAnswer { acknowledged: item.acknowledged, note: item.note.clone() })
            .collect(),
        None if decision == Decision::Acknowledge => {
            list("items").iter().map(|_| ItemAnswer { acknowledged: true, note: None }).collect()
        }
        None => Vec::new(),
    };
    Ok(Answer {
        decision,
        choice,
        edited,
        items,
        reason: given.reason.clone(),
        channel: "test".into(),
        proposal_hash: gate.proposal_hash.clone(),
        signature: None,
    })
}
