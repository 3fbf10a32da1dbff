//! Whose answer counts for a write.

use super::*;
use crate::run::{Approval, approval_of};

const TWO_GATES: &str = "
  - { id: plan, call: x.read }
  - { id: a, gate: approve, ask: r, expires: 1h, on_expire: reject }
  - { id: write_a, call: x.write }
  - { id: b, gate: approve, ask: r, if: trigger.n > 2, expires: 1h, on_expire: reject }
  - { id: write_b, call: x.write }
";

/// Runs with these decisions and asks who answers for a step.
fn answering(steps: &str, decisions: &[(&str, &str)], path: &str) -> Option<Approval> {
    let mut bench = Bench::new(definition(steps));
    bench.run(&mut |path, leaf| match leaf {
        Leaf::Gate(_) => {
            let decided = decisions.iter().find(|(gate, _)| *gate == path.as_str());
            decided.map_or_else(|| failed("expired"), |(_, decision)| done(json!({ "decision": decision })))
        }
        _ => done(json!({})),
    });
    approval_of(&bench.definition.workflow, &bench.state(), &StepPath::from(path.to_owned()))
}

#[test]
fn the_last_question_on_the_way_answers_and_an_earlier_yes_does_not() {
    let decisions = [("a", "approve"), ("b", "reject")];
    let first = answering(TWO_GATES, &decisions, "write_a").expect("a question");
    assert_eq!((first.gate.as_str(), first.is_positive()), ("a", true));
    let second = answering(TWO_GATES, &decisions, "write_b").expect("a question");
    assert_eq!((second.gate.as_str(), second.is_positive()), ("b", false));
    // A question that its condition skipped was not asked; the one before it still stands.
    let skipped = TWO_GATES.replace("trigger.n > 2", "trigger.n > 5");
    assert_eq!(answering(&skipped, &decisions, "write_b").expect("a question").gate.as_str(), "a");
    assert!(answering(TWO_GATES, &decisions, "plan").is_none());
}

#[test]
fn only_an_approval_answers_for_a_write() {
    let steps = "  - { id: a, gate: approve, ask: r, expires: 1h, on_expire: reject }\n  - { id: w, call: x.write }\n";
    for (decision, is_positive) in [
        ("approve", true),
        ("choose", true),
        ("edit", true),
        ("auto", true),
        ("reject", false),
        ("shadow", false),
    ] {
        let approval = answering(steps, &[("a", decision)], "w").expect("a question");
        assert_eq!(approval.is_positive(), is_positive, "{decision}");
    }
    let steps = steps.replace("gate: approve", "gate: acknowledge");
    assert!(answering(&steps, &[("a", "acknowledge")], "w").is_none(), "to acknowledge is no answer");
}

#[test]
fn a_question_nobody_answered_hides_the_one_before_it() {
    let steps = TWO_GATES.replace("id: b, ", "id: b, on_error: continue, ");
    let approval = answering(&steps, &[("a", "approve")], "write_b").expect("a question");
    assert_eq!((approval.gate.as_str(), approval.is_positive()), ("b", false));
}

#[test]
fn what_was_asked_about_one_item_says_nothing_of_another() {
    let steps = "
  - id: l
    each: ${{ [1, 2] }}
    as: item
    steps:
      - { id: ask, gate: approve, ask: r, expires: 1h, on_expire: reject }
      - { id: w, call: x.write }
  - { id: after, call: x.write }
";
    let decisions = [("l[0].ask", "approve"), ("l[1].ask", "reject")];
    assert!(answering(steps, &decisions, "l[0].w").expect("a question").is_positive());
    assert!(!answering(steps, &decisions, "l[1].w").expect("a question").is_positive());
    assert!(answering(steps, &decisions, "after").is_none());
}

#[test]
fn the_branch_that_was_taken_is_on_the_way() {
    let steps = "
  - id: c
    choose:
      - if: trigger.n > 2
        steps:
          - { id: ask, gate: approve, ask: r, expires: 1h, on_expire: reject }
          - { id: inside, call: x.write }
      - else:
          - { id: other, gate: approve, ask: r, expires: 1h, on_expire: reject }
  - { id: after, call: x.write }
";
    for path in ["c.inside", "after"] {
        assert_eq!(
            answering(steps, &[("c.ask", "approve")], path).expect("a question").gate.as_str(),
            "c.ask"
        );
    }
}
