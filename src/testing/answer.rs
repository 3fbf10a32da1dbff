//! People of a test answer: the same rules as at every other door, and the same news for the run.

use super::live::Live;
use crate::{
    expr::Scope,
    gate::{Answer, Asked, Decision, ItemAnswer, Signature, check, settled_by, signal},
    site::{OTHER, Site},
    store::gates::Gate,
    workflow::cases::{GivenAnswer, Says},
};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// Gives the answer to the first open question of this name; the error says why it is refused.
pub(super) fn answer(
    site: &Site,
    runs: &mut [Live],
    given: &GivenAnswer,
    scope: &Scope,
    now: DateTime<Utc>,
) -> Result<String, String> {
    let (name, by) = (given.gate.it.as_str(), given.by.it.as_str());
    let nobody = || format!("nobody is asked `{name}`");
    // By its path, or the end of it: in a branch or a loop its id will do, and the first that is open is meant.
    let ends = format!(".{name}");
    let is_named = |path: &str| path == name || path.ends_with(&ends);
    let asked = runs.iter().enumerate().flat_map(|(index, run)| {
        run.gates.iter().filter(|(path, _)| is_named(path)).map(move |(path, gate)| (index, path, gate))
    });
    let first = asked.min_by_key(|(_, path, gate)| (gate.state != "open", path.as_str() != name));
    let (index, path) = first.map(|(index, path, _)| (index, path.clone())).ok_or_else(nobody)?;
    let run = runs.get_mut(index).ok_or_else(nobody)?;
    let gate = run.gates.get_mut(&path).ok_or_else(nobody)?;
    let votes = run.votes.entry(gate.id).or_default();
    let person = site.person(by).ok_or_else(|| format!("nobody here is called `{by}`"))?;
    let mut answer = said(gate, given, scope)?;
    answer.signature = Signature::in_play(site, by, gate, now);
    let asked = Asked { site, gate, votes, delegations: &[] };
    let standing = check(&asked, person, &answer, now).map_err(|refusal| refusal.to_string())?;
    votes.push(answer.vote(gate, person, standing, now));
    let Some(agreed) = settled_by(gate, votes) else {
        return Ok(format!("{by} answers `{name}`: {}, not the last", answer.decision.word()));
    };
    gate.state = "answered".into();
    let signal = signal(site, gate, &agreed, &[]);
    run.inbox.push(signal);
    Ok(format!("{by} answers `{name}`: {}", answer.decision.word()))
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
    let fields = given.fields.as_ref().map(|fields| fields.eval(scope)).transpose();
    let needs_reason = matches!(decision, Decision::Reject | Decision::Edit);
    Ok(Answer {
        choice,
        edited,
        items,
        fields: fields.map_err(|error| error.to_string())?,
        reason_code: given.reason_code.clone().or_else(|| needs_reason.then(|| OTHER.to_owned())),
        reason: given.overrides.clone().or_else(|| given.reason.clone()),
        overrides: given.overrides.is_some(),
        ..Answer::of(decision, "test", &gate.proposal_hash)
    })
}
