mod plant;

use super::model::{Alternative, Blocked, BlockedKind, Current, Figure, Model, State, Weights};
use super::validate::{self, Claim};
use super::*;
use decode::Decoder;
use place::Hours;
use proptest::prelude::*;
use serde_json::json;
use std::sync::atomic::AtomicBool;

fn violations(model: &Model, option: &PlanOption, unfrozen: &[Unfrozen]) -> Vec<String> {
    let claim = Claim {
        ops: &option.ops,
        unscheduled: &option.unscheduled,
        unfrozen,
        kpis: &option.kpis,
        moved: &option.moved,
        bound: option.bound.value,
    };
    validate::check(model, &claim).iter().map(ToString::to_string).collect()
}

fn answer(model: &Model) -> Answer {
    resequence(&Problem::parse(model.clone()).unwrap()).unwrap()
}

/// Two presses and a welder; PRESS-4 breaks down for four hours with three jobs planned on it.
fn breakdown() -> Model {
    let job = |id: &str, due: i64, tier: &str, weight: f64| {
        json!({ "id": id, "due": due, "tier": tier, "weight": weight, "ops": [
            { "id": "10", "family": "RED", "alts": [
                { "resource": "PRESS-4", "minutes": 60 }, { "resource": "PRESS-2", "minutes": 75 } ] },
            { "id": "20", "alts": [{ "resource": "WELD-1", "minutes": 30 }] } ] })
    };
    let planned = |op: &str, resource: &str, start: i64, end: i64| json!({ "op": op, "resource": resource, "start": start, "end": end });
    serde_json::from_value(json!({
        "epoch": "2026-11-23T06:00:00-06:00", "now": 10, "horizon": 2880,
        "families": ["RED", "BLUE"],
        "setups": [{ "id": "S", "minutes": [[0, 20], [20, 0]] }],
        "resources": [
            { "id": "PRESS-4", "setup": "S", "state": "RED",
              "blocked": [{ "from": 10, "to": 250, "why": "hydraulics", "kind": "breakdown" }] },
            { "id": "PRESS-2", "setup": "S", "state": "BLUE" },
            { "id": "WELD-1" } ],
        "orders": [job("WO-1", 200, "A", 4.0), job("WO-2", 260, "B", 2.0), job("WO-3", 600, "C", 1.0)],
        "current": [
            planned("WO-1/10", "PRESS-4", 15, 75), planned("WO-1/20", "WELD-1", 75, 105),
            planned("WO-2/10", "PRESS-4", 75, 135), planned("WO-2/20", "WELD-1", 135, 165),
            planned("WO-3/10", "PRESS-4", 135, 195), planned("WO-3/20", "WELD-1", 195, 225) ],
        "policy": { "evaluations": 400 }
    }))
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(120) })]

    #[test]
    fn the_validator_accepts_every_plan_the_search_makes(seed in any::<u64>()) {
        let model = sample::varied(seed);
        let answer = answer(&model);
        for option in &answer.options {
            prop_assert_eq!(violations(&model, option, &answer.unfrozen), Vec::<String>::new());
        }
        let rejected: Vec<&String> = answer.warnings.iter().filter(|text| text.contains("validator")).collect();
        prop_assert!(rejected.is_empty(), "{rejected:?}");
    }

    #[test]
    fn the_first_option_is_never_worse_than_the_greedy_start_or_the_current_plan(seed in any::<u64>()) {
        let model = sample::random(seed);
        let problem = Problem::parse(model.clone()).unwrap();
        let facts = facts::Facts::of(&problem);
        let answer = resequence(&problem).unwrap();
        let screened = screen::impossible(&problem, &facts);
        let free: Vec<usize> = (0..problem.ops.len())
            .filter(|&op| !facts.is_decided(op) && screened.iter().all(|order| order.order != problem.ops[op].order))
            .collect();
        let mut decoder = Decoder::new(&problem, &facts, Hours::Open);
        let mut starts = vec![repair::keep(&problem, &free)];
        let budget = budget::Budget::of(&model.policy, &());
        construct::dispatched(&problem, &mut decoder, &free, &budget, |_, start| starts.push(start));
        for start in starts {
            let timed = decoder.decode(&start);
            // A start that drops orders is compared by what it drops, which may not be fewer.
            if timed.dropped.is_empty() {
                let greedy = kpi::Figures::of(&problem, &facts, timed).objective(&model.policy.weights);
                prop_assert!(answer.options[0].kpis.objective <= greedy + 1e-6);
                prop_assert_eq!(answer.options[0].unscheduled.len(), screened.len());
            }
        }
    }

    #[test]
    fn options_differ_in_pairs_and_say_only_true_numbers(seed in any::<u64>()) {
        let answer = answer(&sample::random(seed));
        for (index, option) in answer.options.iter().enumerate() {
            prop_assert!(option.rationale.chars().count() <= 200, "{}", option.rationale);
            let late = format!("{} late order", option.kpis.late_orders);
            prop_assert!(option.rationale.contains(&late), "{}", option.rationale);
            prop_assert_eq!(option.moved.len(), option.kpis.moved_ops);
            prop_assert_eq!(option.late_orders.len(), option.kpis.late_orders);
            for other in &answer.options[..index] {
                prop_assert_ne!(&option.title, &other.title);
                prop_assert!(option.ops != other.ops, "two options are the same plan");
                let labels = |option: &PlanOption| option.facts.iter().map(|fact| fact.label.clone()).collect::<Vec<_>>();
                prop_assert_eq!(labels(option), labels(other));
            }
        }
    }
}

/// Plans that leave out the same orders, named in another order, are no choice.
#[test]
fn what_is_left_out_in_another_order_is_the_same_plan() {
    let answer = answer(&sample::random(6_236_536_741_895_427_139));
    for (index, option) in answer.options.iter().enumerate() {
        for other in &answer.options[..index] {
            let left_out = |option: &PlanOption| {
                option.unscheduled.iter().map(|order| order.order.clone()).collect::<Vec<_>>()
            };
            assert!(option.ops != other.ops, "{:?} and {:?}", left_out(option), left_out(other));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_answer_on_one_thread_or_two() {
    for seed in 0..20 {
        let mut model = sample::random(seed);
        let first = answer(&model);
        assert_eq!(first, answer(&model));
        model.policy.threads = 2;
        assert_eq!(first, answer(&model));
    }
}

#[test]
fn a_breakdown_is_answered_with_distinct_plans_better_than_doing_nothing() {
    let answer = answer(&breakdown());
    let (first, nothing) = (&answer.options[0], &answer.baseline);
    // Doing nothing waits for the press: 250 + 60 + 30 for the first order, due at 200.
    assert_eq!(nothing.kpis.weighted_tardiness, 4.0 * 140.0 + 2.0 * 140.0);
    assert!(first.kpis.weighted_tardiness < nothing.kpis.weighted_tardiness);
    assert!(answer.options.len() >= 2, "{:?}", answer.warnings);
    assert!(answer.evaluated > 100, "{}", answer.evaluated);
    let moved = first.ops.iter().find(|op| op.op == "WO-1/10").unwrap();
    assert_eq!((moved.resource.as_str(), moved.setup_start), ("PRESS-2", Some(10)));
    assert!(answer.before.down[0].breakdown && answer.before.bars.len() == 6);
    assert!(first.gantt.bars.iter().any(|bar| bar.moved));
}

#[test]
fn an_answer_survives_the_trip_through_json() {
    let answer = answer(&breakdown());
    let text = serde_json::to_string(&answer).unwrap();
    assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer);
    let schema = serde_json::to_value(schemars::schema_for!(Model)).unwrap();
    assert!(jsonschema::is_valid(&schema, &serde_json::to_value(breakdown()).unwrap()));
}

#[test]
fn a_running_operation_stays_and_ends_after_the_breakdown() {
    let mut model = breakdown();
    model.current[0] = Current {
        start: -20,
        end: 40,
        state: State::Running,
        remaining: Some(30),
        ..model.current[0].clone()
    };
    let answer = answer(&model);
    for option in &answer.options {
        let running = option.ops.iter().find(|op| op.op == "WO-1/10").unwrap();
        assert_eq!((running.resource.as_str(), running.start, running.end), ("PRESS-4", -20, 280));
    }
}

#[test]
fn a_frozen_operation_on_the_broken_machine_is_set_free_and_reported() {
    let mut model = breakdown();
    model.policy.frozen_until = Some(100);
    let answer = answer(&model);
    let freed: Vec<&str> = answer.unfrozen.iter().map(|entry| entry.op.as_str()).collect();
    assert_eq!(freed, ["WO-1/10", "WO-1/20", "WO-2/10"]);
    assert!(answer.unfrozen[0].reason.contains("PRESS-4 is closed or blocked between Mon 06:15"));
}

#[test]
fn an_order_without_a_living_machine_is_left_out_with_the_cause_and_the_rest_planned() {
    let mut model = breakdown();
    model.orders[2].ops[1].alts.clear();
    model.current.retain(|entry| entry.op != "WO-3/20");
    let answer = answer(&model);
    assert_eq!(answer.unscheduled.len(), 1);
    assert_eq!(
        (answer.unscheduled[0].op.as_str(), answer.unscheduled[0].cause),
        ("WO-3/20", Cause::NoResource)
    );
    assert!(answer.options[0].ops.iter().all(|op| !op.op.starts_with("WO-3")));
    model.policy.strict = true;
    let error = resequence(&Problem::parse(model).unwrap()).unwrap_err();
    assert!(error.to_string().starts_with("order `WO-3` cannot be planned"), "{error}");
}

/// What hinders WO-3's second operation, told by changing one thing of the model.
fn cause_when(change: impl FnOnce(&mut Model)) -> (Cause, String) {
    let mut model = breakdown();
    model.current.clear();
    change(&mut model);
    let answer = answer(&model);
    let order = answer.unscheduled.into_iter().find(|order| order.order == "WO-3").expect("WO-3 is left out");
    (order.cause, order.reason)
}

fn need(model: &mut Model, pool: serde_json::Value, qty: i64) {
    let id = pool["id"].as_str().unwrap().to_owned();
    model.pools.push(serde_json::from_value(pool).unwrap());
    model.orders[2].ops[1].needs.push(model::Need { pool: id, qty });
}

#[test]
fn every_hopeless_operation_is_explained() {
    let (cause, reason) = cause_when(|model| {
        model
            .calendars
            .push(serde_json::from_value(json!({"id": "day", "open": [[0, 480], [1440, 1920]]})).unwrap());
        model.resources[2].calendar = Some("day".into());
        model.orders[2].ops[1].alts = vec![Alternative { resource: "WELD-1".into(), minutes: 500 }];
    });
    assert_eq!(
        (cause, reason.contains("longest open window of WELD-1 is 480 min")),
        (Cause::LongerThanAnyWindow, true)
    );

    let (cause, reason) = cause_when(|model| {
        model.calendars.push(serde_json::from_value(json!({"id": "day", "open": [[0, 480]]})).unwrap());
        model.calendars.push(serde_json::from_value(json!({"id": "night", "open": [[480, 960]]})).unwrap());
        model.resources[2].calendar = Some("day".into());
        need(model, json!({"id": "WELDER", "kind": "operator", "capacity": 1, "calendar": "night"}), 1);
    });
    assert_eq!(cause, Cause::NoCommonTime);
    assert!(reason.contains("WELD-1") && reason.contains("WELDER"), "{reason}");

    let (cause, reason) =
        cause_when(|model| need(model, json!({"id": "JIG", "kind": "tool", "capacity": 1}), 2));
    assert_eq!((cause, reason.contains("never has more than 1")), (Cause::PoolTooSmall, true));

    let (cause, reason) = cause_when(|model| {
        need(model, json!({"id": "TORQUE-7", "kind": "tool", "capacity": 1, "calibrated_until": 60}), 1);
    });
    assert_eq!(cause, Cause::CalibrationExpired);
    assert!(reason.contains("TORQUE-7, which is out of calibration from Mon 07:00"), "{reason}");

    let (cause, reason) = cause_when(|model| {
        need(model, json!({"id": "WELDER-6G", "kind": "operator", "capacity": 1, "certified_until": 60}), 1);
    });
    assert_eq!((cause, reason.contains("not certified")), (Cause::CertificationExpired, true));

    let (cause, _) = cause_when(|model| model.orders[2].deadline = Some(100));
    assert_eq!(cause, Cause::MissesDeadline);

    let (cause, _) = cause_when(|model| {
        model.resources[2].blocked =
            vec![Blocked { from: 0, to: 2870, why: "no weld gas".into(), kind: BlockedKind::Breakdown }];
    });
    assert_eq!(cause, Cause::LongerThanAnyWindow);
}

#[test]
fn two_running_operations_on_one_machine_are_kept_and_reported() {
    let mut model = breakdown();
    for entry in [0, 2] {
        model.current[entry].state = State::Running;
        (model.current[entry].start, model.current[entry].end) = (-10, 50);
    }
    let answer = answer(&model);
    assert!(
        answer.warnings.iter().any(|text| text.contains("another operation is reported running on PRESS-4"))
    );
}

#[test]
fn a_maximum_lag_delays_the_predecessor_instead_of_giving_up() {
    let mut model = breakdown();
    model.current.clear();
    model.orders.truncate(1);
    model.orders[0].ops[1].material_at = Some(600);
    model.orders[0].ops[1].max_lag = Some(20);
    let answer = answer(&model);
    assert_eq!(answer.unscheduled, []);
    let ends = answer.options[0].ops.iter().find(|op| op.op == "WO-1/10").unwrap().end;
    assert!((580..=600).contains(&ends), "{ends}");
}

#[test]
fn a_plan_without_overtime_is_offered_where_overtime_is_possible() {
    let mut model = breakdown();
    let calendar = json!({"id": "long", "open": [[0, 900]], "regular": [[0, 110]]});
    model.calendars.push(serde_json::from_value(calendar).unwrap());
    // On PRESS-2 most of the day is overtime; PRESS-4 works normal hours once it is repaired.
    model.resources[1].calendar = Some("long".into());
    model.policy.weights = Weights { overtime: 0.01, ..Weights::default() };
    let answer = answer(&model);
    let overtime: Vec<i64> = answer.options.iter().map(|option| option.kpis.overtime_minutes).collect();
    assert!(overtime.contains(&0) && overtime.iter().any(|&minutes| minutes > 0), "{overtime:?}");
}

#[test]
fn cancelling_still_answers_with_valid_plans() {
    let model =
        Model { policy: model::Policy { budget_ms: Some(3_600_000), ..Default::default() }, ..breakdown() };
    let answer = resequence_until(&Problem::parse(model.clone()).unwrap(), &AtomicBool::new(true)).unwrap();
    assert_eq!(violations(&model, &answer.options[0], &answer.unfrozen), Vec::<String>::new());
}

#[test]
fn nothing_to_plan_is_an_answer_too() {
    let mut model = breakdown();
    (model.orders, model.current) = (Vec::new(), Vec::new());
    let answer = answer(&model);
    assert_eq!((answer.options.len(), answer.options[0].ops.len()), (1, 0));
}

#[test]
fn what_is_named_first_is_not_given_up_for_what_comes_after_it() {
    let plan = |model: &Model, ranked: [Figure; 2]| {
        let mut model = model.clone();
        (model.policy.options, model.policy.lexicographic) = (1, ranked.to_vec());
        model.policy.evaluations = Some(4_000);
        answer(&model).options[0].kpis.clone()
    };
    let changeover = |kpis: &Kpis| kpis.changeover_minutes as f64 + kpis.changeover_cost;
    let mut traded = 0;
    for seed in 0..20 {
        let model = sample::random(seed);
        let timely = plan(&model, [Figure::Tardiness, Figure::Changeover]);
        let steady = plan(&model, [Figure::Changeover, Figure::Tardiness]);
        if timely.unscheduled_orders + steady.unscheduled_orders > 0 {
            continue;
        }
        assert!(timely.weighted_tardiness <= steady.weighted_tardiness, "{seed}: {timely:?} {steady:?}");
        assert!(changeover(&steady) <= changeover(&timely), "{seed}: {timely:?} {steady:?}");
        traded += usize::from(timely != steady);
    }
    assert!(traded > 3, "in {traded} plants there was something to trade");
}

/// An order that is late, and one with a deadline that is only kept when it goes first.
fn tight() -> Model {
    let order = |id: &str, minutes: i64, due: i64, deadline: Option<i64>| {
        json!({"id": id, "due": due, "deadline": deadline, "ops": [
            {"id": "10", "alts": [{"resource": "M1", "minutes": minutes}]}]})
    };
    serde_json::from_value(json!({
        "epoch": "2026-11-23T06:00:00Z", "horizon": 5000, "resources": [{"id": "M1"}],
        "orders": [order("LATE", 60, 60, None), order("TIGHT", 1200, 1300, Some(1210))],
        "policy": {"evaluations": 300, "options": 1},
    }))
    .unwrap()
}

#[test]
fn no_weight_makes_it_cheaper_to_leave_an_order_out_than_to_be_late() {
    for tardiness in [1e-3, 1.0, 1e6, 1e9] {
        let mut model = tight();
        model.policy.weights.tardiness = tardiness;
        let answer = answer(&model);
        assert_eq!(answer.unscheduled, [], "{tardiness}");
        assert_eq!(answer.options[0].kpis.weighted_tardiness, 1200.0, "{tardiness}");
    }
}

#[derive(Default)]
struct Seen(std::sync::Mutex<Vec<f64>>);

impl Watch for Seen {
    fn progress(&self, progress: &Progress) {
        self.0.lock().unwrap().push(progress.objective);
    }
}

#[test]
fn doing_nothing_that_leaves_an_order_out_is_no_progress_to_be_beaten() {
    let seen = Seen::default();
    let answer = resequence_until(&Problem::parse(tight()).unwrap(), &seen).unwrap();
    assert_eq!(answer.baseline.unscheduled[0].order, "TIGHT");
    let seen = seen.0.into_inner().unwrap();
    assert!(seen[0] >= 1e9, "{seen:?}");
    let last = seen.last().unwrap();
    assert!((last - answer.options[0].kpis.objective).abs() < 1e-6, "{seen:?}");
}

#[test]
fn only_sequences_that_were_timed_are_counted() {
    // One operation has one sequence, however often another one is asked for.
    let mut model = tight();
    model.orders.truncate(1);
    model.orders[0].due = 10;
    model.policy.evaluations = Some(5_000);
    for makespan in [0.0, 0.001] {
        model.policy.weights.makespan = makespan;
        let evaluated = answer(&model).evaluated;
        assert!(evaluated < 60, "{evaluated}");
    }
}
