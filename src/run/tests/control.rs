//! Runs that people pause, cancel and reopen, in any order.

use super::*;
use crate::run::reopen::{self, Obstacle, Reopening};

impl Bench {
    pub(super) fn order(&mut self, change: Change) {
        self.add(None, 0, change);
    }

    pub(super) fn reopen(&mut self, reopening: &Reopening) {
        self.order(Change::Reopened { by: "sam".into(), reason: "mended".into(), from: None });
        for (path, renewed) in &reopening.resets {
            self.add(Some(path.clone()), 0, Change::Reset { renewed: *renewed });
        }
    }

    fn generation(&self, path: &StepPath) -> u32 {
        self.state().step(path).map_or(0, |step| step.generation)
    }
}

fn paused() -> Change {
    Change::Paused { by: "sam".into(), reason: "look".into() }
}

fn resumed() -> Change {
    Change::Resumed { by: "sam".into(), reason: "go on".into() }
}

pub(super) fn cancelled() -> Change {
    Change::CancelRequested { by: "sam".into(), reason: "stop".into() }
}

const THREE: &str = "
  - { id: a, call: x.write, undo: { call: x.unwrite } }
  - { id: b, call: x.write }
  - { id: c, call: x.write }
on_failure:
  - { id: tell, call: x.tell }
";

#[test]
fn a_retry_does_again_what_was_undone_and_what_failed_and_nothing_else() {
    let mut bench = Bench::new(definition(THREE));
    let fails = |path: &StepPath, _: &Leaf| {
        if path.as_str() == "c" { failed("outcome_unknown") } else { done(json!({})) }
    };
    assert_eq!(bench.run(&mut fails.clone()).as_deref(), Some("failed"));
    let reopening = reopen::retry(&bench.definition.workflow, &bench.state()).expect("a way on");
    bench.reopen(&reopening);
    bench.executed.clear();
    assert_eq!(bench.run(&mut |_, _| done(json!({}))).as_deref(), Some("done"));
    assert_eq!(bench.executed(), ["a", "c"]);
    let key = |path: &str| bench.generation(&StepPath::root(path));
    assert_eq!((key("a"), key("b"), key("c")), (1, 0, 0), "only what was undone gets a new key");
    let state = bench.state();
    let c = state.step(&StepPath::root("c")).expect("c");
    assert_eq!(
        (c.attempt, c.retried_from, c.keyed_from),
        (2, 1, 0),
        "an attempt under the same key went before"
    );
}

#[test]
fn a_failure_that_was_handled_stays_handled() {
    let mut bench = Bench::new(definition(
        "  - { id: a, call: x.read, on_error: continue }\n  - id: p\n    parallel:\n      one: { call: x.read }\n      two: { call: x.read }\n",
    ));
    bench.run(&mut |_, _| failed("permanent"));
    let reopening = reopen::retry(&bench.definition.workflow, &bench.state()).expect("a way on");
    let again: Vec<&str> = reopening.resets.keys().map(StepPath::as_str).collect();
    assert_eq!(again, ["p.one", "p.two"], "every failure that stopped the run, and no other");
}

#[test]
fn a_rerun_begins_with_a_step_and_asks_people_again() {
    let mut bench = Bench::new(definition(
        "  - { id: a, call: x.read }\n  - { id: g, gate: approve, ask: r, expires: 1h, on_expire: reject }\n  - { id: w, call: x.write }\n",
    ));
    assert_eq!(bench.run(&mut |_, _| done(json!({ "decision": "approve" }))).as_deref(), Some("done"));
    let workflow = &bench.definition.workflow;
    assert_eq!(reopen::retry(workflow, &bench.state()), Err(Obstacle::NothingFailed));
    let nowhere = StepPath::root("nowhere");
    assert_eq!(reopen::rerun(workflow, &bench.state(), &nowhere), Err(Obstacle::NoSuchStep(nowhere)));
    let reopening = reopen::rerun(workflow, &bench.state(), &StepPath::root("g")).expect("a way on");
    let expected = BTreeMap::from([(StepPath::root("g"), true), (StepPath::root("w"), false)]);
    assert_eq!(reopening.resets, expected, "the question is a new one, the write keeps its key");
    bench.reopen(&reopening);
    bench.executed.clear();
    bench.run(&mut |_, _| done(json!({ "decision": "approve" })));
    assert_eq!(bench.executed(), ["g", "w"]);
}

#[test]
fn an_undo_of_unknown_outcome_needs_a_person() {
    let mut bench = Bench::new(definition(THREE));
    bench.run(&mut |path, _| match path.as_str() {
        "c" => failed("permanent"),
        "a.undo" => failed("outcome_unknown"),
        _ => done(json!({})),
    });
    let refused = reopen::retry(&bench.definition.workflow, &bench.state());
    assert_eq!(refused, Err(Obstacle::UndoUnknown(StepPath::root("a"))));
}

/// In a list and beside others, too.
#[test]
fn an_undo_sees_the_names_of_its_own_place() {
    let mut bench = Bench::new(definition(
        "
  - id: l
    each: ${{ ['A', 'B'] }}
    as: name
    steps:
      - { id: w, call: x.write, undo: { call: x.unwrite, with: { made: \"${{ steps.w.made }}\", of: \"${{ name }}\" } } }
  - id: p
    parallel:
      one: { call: x.write, undo: { call: x.unwrite, with: { made: \"${{ steps.one.made }}\" } } }
  - { id: c, call: x.write }
",
    ));
    let ended = bench.run(&mut |path, _| match path.as_str() {
        "c" => failed("permanent"),
        path => done(json!({ "made": path })),
    });
    assert_eq!(ended.as_deref(), Some("failed"));
    assert_eq!(bench.executed()[3..], ["c", "p.one.undo", "l[1].w.undo", "l[0].w.undo"]);
    let given = |path: &str| bench.given[&StepPath::from(path.to_owned())].clone();
    assert_eq!(given("p.one.undo"), Ok(json!({ "made": "p.one" })));
    assert_eq!(given("l[0].w.undo"), Ok(json!({ "made": "l[0].w", "of": "A" })));
    assert_eq!(given("l[1].w.undo"), Ok(json!({ "made": "l[1].w", "of": "B" })));
}

#[test]
fn a_child_that_ends_before_its_reopened_parent_comes_to_it_is_heard() {
    let mut bench = Bench::new(definition("  - { id: a, call: x.read }\n  - { id: r, run: other }\n"));
    bench.run(&mut |path, _| if path.as_str() == "r" { failed("child_failed") } else { done(json!({})) });
    let reopening = reopen::retry(&bench.definition.workflow, &bench.state()).expect("a way on");
    bench.reopen(&reopening);
    let path = StepPath::root("r");
    let news = |kind| Signal { id: uuid::Uuid::now_v7(), kind, path: Some(path.clone()), body: json!({}) };
    let pending = Status::Pending;
    assert!(
        pending.apply(&Change::Signalled(news(SignalKind::Answer))).is_err(),
        "nobody asked anything yet"
    );
    bench.add(Some(path.clone()), 0, Change::Signalled(news(SignalKind::Child)));
    let plan = bench.plan();
    let task = plan.ready.first().expect("the step is next");
    bench.add(Some(path.clone()), task.attempt, Change::Started);
    assert_eq!(bench.state().step(&path).expect("it runs").signals.len(), 1);
}

#[test]
fn what_was_only_rehearsed_is_not_undone() {
    let mut bench = Bench::new(definition(THREE));
    bench.run(&mut |path, _| match path.as_str() {
        "c" => failed("permanent"),
        _ => done(json!({ "shadow": true, "not_written": {} })),
    });
    assert_eq!(bench.executed(), ["a", "b", "c", "on_failure.tell"]);
}

/// Another list could have another item in this place, which would find its effect and be called done.
#[test]
fn a_list_whose_items_were_tried_is_not_made_anew() {
    const LIST: &str = "
  - { id: a, call: x.read }
  - { id: l, each: \"${{ [1, 2] }}\", as: n, steps: [STEP] }
";
    for (step, leaf) in [("{ id: w, call: x.write }", "l[0].w"), ("{ id: r, run: other }", "l[0].r")] {
        let mut bench = Bench::new(definition(&LIST.replace("STEP", step)));
        let ended = bench.run(&mut |path, _| match path.as_str() {
            "a" => done(json!({})),
            _ => failed("outcome_unknown"),
        });
        assert_eq!(ended.as_deref(), Some("failed"), "{leaf}");
        assert_ne!(bench.state().status(&StepPath::from(leaf.to_owned())), Status::Pending);
        let refused = reopen::rerun(&bench.definition.workflow, &bench.state(), &StepPath::root("a"));
        assert_eq!(refused, Err(Obstacle::ItemsDone(StepPath::root("l"))), "{leaf}");
        assert!(reopen::retry(&bench.definition.workflow, &bench.state()).is_ok(), "{leaf}");
    }
}

#[test]
fn steps_are_reset_only_when_a_person_reopened_the_run() {
    let mut bench = Bench::new(definition(THREE));
    bench.run(&mut |_, _| done(json!({})));
    let seq = u32::try_from(bench.records.len()).expect("few records");
    let change = Change::Reset { renewed: false };
    bench.records.push(Record { seq, at: bench.now, path: Some(StepPath::root("a")), attempt: 0, change });
    assert!(State::fold(&bench.records).is_err());
}

#[test]
fn an_answer_given_during_a_pause_counts_after_it() {
    let mut bench =
        Bench::new(definition("  - { id: g, gate: approve, ask: r, expires: 30m, on_expire: fail }\n"));
    let (path, late) = (StepPath::root("g"), bench.now + TimeDelta::minutes(30));
    bench.plan();
    bench.add(Some(path.clone()), 1, Change::Started);
    bench.add(Some(path.clone()), 1, Change::Waiting { wake_at: Some(late) });
    bench.order(paused());
    let signal =
        Signal { id: uuid::Uuid::nil(), kind: SignalKind::Answer, path: Some(path.clone()), body: json!({}) };
    bench.add(Some(path), 0, Change::Signalled(signal));
    let held = bench.plan();
    assert!(held.ready.is_empty() && held.wake_at.is_none(), "{held:?}");
    bench.order(resumed());
    assert_eq!(bench.plan().ready.len(), 1);
}

/// What a person or the world may do between two looks of the engine.
fn script() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0_u8..12, 1..80)
}

proptest! {
    /// In any order of pauses, resumes, cancels, answers, timers and outcomes: a paused run begins nothing, nothing
    /// is done twice under one key, undo goes backwards, and a reopened run comes to an end as well.
    #[test]
    fn any_order_of_orders_keeps_the_promises(script in script(), reopenings in 0_usize..3) {
        let mut bench = Bench::new(definition(super::EVERYTHING));
        let mut done_under_key = BTreeSet::new();
        let (mut turn, mut left) = (0_usize, reopenings);
        for _ in 0..3_000 {
            let what = script[turn % script.len()];
            turn += 1;
            let is_calm = turn > 200;
            let state = bench.state();
            let is_ended = state.is_ended();
            match what {
                0 if !is_calm && !is_ended && state.paused.is_none() => bench.order(paused()),
                1 if !is_calm && !is_ended && state.phase == crate::run::Phase::Main => bench.order(cancelled()),
                _ if state.paused.is_some() && (what > 8 || is_calm) => bench.order(resumed()),
                _ => {}
            }
            if bench.state().paused.is_some() {
                let held = bench.plan();
                prop_assert!(held.ready.is_empty() && held.finish.is_none(), "{held:?}");
                continue;
            }
            let planned = bench.plan();
            if planned.finish.is_some() {
                if left == 0 {
                    break;
                }
                left -= 1;
                if let Ok(reopening) = reopen::retry(&bench.definition.workflow, &bench.state()) {
                    bench.reopen(&reopening);
                }
                continue;
            }
            if planned.ready.is_empty() {
                prop_assert!(planned.wake_at.is_some(), "nothing to do and nothing to wait for");
                bench.now = bench.now.max(planned.wake_at.unwrap_or(bench.now));
                continue;
            }
            for task in planned.ready {
                if task.new_attempt {
                    bench.add(Some(task.path.clone()), task.attempt, Change::Started);
                }
                let later = bench.now + TimeDelta::minutes(1);
                let change = match what {
                    2 if !is_calm => Change::Retrying { failure: Failure::new("transient", "again"), wake_at: later },
                    3 if !is_calm => Change::Waiting { wake_at: Some(later) },
                    4 | 5 if !is_calm => failed("permanent"),
                    _ => done(json!({})),
                };
                if matches!(change, Change::Done { .. }) {
                    let key = (task.path.clone(), bench.generation(&task.path));
                    prop_assert!(done_under_key.insert(key.clone()), "{key:?} was done twice");
                }
                bench.add(Some(task.path), task.attempt, change);
            }
        }
        prop_assert!(bench.state().is_ended(), "the run never ended");
        undone_backwards(&bench)?;
    }
}

/// Between two reopenings, undo mirrors the order in which things were done.
fn undone_backwards(bench: &Bench) -> Result<(), TestCaseError> {
    let (mut done, mut undone): (Vec<StepPath>, Vec<StepPath>) = (Vec::new(), Vec::new());
    for record in &bench.records {
        match (&record.change, &record.path) {
            (Change::Reopened { .. }, _) => undone.clear(),
            (Change::Done { .. }, Some(path)) if path.leaf() == "undo" => undone.push(path.clone()),
            (Change::Done { .. }, Some(path)) => done.push(path.clone()),
            _ => {}
        }
        let place = |undo: &StepPath| done.iter().rposition(|path| path.child("undo") == *undo);
        for pair in undone.windows(2) {
            prop_assert!(place(&pair[0]) > place(&pair[1]), "{undone:?} of {done:?}");
        }
    }
    Ok(())
}
