//! The policy as a machine: whatever people do, in whatever order, a question is only ever answered as its rules say.
//!
//! What must hold is worked out here a second time, from what happened, and not with the functions under test.

use super::*;
use crate::{
    gate::{settled_by, standing::Asked},
    site::{Environment, Overrides},
    store::{
        delegations::Delegation,
        gates::{Gate, Vote},
    },
};
use chrono::TimeDelta;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::json;
use std::{collections::BTreeSet, sync::LazyLock};
use uuid::Uuid;

/// `ann`, `bob`, `cat` and `dan` are asked; `eve` is not; `max` may override. `dan` started the run, `cat` is asked
/// in shift A only.
const PEOPLE: [&str; 6] = ["ann", "bob", "cat", "dan", "eve", "max"];
const SITE: &str = "
name: Plant
time_zone: UTC
shifts: [{ id: A, starts: '06:00', ends: '18:00' }, { id: B, starts: '18:00', ends: '06:00' }]
roles:
  lead: { title: Lead }
  night_lead: { title: Night lead, ladder: up }
  manager: { title: Manager }
  other: { title: Other }
overrides: [manager]
override_review: night_lead
ladders:
  up: [{ person: max, within: 5m }]
people:
  - { id: ann, name: Ann, roles: [lead] }
  - { id: bob, name: Bob, roles: [lead, night_lead] }
  - { id: cat, name: Cat, roles: [lead], shifts: [A] }
  - { id: dan, name: Dan, roles: [lead, manager] }
  - { id: eve, name: Eve, roles: [other] }
  - { id: max, name: Max, roles: [manager] }
";

#[derive(Debug, Clone)]
enum Act {
    Answer {
        person: &'static str,
        says: Says,
        hash: &'static str,
        overrides: bool,
    },
    HandOver {
        person: &'static str,
        delegate: &'static str,
        role: Option<&'static str>,
        hours: i64,
    },
    EndHandOver(usize),
    Time {
        minutes: i64,
    },
    /// The ladder is climbed: somebody else is asked, and has time.
    Escalate {
        role: &'static str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Choose(usize),
    Edit,
    Reject,
    Acknowledge,
}

fn act() -> impl Strategy<Value = Act> {
    let person = || select(PEOPLE.to_vec());
    let says = prop_oneof![
        6 => (1_usize..=3).prop_map(Says::Choose),
        1 => Just(Says::Edit),
        1 => Just(Says::Reject),
        1 => Just(Says::Acknowledge),
    ];
    let hash = prop_oneof![8 => Just("shown"), 1 => Just("older")];
    let answer = (person(), says, hash, prop::bool::weighted(0.15));
    let hand_over =
        (person(), person(), select(vec![None, Some("lead"), Some("night_lead"), Some("other")]), 1_i64..30);
    prop_oneof![
        8 => answer.prop_map(|(person, says, hash, overrides)| Act::Answer { person, says, hash, overrides }),
        3 => hand_over
            .prop_filter("nobody hands over to themselves", |(person, delegate, ..)| person != delegate)
            .prop_map(|(person, delegate, role, hours)| Act::HandOver { person, delegate, role, hours }),
        1 => (0_usize..4).prop_map(Act::EndHandOver),
        2 => (1_i64..400).prop_map(|minutes| Act::Time { minutes }),
        1 => select(vec!["night_lead", "lead"]).prop_map(|role| Act::Escalate { role }),
    ]
}

struct World {
    site: &'static Site,
    gate: Gate,
    votes: Vec<Vote>,
    delegations: Vec<Delegation>,
    now: DateTime<Utc>,
    /// Who was asked when each vote was taken, as the test sees it.
    asked_then: Vec<BTreeSet<&'static str>>,
    /// What was shown before the last change: a card that nobody has looked at since.
    older: String,
    rounds: usize,
}

impl World {
    fn new(quorum: i16, excluded: Vec<String>) -> Self {
        // Read once: a site costs more than a whole sequence of acts.
        static PLANT: LazyLock<Site> = LazyLock::new(|| {
            let site = Site::parse("takt.yaml", SITE, &Environment::of([]), &Overrides::default());
            site.unwrap_or_else(|error| panic!("{error}"))
        });
        let now: DateTime<Utc> = "2026-11-27T16:00:00Z".parse().expect("a time");
        Self {
            site: &PLANT,
            gate: Gate {
                id: Uuid::nil(),
                run_id: Uuid::nil(),
                path: "approve".into(),
                form: "choose".into(),
                state: "open".into(),
                role: Some("lead".into()),
                person: None,
                excluded,
                ask: json!({
                    "allow": ["choose", "edit", "reject"], "options": [{}, {}], "draft": "a draft",
                    "requested_by": "dan",
                }),
                proposal_hash: "shown".into(),
                rung: 0,
                quorum,
                opened_at: now,
                expires_at: now + TimeDelta::hours(6),
            },
            votes: Vec::new(),
            delegations: Vec::new(),
            now,
            asked_then: Vec::new(),
            older: "older".into(),
            rounds: 0,
        }
    }

    /// One of several changed the draft: what it is now is a new proposal, to which all have to agree anew.
    fn ask_again(&mut self) {
        self.rounds += 1;
        self.older = std::mem::replace(&mut self.gate.proposal_hash, format!("changed {}", self.rounds));
        self.votes.clear();
        self.asked_then.clear();
        (self.gate.role, self.gate.rung) = (Some("lead".into()), 0);
        (self.gate.opened_at, self.gate.expires_at) = (self.now, self.now + TimeDelta::hours(6));
    }

    fn in_force(&self) -> Vec<Delegation> {
        self.delegations.iter().filter(|given| given.is_in_force(self.now)).cloned().collect()
    }

    /// The test's own table of who has a role; nothing of the site is asked.
    fn asked(&self) -> BTreeSet<&'static str> {
        let hour = |at: DateTime<Utc>| at.format("%H").to_string().parse::<u32>().expect("an hour");
        let is_day = |at| (6..18).contains(&hour(at));
        let mut asked: BTreeSet<&'static str> = match self.gate.role.as_deref() {
            Some("lead") => ["ann", "bob", "dan"].into(),
            _ => ["bob"].into(),
        };
        if self.gate.role.as_deref() == Some("lead") && (is_day(self.gate.opened_at) || is_day(self.now)) {
            asked.insert("cat");
        }
        asked
    }

    fn play(&mut self, act: &Act) {
        match act {
            Act::Time { minutes } => self.now += TimeDelta::minutes(*minutes),
            Act::Escalate { role } if self.gate.state == "open" => {
                self.gate.role = Some((*role).to_owned());
                self.gate.rung += 1;
                self.gate.expires_at = self.now + TimeDelta::hours(2);
            }
            Act::Escalate { .. } => {}
            Act::HandOver { person, delegate, role, hours } => self.delegations.push(Delegation {
                id: Uuid::from_u128(self.delegations.len() as u128),
                person: (*person).to_owned(),
                delegate: (*delegate).to_owned(),
                role: role.map(str::to_owned),
                starts_at: self.now,
                until: self.now + TimeDelta::hours(*hours),
                ended_at: None,
            }),
            Act::EndHandOver(index) => {
                if let Some(given) = self.delegations.get_mut(*index) {
                    given.ended_at.get_or_insert(self.now);
                }
            }
            Act::Answer { person, says, hash, overrides } => self.answer(person, *says, hash, *overrides),
        }
    }

    fn answer(&mut self, person: &'static str, says: Says, hash: &str, overrides: bool) {
        let (decision, choice) = match says {
            Says::Choose(choice) => (Decision::Choose, Some(choice)),
            Says::Edit => (Decision::Edit, None),
            Says::Reject => (Decision::Reject, None),
            Says::Acknowledge => (Decision::Acknowledge, None),
        };
        let answer = Answer {
            choice,
            edited: (says == Says::Edit).then(|| json!("mine")),
            reason_code: Some("other".into()),
            reason: Some("because".into()),
            overrides,
            ..Answer::of(
                decision,
                "web",
                if hash == "shown" { &self.gate.proposal_hash } else { &self.older },
            )
        };
        let in_force = self.in_force();
        let asked = Asked { site: self.site, gate: &self.gate, votes: &self.votes, delegations: &in_force };
        let who = self.site.person(person).expect("a person");
        let checked = check(&asked, who, &answer, self.now);
        let is_good = matches!(says, Says::Choose(1 | 2)) && hash == "shown" && !overrides;
        if is_good && self.is_open_to(person) {
            assert!(checked.is_ok(), "{person} is asked and free, and was refused: {checked:?}");
        }
        let Ok(standing) = checked else { return };
        self.asked_then.push(self.asked());
        let vote = answer.vote(&self.gate, who, standing, self.now);
        self.votes.push(vote);
        self.taken_rightly();
        if settled_by(&self.gate, &self.votes).is_none() {
            return;
        }
        match says == Says::Edit && !overrides && self.gate.quorum > 1 {
            true => self.ask_again(),
            false => self.gate.state = "answered".into(),
        }
    }

    /// Somebody asked in their own right, whom nothing but what others handed over could stand in the way of.
    fn is_open_to(&self, person: &str) -> bool {
        let has_answered = self.votes.iter().any(|vote| vote.people().any(|voter| voter == person));
        self.gate.state == "open"
            && self.now < self.gate.expires_at
            && self.asked().contains(person)
            && !self.gate.excluded.iter().any(|out| out == person)
            && !has_answered
    }

    /// The vote that was just taken: of somebody who may, in time, of what was shown.
    fn taken_rightly(&self) {
        let (vote, asked) = (self.votes.last().expect("a vote"), self.asked_then.last().expect("asked"));
        assert_eq!(vote.proposal_hash, self.gate.proposal_hash, "an answer to something else was taken");
        assert!(self.now < self.gate.expires_at, "an answer was taken after the time");
        assert_eq!(self.gate.state, "open", "an answer was taken after the end");
        for person in vote.people() {
            assert!(!self.gate.excluded.iter().any(|out| out == person), "{person} may not answer");
        }
        if vote.overrides {
            assert_eq!(vote.person, "max", "only Max may override: Dan, the other manager, started it");
            assert!(vote.reason.is_some() && vote.on_behalf_of.is_none());
            return;
        }
        match &vote.on_behalf_of {
            None => assert!(asked.contains(vote.person.as_str()), "{} was not asked", vote.person),
            Some(other) => {
                assert!(asked.contains(other.as_str()), "{other} was not asked");
                let handed = self.in_force().into_iter().any(|given| {
                    let covers = given.role.is_none() || given.role == self.gate.role;
                    given.person == *other && given.delegate == vote.person && covers
                });
                assert!(handed, "{other} handed nothing to {}", vote.person);
            }
        }
    }

    /// Once it is settled: by an override, by one no or one change, or by a quorum of different people.
    fn settled_rightly(&self) {
        if self.gate.state != "answered" {
            return;
        }
        let last = self.votes.last().expect("a vote");
        if last.overrides || last.decision == "reject" || (last.decision == "edit" && self.gate.quorum == 1) {
            return;
        }
        assert!(
            self.votes.iter().all(|vote| vote.proposal_hash == self.gate.proposal_hash),
            "of an older proposal"
        );
        let same: Vec<&Vote> = self
            .votes
            .iter()
            .filter(|vote| vote.decision == last.decision && vote.body["choice"] == last.body["choice"])
            .collect();
        assert!(same.len() >= usize::try_from(self.gate.quorum).expect("a quorum"), "too few agree");
        let mut counted = BTreeSet::new();
        for person in same.iter().flat_map(|vote| vote.people()) {
            assert!(counted.insert(person), "{person} counts twice in {:?}", self.votes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_people_do_approves_without_a_quorum_of_those_who_may(
        quorum in 1_i16..=3,
        excluded in select(vec![vec!["dan"], vec!["dan", "ann"], vec![]]),
        acts in vec(act(), 1..30),
    ) {
        let mut world = World::new(quorum, excluded.into_iter().map(str::to_owned).collect());
        for act in &acts {
            let before = (world.gate.state.clone(), world.votes.len());
            world.play(act);
            world.settled_rightly();
            if before.0 == "answered" {
                prop_assert_eq!(world.votes.len(), before.1, "an answer was taken after the question was settled");
            }
        }
    }
}

/// The property above would hold if nothing could ever be answered.
#[test]
fn a_quorum_an_override_and_a_stand_in_do_settle_it() {
    let answer = |person, overrides| Act::Answer { person, says: Says::Choose(1), hash: "shown", overrides };
    let played = |quorum, acts: &[Act]| {
        let mut world = World::new(quorum, vec!["dan".into()]);
        acts.iter().for_each(|act| world.play(act));
        (world.gate.state.clone(), world.votes.len())
    };
    let hand_over = Act::HandOver { person: "ann", delegate: "eve", role: Some("lead"), hours: 2 };
    assert_eq!(played(2, &[answer("ann", false), answer("bob", false)]), ("answered".into(), 2));
    assert_eq!(played(2, &[answer("ann", false), answer("ann", false)]), ("open".into(), 1));
    assert_eq!(played(2, &[answer("ann", false), answer("max", true)]), ("answered".into(), 2));
    assert_eq!(
        played(3, &[hand_over.clone(), answer("eve", false), answer("ann", false)]),
        ("open".into(), 1)
    );
    assert_eq!(played(2, &[hand_over, answer("eve", false), answer("bob", false)]), ("answered".into(), 2));
    let to_bob = Act::HandOver { person: "ann", delegate: "bob", role: None, hours: 2 };
    let edit = Act::Answer { person: "ann", says: Says::Edit, hash: "shown", overrides: false };
    let stale = Act::Answer { person: "bob", says: Says::Choose(1), hash: "older", overrides: false };
    let one = [answer("bob", false), edit.clone(), stale, answer("ann", false)];
    assert_eq!(
        played(2, &one),
        ("open".into(), 1),
        "what was said of the old draft, or is, counts for nothing"
    );
    assert_eq!(played(2, &[&one[..], &[answer("bob", false)]].concat()), ("answered".into(), 2));
    assert_eq!(played(1, &[edit]), ("answered".into(), 1));
    let both = [to_bob, answer("bob", false), answer("bob", false), answer("ann", false)];
    assert_eq!(played(3, &both), ("open".into(), 2), "each in their own right, and once");
    assert_eq!(played(1, &[answer("dan", true)]), ("open".into(), 0), "who asked for it overrides nothing");
}
