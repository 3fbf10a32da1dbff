use super::*;
use crate::schedule::{Problem, plan::PlanFile, resequence, sample};
use serde_json::json;

/// Two presses; two orders planned on the first, the second free.
fn model() -> Model {
    let order = |id: &str| {
        json!({"id": id, "due": 200, "tier": "A", "weight": 2, "ops": [{"id": "10", "alts": [
            {"resource": "P1", "minutes": 60}, {"resource": "P2", "minutes": 80}]}]})
    };
    serde_json::from_value(json!({
        "epoch": "2026-11-23T06:00:00Z", "horizon": 3000,
        "calendars": [{"id": "day", "open": [[0, 480], [1440, 1920]]}],
        "pools": [{"id": "CREW", "kind": "operator", "capacity": 2, "profile": [[100, 1]]}],
        "resources": [{"id": "P1", "calendar": "day"}, {"id": "P2", "calendar": "day"}],
        "orders": [order("A"), order("B")],
        "current": [{"op": "A/10", "resource": "P1", "start": 20, "end": 80},
                    {"op": "B/10", "resource": "P1", "start": 80, "end": 140}],
        "policy": {"evaluations": 300},
    }))
    .unwrap()
}

fn down() -> Change {
    serde_json::from_value(json!({"down": {"resource": "P1", "from": 0, "to": 400}})).unwrap()
}

#[test]
fn a_breakdown_is_repaired_with_what_moves_and_why() {
    let outcome = repair(&model(), &[down()], &()).unwrap();
    assert_eq!(
        outcome.plan.violations(&{
            let mut changed = model();
            down().apply(&mut changed).unwrap();
            changed
        }),
        []
    );
    assert!(outcome.after.weighted_tardiness < outcome.before.weighted_tardiness);
    let moved: Vec<&str> = outcome.differences.iter().map(|difference| difference.op.as_str()).collect();
    assert_eq!(moved.len(), 2, "{moved:?}");
    assert!(
        outcome.text.starts_with("If P1 is down for 400 min: 0 late orders (doing nothing: "),
        "{}",
        outcome.text
    );
}

#[test]
fn one_change_is_told_against_the_plan_before() {
    let base = resequence(&Problem::parse(model()).unwrap()).unwrap();
    let plan = PlanFile::of("base", &model(), &base, &base.options[0]);
    let due = Change::Due { order: "A".into(), due: 30 };
    let outcome = what_if(&model(), Some(&plan), &due, &()).unwrap();
    assert_eq!(outcome.newly_late, ["A"]);
    let objective = &outcome.figures[0];
    assert_eq!(objective.change, objective.after - objective.before);
    let same =
        what_if(&model(), Some(&plan), &Change::Weight { order: "A".into(), weight: 2.0 }, &()).unwrap();
    assert_eq!(same.differences, [], "nothing changed, so nothing moves");
}

#[test]
fn a_plan_that_breaks_rules_is_not_asked_about() {
    let base = resequence(&Problem::parse(model()).unwrap()).unwrap();
    let mut plan = PlanFile::of("base", &model(), &base, &base.options[0]);
    plan.ops.pop();
    let error = what_if(&model(), Some(&plan), &down(), &()).unwrap_err().to_string();
    assert!(error.contains("rule 1 (each operation once)"), "{error}");
}

#[test]
fn every_change_does_one_thing_or_names_what_is_missing() {
    let applied = |change: serde_json::Value| {
        let mut model = model();
        let change: Change = serde_json::from_value(change).unwrap();
        change.apply(&mut model).map(|()| model)
    };
    let model = |change| applied(change).unwrap();
    assert_eq!(model(json!({"hold": {"order": "A", "until": 90}})).orders[0].ops[0].material_at, Some(90));
    assert_eq!(model(json!({"material": {"op": "B/10", "at": 5}})).orders[1].ops[0].material_at, Some(5));
    assert_eq!(model(json!({"remove": {"order": "A"}})).current.len(), 1);
    let crew = model(json!({"capacity": {"pool": "CREW", "capacity": 3}}));
    assert_eq!((crew.pools[0].capacity, crew.pools[0].profile.len()), (3, 0));
    let longer = model(json!({"open": {"calendar": "day", "from": 480, "to": 600}}));
    assert_eq!(longer.calendars[0].open, [Span(0, 600), Span(1440, 1920)]);
    assert_eq!(longer.calendars[0].regular, Some(vec![Span(0, 480), Span(1440, 1920)]));
    let able = model(json!({"able": {"op": "A/10", "resource": "P2", "minutes": 5}}));
    assert_eq!(able.orders[0].ops[0].alts[1].minutes, 5);
    for (change, path) in [
        (
            json!({"down": {"resource": "X", "from": 0, "to": 9}}),
            "change.down.resource: there is no resource `X`",
        ),
        (json!({"hold": {"order": "X", "until": 9}}), "change.hold.order: there is no order `X`"),
        (json!({"material": {"op": "A/99", "at": 9}}), "change.material.op: there is no operation"),
        (json!({"capacity": {"pool": "X", "capacity": 9}}), "change.capacity.pool: there is no pool"),
        (json!({"open": {"calendar": "day", "from": 9, "to": 9}}), "change.open: intervals must be"),
    ] {
        let error = applied(change).unwrap_err().to_string();
        assert!(error.starts_with(path), "{error}");
    }
}

#[test]
fn repairs_of_random_plants_keep_every_rule() {
    for seed in 0..25 {
        let model = sample::random(seed);
        let change = Change::Down { resource: "M0".into(), from: 30, to: 300, why: "breakdown".into() };
        let outcome = repair(&model, std::slice::from_ref(&change), &()).unwrap();
        let mut changed = model.clone();
        change.apply(&mut changed).unwrap();
        assert_eq!(outcome.plan.violations(&changed), [], "seed {seed}");
    }
}
