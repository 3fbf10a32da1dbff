//! `--answer`: people's answers for scripts, given through the one path that every channel uses.

use super::DemoError;
use crate::{
    gate::{Answer, Asked, Decision, decide},
    run::GateId,
    site::{OTHER, Person, Site},
    store::{
        Store, clock, delegations,
        gates::{self, Gate},
        hints,
    },
};
use serde_json::Value;
use std::sync::Arc;

pub(super) struct Answers {
    option: Option<usize>,
    store: Store,
    site: Arc<Site>,
}

impl Answers {
    pub(super) fn new(option: Option<usize>, store: Store, site: Arc<Site>) -> Self {
        Self { option, store, site }
    }

    pub(super) fn are_scripted(&self) -> bool {
        self.option.is_some()
    }

    /// Somebody who may answer this gate.
    pub(super) async fn person_for(&self, gate: &Gate) -> Result<Option<&Person>, DemoError> {
        let mut db = self.store.connection().await?;
        let now = clock::now(&mut db).await?;
        let votes = gates::votes(&mut db, GateId(gate.id)).await?;
        let delegations = delegations::in_force(&mut db, now).await?;
        let asked = Asked { site: &self.site, gate, votes: &votes, delegations: &delegations };
        Ok(self.site.people.iter().find(|person| asked.may_answer(person, now).is_ok()))
    }

    /// Answers as the script says; nothing happens when people are to answer.
    pub(super) async fn give(&self, gate: &Gate) -> Result<(), DemoError> {
        let Some(option) = self.option else { return Ok(()) };
        let Some(person) = self.person_for(gate).await? else { return Ok(()) };
        let allows = |word: &str| list(&gate.ask, "allow").iter().any(|allowed| allowed == word);
        let decision = if allows("choose") {
            Decision::Choose
        } else if allows("approve") {
            Decision::Approve
        } else if allows("acknowledge") {
            Decision::Acknowledge
        } else {
            Decision::Reject
        };
        let offered = list(&gate.ask, "options").len();
        if decision == Decision::Choose && option > offered {
            return Err(DemoError::NoSuchOption { wanted: option, offered });
        }
        let items = list(&gate.ask, "items").iter().filter(|_| decision == Decision::Acknowledge);
        let is_rejection = decision == Decision::Reject;
        let answer = Answer {
            choice: (decision == Decision::Choose).then_some(option),
            items: items.map(|_| crate::gate::ItemAnswer { acknowledged: true, note: None }).collect(),
            reason_code: is_rejection.then(|| OTHER.to_owned()),
            reason: is_rejection.then(|| "decided by hand".to_owned()),
            ..Answer::of(decision, "demo", &gate.proposal_hash)
        };
        decide(&self.store, &self.site, GateId(gate.id), &person.id, &answer).await?;
        hints::send(&self.store).await?;
        Ok(())
    }
}

fn list<'a>(ask: &'a Value, field: &str) -> &'a [Value] {
    ask.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
