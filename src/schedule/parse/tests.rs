use super::super::model::{Model, Resource, SetupMatrix, Span};
use super::*;
use proptest::prelude::*;
use serde_json::json;

fn model() -> Model {
    serde_json::from_value(json!({
        "epoch": "2026-11-23T06:00:00Z", "horizon": 5000,
        "calendars": [{"id": "day", "open": [[0, 480], [1440, 1920]]}],
        "families": ["RED", "BLUE"],
        "setups": [{"id": "S", "minutes": [[0, 25], [40, 0]], "needs": [{"pool": "SETTER", "qty": 1}]}],
        "resources": [{"id": "M1", "setup": "S", "state": "RED", "calendar": "day"}, {"id": "M2"}],
        "pools": [{"id": "SETTER", "kind": "operator", "capacity": 1}],
        "orders": [{"id": "WO-1", "due": 900, "ops": [
            {"id": "10", "family": "RED", "alts": [{"resource": "M1", "minutes": 45}]},
            {"id": "20", "alts": [{"resource": "M2", "minutes": 30}]},
            {"id": "30", "after": ["10"], "alts": [{"resource": "M2", "minutes": 30}]}]}],
        "current": [{"op": "WO-1/10", "resource": "M1", "start": 0, "end": 45}]
    }))
    .unwrap()
}

/// The message for a model changed in one place.
fn refusal(change: impl FnOnce(&mut Model)) -> String {
    let mut model = model();
    change(&mut model);
    Problem::parse(model).expect_err("the model should be refused").to_string()
}

#[test]
fn a_good_model_parses_and_operations_follow_each_other_unless_told_otherwise() {
    let problem = Problem::parse(model()).unwrap();
    let preds: Vec<&[usize]> = problem.ops.iter().map(|op| op.preds.as_slice()).collect();
    assert_eq!(preds, [&[][..], &[0], &[0]]);
    assert_eq!(problem.ops[0].succs, [1, 2]);
    assert_eq!(problem.warnings, Vec::<String>::new());
}

#[test]
fn a_circle_of_predecessors_is_named() {
    let text = refusal(|model| model.orders[0].ops[0].after = Some(vec!["20".into()]));
    assert_eq!(
        text,
        "order `WO-1`: operations wait for each other in a circle: WO-1/20 → WO-1/10 → WO-1/20; remove one `after`"
    );
    let text = refusal(|model| model.orders[0].ops[2].after = Some(vec!["30".into()]));
    assert!(text.contains("WO-1/30 → WO-1/30"), "{text}");
}

#[test]
fn unknown_references_name_their_place() {
    let path = "orders[0].ops[1].alts[0].resource";
    assert_eq!(
        refusal(|model| model.orders[0].ops[1].alts[0].resource = "M9".into()),
        format!("{path}: there is no resource `M9`; add it or correct the reference")
    );
    let starts = [
        (
            refusal(|model| model.resources[0].calendar = Some("x".into())),
            "resources[0].calendar: there is no calendar",
        ),
        (
            refusal(|model| model.resources[0].setup = Some("x".into())),
            "resources[0].setup: there is no setup matrix",
        ),
        (
            refusal(|model| model.resources[0].state = Some("x".into())),
            "resources[0].state: there is no family",
        ),
        (
            refusal(|model| model.orders[0].ops[0].family = Some("x".into())),
            "orders[0].ops[0].family: there is no",
        ),
        (
            refusal(|model| model.orders[0].ops[2].after = Some(vec!["x".into()])),
            "orders[0].ops[2].after: there is no",
        ),
        (
            refusal(|model| model.setups[0].needs[0].pool = "x".into()),
            "setups[0].needs[0].pool: there is no pool",
        ),
        (
            refusal(|model| model.setups[0].forbidden = vec![("RED".into(), "x".into())]),
            "setups[0].forbidden[0]:",
        ),
        (refusal(|model| model.current[0].op = "x".into()), "current[0].op: there is no operation `x`"),
        (
            refusal(|model| model.current[0].resource = "M2".into()),
            "current[0]: `M2` is not an alternative of `WO-1/10`",
        ),
        (refusal(|model| model.orders[0].ops[0].family = Some("GREEN".into())), "orders[0].ops[0].family"),
    ];
    for (text, start) in starts {
        assert!(text.starts_with(start), "{text}");
    }
}

#[test]
fn a_family_without_a_row_in_the_matrix_of_its_resource_is_refused() {
    let text = refusal(|model| {
        model.setups[0].families = Some(vec!["BLUE".into(), "GREEN".into()]);
        model.resources[0].state = Some("BLUE".into());
    });
    assert!(text.starts_with("orders[0].ops[0].alts[0]: there is no row in the setup matrix"), "{text}");
}

#[test]
fn matrices_must_be_square_and_a_broken_triangle_is_only_a_warning() {
    let text = refusal(|model| drop(model.setups[0].minutes.pop()));
    assert!(text.starts_with("setups[0].minutes: has 1 rows"), "{text}");
    let text = refusal(|model| {
        model.setups[0].minutes[1].pop();
    });
    assert!(text.contains("a row of 1 columns; it needs 2 × 2"), "{text}");
    let mut model = model();
    model.families.push("GREEN".into());
    model.setups[0].minutes = vec![vec![0, 90, 10], vec![5, 0, 5], vec![5, 10, 0]];
    let problem = Problem::parse(model).unwrap();
    assert!(
        problem.warnings[0]
            .starts_with("setup matrix S: RED → BLUE takes 90 min, but only 20 by way of GREEN")
    );
}

#[test]
fn ids_are_unique() {
    let again =
        |text: String, path: &str| assert!(text.starts_with(path) && text.contains("used twice"), "{text}");
    again(refusal(|model| model.orders.push(model.orders[0].clone())), "orders[1]:");
    again(refusal(|model| model.resources[1].id = "M1".into()), "resources[1]:");
    again(refusal(|model| model.orders[0].ops[1].id = "10".into()), "orders[0].ops[1]:");
    again(refusal(|model| model.current.push(model.current[0].clone())), "current[1]:");
    again(refusal(|model| model.families.push("RED".into())), "families[2]:");
    again(
        refusal(|model| {
            let alt = model.orders[0].ops[0].alts[0].clone();
            model.orders[0].ops[0].alts.push(alt);
        }),
        "orders[0].ops[0].alts[1]:",
    );
}

#[test]
fn absurd_numbers_name_their_place() {
    let starts = [
        (
            refusal(|model| model.orders[0].ops[0].alts[0].minutes = 0),
            "orders[0].ops[0].alts[0].minutes: 0 is not",
        ),
        (
            refusal(|model| model.orders[0].ops[0].alts[0].minutes = -5),
            "orders[0].ops[0].alts[0].minutes: -5 is not",
        ),
        (refusal(|model| model.setups[0].minutes[0][1] = -1), "setups[0].minutes[0][1]: -1 is not"),
        (refusal(|model| model.horizon = 1_000_000_000), "horizon: 1000000000 is not"),
        (refusal(|model| model.horizon = 0), "horizon: 0 is not allowed; it must be after `now`"),
        (refusal(|model| model.orders[0].weight = 0.0), "orders[0].weight: 0 is not"),
        (refusal(|model| model.orders[0].weight = f64::NAN), "orders[0].weight: NaN is not"),
        (
            refusal(|model| model.policy.weights.tardiness = f64::INFINITY),
            "policy.weights.tardiness: inf is not",
        ),
        (
            refusal(|model| model.orders[0].release = Some(901)),
            "orders[0]: due at 900 is before its release at 901",
        ),
        (refusal(|model| model.orders[0].due = i64::MAX), "orders[0].due: 9223372036854775807 is not"),
        (refusal(|model| model.orders[0].due = i64::MIN), "orders[0].due: -9223372036854775808 is not"),
        (refusal(|model| model.pools[0].capacity = -1), "pools[0].capacity: -1 is not"),
        (refusal(|model| model.setups[0].needs[0].qty = 0), "setups[0].needs[0].qty: 0 is not"),
        (refusal(|model| model.orders[0].ops[1].max_lag = Some(-1)), "orders[0].ops[1].max_lag: -1 is not"),
        (
            refusal(|model| model.calendars[0].open[1] = Span(400, 500)),
            "calendars[0].open[1]: intervals must be",
        ),
        (
            refusal(|model| model.calendars[0].open[0] = Span(10, 10)),
            "calendars[0].open[0]: intervals must be",
        ),
        (
            refusal(|model| model.calendars[0].open.clear()),
            "calendars[0].open: the calendar `day` is never open",
        ),
        (refusal(|model| model.current[0].end = -1), "current[0]: intervals must be"),
        (refusal(|model| model.policy.options = 0), "policy.options: 0 is not"),
        (refusal(|model| model.version = 2), "version 2 of the scheduling form is unknown"),
    ];
    for (text, start) in starts {
        assert!(text.starts_with(start), "{text} / {start}");
    }
}

#[test]
fn a_running_operation_cannot_start_in_the_future() {
    let text = refusal(|model| {
        model.current[0].state = super::super::model::State::Running;
        model.current[0].start = 10;
    });
    assert!(text.contains("a running operation has started by `now`"), "{text}");
}

#[test]
fn a_hundred_thousand_operations_are_refused_at_once() {
    let text = refusal(|model| {
        let ops = &mut model.orders[0].ops;
        let last = ops[1].clone();
        ops.resize(100_000, last);
    });
    assert_eq!(text, "orders: 100000 operations are more than the 20000 allowed; split the problem");
}

#[test]
fn matrices_that_would_fill_the_memory_are_refused_with_the_first_one_too_many() {
    let text = refusal(|model| {
        let names = (0..1_000).map(|n| format!("F{n}"));
        model.setups[0] = SetupMatrix {
            minutes: vec![vec![0]],
            families: Some(vec!["RED".into()]),
            ..model.setups[0].clone()
        };
        model.families.extend(names.skip(2));
        let small = model.setups[0].clone();
        model.setups.extend((0..900).map(|n| SetupMatrix { id: format!("S{n}"), ..small.clone() }));
    });
    assert_eq!(
        text,
        "setups[4]: 5000000 pairs of families up to this setup matrix are more than the 4000000 allowed; \
         split the problem"
    );
}

#[test]
fn one_long_calendar_on_thousands_of_resources_is_refused_with_the_first_one_too_many() {
    let text = refusal(|model| {
        model.calendars[0].open = (0..40_000).map(|n| Span(n * 10, n * 10 + 5)).collect();
        model.calendars[0].regular = Some(model.calendars[0].open.clone());
        let resource = model.resources[0].clone();
        model.resources.extend((0..4_000).map(|n| Resource { id: format!("R{n}"), ..resource.clone() }));
    });
    // The second resource has no calendar; each of the others keeps 40 000 intervals twice.
    assert_eq!(
        text,
        "resources[26].calendar: 2080000 intervals of calendars up to this one are more than the 2000000 allowed; \
         split the problem"
    );
    let text = refusal(|model| {
        let many: Vec<Span> = (0..60_000).map(|n| Span(n * 10, n * 10 + 5)).collect();
        (model.calendars[0].open, model.calendars[0].regular) = (many.clone(), Some(many));
    });
    assert_eq!(text, "calendars: 120000 intervals are more than the 100000 allowed; split the problem");
}

#[test]
fn power_without_a_clear_utility_is_refused() {
    let text = refusal(|model| {
        model.resources[0].power_kw = 30;
        for id in ["GRID", "STEAM"] {
            let pool = json!({"id": id, "kind": "utility", "capacity": 100});
            model.pools.push(serde_json::from_value(pool).unwrap());
        }
    });
    assert!(text.starts_with("resources[0].power_kw: more than one utility pool"), "{text}");
}

#[test]
fn an_unknown_field_is_a_mistake_not_a_comment() {
    let mut json = serde_json::to_value(model()).unwrap();
    json["orders"][0]["duo"] = json!(3);
    assert!(serde_json::from_value::<Model>(json).unwrap_err().to_string().contains("unknown field `duo`"));
}

/// Places in the model's JSON, each to be replaced by something wild.
fn pointers(value: &serde_json::Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        serde_json::Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(key, value)| pointers(value, &format!("{at}/{}", key.replace('/', "~1")), found));
        }
        serde_json::Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| pointers(value, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn wild_values_anywhere_are_refused_or_planned_but_never_panic(
        seed in 0u64..200, place in any::<prop::sample::Index>(), kind in 0usize..8,
    ) {
        let mut json = serde_json::to_value(super::super::sample::random(seed)).unwrap();
        let mut places = Vec::new();
        pointers(&json, "", &mut places);
        let wild = [json!(-1), json!(0), json!(i64::MAX), json!(i64::MIN), json!(1e308), json!(""), json!([]), json!(null)];
        *json.pointer_mut(place.get(&places).as_str()).unwrap() = wild[kind].clone();
        // The budget is what keeps the test short; wild ones are the parser's to refuse.
        json.as_object_mut().map(|model| model.insert("policy".into(), json!({"evaluations": 10})));
        if let Ok(problem) = serde_json::from_value::<Model>(json).map_err(|_| ()).and_then(|model| Problem::parse(model).map_err(|_| ())) {
            let answer = super::super::resequence(&problem);
            prop_assert!(answer.is_ok(), "{:?}", answer.err());
        }
    }
}

#[test]
fn a_penalty_adds_to_the_weight_and_shelf_life_is_a_second_due_date() {
    let mut model = model();
    let told = |model: &Model| {
        let problem = Problem::parse(model.clone()).unwrap();
        (problem.orders[0].weight, problem.orders[0].due)
    };
    assert_eq!(told(&model), (1.0, 900));
    let text = serde_json::to_string(&model).unwrap();
    assert!(!text.contains("penalty_per_hour") && !text.contains("shelf_life"), "absent as before: {text}");
    (model.orders[0].penalty_per_hour, model.orders[0].shelf_life) = (Some(250.0), Some(300));
    assert_eq!(told(&model), (3.5, 300), "released long ago, so from now");
    model.orders[0].release = Some(100);
    assert_eq!(told(&model), (3.5, 400));
    model.orders[0].shelf_life = Some(4000);
    assert_eq!(told(&model), (3.5, 900), "it is due before it spoils");
}

#[test]
fn a_penalty_below_0_and_a_shelf_life_of_nothing_are_refused() {
    for penalty in [-1.0, f64::NAN, 1e12] {
        let told = refusal(|model| model.orders[0].penalty_per_hour = Some(penalty));
        assert!(told.starts_with("orders[0].penalty_per_hour: "), "{told}");
    }
    for life in [0, -5, i64::MAX] {
        let told = refusal(|model| model.orders[0].shelf_life = Some(life));
        assert!(told.starts_with("orders[0].shelf_life: "), "{told}");
    }
}
