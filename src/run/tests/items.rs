//! Lists of items: many of them, lists in lists, and what is passed over.

use super::{definition, done, failed, midnight};
use crate::{
    run::{Change, Plan, Record, StartedRun, State, StepPath, machine::Status, plan},
    workflow::Definition,
};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

const NESTED: &str = "  - id: outer
    each: ${{ trigger.items }}
    as: a
    at_once: 1000
    steps:
      - id: inner
        each: ${{ trigger.items }}
        as: b
        at_once: 1000
        steps: [{ id: rest, wait: 1s }]
";

/// A run whose state is kept, not folded anew for each record.
struct Run {
    definition: Definition,
    state: State,
    in_flight: BTreeSet<StepPath>,
    /// Takes note of what has nothing left to do.
    passes: bool,
}

impl Run {
    fn new(steps: &str, items: usize, passes: bool) -> Self {
        let start = StartedRun {
            workflow: "sample".into(),
            sha256: String::new(),
            trigger: json!({ "items": (0..items).collect::<Vec<_>>() }),
            inputs: json!({}),
            parent: None,
            approved: false,
            shadow: false,
            started_by: None,
            trace: None,
            rank: crate::run::Rank::default(),
        };
        let state = State::begin(start, midnight());
        Self { definition: definition(steps), state, in_flight: BTreeSet::new(), passes }
    }

    fn add(&mut self, path: Option<StepPath>, attempt: u32, change: Change) {
        let record = Record { seq: self.state.next_seq, at: midnight(), path, attempt, change };
        self.state.apply(&record).expect("a change that may be");
    }

    /// The next thing to do, and the changes that came before it.
    fn plan(&mut self) -> (Plan, Vec<(Option<StepPath>, Change)>) {
        let mut changes = Vec::new();
        loop {
            let workflow = &self.definition.workflow;
            let mut planned = plan(workflow, &self.state, &json!({}), &self.in_flight, midnight());
            if self.passes {
                self.state.pass(std::mem::take(&mut planned.passed));
            }
            if planned.changes.is_empty() {
                return (planned, changes);
            }
            for (path, change) in planned.changes {
                changes.push((path.clone(), change.clone()));
                self.add(path, 0, change);
            }
        }
    }

    fn settle(&mut self, path: &StepPath, change: Change) {
        self.add(Some(path.clone()), 1, Change::Started);
        self.add(Some(path.clone()), 1, change);
    }

    /// To its end, with one plan for each step that is done.
    fn run(&mut self) -> String {
        loop {
            let (planned, _) = self.plan();
            if let Some(finish) = planned.finish {
                return finish.outcome;
            }
            for task in planned.ready {
                self.add(Some(task.path.clone()), 1, Change::Started);
                self.in_flight.insert(task.path);
            }
            let path = self.in_flight.pop_first().expect("something is under way until the end");
            self.add(Some(path), 1, done(json!({})));
        }
    }
}

#[test]
fn lists_in_lists_end_as_too_large() {
    let mut run = Run::new(NESTED, 300, true);
    let (planned, changes) = run.plan();
    let listed = |change: &Change| if let Change::ItemsListed { items } = change { items.len() } else { 0 };
    let items: usize = changes.iter().map(|(_, change)| listed(change)).sum();
    assert_eq!(items, 300 + 32 * 300, "no more than 10,000");
    assert_eq!(planned.ready.len(), 100, "at once; the others take their turns");
    let failed = run.state.step(&StepPath::from("outer[32].inner".to_owned())).expect("a step");
    assert_eq!(failed.failure.as_ref().map(|failure| failure.class.as_str()), Some("too_large"));
    assert_eq!(run.state.steps.len(), 1 + 300, "and nothing of an item was begun");
}

#[test]
fn a_thousand_items_are_planned_without_looking_at_them_all_each_time() {
    let steps = "  - id: loop
    each: ${{ trigger.items }}
    as: item
    at_once: 1000
    steps: [{ id: rest, wait: 1s }]
";
    let mut run = Run::new(steps, 1_000, true);
    let begun = std::time::Instant::now();
    assert_eq!(run.run(), "done");
    // Far below what a look at everything for each of them takes, also in a debug build on a busy machine.
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    let output = &run.state.step(&StepPath::root("loop")).expect("the list").output;
    assert_eq!(output.as_array().map(Vec::len), Some(1_000));
}

const MIXED: &str = "  - id: outer
    each: ${{ trigger.items }}
    as: a
    at_once: 3
    steps:
      - { id: odd, if: a % 2 == 1, call: x.read, on_error: continue }
      - id: inner
        each: ${{ trigger.items }}
        as: b
        at_once: 2
        on_error: continue
        steps:
          - { id: seen, gate: acknowledge, ask: r, background: true, expires: 30m, on_expire: fail, if: a == b }
          - { id: both, call: x.read, with: { a: \"${{ a }}\", b: \"${{ b }}\" } }
  - { id: after, call: x.read, with: { all: \"${{ steps.outer }}\" } }
";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// What is passed over changes nothing but the time it takes.
    #[test]
    fn passing_over_changes_no_plan(outcomes in prop::collection::vec((any::<prop::sample::Index>(), 0..5u8), 200)) {
        let (mut quick, mut slow) = (Run::new(MIXED, 4, true), Run::new(MIXED, 4, false));
        for (which, outcome) in outcomes {
            let ((one, one_changes), (other, other_changes)) = (quick.plan(), slow.plan());
            prop_assert_eq!(one_changes, other_changes);
            prop_assert_eq!(&one.finish, &other.finish);
            prop_assert_eq!(&one.waiting_for, &other.waiting_for);
            let seen = |plan: &Plan| -> Vec<_> {
                plan.ready.iter().map(|task| (task.path.clone(), task.scope.clone())).collect()
            };
            prop_assert_eq!(seen(&one), seen(&other));
            if one.finish.is_some() || one.ready.is_empty() {
                break;
            }
            let path = one.ready[which.index(one.ready.len())].path.clone();
            let change = match outcome {
                _ if path.leaf() == "seen" => Change::Waiting { wake_at: None },
                0 => failed("permanent"),
                _ => done(json!({ "n": outcome })),
            };
            for run in [&mut quick, &mut slow] {
                prop_assert_ne!(run.state.status(&path), Status::Done);
                run.settle(&path, change.clone());
            }
        }
    }
}
