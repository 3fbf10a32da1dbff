//! When a question is answered: by a quorum of the same answer, by one no, by one change, or by one who overrides.

use super::standing::name_of;
use crate::{
    site::Site,
    store::gates::{Gate, Vote},
};
use serde_json::Value;
use std::collections::BTreeSet;

/// The answers that settle a question, the last of them last; `None` while more are needed. The quorum is of
/// different people, and somebody who stood in for another makes no second one of them.
pub fn settled_by<'v>(gate: &Gate, votes: &'v [Vote]) -> Option<Vec<&'v Vote>> {
    let alone = |vote: &&Vote| vote.overrides || matches!(vote.decision.as_str(), "reject" | "edit");
    if let Some(vote) = votes.iter().find(alone) {
        return Some(vec![vote]);
    }
    let quorum = usize::try_from(gate.quorum).unwrap_or(1).max(1);
    groups(votes).into_iter().find(|group| group.len() >= quorum)
}

/// Who agrees with whom, as the card says it: "1 of 2 approved: Sam Carter". `None` where one answer is enough.
pub fn progress(site: &Site, gate: &Gate, votes: &[Vote]) -> Option<String> {
    if gate.quorum < 2 {
        return None;
    }
    let says = |group: &Vec<&Vote>| {
        let names: Vec<String> = group.iter().map(|vote| who(site, vote)).collect();
        let did = group.first().map(|vote| did(vote)).unwrap_or_default();
        format!("{} of {} {did}: {}", group.len(), gate.quorum, names.join(", "))
    };
    let groups = groups(votes);
    if groups.is_empty() {
        return Some(format!("{} people have to give the same answer; nobody has answered yet", gate.quorum));
    }
    Some(groups.iter().map(says).collect::<Vec<_>>().join("; "))
}

/// "Sam Carter", or "Lee Tanaka for Sam Carter".
pub fn who(site: &Site, vote: &Vote) -> String {
    let name = name_of(site, &vote.person);
    match &vote.on_behalf_of {
        Some(other) => format!("{name} for {}", name_of(site, other)),
        None => name,
    }
}

/// What was answered, as a verb.
pub fn did(vote: &Vote) -> String {
    match (vote.decision.as_str(), vote.body.get("choice").and_then(Value::as_u64)) {
        ("choose", Some(choice)) => format!("chose {choice}"),
        ("choose", None) => "chose".into(),
        ("approve", _) => "approved".into(),
        ("acknowledge", _) => "acknowledged".into(),
        ("edit", _) => "approved with changes".into(),
        ("reject", _) => "rejected".into(),
        (other, _) => other.to_owned(),
    }
}

/// Answers that say the same, each of somebody who counts in no other of them.
fn groups(votes: &[Vote]) -> Vec<Vec<&Vote>> {
    let mut groups: Vec<Vec<&Vote>> = Vec::new();
    for vote in votes {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| says_the_same(first, vote))) {
            Some(group) => {
                let counted: BTreeSet<&str> = group.iter().flat_map(|vote| vote.people()).collect();
                if !vote.people().any(|person| counted.contains(person)) {
                    group.push(vote);
                }
            }
            None => groups.push(vec![vote]),
        }
    }
    groups
}

/// What was seen has to be the same too: an answer to another proposal is another answer.
fn says_the_same(a: &Vote, b: &Vote) -> bool {
    a.decision == b.decision
        && a.proposal_hash == b.proposal_hash
        && a.body.get("choice") == b.body.get("choice")
        && a.body.get("fields") == b.body.get("fields")
}
