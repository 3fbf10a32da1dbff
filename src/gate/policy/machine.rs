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
/// in shift A only. Handed on, it is asked of `bob`, and of `fay` in shift B only.
const PEOPLE: [&str; 7] = ["ann", "bob", "cat", "dan", "eve", "fay", "max"];
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
  - { id: fay, name: Fay, roles: [night_lead], shifts: [B] }
  - { id: max, name: Max, roles: [manager] }
";

#[derive(Debug, Clone)]
enum Act {
    Answer {
        person: &'static str,
        says: Says,
        hash: &'static str,
        overrides: bool,
        /// The program that says that it is theirs.
        program: Option<&'static str>,
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
    /// A form, with so many pieces: two at most.
    Fill(u8),
    Approve,
    Edit,
    Reject,
    Acknowledge,
}

fn act() -> impl Strategy<Value = Act> {
    let person = || select(PEOPLE.to_vec());
    let says = prop_oneof![
        6 => (1_usize..=3).prop_map(Says::Choose),
        6 => (1_u8..=3).prop_map(Says::Fill),
        4 => Just(Says::Approve),
        1 => Just(Says::Edit),
        1 => Just(Says::Reject),
        1 => Just(Says::Acknowledge),
    ];
    let hash = prop_oneof![8 => Just("shown"), 1 => Just("older")];
    let program = prop_oneof![2 => Just(None), 1 => select(vec![Some("mes"), Some("erp")])];
    let answer = (person(), says, hash, prop::bool::weighted(0.15), program);
    let hand_over =
        (person(), person(), select(vec![None, Some("lead"), Some("night_lead"), Some("other")]), 1_i64..30);
    prop_oneof![
        8 => answer.prop_map(|(person, says, hash, overrides, program)| {
            Act::Answer { person, says, hash, overrides, program }
        }),
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
    kind: Kind,
    /// What settled the first question, while the second one is asked.
    first: Vec<Vote>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    /// Filled in instead of chosen.
    is_form: bool,
    /// Somebody else must confirm.
    has_second: bool,
}

const PLAIN: Kind = Kind { is_form: false, has_second: false };

impl World {
    fn new(quorum: i16, excluded: Vec<String>, kind: Kind) -> Self {
        // Read once: a site costs more than a whole sequence of acts.
        static PLANT: LazyLock<Site> = LazyLock::new(|| {
            let site = Site::parse("takt.yaml", SITE, &Environment::of([]), &Overrides::default());
            site.unwrap_or_else(|error| panic!("{error}"))
        });
        let now: DateTime<Utc> = "2026-11-27T16:00:00Z".parse().expect("a time");
        let mut ask = json!({
            "allow": ["choose", "edit", "reject"], "options": [{}, {}], "draft": "a draft", "requested_by": "dan",
        });
        if kind.is_form {
            ask["allow"] = json!(["approve", "reject"]);
            let pieces = json!({ "type": "integer", "maximum": 2 });
            ask["fields"] =
                json!({ "type": "object", "properties": { "pieces": pieces }, "required": ["pieces"] });
        }
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
                ask,
                proposal_hash: "shown".into(),
                rung: 0,
                quorum,
                opened_at: now,
                asked_at: now,
                expires_at: now + TimeDelta::hours(6),
                people: None,
            },
            votes: Vec::new(),
            delegations: Vec::new(),
            now,
            asked_then: Vec::new(),
            older: "older".into(),
            rounds: 0,
            kind,
            first: Vec::new(),
        }
    }

    /// As the step does once the first question has its yes: those who gave it, and for whom, are out, and so is every
    /// program that said whose it was.
    fn ask_second(&mut self, agreed: Vec<Vote>) {
        let programs: Vec<_> = agreed.iter().filter_map(|vote| vote.named_by.as_deref()).collect();
        self.gate.ask = json!({
            "allow": ["approve", "reject"], "options": [], "requested_by": "dan", "first": { "named_by": programs },
        });
        let people = agreed.iter().flat_map(Vote::people).map(str::to_owned);
        self.gate.excluded.extend(people);
        self.gate.quorum = 1;
        self.begin_anew("second".into());
        self.first = agreed;
    }

    /// One of several changed the draft: what it is now is a new proposal, to which all have to agree anew.
    fn ask_again(&mut self) {
        self.rounds += 1;
        self.begin_anew(format!("changed {}", self.rounds));
    }

    fn begin_anew(&mut self, hash: String) {
        self.older = std::mem::replace(&mut self.gate.proposal_hash, hash);
        self.votes.clear();
        self.asked_then.clear();
        (self.gate.role, self.gate.rung) = (Some("lead".into()), 0);
        (self.gate.opened_at, self.gate.asked_at) = (self.now, self.now);
        self.gate.expires_at = self.now + TimeDelta::hours(6);
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
        // Who is there now, and who was when it was handed to this role; when it was first asked is of no account.
        let by_day = [self.gate.asked_at, self.now].map(is_day);
        match self.gate.role.as_deref() {
            Some("lead") if by_day.contains(&true) => asked.insert("cat"),
            Some("night_lead") if by_day.contains(&false) => asked.insert("fay"),
            _ => false,
        };
        asked
    }

    fn play(&mut self, act: &Act) {
        match act {
            Act::Time { minutes } => self.now += TimeDelta::minutes(*minutes),
            Act::Escalate { role } if self.gate.state == "open" => {
                self.gate.role = Some((*role).to_owned());
                self.gate.rung += 1;
                (self.gate.asked_at, self.gate.expires_at) = (self.now, self.now + TimeDelta::hours(2));
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
                named_by: None,
            }),
            Act::EndHandOver(index) => {
                if let Some(given) = self.delegations.get_mut(*index) {
                    given.ended_at.get_or_insert(self.now);
                }
            }
            Act::Answer { person, says, hash, overrides, program } => {
                self.answer(person, *says, hash, *overrides, *program);
            }
        }
    }

    fn answer(
        &mut self,
        person: &'static str,
        says: Says,
        hash: &str,
        overrides: bool,
        program: Option<&'static str>,
    ) {
        let (decision, choice) = match says {
            Says::Choose(choice) => (Decision::Choose, Some(choice)),
            Says::Fill(_) | Says::Approve => (Decision::Approve, None),
            Says::Edit => (Decision::Edit, None),
            Says::Reject => (Decision::Reject, None),
            Says::Acknowledge => (Decision::Acknowledge, None),
        };
        let answer = Answer {
            choice,
            edited: (says == Says::Edit).then(|| json!("mine")),
            fields: if let Says::Fill(pieces) = says { Some(json!({ "pieces": pieces })) } else { None },
            named_by: program.map(str::to_owned),
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
        let fits = match says {
            Says::Choose(1 | 2) => !self.kind.is_form && self.first.is_empty(),
            Says::Fill(1 | 2) => self.kind.is_form && self.first.is_empty(),
            Says::Approve => !self.first.is_empty(),
            _ => false,
        };
        if fits && hash == "shown" && !overrides && self.is_open_to(person) && self.is_new(program) {
            assert!(checked.is_ok(), "{person} is asked and free, and was refused: {checked:?}");
        }
        let Ok(standing) = checked else { return };
        self.asked_then.push(self.asked());
        let vote = answer.vote(&self.gate, who, standing, self.now);
        self.votes.push(vote);
        self.taken_rightly();
        let Some(agreed) = settled_by(&self.gate, &self.votes) else { return };
        let agreed: Vec<Vote> = agreed.into_iter().cloned().collect();
        let needs_second = self.kind.has_second && self.first.is_empty() && says != Says::Reject;
        match says == Says::Edit && !overrides && self.gate.quorum > 1 {
            true => self.ask_again(),
            false if needs_second && !overrides => {
                self.agreed_rightly();
                self.ask_second(agreed);
            }
            false => self.gate.state = "answered".into(),
        }
    }

    /// Whether no answer that counts here is by the word of this program.
    fn is_new(&self, program: Option<&str>) -> bool {
        let said = self.first.iter().chain(&self.votes).filter_map(|vote| vote.named_by.as_deref());
        program.is_none_or(|program| !said.into_iter().any(|known| known == program))
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
        if last.overrides || last.decision == "reject" {
            return;
        }
        assert_eq!(self.kind.has_second, !self.first.is_empty(), "nobody confirmed it");
        for vote in &self.first {
            for person in last.people() {
                assert!(vote.people().all(|first| first != person), "{person} confirms their own answer");
            }
        }
        self.agreed_rightly();
    }

    /// By one change, or by a quorum of different people who said the same, each program for one of them at most.
    fn agreed_rightly(&self) {
        let mut programs = BTreeSet::new();
        for program in self.first.iter().chain(&self.votes).filter_map(|vote| vote.named_by.as_deref()) {
            assert!(programs.insert(program), "{program} speaks for two");
        }
        let last = self.votes.last().expect("a vote");
        if last.decision == "edit" && self.gate.quorum == 1 {
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
            .filter(|vote| vote.body["fields"] == last.body["fields"])
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
        (is_form, has_second) in (any::<bool>(), any::<bool>()),
        acts in vec(act(), 1..40),
    ) {
        let excluded = excluded.into_iter().map(str::to_owned).collect();
        let mut world = World::new(quorum, excluded, Kind { is_form, has_second });
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
    let answer = |person, overrides| Act::Answer {
        person,
        says: Says::Choose(1),
        hash: "shown",
        overrides,
        program: None,
    };
    let play = |quorum, kind, acts: &[Act]| {
        let mut world = World::new(quorum, vec!["dan".into()], kind);
        acts.iter().for_each(|act| world.play(act));
        (world.gate.state.clone(), world.votes.len())
    };
    let played = |quorum, acts: &[Act]| play(quorum, PLAIN, acts);
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
    let says = |person, says, hash, program| Act::Answer { person, says, hash, overrides: false, program };
    let edit = says("ann", Says::Edit, "shown", None);
    let stale = says("bob", Says::Choose(1), "older", None);
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

    let second = Kind { has_second: true, ..PLAIN };
    let yes = |person, program| says(person, Says::Approve, "shown", program);
    let first = says("ann", Says::Choose(1), "shown", Some("mes"));
    assert_eq!(
        play(1, second, std::slice::from_ref(&first)),
        ("open".into(), 0),
        "somebody else must confirm"
    );
    assert_eq!(play(1, second, &[first.clone(), yes("ann", None)]), ("open".into(), 0));
    assert_eq!(play(1, second, &[first.clone(), yes("bob", Some("mes"))]), ("open".into(), 0));
    assert_eq!(play(1, second, &[first.clone(), yes("bob", Some("erp"))]), ("answered".into(), 1));
    assert_eq!(play(2, PLAIN, &[first.clone(), says("bob", Says::Choose(1), "shown", Some("mes"))]).1, 1);
    let form = Kind { is_form: true, has_second: false };
    let fill = |person, pieces| says(person, Says::Fill(pieces), "shown", None);
    assert_eq!(play(2, form, &[fill("ann", 3), fill("ann", 1), fill("bob", 2)]), ("open".into(), 2));
    assert_eq!(play(2, form, &[fill("ann", 1), fill("bob", 1)]), ("answered".into(), 2));
}
