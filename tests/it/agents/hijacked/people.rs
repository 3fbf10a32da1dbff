//! People before the questions of a session: two who may answer and one who may not, with hashes right, wrong, of an
//! earlier question and of what they would make of this one. Whether an answer counts is said by the engine's own check,
//! the one behind every button; what it says is held against what the test knows by itself.

use super::model::Rng8;
use chrono::{DateTime, Utc};
use rand::{Rng, seq::IndexedRandom};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use takt::{
    gate::{Answer, Asked, Decision, check, edited_hash, hash_of, settled_by, signal},
    run::{GateId, NewGate, RunId, Signal},
    site::{Environment, OTHER, Overrides, Site},
    store::gates::{Gate, Vote},
};

const SITE: &str = "
name: Plant
time_zone: UTC
shifts: [{ id: A, starts: '00:00', ends: '00:00' }]
roles: { lead: { title: Lead }, maintenance: { title: Maintenance } }
people:
  - { id: ann, name: Ann, roles: [lead] }
  - { id: bob, name: Bob, roles: [lead] }
  - { id: eve, name: Eve, roles: [maintenance] }
";
const PEOPLE: [&str; 3] = ["ann", "bob", "eve"];
const LEADS: [&str; 2] = ["ann", "bob"];
/// Then nobody says anything more, and the question expires.
const ANSWERS_MAX: usize = 12;

pub fn site() -> Site {
    Site::parse("takt.yaml", SITE, &Environment::of([]), &Overrides::default()).expect("a site")
}

/// The questions of one run, as the database would keep them.
#[derive(Default)]
pub struct Desk {
    open: BTreeMap<GateId, (Gate, Vec<Vote>)>,
    /// Hashes of all questions so far.
    hashes: Vec<String>,
    /// Every question, as people saw it.
    pub asked: Vec<Value>,
    /// What the answers that settled a question let out: the draft as it was shown, or as it was changed.
    pub let_out: Vec<Value>,
    pub taken: usize,
    pub refused: usize,
}

impl Desk {
    pub fn open(&mut self, run: RunId, gate: NewGate, now: DateTime<Utc>) {
        let id = gate.id;
        self.asked.push(gate.ask.clone());
        self.hashes.push(gate.proposal_hash.clone());
        self.open.insert(id, (Gate::opened(gate, run, now), Vec::new()));
    }

    pub fn close(&mut self, gate: GateId) {
        self.open.remove(&gate);
    }

    /// Answers until one settles the question, which gives its signal, or nobody says anything more.
    pub fn hear(
        &mut self,
        site: &Site,
        rng: &mut Rng8,
        now: DateTime<Utc>,
    ) -> Result<Option<Signal>, String> {
        let Some((id, (gate, mut votes))) = self.open.pop_first() else { return Ok(None) };
        for _ in 0..ANSWERS_MAX {
            if rng.random_bool(0.08) {
                break;
            }
            let person = site.person(PEOPLE.choose(rng).expect("somebody")).expect("a person");
            let answer = self.answer(rng, &gate);
            let is_asked = LEADS.contains(&person.id.as_str());
            let is_right = is_asked
                && votes.iter().all(|vote| vote.person != person.id)
                && answer.proposal_hash == hash_of(&gate.ask.to_string())
                && answer.edited.is_some() == (answer.decision == Decision::Edit)
                && now < gate.expires_at;
            let asked = Asked { site, gate: &gate, votes: &votes, delegations: &[] };
            match check(&asked, person, &answer, now) {
                Ok(standing) if is_right => votes.push(answer.vote(&gate, person, standing, now)),
                Ok(_) => return Err(format!("taken from {}: {answer:?}", person.id)),
                Err(refusal) if is_right => return Err(format!("{refusal}: {answer:?}")),
                Err(_) => {
                    self.refused += 1;
                    continue;
                }
            }
            self.taken += 1;
            let Some(agreed) = settled_by(&gate, &votes) else { continue };
            let signal = signal(site, &gate, &agreed, &[]);
            match (answer.decision, answer.edited) {
                (Decision::Approve, _) => self.let_out.push(gate.ask["draft"].clone()),
                // Where two must agree, a change is a question of its own.
                (Decision::Edit, Some(edited)) if gate.quorum == 1 => self.let_out.push(edited),
                _ => {}
            }
            return Ok(Some(signal));
        }
        self.open.insert(id, (gate, votes));
        Ok(None)
    }

    fn answer(&self, rng: &mut Rng8, gate: &Gate) -> Answer {
        use Decision::{Approve, Edit, Reject};
        let edited =
            json!({ "machine": "PRESS-4", "summary": format!("By hand, {}.", rng.random_range(0..9)) });
        let hash = match rng.random_range(0..8) {
            0 => "0".repeat(64),
            1 => {
                let older = self.hashes.iter().find(|hash| **hash != gate.proposal_hash);
                older.cloned().unwrap_or_else(|| hash_of(&gate.ask["draft"].to_string()))
            }
            2 => edited_hash(&gate.ask, &edited),
            _ => gate.proposal_hash.clone(),
        };
        let decision = *[Approve, Approve, Approve, Edit, Reject].choose(rng).expect("a decision");
        let mut answer = Answer::of(decision, "test", &hash);
        if decision != Approve {
            answer.reason_code = Some(OTHER.to_owned());
            answer.reason = Some("Because.".to_owned());
        }
        // An approval that brings a draft of its own, and a change that brings none.
        let carries = (decision == Edit) != rng.random_bool(0.1);
        answer.edited = carries.then_some(edited);
        answer
    }
}
