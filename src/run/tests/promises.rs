//! Promises (`sla`) about steps that do not stand at the top of their workflow.

use super::*;

/// What a person is late with is told once; the answer to `ask` comes after so many minutes.
fn late(steps: &str, promised: &str, answered_after: i64) -> bool {
    let head = "workflow: sample\ntitle: Sample\nowner: me\ntrigger: manual\n";
    let text = format!("{head}sla: [{{ step: {promised}, within: 10m, escalate: up }}]\nsteps:\n{steps}");
    let files = BTreeMap::from([("workflows/sample.yaml".to_owned(), text)]);
    let bundle = Bundle { path: "workflows/sample.yaml".into(), files };
    let mut bench = Bench::new(Definition::compile(bundle).expect("a good workflow"));
    let answer_at = midnight() + TimeDelta::minutes(answered_after);
    for _ in 0..100 {
        let planned = bench.plan();
        if planned.finish.is_some() {
            break;
        }
        for task in &planned.ready {
            bench.add(Some(task.path.clone()), task.attempt, Change::Started);
            let change = match &task.leaf {
                Leaf::Gate(_) => Change::Waiting { wake_at: None },
                _ => done(json!({ "n": 1 })),
            };
            bench.add(Some(task.path.clone()), task.attempt, change);
        }
        let next = planned.wake_at.filter(|wake_at| *wake_at < answer_at);
        bench.now = bench.now.max(next.unwrap_or(answer_at));
        if bench.now == answer_at {
            let open: Vec<StepPath> = bench.plan().waiting_for;
            for path in open {
                bench.add(Some(path), 1, done(json!({ "decision": "approve" })));
            }
        }
    }
    !bench.state().breached.is_empty()
}

const GATE: &str = "gate: approve, ask: lead, expires: 8h, on_expire: fail";

#[test]
fn a_promise_inside_of_a_branch_is_kept_by_an_answer_in_time() {
    let steps = format!(
        "  - id: way\n    choose:\n      - {{ if: trigger.n == 3, steps: [{{ id: ok, {GATE} }}] }}\n      - else: [{{ id: other, {GATE} }}]\n  - {{ id: rest, wait: 2h }}\n"
    );
    assert!(!late(&steps, "ok", 5), "it was answered in time");
    assert!(late(&steps, "ok", 15), "it was answered too late");
    assert!(!late(&steps, "other", 5), "the run never came there");
}

#[test]
fn a_promise_about_a_loop_or_what_runs_at_once_is_kept_when_all_of_it_is_done() {
    let each = format!(
        "  - id: all\n    each: ${{{{ [1, 2] }}}}\n    at_once: 2\n    steps: [{{ id: ok, {GATE} }}]\n  - {{ id: rest, wait: 2h }}\n"
    );
    assert!(!late(&each, "ok", 5) && late(&each, "ok", 15));
    let both = "  - id: both\n    parallel: { one: { call: x.read }, two: { call: x.read } }\n  - { id: rest, wait: 2h }\n";
    assert!(!late(both, "both", 60) && !late(both, "two", 60));
}
