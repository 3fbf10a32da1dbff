//! Random small plants with every feature of the model, for property tests.

use super::model::{
    Alternative, Blocked, BlockedKind, Calendar, Current, Figure, Model, Need, Op, Order, Policy, Pool,
    PoolKind, Resource, SetupMatrix, Span, Split, State, VERSION, Weights,
};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DAY: i64 = 1440;

/// A plant of 2 to 5 machines over three days, with a current plan that may be impossible.
pub(super) fn random(seed: u64) -> Model {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let families: Vec<String> = ["RED", "BLUE", "GREEN"].map(String::from).to_vec();
    let resources: Vec<Resource> =
        (0..rng.random_range(2..=5)).map(|n| resource(rng, n, &families)).collect();
    let orders: Vec<Order> =
        (0..rng.random_range(1..=7)).map(|n| order(rng, n, &families, &resources)).collect();
    let current = if rng.random_bool(0.8) { current(rng, &orders) } else { Vec::new() };
    let (setups, pools) = (vec![setup(rng, &families)], pools(rng));
    Model {
        version: VERSION,
        epoch: "2026-11-23T06:00:00-06:00".parse().unwrap(),
        now: 30,
        horizon: 3 * DAY,
        calendars: vec![
            Calendar {
                id: "2shift".into(),
                open: (0..3).map(|day| Span(day * DAY, day * DAY + 960)).collect(),
                regular: rng
                    .random_bool(0.5)
                    .then(|| (0..3).map(|day| Span(day * DAY, day * DAY + 480)).collect()),
            },
            Calendar {
                id: "days".into(),
                open: (0..3).map(|day| Span(day * DAY, day * DAY + 600)).collect(),
                regular: None,
            },
        ],
        setups,
        families,
        resources,
        pools,
        orders,
        current,
        policy: Policy {
            frozen_until: rng.random_bool(0.5).then_some(120),
            weights: Weights { makespan: 0.01, ..Weights::default() },
            evaluations: Some(60),
            seed,
            ..Policy::default()
        },
    }
}

/// Like [`random`], with one of several objectives, some penalties and shelf lives, rarely with maximum lags,
/// and often plain enough for the searches that not every plant can have.
pub(super) fn varied(seed: u64) -> Model {
    let mut model = random(seed);
    // Its own stream, so that the plant stays the one that `random` draws.
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    let is_plain = rng.random_bool(0.5);
    if is_plain || rng.random_bool(0.7) {
        model.orders.iter_mut().flat_map(|order| &mut order.ops).for_each(|op| op.max_lag = None);
    }
    if is_plain {
        plain(&mut model, &mut rng);
    }
    let policy = &mut model.policy;
    match rng.random_range(0..6) {
        0 => policy.weights = Weights { makespan: 1.0, ..Weights::NOTHING },
        1 => policy.weights = Weights { tardiness: 1.0, ..Weights::NOTHING },
        2 => policy.weights = Weights { late_orders: 100.0, tardiness: 0.1, ..Weights::NOTHING },
        3 => policy.weights = Weights { tardiness: 1.0, makespan: 1.0, ..Weights::NOTHING },
        4 => policy.lexicographic = vec![Figure::LateOrders, Figure::Tardiness, Figure::Changeover],
        _ => {}
    }
    for order in &mut model.orders {
        order.penalty_per_hour = rng.random_bool(0.2).then(|| f64::from(rng.random_range(1..4)) * 100.0);
        order.shelf_life = rng.random_bool(0.2).then(|| rng.random_range(1..1500));
    }
    model
}

/// Takes away what a graph of machine sequences cannot stand for.
fn plain(model: &mut Model, rng: &mut ChaCha8Rng) {
    let (has_setups, is_flexible) = (rng.random_bool(0.5), rng.random_bool(0.5));
    for resource in &mut model.resources {
        (resource.calendar, resource.power_kw) = (None, 0);
        resource.blocked.clear();
        resource.setup = resource.setup.take().filter(|_| has_setups);
    }
    model.setups[0].forbidden.clear();
    model.setups[0].needs.clear();
    for order in &mut model.orders {
        order.deadline = None;
        for op in &mut order.ops {
            op.after = None;
            op.needs.clear();
            op.family.get_or_insert_with(|| "RED".into());
            if !is_flexible {
                op.alts.truncate(1);
            }
        }
    }
    model.policy.frozen_until = None;
    if is_flexible {
        let frozen = model.current.iter_mut().filter(|entry| entry.state == State::Frozen);
        frozen.for_each(|entry| entry.state = State::Planned);
    } else {
        // It may have been planned where it cannot be any more.
        model.current.clear();
    }
}

fn setup(rng: &mut ChaCha8Rng, families: &[String]) -> SetupMatrix {
    let size = families.len();
    let cell = |rng: &mut ChaCha8Rng, from, to| if from == to { 0 } else { rng.random_range(5..40) };
    SetupMatrix {
        id: "S".into(),
        families: None,
        minutes: (0..size).map(|from| (0..size).map(|to| cell(rng, from, to)).collect()).collect(),
        cost: if rng.random_bool(0.5) { vec![vec![1.0; size]; size] } else { Vec::new() },
        needs: if rng.random_bool(0.5) { vec![Need { pool: "SETTER".into(), qty: 1 }] } else { Vec::new() },
        forbidden: if rng.random_bool(0.3) { vec![("RED".into(), "BLUE".into())] } else { Vec::new() },
    }
}

fn resource(rng: &mut ChaCha8Rng, n: usize, families: &[String]) -> Resource {
    let blocked = rng.random_bool(0.5).then(|| {
        let from = rng.random_range(-50..600);
        let kind = if from < 60 { BlockedKind::Breakdown } else { BlockedKind::Maintenance };
        Blocked { from, to: from + rng.random_range(10..300), why: "PM-17".into(), kind }
    });
    Resource {
        id: format!("M{n}"),
        work_center: None,
        calendar: ["2shift", "days", ""].choose(rng).filter(|id| !id.is_empty()).map(ToString::to_string),
        setup: rng.random_bool(0.7).then(|| "S".into()),
        state: families.choose(rng).filter(|_| rng.random_bool(0.6)).cloned(),
        blocked: blocked.into_iter().collect(),
        power_kw: rng.random_range(0..40),
    }
}

fn pools(rng: &mut ChaCha8Rng) -> Vec<Pool> {
    let pool = |id: &str, kind, capacity| Pool {
        id: id.into(),
        kind,
        capacity,
        profile: Vec::new(),
        calendar: None,
        calibrated_until: None,
        certified_until: None,
    };
    let mut welder = pool("WELDER", PoolKind::Operator, 2);
    welder.calendar = rng.random_bool(0.5).then(|| "2shift".into());
    welder.profile = if rng.random_bool(0.5) { vec![(480, 1)] } else { Vec::new() };
    welder.certified_until = rng.random_bool(0.2).then_some(2000);
    let mut torque = pool("TORQUE", PoolKind::Tool, 1);
    torque.calibrated_until = rng.random_bool(0.5).then(|| rng.random_range(100..4000));
    vec![welder, torque, pool("GRID", PoolKind::Utility, 80), pool("SETTER", PoolKind::Operator, 1)]
}

fn order(rng: &mut ChaCha8Rng, n: usize, families: &[String], resources: &[Resource]) -> Order {
    let release = rng.random_bool(0.5).then(|| rng.random_range(-100..200));
    let due = release.unwrap_or(0) + rng.random_range(50..2500);
    let ops = (0..rng.random_range(1..=4)).map(|step| op(rng, step, families, resources)).collect();
    Order {
        id: format!("WO-{n}"),
        release,
        due,
        deadline: rng.random_bool(0.2).then(|| due + rng.random_range(0..1500)),
        tier: ["A", "B", "C"][rng.random_range(0..3)].into(),
        weight: f64::from(rng.random_range(1..5)),
        penalty_per_hour: None,
        shelf_life: None,
        ops,
    }
}

fn op(rng: &mut ChaCha8Rng, step: usize, families: &[String], resources: &[Resource]) -> Op {
    let minutes = rng.random_range(10..200);
    let count = rng.random_range(1..=resources.len().min(3));
    let alts: Vec<&Resource> = resources.choose_multiple(rng, count).collect();
    let need = |rng: &mut ChaCha8Rng, pool: &str, often| {
        rng.random_bool(often).then(|| Need { pool: pool.into(), qty: 1 })
    };
    Op {
        id: format!("{}", 10 * (step + 1)),
        // The third operation may run beside the second.
        after: (step == 2 && rng.random_bool(0.5)).then(|| vec!["10".into()]),
        family: families.choose(rng).filter(|_| rng.random_bool(0.8)).cloned(),
        material_at: rng.random_bool(0.2).then(|| rng.random_range(0..500)),
        alts: alts
            .into_iter()
            .map(|resource| Alternative {
                resource: resource.id.clone(),
                minutes: minutes + rng.random_range(0..30),
            })
            .collect(),
        needs: [need(rng, "WELDER", 0.4), need(rng, "TORQUE", 0.15)].into_iter().flatten().collect(),
        split: if rng.random_bool(0.3) { Split::Breaks } else { Split::No },
        min_lag: if rng.random_bool(0.2) { rng.random_range(0..60) } else { 0 },
        max_lag: rng.random_bool(0.15).then(|| rng.random_range(60..400)),
    }
}

/// Operations one after the other per order, regardless of resources: plans people make are like that.
fn current(rng: &mut ChaCha8Rng, orders: &[Order]) -> Vec<Current> {
    let mut current = Vec::new();
    for order in orders {
        let mut at = rng.random_range(-120..300);
        for op in &order.ops {
            let Some(alt) = op.alts.choose(rng) else { continue };
            let (start, end) = (at, at + alt.minutes);
            let state = match (start, end) {
                (_, end) if end <= 30 => State::Done,
                (start, _) if start <= 30 => State::Running,
                _ if rng.random_bool(0.1) => State::Frozen,
                _ => State::Planned,
            };
            let remaining = None;
            let op = format!("{}/{}", order.id, op.id);
            current.push(Current { op, resource: alt.resource.clone(), start, end, state, remaining });
            at = end + rng.random_range(0..100);
        }
    }
    current
}
