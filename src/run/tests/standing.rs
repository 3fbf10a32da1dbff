//! What a run that is stopped, or done again, may have left standing outside: it is found out, undone, or told.

use super::{control::cancelled, *};
use crate::run::reopen;

fn path(path: &str) -> StepPath {
    StepPath::from(path.to_owned())
}

fn retrying(class: &str, wake_at: DateTime<Utc>) -> Change {
    Change::Retrying { failure: Failure::new(class, "because"), wake_at }
}

/// Whoever stops a run must not leave behind what nobody knows of.
#[test]
fn a_call_in_doubt_is_settled_before_anything_is_undone() {
    let mut bench = Bench::new(definition(
        "
  - { id: a, call: x.write, undo: { call: x.unwrite } }
  - id: p
    parallel:
      late: { call: x.write, undo: { call: x.unwrite } }
      under_way: { call: x.write, undo: { call: x.unwrite } }
      refused: { call: x.write }
  - { id: never, call: x.write }
",
    ));
    let hour = bench.now + TimeDelta::hours(1);
    for (path, change) in [
        ("a", Some(done(json!({})))),
        ("p.late", Some(retrying("outcome_unknown", hour))),
        ("p.under_way", None),
        ("p.refused", Some(retrying("rule", hour))),
    ] {
        bench.add(Some(self::path(path)), 1, Change::Started);
        if let Some(change) = change {
            bench.add(Some(self::path(path)), 1, change);
        }
    }
    bench.now += TimeDelta::seconds(1);
    bench.order(cancelled());
    let ready = |plan: Plan| -> Vec<(String, u32, bool)> {
        assert!(plan.ready.iter().all(|task| task.only_settles), "{plan:#?}");
        plan.ready.iter().map(|task| (task.path.to_string(), task.attempt, task.new_attempt)).collect()
    };
    let both = [("p.late".to_owned(), 2, true), ("p.under_way".to_owned(), 1, false)];
    assert_eq!(ready(bench.plan()), both, "at once, though the retry is due in an hour only");
    // The one cannot be found out now, the other took effect.
    bench.add(Some(path("p.late")), 2, Change::Started);
    bench.add(Some(path("p.late")), 2, retrying("outcome_unknown", hour));
    bench.add(Some(path("p.under_way")), 1, done(json!({})));
    let plan = bench.plan();
    assert_eq!((plan.wake_at, &plan.waiting_for), (Some(hour), &vec![path("p.late")]));
    assert!(plan.ready.is_empty(), "nothing is undone yet");
    bench.now = hour;
    assert_eq!(ready(bench.plan()), [("p.late".to_owned(), 3, true)]);
    bench.add(Some(path("p.late")), 3, Change::Started);
    bench.add(Some(path("p.late")), 3, failed("cancelled"));
    assert_eq!(bench.run(&mut |_, _| done(json!({}))).as_deref(), Some("cancelled"));
    assert_eq!(bench.executed(), ["p.under_way.undo", "a.undo"]);
}

/// What a dead worker may have sent stays in doubt whatever comes of the next try, until it was waited for or found.
#[test]
fn what_was_sent_before_stays_in_doubt_over_what_fails_for_certain() {
    let mut bench = Bench::new(definition("\n  - { id: a, call: x.write }\n"));
    let (a, hour) = (path("a"), bench.now + TimeDelta::hours(1));
    let note = |in_doubt: bool| Change::Noted { note: json!({ crate::run::IN_DOUBT: in_doubt }) };
    bench.add(Some(a.clone()), 1, Change::Started);
    bench.add(Some(a.clone()), 1, note(true));
    bench.add(Some(a.clone()), 1, retrying("transient", hour));
    assert!(bench.state().step(&a).expect("a step").in_doubt);
    bench.now += TimeDelta::seconds(1);
    bench.order(cancelled());
    let plan = bench.plan();
    assert!(plan.ready.iter().all(|task| task.only_settles) && plan.ready.len() == 1, "{plan:#?}");
    // It waits for what may still arrive, and asks again when that is over.
    let later = bench.now + TimeDelta::seconds(20);
    bench.add(Some(a.clone()), 2, Change::Started);
    bench.add(Some(a.clone()), 2, note(true));
    bench.add(Some(a.clone()), 2, Change::Waiting { wake_at: Some(later) });
    let plan = bench.plan();
    assert_eq!(
        (plan.wake_at, plan.ready.len()),
        (Some(later), 0),
        "it does not ask at once, and again, and again"
    );
    bench.now = later;
    assert!(bench.plan().ready.iter().all(|task| task.only_settles && !task.new_attempt));
    bench.add(Some(a.clone()), 2, note(false));
    bench.add(Some(a.clone()), 2, failed("cancelled"));
    assert!(!bench.state().step(&a).expect("a step").in_doubt);
    assert_eq!(bench.run(&mut |_, _| done(json!({}))).as_deref(), Some("cancelled"));
}

/// A question, and a write that goes out on the answer.
const ASKED: &str = "
  - { id: g, gate: choose, options: \"${{ [{ 'way': 'a' }, { 'way': 'b' }] }}\", ask: r, expires: 1h, on_expire: reject }
  - id: c
    choose:
      - if: steps.g.chosen.way == 'a'
        steps:
          - { id: w, call: x.send, undo: { call: x.unsend } }
  - { id: last, call: x.read }
on_failure:
  - { id: tell, call: x.tell }
";

fn chosen(way: &'static str, bench: &mut Bench) -> Option<String> {
    bench.executed.clear();
    bench.run(&mut |path, _| match path.as_str() {
        "g" => done(json!({ "decision": "choose", "chosen": { "way": way } })),
        _ => done(json!({})),
    })
}

fn done_again(bench: &mut Bench) {
    let reopening = reopen::rerun(&bench.definition.workflow, &bench.state(), &path("g")).expect("a way on");
    bench.reopen(&reopening);
}

#[test]
fn a_write_that_a_rerun_does_not_come_to_any_more_is_told() {
    let mut bench = Bench::new(definition(ASKED));
    assert_eq!(chosen("a", &mut bench).as_deref(), Some("done"));
    done_again(&mut bench);
    assert_eq!(chosen("a", &mut bench).as_deref(), Some("done"), "the same again");
    done_again(&mut bench);
    assert_eq!(chosen("b", &mut bench).as_deref(), Some("failed"));
    assert_eq!(bench.executed(), ["g", "last", "on_failure.tell"]);
    let (step, failure) = bench.state().failing.expect("it failed");
    assert_eq!((step.as_str(), failure.class.as_str()), ("c.w", "needs_person"));
}

#[test]
fn a_write_that_was_refused_stands_in_no_way() {
    for (class, stands) in [
        ("invalid", false),
        ("denied", false),
        ("rule", false),
        ("transient", true),
        ("outcome_unknown", true),
    ] {
        let mut bench = Bench::new(definition(ASKED));
        let ended = bench.run(&mut |path, _| match path.as_str() {
            "g" => done(json!({ "decision": "choose", "chosen": { "way": "a" } })),
            "c.w" => failed(class),
            _ => done(json!({})),
        });
        assert_eq!(ended.as_deref(), Some("failed"));
        assert_eq!(bench.state().step(&path("c.w")).expect("tried").sent.is_some(), stands, "{class}");
    }
}

#[test]
fn a_run_that_is_stopped_before_it_comes_to_its_write_again_tells_of_it() {
    let mut bench = Bench::new(definition(ASKED));
    chosen("a", &mut bench);
    done_again(&mut bench);
    bench.plan();
    bench.now += TimeDelta::seconds(1);
    bench.order(cancelled());
    bench.executed.clear();
    assert_eq!(bench.run(&mut |_, _| done(json!({}))).as_deref(), Some("failed"));
    assert_eq!(bench.executed(), ["on_failure.tell"]);
    let (step, failure) = bench.state().failing.expect("it failed");
    assert_eq!((step.as_str(), failure.class.as_str()), ("c.w", "needs_person"));
}

/// Cancelled by mistake, say.
#[test]
fn a_cancelled_run_that_is_retried_does_what_it_was_kept_from() {
    let mut bench = Bench::new(definition(
        "
  - { id: a, call: x.write, undo: { call: x.unwrite } }
  - { id: w, call: x.write, on_error: continue }
  - { id: g, gate: approve, ask: r, expires: 1h, on_expire: reject }
",
    ));
    for (step, change) in [("a", Some(done(json!({})))), ("w", None)] {
        bench.add(Some(path(step)), 1, Change::Started);
        if let Some(change) = change {
            bench.add(Some(path(step)), 1, change);
        }
    }
    bench.now += TimeDelta::seconds(1);
    bench.order(cancelled());
    let ended =
        bench.run(&mut |path, _| if path.as_str() == "w" { failed("cancelled") } else { done(json!({})) });
    assert_eq!(ended.as_deref(), Some("cancelled"));
    assert_eq!(bench.executed(), ["w", "a.undo"]);
    bench.executed.clear();
    let reopening = reopen::retry(&bench.definition.workflow, &bench.state()).expect("a way on");
    bench.reopen(&reopening);
    let ended = bench.run(&mut |_, _| done(json!({ "decision": "approve" })));
    assert_eq!((ended.as_deref(), bench.executed()), (Some("done"), vec!["a", "w", "g"]));
    assert_eq!(bench.state().step(&path("a")).map(|step| step.generation), Some(1), "a new effect");
}

/// Nothing reached the other system: there is nothing to find out.
#[test]
fn a_call_that_waits_for_its_retry_and_was_not_made_ends_with_its_run() {
    let mut bench = Bench::new(definition("  - { id: w, call: x.write }\n"));
    bench.add(Some(path("w")), 1, Change::Started);
    let hour = bench.now + TimeDelta::hours(1);
    bench.add(Some(path("w")), 1, retrying("transient", hour));
    bench.order(cancelled());
    assert_eq!(bench.run(&mut |_, _| panic!("nothing is asked")).as_deref(), Some("cancelled"));
}

#[test]
fn a_cancel_that_leaves_something_in_doubt_is_told_like_a_failure() {
    for (left, tells) in [("needs_person", true), ("outcome_unknown", true), ("cancelled", false)] {
        let mut bench = Bench::new(definition(
            "  - { id: w, call: x.write }\non_failure:\n  - { id: tell, call: x.tell }\n",
        ));
        bench.add(Some(path("w")), 1, Change::Started);
        bench.now += TimeDelta::seconds(1);
        bench.order(cancelled());
        let ended =
            bench.run(&mut |path, _| if path.as_str() == "w" { failed(left) } else { done(json!({})) });
        assert_eq!(ended.as_deref(), Some(if tells { "failed" } else { "cancelled" }), "{left}");
        assert_eq!(bench.executed().contains(&"on_failure.tell"), tells, "{left}");
    }
}

/// A failure beside them is no reason to forget them.
#[test]
fn items_that_have_begun_end_before_their_list_does() {
    let mut bench = Bench::new(definition(
        "
  - id: l
    each: ${{ [1, 2, 3] }}
    as: n
    at_once: 2
    on_error: continue
    steps: [{ id: w, call: x.write }]
",
    ));
    let hour = bench.now + TimeDelta::hours(1);
    let mut tries = 0;
    let ended = bench.run(&mut |path, _| match path.as_str() {
        "l[0].w" => failed("permanent"),
        _ if tries == 0 => {
            tries += 1;
            retrying("outcome_unknown", hour)
        }
        _ => done(json!({})),
    });
    assert_eq!(ended.as_deref(), Some("done"));
    assert_eq!(bench.executed(), ["l[0].w", "l[1].w", "l[1].w"], "the third was not begun");
    assert_eq!(bench.state().status(&path("l[1].w")), Status::Done);
}

#[test]
fn what_was_done_after_a_handled_failure_is_undone_too() {
    let mut bench = Bench::new(definition(
        "
  - id: l
    each: ${{ [1] }}
    as: n
    steps: [{ id: w, call: x.write }]
    on_error:
      - { id: mend, call: x.mend, undo: { call: x.unmend } }
  - { id: last, call: x.write }
",
    ));
    let ended = bench.run(&mut |path, _| match path.as_str() {
        "l[0].w" | "last" => failed("permanent"),
        _ => done(json!({})),
    });
    assert_eq!(ended.as_deref(), Some("failed"));
    assert_eq!(bench.executed(), ["l[0].w", "l.on_error.mend", "last", "l.on_error.mend.undo"]);
}
