use super::{
    Change, Failure, Finish, Leaf, Plan, Record, Sent, Signal, SignalKind, StartedRun, State, StepPath,
    approval_of, digest_of, machine::Status, plan,
};
use crate::workflow::{Bundle, Definition};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

mod approval;
mod compat;
mod control;
mod items;
mod promises;
mod standing;

/// A definition from the text of its steps.
fn definition(steps: &str) -> Definition {
    let head = "workflow: sample\ntitle: Sample\nowner: me\nautonomy: assist\ntrigger: manual\nsteps:\n";
    let files = BTreeMap::from([("workflows/sample.yaml".to_owned(), format!("{head}{steps}"))]);
    Definition::compile(Bundle { path: "workflows/sample.yaml".into(), files }).expect("a good workflow")
}

fn midnight() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
}

/// Drives a definition in memory with scripted outcomes; the engine in a few lines.
struct Bench {
    definition: Definition,
    records: Vec<Record>,
    now: DateTime<Utc>,
    executed: Vec<StepPath>,
    /// What calls were given, or why that could not be told.
    given: BTreeMap<StepPath, Result<Value, String>>,
}

impl Bench {
    fn new(definition: Definition) -> Self {
        let start = StartedRun {
            workflow: "sample".into(),
            sha256: String::new(),
            trigger: json!({ "n": 3 }),
            inputs: json!({}),
            parent: None,
            approved: false,
            shadow: false,
            started_by: None,
            trace: None,
            rank: crate::run::Rank::default(),
        };
        let first = Record {
            seq: 0,
            at: midnight(),
            path: None,
            attempt: 0,
            change: Change::RunStarted(Box::new(start)),
        };
        Self {
            definition,
            records: vec![first],
            now: midnight(),
            executed: Vec::new(),
            given: BTreeMap::new(),
        }
    }

    fn state(&self) -> State {
        State::fold(&self.records).expect("the journal folds")
    }

    fn add(&mut self, path: Option<StepPath>, attempt: u32, change: Change) {
        let seq = u32::try_from(self.records.len()).expect("few records");
        self.records.push(Record { seq, at: self.now, path, attempt, change });
        self.state();
    }

    fn plan(&mut self) -> Plan {
        loop {
            let planned =
                plan(&self.definition.workflow, &self.state(), &json!({}), &BTreeSet::new(), self.now);
            if planned.changes.is_empty() {
                return planned;
            }
            for (path, change) in planned.changes {
                self.add(path, 0, change);
            }
        }
    }

    /// Runs until the end, or until everything waits; `outcome` says what each execution comes to.
    fn run(&mut self, outcome: &mut dyn FnMut(&StepPath, &Leaf) -> Change) -> Option<String> {
        for _ in 0..1_000 {
            let planned = self.plan();
            if let Some(Finish { outcome }) = planned.finish {
                return Some(outcome);
            }
            if planned.ready.is_empty() {
                let wake_at = planned.wake_at?;
                self.now = self.now.max(wake_at);
                continue;
            }
            for task in planned.ready {
                if task.new_attempt {
                    self.add(Some(task.path.clone()), task.attempt, Change::Started);
                }
                self.executed.push(task.path.clone());
                if let Leaf::Call(call) = &task.leaf {
                    let given = call.with.eval(&task.scope).map_err(|error| error.to_string());
                    if call.tool.as_str() == "x.send" && !task.only_settles {
                        self.note_sent(&task.path, &given);
                    }
                    self.given.insert(task.path.clone(), given);
                }
                let change = outcome(&task.path, &task.leaf);
                self.add(Some(task.path), task.attempt, change);
            }
        }
        panic!("the run never ended");
    }

    /// As a gated write does before it goes out.
    fn note_sent(&mut self, path: &StepPath, given: &Result<Value, String>) {
        let approval = approval_of(&self.definition.workflow, &self.state(), path).expect("it was approved");
        let digest = digest_of(&json!(given));
        let sent = Sent { gate: approval.gate, round: approval.round, digest };
        self.add(Some(path.clone()), 0, Change::Noted { note: json!({ "sent": sent }) });
    }

    fn executed(&self) -> Vec<&str> {
        self.executed.iter().map(StepPath::as_str).collect()
    }
}

fn done(output: Value) -> Change {
    Change::Done { output }
}

fn failed(class: &str) -> Change {
    Change::Failed { failure: Failure::new(class, class) }
}

#[test]
fn steps_run_in_order_and_conditions_skip() {
    let mut bench = Bench::new(definition(
        "  - { id: a, call: x.read }\n  - { id: b, if: steps.a.n > 5, call: x.read }\n  - { id: c, call: x.read }\n",
    ));
    assert_eq!(bench.run(&mut |_, _| done(json!({ "n": 1 }))).as_deref(), Some("done"));
    assert_eq!(bench.executed(), ["a", "c"]);
    assert_eq!(bench.state().status(&StepPath::root("b")), Status::Skipped);
}

#[test]
fn parallel_waits_for_all_and_gives_their_outputs_by_name() {
    let mut bench = Bench::new(definition(
        "  - id: p\n    parallel:\n      one: { call: x.read }\n      two: { call: x.read, on_error: continue }\n  - { id: after, if: steps.p.one == 1 && steps.p.two == null, end: joined }\n",
    ));
    let outcome = bench.run(&mut |path, _| match path.leaf() {
        "one" => done(json!(1)),
        _ => failed("permanent"),
    });
    assert_eq!(outcome.as_deref(), Some("joined"));
}

#[test]
fn each_runs_its_steps_for_every_item_and_keeps_the_order() {
    let mut bench = Bench::new(definition(
        "  - id: loop\n    each: ${{ [10, 20, 30] }}\n    as: item\n    steps:\n      - { id: one, call: x.read, with: { n: \"${{ item }}\" } }\n  - { id: end, if: \"steps.loop[1].one == 20 && size(steps.loop) == 3\", end: counted }\n",
    ));
    let outcome = bench.run(&mut |path, _| {
        let index: i64 = path.as_str()[5..6].parse().expect("an index");
        done(json!((index + 1) * 10))
    });
    assert_eq!(outcome.as_deref(), Some("counted"));
    assert_eq!(bench.executed(), ["loop[0].one", "loop[1].one", "loop[2].one"]);
}

#[test]
fn a_failure_undoes_in_reverse_order_then_tells_people() {
    let mut bench = Bench::new(definition(
        "  - { id: a, call: x.write, undo: { call: x.unwrite } }\n  - { id: b, call: x.write, undo: { call: x.unwrite } }\n  - { id: c, call: x.read }\non_failure:\n  - { id: tell, call: x.tell, with: { what: \"${{ failure.message }}\" } }\n",
    ));
    let outcome =
        bench.run(&mut |path, _| if path.as_str() == "c" { failed("permanent") } else { done(json!({})) });
    assert_eq!(outcome.as_deref(), Some("failed"));
    assert_eq!(bench.executed(), ["a", "b", "c", "b.undo", "a.undo", "on_failure.tell"]);
}

#[test]
fn a_background_gate_lets_the_run_go_on() {
    let steps = "  - { id: g, gate: acknowledge, ask: r, background: true, expires: 30m, on_expire: fail }\n  - { id: a, call: x.read }\n";
    let mut bench = Bench::new(definition(steps));
    let at = bench.now + TimeDelta::minutes(30);
    let outcome = bench.run(&mut |path, _| match path.as_str() {
        "g" => Change::Waiting { wake_at: Some(at) },
        _ => done(json!({})),
    });
    assert_eq!(outcome.as_deref(), Some("done"));
    assert_eq!(bench.executed(), ["g", "a"]);
}

#[test]
fn an_answer_wakes_a_waiting_step_once() {
    let mut bench =
        Bench::new(definition("  - { id: g, gate: approve, ask: r, expires: 30m, on_expire: fail }\n"));
    let late = bench.now + TimeDelta::days(1);
    let planned = bench.plan();
    assert_eq!(planned.ready.len(), 1);
    let path = StepPath::root("g");
    bench.add(Some(path.clone()), 1, Change::Started);
    bench.add(Some(path.clone()), 1, Change::Waiting { wake_at: Some(late) });
    assert!(bench.plan().ready.is_empty());
    let signal =
        Signal { id: uuid::Uuid::nil(), kind: SignalKind::Answer, path: Some(path.clone()), body: json!({}) };
    bench.add(Some(path.clone()), 0, Change::Signalled(signal));
    assert_eq!(bench.plan().ready.len(), 1);
    bench.add(Some(path), 1, Change::Waiting { wake_at: Some(late) });
    assert!(bench.plan().ready.is_empty());
}

#[test]
fn every_status_and_change_is_decided_in_one_table() {
    use Status::{Backoff, Done, Failed, Open, Pending, Running, Skipped, Waiting};
    let failure = Failure::new("x", "x");
    let signal = Signal { id: uuid::Uuid::nil(), kind: SignalKind::Event, path: None, body: Value::Null };
    let changes = [
        Change::Skipped,
        Change::Started,
        Change::Noted { note: Value::Null },
        Change::Waiting { wake_at: None },
        Change::Signalled(signal),
        Change::Retrying { failure: failure.clone(), wake_at: midnight() },
        Change::Done { output: Value::Null },
        Change::Failed { failure },
        Change::BranchTaken { index: None },
        Change::ItemsListed { items: vec![] },
        Change::RunEnded { outcome: "done".into() },
        Change::Deferred { system: "x".into(), wake_at: midnight() },
        Change::Reset { renewed: true },
    ];
    let mut table = String::new();
    for status in [Pending, Running, Waiting, Backoff, Open, Done, Failed, Skipped] {
        for change in &changes {
            let next = status.apply(change).map_or_else(|_| "-".to_owned(), |next| format!("{next:?}"));
            table.push_str(&format!("{:8} {:13} {next}\n", format!("{status:?}"), change.kind()));
        }
    }
    insta::assert_snapshot!(table);
}

/// The journal has one of these for each retry that waits, however often it is put off.
#[test]
fn each_retry_that_is_held_back_is_told_with_its_reason_and_the_earliest_time() {
    let at = |minutes| midnight() + TimeDelta::minutes(minutes);
    let again = |minutes| Change::Retrying { failure: Failure::new("x", "busy"), wake_at: at(minutes) };
    let held = |minutes| Change::Deferred { system: "erp".into(), wake_at: at(minutes) };
    let changes = [again(1), held(5), Change::Started, again(6), held(9)];
    let record = |(seq, change)| {
        let path = Some(StepPath::root("a"));
        Record { seq, at: midnight(), path, attempt: 1, change }
    };
    let records: Vec<Record> = (0..).zip(changes).map(record).collect();
    let definition = definition("  - { id: a, call: x.read }\n");
    let lines = super::story::lines(&definition.workflow, &records, chrono_tz::UTC);
    let told: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    let wanted = [
        "a: busy. Trying again at 08:01",
        "a: erp has had enough retries, held back until 08:05 at the earliest",
        "a: busy. Trying again at 08:06",
        "a: erp has had enough retries, held back until 08:09 at the earliest",
    ];
    assert_eq!(told, wanted);
}

/// What an execution may come to, over and over.
fn outcomes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0_u8..6, 1..60)
}

const EVERYTHING: &str = "
  - { id: a, call: x.write, undo: { call: x.unwrite } }
  - id: p
    parallel:
      one: { call: x.read, on_error: continue }
      two: { call: x.read }
  - { id: g, gate: acknowledge, ask: r, background: true, expires: 30m, on_expire: fail }
  - id: c
    choose:
      - if: trigger.n > 2
        steps:
          - { id: d, call: x.write, undo: { call: x.unwrite } }
      - else:
          - { id: e, call: x.read }
  - id: l
    each: ${{ [1, 2] }}
    as: item
    at_once: 2
    steps:
      - { id: m, call: x.read }
      - { id: w, wait: 5m }
  - { id: z, call: x.read, on_error: continue }
on_failure:
  - { id: tell, call: x.tell }
";

proptest! {
    /// Whatever steps come to, a run ends; nothing that is done is executed again; undo mirrors what was done.
    #[test]
    fn any_outcome_leads_to_an_end(script in outcomes()) {
        let mut bench = Bench::new(definition(EVERYTHING));
        let mut turn = 0;
        let mut settled = BTreeSet::new();
        let start = bench.now;
        let outcome = bench.run(&mut |path, _| {
            let what = script[turn % script.len()];
            turn += 1;
            assert!(!settled.contains(path), "{path} was executed after it had settled");
            // Retries and parks come to an end, as policies and deadlines make them.
            let change = match what {
                0 if turn < 100 => Change::Retrying {
                    failure: Failure::new("transient", "again"),
                    wake_at: start + TimeDelta::minutes(i64::try_from(turn).unwrap_or(0)),
                },
                1 if turn < 100 => Change::Waiting {
                    wake_at: Some(start + TimeDelta::minutes(i64::try_from(turn).unwrap_or(0))),
                },
                2 => failed("permanent"),
                _ => done(json!({})),
            };
            if matches!(change, Change::Done { .. } | Change::Failed { .. }) {
                settled.insert(path.clone());
            }
            change
        });
        prop_assert!(matches!(outcome.as_deref(), Some("done" | "failed")), "{outcome:?}");
        let state = bench.state();
        let was_done = |path: &str| state.status(&StepPath::root(path)) == Status::Done;
        if outcome.as_deref() == Some("failed") {
            for path in ["a", "c.d"] {
                let undone = state.status(&StepPath::root(path).child("undo"));
                prop_assert_eq!(undone.is_settled(), was_done(path), "{} and its undo", path);
            }
        }
        // Any prefix of the journal is a state that a worker can go on from.
        for length in 1..bench.records.len() {
            prop_assert!(State::fold(&bench.records[..length]).is_ok());
        }
    }
}
