use super::super::answer::Cause;
use super::super::model::{Blocked, BlockedKind, Current, Need, Pool, PoolKind, Span, State};
use super::*;
use serde_json::json;

/// One plan and what is said about it, to be spoiled in one place each.
struct Case {
    model: Model,
    ops: Vec<PlannedOp>,
    kpis: Kpis,
    moved: Vec<String>,
    unscheduled: Vec<Unscheduled>,
    unfrozen: Vec<Unfrozen>,
    bound: f64,
}

fn op(op: &str, resource: &str, start: i64, end: i64, setup_start: Option<i64>) -> PlannedOp {
    PlannedOp { op: op.into(), resource: resource.into(), start, end, setup_start }
}

/// A: RED on M1 [0, 60), then M2 [60, 90). B: BLUE on M1 after a changeover of 20, [80, 140).
fn valid() -> Case {
    let order = |id: &str, family: &str, ops: serde_json::Value| {
        json!({"id": id, "due": 100, "tier": "A", "weight": 2.0,
               "ops": [{"id": "10", "family": family, "alts": [{"resource": "M1", "minutes": 60}]}, ops]})
    };
    let second = json!({"id": "20", "alts": [{"resource": "M2", "minutes": 30}]});
    let mut model: Model = serde_json::from_value(json!({
        "epoch": "2026-11-23T06:00:00Z", "horizon": 1000, "families": ["RED", "BLUE"],
        "setups": [{"id": "S", "minutes": [[0, 20], [30, 0]]}],
        "resources": [{"id": "M1", "setup": "S", "state": "RED"}, {"id": "M2"}],
        "orders": [order("A", "RED", second.clone()), order("B", "BLUE", second)],
    }))
    .unwrap();
    model.orders[1].ops.pop();
    let kpis = Kpis {
        objective: 2.0 * 40.0 + 0.2 * 20.0,
        weighted_tardiness: 80.0,
        late_orders: 1,
        late_by_tier: [("A".to_owned(), 1)].into(),
        max_late_minutes: 40,
        makespan: 140,
        changeover_minutes: 20,
        changeovers: 1,
        stability: 1.0,
        ..Kpis::default()
    };
    let ops = vec![
        op("A/10", "M1", 0, 60, None),
        op("A/20", "M2", 60, 90, None),
        op("B/10", "M1", 80, 140, Some(60)),
    ];
    Case { model, ops, kpis, moved: Vec::new(), unscheduled: Vec::new(), unfrozen: Vec::new(), bound: 0.0 }
}

/// The rules that a spoiled copy of the valid plan breaks; figures are left out, they nearly always do.
fn broken(spoil: impl FnOnce(&mut Case)) -> Vec<Rule> {
    let mut case = valid();
    spoil(&mut case);
    let mut rules: Vec<Rule> = findings(&case).iter().map(|violation| violation.rule).collect();
    rules.retain(|rule| *rule != Rule::Figures);
    rules.dedup();
    rules
}

fn findings(case: &Case) -> Vec<Violation> {
    let claim = Claim {
        ops: &case.ops,
        unscheduled: &case.unscheduled,
        unfrozen: &case.unfrozen,
        kpis: &case.kpis,
        moved: &case.moved,
        bound: case.bound,
    };
    check(&case.model, &claim)
}

fn current(op: &str, resource: &str, start: i64, end: i64, state: State) -> Current {
    Current { op: op.into(), resource: resource.into(), start, end, state, remaining: None }
}

fn pool(id: &str, kind: PoolKind, capacity: i64) -> Pool {
    serde_json::from_value(json!({"id": id, "kind": kind, "capacity": capacity})).unwrap()
}

/// Makes the named operations of the case (by position in the model) need one of `pool`.
fn with_pool(case: &mut Case, pool: Pool, needed_by: &[(usize, usize)]) {
    for &(order, op) in needed_by {
        case.model.orders[order].ops[op].needs.push(Need { pool: pool.id.clone(), qty: 1 });
    }
    case.model.pools.push(pool);
}

#[test]
fn the_valid_plan_breaks_nothing() {
    assert_eq!(findings(&valid()), []);
}

#[test]
fn rule_1_every_operation_exactly_once_and_none_invented() {
    assert_eq!(broken(|case| drop(case.ops.remove(1))), [Rule::EachOnce]);
    assert_eq!(broken(|case| case.ops.push(case.ops[1].clone())), [Rule::EachOnce]);
    assert_eq!(broken(|case| case.ops.push(op("C/10", "M2", 200, 230, None))), [Rule::EachOnce]);
    let left_out = |order: &str| Unscheduled {
        order: order.into(),
        op: format!("{order}/10"),
        cause: Cause::NoResource,
        reason: String::new(),
    };
    assert_eq!(broken(|case| case.unscheduled.push(left_out("B"))), [Rule::EachOnce]);
    assert_eq!(broken(|case| case.unscheduled.push(left_out("Z"))), [Rule::EachOnce]);
}

#[test]
fn rule_2_only_resources_of_the_routing() {
    assert_eq!(broken(|case| case.ops[1].resource = "M1".into()), [Rule::Eligible, Rule::Overlap]);
    assert_eq!(broken(|case| case.ops[1].resource = "M9".into()), [Rule::Eligible]);
}

#[test]
fn rule_3_length_is_work_plus_spanned_closed_time_where_it_may_split() {
    assert_eq!(broken(|case| case.ops[1].end = 89), [Rule::Length]);
    assert_eq!(broken(|case| case.ops[1].end = 95), [Rule::Length]);
    let with_break = |case: &mut Case, end: i64| {
        case.model.orders[0].ops[1].split = super::super::model::Split::Breaks;
        let break_at = Blocked { from: 70, to: 80, why: "break".into(), kind: BlockedKind::Maintenance };
        case.model.resources[1].blocked.push(break_at);
        case.ops[1].end = end;
    };
    assert_eq!(broken(|case| with_break(case, 100)), []);
    assert_eq!(broken(|case| with_break(case, 90)), [Rule::Length]);
}

#[test]
fn rule_4_predecessors_with_lags() {
    assert_eq!(broken(|case| (case.ops[1].start, case.ops[1].end) = (59, 89)), [Rule::Precedence]);
    assert_eq!(broken(|case| case.model.orders[0].ops[1].min_lag = 1), [Rule::Precedence]);
    let late = |case: &mut Case| {
        case.model.orders[0].ops[1].max_lag = Some(5);
        (case.ops[1].start, case.ops[1].end) = (66, 96);
    };
    assert_eq!(broken(late), [Rule::Precedence]);
}

#[test]
fn rule_5_not_before_release_material_and_now() {
    assert_eq!(broken(|case| case.model.orders[0].release = Some(1)), [Rule::Earliest]);
    assert_eq!(broken(|case| case.model.orders[0].ops[1].material_at = Some(61)), [Rule::Earliest]);
    assert_eq!(broken(|case| case.model.now = 1), [Rule::Earliest]);
}

#[test]
fn rule_6_one_thing_at_a_time() {
    assert_eq!(
        broken(|case| (case.ops[2].start, case.ops[2].setup_start) = (79, Some(59))),
        [Rule::Length, Rule::Overlap]
    );
    assert_eq!(broken(|case| case.ops[2].setup_start = Some(55)), [Rule::Overlap]);
}

#[test]
fn rule_7_changeovers_have_their_time_and_forbidden_pairs_do_not_occur() {
    assert_eq!(broken(|case| case.ops[2].setup_start = None), [Rule::Changeover]);
    assert_eq!(broken(|case| case.ops[2].setup_start = Some(61)), [Rule::Changeover]);
    assert_eq!(broken(|case| case.ops[1].setup_start = Some(60)), [Rule::Changeover]);
    assert_eq!(broken(|case| case.model.resources[0].state = Some("BLUE".into())), [Rule::Changeover]);
    assert_eq!(
        broken(|case| case.model.setups[0].forbidden = vec![("RED".into(), "BLUE".into())]),
        [Rule::Changeover]
    );
}

#[test]
fn rule_8_work_and_changeovers_in_open_time() {
    let blocked = |from: i64, to: i64| {
        move |case: &mut Case| {
            case.model.resources[0].blocked.push(Blocked {
                from,
                to,
                why: "PM".into(),
                kind: BlockedKind::Maintenance,
            });
        }
    };
    assert_eq!(broken(blocked(100, 101)), [Rule::OpenTime]);
    assert_eq!(broken(blocked(60, 61)), [Rule::OpenTime]);
    assert_eq!(broken(blocked(140, 500)), []);
    let shift = |case: &mut Case| {
        case.model.calendars.push(serde_json::from_value(json!({"id": "day", "open": [[0, 85]]})).unwrap());
        case.model.resources[1].calendar = Some("day".into());
    };
    assert_eq!(broken(shift), [Rule::OpenTime]);
}

#[test]
fn rule_9_pools_within_capacity_at_every_moment() {
    let crew = || pool("CREW", PoolKind::Operator, 1);
    assert_eq!(broken(|case| with_pool(case, crew(), &[(0, 1), (1, 0)])), [Rule::PoolCapacity]);
    assert_eq!(broken(|case| with_pool(case, crew(), &[(0, 0), (1, 0)])), []);
    let fewer_later = Pool { profile: vec![(100, 0)], ..crew() };
    assert_eq!(broken(|case| with_pool(case, fewer_later, &[(1, 0)])), [Rule::PoolCapacity]);
    let off = |case: &mut Case| {
        case.model.calendars.push(serde_json::from_value(json!({"id": "am", "open": [[0, 50]]})).unwrap());
        with_pool(case, Pool { calendar: Some("am".into()), ..crew() }, &[(0, 0)]);
    };
    assert_eq!(broken(off), [Rule::PoolCapacity]);
    let setter = |case: &mut Case| {
        case.model.setups[0].needs.push(Need { pool: "CREW".into(), qty: 1 });
        with_pool(case, crew(), &[(0, 1)]);
    };
    assert_eq!(broken(setter), [Rule::PoolCapacity], "the changeover of B and A/20 overlap");
}

#[test]
fn rules_10_and_11_certified_and_calibrated_to_the_end() {
    let certified = |until| Pool { certified_until: Some(until), ..pool("6G", PoolKind::Operator, 1) };
    assert_eq!(broken(|case| with_pool(case, certified(59), &[(0, 0)])), [Rule::Certification]);
    assert_eq!(broken(|case| with_pool(case, certified(60), &[(0, 0)])), []);
    let calibrated = |until| Pool { calibrated_until: Some(until), ..pool("TORQUE", PoolKind::Tool, 1) };
    assert_eq!(broken(|case| with_pool(case, calibrated(89), &[(0, 1)])), [Rule::Calibration]);
}

#[test]
fn rule_12_utilities_within_their_limit() {
    let draw = |limit: i64| {
        move |case: &mut Case| {
            case.model.resources.iter_mut().for_each(|resource| resource.power_kw = 30);
            case.model.pools.push(pool("GRID", PoolKind::Utility, limit));
        }
    };
    assert_eq!(broken(draw(60)), []);
    assert_eq!(broken(draw(59)), [Rule::Utility]);
}

#[test]
fn rule_13_what_is_decided_stays() {
    let state = |op: &'static str, resource: &'static str, start: i64, end: i64, state: State| {
        move |case: &mut Case| {
            case.model.now = 0;
            case.model.current.push(current(op, resource, start, end, state));
        }
    };
    assert_eq!(broken(state("A/20", "M2", 60, 90, State::Frozen)), []);
    assert_eq!(broken(state("A/20", "M2", 61, 91, State::Frozen)), [Rule::Fixed]);
    assert_eq!(broken(state("A/10", "M1", 0, 60, State::Running)), []);
    assert_eq!(broken(state("A/10", "M1", 0, 70, State::Running)), [Rule::Fixed]);
    assert_eq!(broken(state("A/10", "M1", 0, 59, State::Done)), [Rule::Fixed]);
    let soon = |case: &mut Case| {
        case.model.policy.frozen_until = Some(100);
        state("A/20", "M2", 70, 100, State::Planned)(case);
    };
    assert_eq!(broken(soon), [Rule::Fixed]);
    let freed = |case: &mut Case| {
        soon(case);
        case.unfrozen.push(Unfrozen { op: "A/20".into(), reason: String::new() });
    };
    assert_eq!(broken(freed), []);
    let freed_running = |case: &mut Case| {
        state("A/10", "M1", 0, 70, State::Running)(case);
        case.unfrozen.push(Unfrozen { op: "A/10".into(), reason: String::new() });
    };
    assert_eq!(broken(freed_running), [Rule::Fixed]);
}

#[test]
fn rule_14_deadlines_horizon_and_ranges() {
    assert_eq!(broken(|case| case.model.orders[1].deadline = Some(139)), [Rule::Limits]);
    assert_eq!(broken(|case| case.model.horizon = 139), [Rule::OpenTime, Rule::Limits]);
    assert_eq!(
        broken(|case| (case.ops[1].start, case.ops[1].end) = (i64::MAX - 30, i64::MAX)),
        [Rule::EachOnce, Rule::Limits]
    );
    assert_eq!(broken(|case| case.ops[2].setup_start = Some(i64::MIN)), [Rule::EachOnce, Rule::Limits]);
}

#[test]
fn rule_15_every_figure_is_recomputed() {
    let spoils: [fn(&mut Kpis); 14] = [
        |kpis| kpis.objective -= 1.0,
        |kpis| kpis.weighted_tardiness = f64::NAN,
        |kpis| kpis.late_orders = 0,
        |kpis| kpis.late_by_tier.clear(),
        |kpis| kpis.max_late_minutes = 39,
        |kpis| kpis.makespan += 1,
        |kpis| kpis.changeover_minutes = 0,
        |kpis| kpis.changeovers = 2,
        |kpis| kpis.changeover_cost = 1.0,
        |kpis| kpis.overtime_minutes = 1,
        |kpis| kpis.moved_ops = 1,
        |kpis| kpis.machine_changes = 1,
        |kpis| kpis.stability = 0.5,
        |kpis| kpis.unscheduled_orders = 1,
    ];
    for (index, spoil) in spoils.into_iter().enumerate() {
        let mut case = valid();
        spoil(&mut case.kpis);
        let found = findings(&case);
        assert_eq!(
            found.iter().map(|violation| violation.rule).collect::<Vec<_>>(),
            [Rule::Figures],
            "{index}"
        );
    }
    let mut case = valid();
    case.moved.push("A/10".into());
    assert_eq!(findings(&case)[0].item, "moved");
    let mut case = valid();
    case.bound = case.kpis.objective + 1.0;
    assert_eq!(findings(&case)[0].item, "bound");
}

#[test]
fn overtime_is_work_outside_regular_hours() {
    let mut case = valid();
    let calendar = json!({"id": "day", "open": [[0, 500]], "regular": [[0, 100]]});
    case.model.calendars.push(serde_json::from_value(calendar).unwrap());
    case.model.resources[0].calendar = Some("day".into());
    assert_eq!(findings(&case)[0].message, "is 92, reported as 84", "40 overtime minutes at 0.2");
    case.kpis.overtime_minutes = 40;
    case.kpis.objective += 8.0;
    assert_eq!(findings(&case), []);
    assert_eq!(case.model.calendars[0].open, [Span(0, 500)]);
}

#[test]
fn rule_15_utilisation_is_judged_where_it_is_reported() {
    // 120 min of work and 20 of changeover on M1, 30 on M2, each open for the 140 min of the plan.
    let mut case = valid();
    case.kpis.utilisation = Some(170.0 / 280.0);
    assert_eq!(findings(&case), []);
    case.kpis.utilisation = Some(0.7);
    assert_eq!(findings(&case)[0].item, "utilisation");
}
