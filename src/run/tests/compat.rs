//! Which versions a run may be moved to.

use super::*;
use crate::run::compat::{Incompatible, incompatibilities};
use crate::workflow::Autonomy;

const OLD: &str = "
  - { id: a, call: x.read }
  - id: c
    choose:
      - if: steps.a.n > 0
        steps:
          - { id: inner, call: x.read }
  - { id: g, gate: approve, ask: r, expires: 1h, on_expire: reject }
  - { id: w, call: x.write, with: { n: \"${{ steps.a.n }}\" } }
";

/// Reasons against moving a run that waits at `g` from `OLD` to `new`.
fn reasons(new: &str) -> Vec<String> {
    let mut bench = Bench::new(definition(OLD));
    let at = bench.now + TimeDelta::hours(1);
    bench.plan();
    for _ in 0..6 {
        for task in bench.plan().ready {
            bench.add(Some(task.path.clone()), task.attempt, Change::Started);
            let change = match task.leaf {
                Leaf::Gate(_) => Change::Waiting { wake_at: Some(at) },
                _ => done(json!({ "n": 1 })),
            };
            bench.add(Some(task.path), task.attempt, change);
        }
    }
    assert_eq!(bench.state().status(&StepPath::root("g")), Status::Waiting);
    let found = incompatibilities(&bench.definition.workflow, &definition(new).workflow, &bench.state());
    found.iter().map(Incompatible::to_string).collect()
}

#[test]
fn a_run_in_shadow_stays_in_it_and_one_that_acts_stays_out() {
    let assist = definition(OLD);
    let shadow = assist.with_autonomy(Autonomy::Shadow);
    let state = Bench::new(definition(OLD)).state();
    for (old, new) in [(&assist, &shadow), (&shadow, &assist)] {
        assert_eq!(incompatibilities(&old.workflow, &new.workflow, &state), [Incompatible::Shadow]);
    }
    assert_eq!(incompatibilities(&shadow.workflow, &shadow.workflow, &state), []);
}

#[test]
fn what_is_still_to_come_may_change() {
    assert_eq!(reasons(OLD), Vec::<String>::new());
    let longer =
        OLD.replace("id: w, call: x.write", "id: v, call: x.other") + "  - { id: w, call: x.write }\n";
    assert_eq!(reasons(&longer), Vec::<String>::new());
}

#[test]
fn every_reason_is_told() {
    let cases = [
        (
            OLD.replace("id: a, call: x.read", "id: b, call: x.read").replace("steps.a.n", "steps.b.n"),
            "`a` has begun, and the other version has no such step",
        ),
        (
            OLD.replace("id: a, call: x.read", "id: a, call: x.other"),
            "`a` has begun as a call of x.read, and is a call of x.other in the other version",
        ),
        (
            OLD.replace("gate: approve", "gate: acknowledge"),
            "`g` has begun as a gate that asks for approve, and is a gate that asks for acknowledge in the other version",
        ),
        (
            OLD.replace("gate: approve, ask: r", "gate: approve, quorum: 2, ask: r"),
            "`g` has begun as a gate that asks for approve, and is a gate that asks for approve of 2 people in the other version",
        ),
        (OLD.replace("steps.a.n > 0", "steps.a.n > 7"), "the branch that `c` took is another one, or gone"),
        (
            OLD.replace("  - id: c", "  - { id: new, call: x.read }\n  - id: c"),
            "`new` is new and stands before `g`, which has already begun",
        ),
        (
            OLD.replace("steps.a.n }}", "steps.a.missing }}"),
            "a later step reads `steps.a.missing`, which `a` did not put out",
        ),
    ];
    for (new, reason) in cases {
        assert!(reasons(&new).iter().any(|found| found == reason), "{reason}\n{:#?}", reasons(&new));
    }
}
