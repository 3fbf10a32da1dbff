//! The checker alone: a history in which all is well, and one mistake at a time.

use super::*;
use chrono::TimeDelta;
use serde_json::{Value, json};
use takt::run::{Failure, Parent, RunId, Signal, SignalKind, StartedRun};

const RUN: Uuid = Uuid::from_u128(1);
const GATE: Uuid = Uuid::from_u128(2);
const SECOND: Uuid = Uuid::from_u128(4);

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).expect("a time")
}

fn start() -> Change {
    Change::RunStarted(Box::new(StartedRun {
        workflow: "undoing".into(),
        sha256: String::new(),
        trigger: Value::Null,
        inputs: Value::Null,
        parent: None,
        approved: false,
        shadow: false,
        started_by: None,
        trace: None,
        rank: takt::run::Rank::default(),
    }))
}

fn request(second: i64, step: &str, process: &str) -> Request {
    Request {
        at: at(second),
        process: process.into(),
        run: RUN,
        step: step.into(),
        attempt: 1,
        key: format!("key of {step}"),
        class: "keyed".into(),
        effect: Effect::Applied,
    }
}

/// Two steps done and answered for, a third that fails, and both undone.
fn all_is_well() -> History {
    let path = |step: &str| Some(StepPath::from(step.to_owned()));
    let done = || Change::Done { output: json!({ "ledger": 1 }) };
    let answer = Signal {
        id: Uuid::from_u128(3),
        kind: SignalKind::Answer,
        path: path("ask"),
        body: json!({ "gate": GATE, "by": "ada" }),
    };
    let failure = || Failure::new("invalid", "never");
    let changes = [
        (None, start()),
        (path("first"), Change::Started),
        (path("first"), done()),
        (path("ask"), Change::Started),
        (path("ask"), Change::Waiting { wake_at: None }),
        (path("ask"), Change::Signalled(answer)),
        (path("ask"), Change::Done { output: json!({ "decision": "approve" }) }),
        (path("second"), Change::Started),
        (path("second"), done()),
        (path("third"), Change::Started),
        (path("third"), Change::Failed { failure: failure() }),
        (None, Change::RunFailing { step: StepPath::root("third"), failure: failure() }),
        (path("second.undo"), Change::Started),
        (path("second.undo"), done()),
        (path("first.undo"), Change::Started),
        (path("first.undo"), done()),
        (None, Change::RunEnded { outcome: "failed".into() }),
    ];
    let records: Vec<Record> =
        (0..).zip(changes).map(|(seq, (path, change))| record(seq, path, change)).collect();
    let mut log = vec![
        entry(0, "a", What::Registered { worker: 1 }),
        entry(0, "a", What::Owned { run: RUN, worker: Some(1) }),
    ];
    log.extend(records.iter().map(witnessed));
    log.push(entry(90, "a", What::Owned { run: RUN, worker: None }));
    let steps = ["first", "second", "second.undo", "first.undo"];
    let seconds = [2, 8, 13, 15];
    let requests = steps.into_iter().zip(seconds);
    History {
        runs: BTreeMap::from([(
            RUN,
            RunEntry {
                workflow: "undoing".into(),
                outcome: Some("failed".into()),
                event: Some("start-1".into()),
                is_live: false,
            },
        )]),
        records: BTreeMap::from([(RUN, records)]),
        events: BTreeMap::from([("start-1".into(), "routed".into())]),
        votes: BTreeMap::from([(
            GATE,
            Answered { run: RUN, person: "ada".into(), decision: "approve".into() },
        )]),
        log,
        requests: requests.map(|(step, second)| request(second, step, "a")).collect(),
        acknowledged_starts: BTreeSet::from(["start-1".to_owned()]),
        acknowledged_events: BTreeSet::from(["start-1".to_owned()]),
        acknowledged_runs: BTreeSet::from([RUN]),
        acknowledged_answers: vec![(GATE, "ada".into(), "approve".into())],
        outcomes: BTreeMap::from([("undoing".to_owned(), vec!["failed".to_owned()])]),
        undoable: BTreeMap::from([(
            "undoing".to_owned(),
            BTreeSet::from(["first".to_owned(), "second".to_owned()]),
        )]),
    }
}

fn record(seq: u32, path: Option<StepPath>, change: Change) -> Record {
    Record { seq, at: at(i64::from(seq)), path, attempt: 1, change }
}

fn witnessed(record: &Record) -> Entry {
    let what = What::Record {
        run: RUN,
        seq: record.seq,
        kind: record.change.kind().into(),
        attempt: record.attempt,
        path: record.path.as_ref().map(ToString::to_string),
    };
    entry(i64::from(record.seq), "a", what)
}

fn entry(second: i64, process: &str, what: What) -> Entry {
    Entry { at: at(second), transaction: second.to_string(), process: process.into(), what }
}

/// Breaks one thing and expects exactly this to be found.
fn assert_found(rules: &[Rule], break_it: impl FnOnce(&mut History)) {
    let mut history = all_is_well();
    break_it(&mut history);
    let mut found: Vec<Rule> = check(&history).into_iter().map(|violation| violation.rule).collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, rules, "{:#?}", check(&history));
}

fn records(history: &mut History) -> &mut Vec<Record> {
    history.records.get_mut(&RUN).expect("the run")
}

#[test]
fn a_history_in_which_all_is_well_passes() {
    assert_found(&[], |_| {});
}

#[test]
fn a_gap_or_a_repeated_record_is_found() {
    assert_found(&[Rule::JournalFolds], |history| drop(records(history).remove(2)));
    assert_found(&[Rule::JournalFolds], |history| {
        let twice = records(history)[3].clone();
        records(history).insert(3, twice);
    });
}

#[test]
fn a_step_that_nothing_came_of_is_found() {
    assert_found(&[Rule::EffectHappened], |history| drop(history.requests.remove(0)));
}

#[test]
fn a_second_key_and_a_second_effect_are_found() {
    let again = |history: &mut History| {
        let mut again = history.requests[1].clone();
        again.at += TimeDelta::milliseconds(1);
        history.requests.push(again);
    };
    assert_found(&[Rule::EffectOnce], again);
    assert_found(&[Rule::OneKey], |history| {
        again(history);
        let last = history.requests.last_mut().expect("a request");
        last.effect = Effect::Repeated;
        last.key = "another".into();
    });
}

#[test]
fn an_effect_before_its_record_is_found() {
    assert_found(&[Rule::StartedBeforeEffect], |history| history.requests[0].at = at(0));
}

#[test]
fn what_a_fenced_worker_does_is_found() {
    assert_found(&[Rule::NoEffectAfterFence, Rule::NoRecordAfterFence], |history| {
        let fenced = entry(11, "b", What::Fenced { worker: 1 });
        let place = history.log.iter().position(|entry| entry.at > at(11)).expect("a place");
        history.log.insert(place, fenced);
    });
    assert_found(&[Rule::NoEffectAfterFence], |history| {
        history.log.push(entry(100, "b", What::Fenced { worker: 1 }));
        let mut late = history.requests[0].clone();
        (late.at, late.effect) = (at(101), Effect::Repeated);
        history.requests.push(late);
    });
}

#[test]
fn a_read_that_goes_out_when_a_frozen_worker_wakes_is_no_effect() {
    let mut history = all_is_well();
    history.log.push(entry(100, "b", What::Fenced { worker: 1 }));
    let mut late = history.requests[0].clone();
    (late.at, late.effect, late.class) = (at(101), Effect::Read, "read".into());
    history.requests.push(late);
    assert_eq!(check(&history), []);
}

#[test]
fn a_record_by_somebody_else_is_found() {
    assert_found(&[Rule::OwnerWrites], |history| {
        history.log.insert(0, entry(0, "b", What::Registered { worker: 2 }));
        history.log[5].process = "b".into();
    });
}

#[test]
fn what_was_acknowledged_and_is_gone_is_found() {
    assert_found(&[Rule::StartKept, Rule::EventKept], |history| {
        history.acknowledged_starts.insert("start-2".into());
        history.acknowledged_events.insert("start-2".into());
    });
    assert_found(&[Rule::StartKept], |history| {
        history.acknowledged_runs.insert(GATE);
    });
    assert_found(&[Rule::EventKept], |history| drop(history.events.insert("start-1".into(), "new".into())));
    assert_found(&[Rule::AnswerKept], |history| history.votes.clear());
    assert_found(&[Rule::AnswerKept], |history| history.acknowledged_answers[0].2 = "reject".into());
}

/// The same run once more, as well as the first: nothing is wrong with it but that it is there.
fn run_again(history: &mut History) {
    for mut entry in history.log.clone() {
        if let What::Owned { run, .. } | What::Record { run, .. } = &mut entry.what {
            *run = SECOND;
            history.log.push(entry);
        }
    }
    for request in history.requests.clone() {
        history.requests.push(Request { run: SECOND, ..request });
    }
    history.runs.insert(SECOND, history.runs[&RUN].clone());
    history.records.insert(SECOND, history.records[&RUN].clone());
}

/// Two runs that no event began.
fn begun_by(history: &mut History, change: [&dyn Fn(&mut StartedRun); 2]) {
    run_again(history);
    history.acknowledged_starts.clear();
    for (run, change) in [RUN, SECOND].into_iter().zip(change) {
        history.runs.get_mut(&run).expect("the run").event = None;
        let records = history.records.get_mut(&run).expect("the run");
        let Change::RunStarted(start) = &mut records[0].change else { panic!("it begins with a start") };
        change(start);
    }
}

#[test]
fn a_second_run_of_one_start_is_found() {
    assert_found(&[Rule::StartedOnce], run_again);
    // Nor may there be two of what nobody was told "yes" to.
    assert_found(&[Rule::StartedOnce], |history| {
        run_again(history);
        history.acknowledged_starts.clear();
    });
    let by_hand = |start: &mut StartedRun| start.inputs = json!({ "case": "by-hand-1" });
    assert_found(&[Rule::StartedOnce], |history| begun_by(history, [&by_hand, &by_hand]));
    let child = |start: &mut StartedRun| start.parent = Some(child_of("part"));
    assert_found(&[Rule::StartedOnce], |history| begun_by(history, [&child, &child]));
}

#[test]
fn runs_of_several_starts_are_no_double() {
    let by_hand = |start: &mut StartedRun| start.inputs = json!({ "case": "by-hand-1" });
    let again = |start: &mut StartedRun| start.inputs = json!({ "case": "by-hand-2" });
    assert_found(&[], |history| begun_by(history, [&by_hand, &again]));
    // A child carries its parent's case on, and two steps begin two children.
    let child = |start: &mut StartedRun| {
        by_hand(start);
        start.parent = Some(child_of("part"));
    };
    let other = |start: &mut StartedRun| {
        by_hand(start);
        start.parent = Some(child_of("other"));
    };
    assert_found(&[], |history| begun_by(history, [&by_hand, &child]));
    assert_found(&[], |history| begun_by(history, [&child, &other]));
    assert_found(&[], |history| {
        run_again(history);
        history.runs.get_mut(&SECOND).expect("the run").event = Some("start-2".into());
    });
}

fn child_of(step: &str) -> Parent {
    Parent { run: RunId(RUN), path: StepPath::root(step) }
}

#[test]
fn a_run_that_is_stuck_or_ends_wrongly_is_found() {
    assert_found(&[Rule::RunEnds], |history| {
        let last = records(history).len() - 1;
        records(history).truncate(last);
    });
    assert_found(&[Rule::RunEnds], |history| {
        history.outcomes.get_mut("undoing").expect("it")[0] = "done".into()
    });
    assert_found(&[Rule::RunEnds], |history| history.runs.get_mut(&RUN).expect("it").is_live = true);
}

#[test]
fn an_undo_that_is_missing_or_out_of_order_is_found() {
    assert_found(&[Rule::Undone], |history| {
        let all = records(history);
        // Both undos change places, and nothing else does.
        for (one, other) in [(12, 14), (13, 15)] {
            let path = all[one].path.clone();
            all[one].path = all[other].path.clone();
            all[other].path = path;
        }
    });
    assert_found(&[Rule::Undone], |history| {
        history.undoable.get_mut("undoing").expect("it").insert("ask".into());
    });
}
