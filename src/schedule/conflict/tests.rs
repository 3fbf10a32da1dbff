use super::*;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// One order of two operations on a press and a welder, spoiled by `change`.
fn texts(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut model = json!({
        "epoch": "2026-11-23T06:00:00Z", "horizon": 5000,
        "calendars": [{"id": "day", "open": [[0, 480], [1440, 1920]]}, {"id": "night", "open": [[480, 960], [1920, 2400]]}],
        "resources": [{"id": "PRESS"}, {"id": "WELD"}],
        "pools": [{"id": "T-7", "kind": "tool", "capacity": 1}, {"id": "WELDER", "kind": "operator", "capacity": 1}],
        "orders": [{"id": "PO-1188", "due": 900, "ops": [
            {"id": "10", "alts": [{"resource": "PRESS", "minutes": 60}], "needs": [{"pool": "T-7", "qty": 1}]},
            {"id": "20", "alts": [{"resource": "WELD", "minutes": 30}], "needs": [{"pool": "WELDER", "qty": 1}]}]}],
    });
    change(&mut model);
    let model: Model = serde_json::from_value(model).unwrap();
    let explained = conflicts(&model, &["PO-1188"], &()).unwrap();
    assert_eq!(explained.unexplained, Vec::<String>::new());
    explained.conflicts.into_iter().map(|conflict| conflict.text).collect()
}

#[test]
fn an_order_that_can_be_planned_has_no_conflict() {
    assert_eq!(texts(|_| ()), Vec::<String>::new());
}

#[test]
fn a_tool_out_of_calibration_is_told_with_the_material_that_comes_too_late_for_it() {
    let expired = |model: &mut Value| {
        model["pools"][0]["calibrated_until"] = json!(90);
        model["orders"][0]["ops"][0]["material_at"] = json!(60);
    };
    assert_eq!(
        texts(expired),
        [
            "PO-1188 cannot be planned: PO-1188/10 has its material from Mon 07:00 on; PO-1188/10 needs tool T-7, \
          out of calibration from Mon 07:30 on. Give up one of them"
        ]
    );
    let not_yet = |model: &mut Value| {
        model["pools"][0]["profile"] = json!([[0, 0], [600, 1]]);
        model["orders"][0]["deadline"] = json!(500);
    };
    assert_eq!(
        texts(not_yet),
        [
            "PO-1188 cannot be planned: PO-1188/10 needs tool T-7, of which there are 0 now, 1 from Mon 16:00 on; \
          PO-1188 must be done by Mon 14:20. Give up one of them"
        ]
    );
}

#[test]
fn disjoint_calendars_of_a_machine_and_its_only_operator_are_told_as_a_pair() {
    let apart = |model: &mut Value| {
        model["resources"][1]["calendar"] = json!("day");
        model["pools"][1]["calendar"] = json!("night");
    };
    assert_eq!(
        texts(apart),
        [
            "PO-1188 cannot be planned: WELD works Mon 06:00–14:00, Tue 06:00–14:00 (calendar day); PO-1188/20 needs \
          operator WELDER, there Mon 14:00–22:00, Tue 14:00–22:00 (calendar night). Give up one of them"
        ]
    );
}

#[test]
fn a_frozen_operation_and_a_deadline_can_be_in_each_others_way() {
    let taken = |model: &mut Value| {
        let other = json!({"id": "WO-2", "due": 900, "ops": [{"id": "10", "alts": [{"resource": "PRESS", "minutes": 300}]}]});
        model["orders"].as_array_mut().unwrap().push(other);
        model["current"] =
            json!([{"op": "WO-2/10", "resource": "PRESS", "start": 0, "end": 300, "state": "frozen"}]);
        model["orders"][0]["deadline"] = json!(300);
    };
    assert_eq!(
        texts(taken),
        [
            "PO-1188 cannot be planned: PRESS is taken by WO-2/10 Mon 06:00–11:00; PO-1188 must be done by Mon 11:00. \
          Give up one of them"
        ]
    );
}

#[test]
fn what_is_longer_than_any_shift_and_may_not_stop_is_a_pair_too() {
    let long = |model: &mut Value| {
        model["resources"][0]["calendar"] = json!("day");
        model["orders"][0]["ops"][0]["alts"][0]["minutes"] = json!(500);
    };
    assert_eq!(
        texts(long),
        ["PO-1188 cannot be planned: PO-1188/10 takes 500 min in one piece; PRESS works Mon 06:00–14:00, \
          Tue 06:00–14:00 (calendar day). Give up one of them"]
    );
}

/// The smallest set, searched for without haste; `None` where the order can be planned.
fn set(alone: &Alone) -> Option<Vec<Demand>> {
    match smallest(alone, &Limit::of(&alone.model.policy, &())) {
        Some(Smallest::Of { demands, is_tried: true }) => Some(demands),
        _ => None,
    }
}

#[test]
fn every_conflict_is_irreducible() {
    let mut model: Model = serde_json::from_value(json!({
        "epoch": "2026-11-23T06:00:00Z", "horizon": 5000,
        "calendars": [{"id": "day", "open": [[0, 480]]}],
        "resources": [{"id": "M1", "calendar": "day", "blocked": [{"from": 0, "to": 400, "why": "PM"}]}, {"id": "M2"}],
        "pools": [{"id": "T", "kind": "tool", "capacity": 1, "calibrated_until": 100}],
        "orders": [{"id": "A", "due": 100, "release": 50, "deadline": 430, "ops": [
            {"id": "10", "min_lag": 5, "alts": [{"resource": "M1", "minutes": 60}, {"resource": "M2", "minutes": 60}],
             "needs": [{"pool": "T", "qty": 1}]}]}],
    }))
    .unwrap();
    for deadline in [None, Some(430), Some(80)] {
        model.orders[0].deadline = deadline;
        let alone = Alone::new(&model, &model.orders[0]);
        let kept = set(&alone).expect("it cannot be planned");
        assert!(!kept.is_empty() && !alone.can_hold(&kept));
        for left_out in 0..kept.len() {
            let rest: Vec<Demand> =
                kept.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, d)| *d).collect();
            assert!(alone.can_hold(&rest), "{kept:?} without {:?}", kept[left_out]);
        }
    }
}

#[test]
fn two_orders_with_deadlines_on_one_machine_are_named_together() {
    let order = |id: &str, deadline: Option<i64>| json!({"id": id, "due": 90, "deadline": deadline, "ops": [{"id": "10", "alts": [{"resource": "M1", "minutes": 60}]}]});
    let model: Model = serde_json::from_value(json!({
        "epoch": "2026-11-23T06:00:00Z", "horizon": 5000, "resources": [{"id": "M1"}, {"id": "M2"}],
        "orders": [order("A", Some(100)), order("B", None), order("C", Some(100)), order("D", None)],
    }))
    .unwrap();
    let found = conflicts(&model, &["C"], &()).unwrap().conflicts;
    assert_eq!(found.len(), 1);
    assert!(!found[0].proven);
    assert_eq!(found[0].demands, ["A must be done by Mon 07:40", "C must be done by Mon 07:40"]);
}

#[test]
fn an_order_without_a_resource_needs_no_pair() {
    let none = |model: &mut Value| model["orders"][0]["ops"][1]["alts"] = json!([]);
    assert_eq!(texts(none), ["PO-1188 cannot be planned: PO-1188/20 has no resource that can do it"]);
}

#[test]
fn many_closed_times_that_are_all_needed_are_found_with_few_tries_and_told_in_one_piece() {
    let windows = |count: i64| -> Vec<Value> {
        (0..count).map(|n| json!({"from": 50 * n, "to": 50 * n + 10, "why": "PM"})).collect()
    };
    // The first one is not needed: what is free before the second is too short without it as well.
    let closed = |model: &mut Value| model["resources"][0]["blocked"] = json!(windows(100));
    assert_eq!(
        texts(closed),
        ["PO-1188 cannot be planned: PO-1188/10 takes 60 min in one piece; the horizon is Thu 17:20; \
          PRESS is closed 99 times Mon 06:50–Thu 16:40. Give up one of them"]
    );
    let too_many = |model: &mut Value| {
        model["horizon"] = json!(100_000);
        model["resources"][0]["blocked"] = json!(windows(2_000));
    };
    let text = texts(too_many).remove(0);
    assert!(text.starts_with("PO-1188 cannot be planned with all of this: "), "{text}");
    assert!(text.len() < 500, "{text}");
}

/// Cancelled when it was asked a number of times.
struct Patience(AtomicUsize, usize);

impl Watch for Patience {
    fn cancelled(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) >= self.1
    }
}

/// 60 orders of seven operations on ten machines: each has time alone, and hardly any together.
fn crowded() -> Model {
    let ops = |order: usize| -> Vec<Value> {
        let op = |step: usize| {
            let on =
                |by: usize| json!({"resource": format!("M{}", (order + 3 * step + by) % 10), "minutes": 50});
            json!({"id": step.to_string(), "alts": [on(0), on(1)]})
        };
        (0..7).map(op).collect()
    };
    let order = |n: usize| json!({"id": format!("O{n}"), "due": 400, "deadline": 500, "ops": ops(n)});
    let resources: Vec<Value> = (0..10).map(|n| json!({"id": format!("M{n}")})).collect();
    serde_json::from_value(json!({
        "epoch": "2026-11-23T06:00:00Z", "horizon": 5000, "resources": resources,
        "orders": (0..60).map(order).collect::<Vec<_>>(),
    }))
    .unwrap()
}

#[test]
fn explaining_ends_when_its_caller_wants_no_more() {
    let model = crowded();
    let ids = ["O1", "O2", "O3", "O4"];
    let none = conflicts(&model, &ids, &AtomicBool::new(true)).unwrap();
    assert_eq!((none.conflicts.len(), none.unexplained.as_slice()), (0, &ids.map(String::from)[..]));
    assert_eq!(
        none.warning().unwrap(),
        "the time was over before it was clear what is in the way of O1, O2, O3, O4"
    );
    // Cancelled within the first short search, which then answers nothing and is the last one.
    let patience = Patience(AtomicUsize::new(0), 20);
    let found = conflicts(&model, &ids, &patience).unwrap();
    assert_eq!((found.conflicts.len(), found.unexplained.len()), (0, 3), "{:?}", found.unexplained);
    let asked = patience.0.load(Ordering::Relaxed);
    assert!(asked < 200, "asked {asked} times");
}

#[test]
fn a_search_of_a_crowded_plant_and_its_explanation_keep_to_the_time_limit() {
    let mut model = crowded();
    (model.policy.budget_ms, model.policy.options) = (Some(1_000), 1);
    let begun = std::time::Instant::now();
    let answer = super::super::resequence(&Problem::parse(model.clone()).unwrap()).unwrap();
    let left_out: Vec<&str> = answer.unscheduled.iter().map(|order| order.order.as_str()).collect();
    assert!(!left_out.is_empty());
    let explained = conflicts(&model, &left_out, &()).unwrap();
    assert!(explained.conflicts.len() + explained.unexplained.len() > 0);
    // Wide enough for a busy machine; without a limit it takes minutes in a debug build.
    let took = begun.elapsed();
    assert!(took.as_secs() < 20, "{took:?}");
}
