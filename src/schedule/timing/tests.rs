use super::super::decode::{Decoder, Sequence};
use super::super::facts::Facts;
use super::super::kpi::{self, Figures};
use super::super::model::{Current, State as Standing, Weights};
use super::super::moves::Mover;
use super::super::problem::Problem;
use super::super::{repair, sample};
use super::*;
use proptest::prelude::*;
use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Walks at random and compares every plan with one timed from the start.
fn walk(problem: &Problem, seed: u64, steps: usize) -> Result<(), TestCaseError> {
    let facts = Facts::of(problem);
    let free: Vec<OpIx> = (0..problem.ops.len())
        .filter(|&op| !facts.is_decided(op) && !problem.ops[op].alts.is_empty())
        .collect();
    let weights = Weights { makespan: 0.3, ..Weights::default() };
    let mut timing = Timing::new(problem, &facts, Hours::Open, weights);
    let mut decoder = Decoder::new(problem, &facts, Hours::Open);
    let mut mover = Mover::of(problem);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    timing.set(&repair::keep(problem, &free));
    mover.learn(&timing);
    for _ in 0..steps {
        let before = (timing.sequence(), timing.states.clone(), timing.pools.clone(), timing.cost());
        let limit = if rng.random_bool(0.3) { timing.cost() } else { f64::INFINITY };
        let Some(change) = mover.propose(&timing, &mut rng) else { continue };
        let Some(cost) = timing.try_change(change, limit) else {
            prop_assert_eq!(&before.0, &timing.sequence());
            continue;
        };
        if cost.is_infinite() || rng.random_bool(0.5) {
            timing.take_back();
            prop_assert_eq!(&before.0, &timing.sequence());
            prop_assert_eq!(before.3, timing.cost());
            for &op in timing.order() {
                prop_assert_eq!(before.1[op as usize], timing.states[op as usize]);
            }
            prop_assert!(
                before.2.iter().zip(&timing.pools).all(|(a, b)| a == b),
                "pools differ after taking back"
            );
            continue;
        }
        timing.keep();
        mover.learn(&timing);
        agrees(problem, &facts, &timing, &mut decoder, &weights)?;
        is_noted(&mut timing)?;
        if rng.random_bool(0.2) {
            let mut fresh = Timing::new(problem, &facts, Hours::Open, weights);
            fresh.set(&timing.sequence());
            prop_assert!(fresh.pools == timing.pools, "pools differ from those of the plan timed anew");
        }
    }
    Ok(())
}

/// What was noted where a change reached is what notes of everything would be.
fn is_noted(timing: &mut Timing) -> Result<(), TestCaseError> {
    let (own, noted) = (timing.own.clone(), timing.noted.clone());
    timing.note(0, timing.order.len());
    prop_assert!(own == timing.own && noted == timing.noted, "notes of a change differ from those of all");
    Ok(())
}

fn agrees(
    problem: &Problem,
    facts: &Facts,
    timing: &Timing,
    decoder: &mut Decoder,
    weights: &Weights,
) -> Result<(), TestCaseError> {
    let sequence: Sequence = timing.sequence();
    let mut places = vec![None; problem.ops.len()];
    for (place, &op) in sequence.order.iter().enumerate() {
        prop_assert!(places[op].is_none(), "an operation stands twice");
        places[op] = Some(place);
        let preds = problem.ops[op].preds.iter().filter(|&&pred| !facts.is_decided(pred));
        prop_assert!(
            preds.clone().all(|&pred| places[pred].is_some()),
            "an operation stands before its predecessor"
        );
    }
    let timed = decoder.decode(&sequence);
    // A dropped order frees its later operations' places for others only in the decoder's final rounds.
    if !timed.dropped.is_empty() {
        return Ok(());
    }
    for &op in &sequence.order {
        let slot = timed.slots[op].unwrap();
        prop_assert_eq!(timing.span(op), Some((slot.start, slot.end)), "{}", &problem.ops[op].name);
    }
    // A frozen operation's changeover may get shorter than what is reserved; the search reckons with that.
    if facts.pins.iter().all(Vec::is_empty) {
        let figures = Figures::of(problem, facts, timed);
        let decided: f64 = (0..problem.ops.len())
            .filter(|&op| facts.is_decided(op))
            .filter_map(|op| timed.slots[op].map(|slot| (op, slot)))
            .map(|(op, slot)| kpi::overtime(problem, op, &slot) as f64 * weights.overtime)
            .sum();
        let (expected, cost) = (figures.objective(weights) - decided, timing.cost());
        prop_assert!((expected - cost).abs() <= 1e-6 * expected.abs().max(1.0), "{expected} but {cost}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_changed_plan_is_timed_as_if_from_the_start(seed in any::<u64>()) {
        let mut model = sample::random(seed);
        if seed % 4 != 0 {
            // Maximum lags are timed in full anyway; without them changes are followed.
            model.orders.iter_mut().flat_map(|order| &mut order.ops).for_each(|op| op.max_lag = None);
        }
        if seed % 3 == 0 {
            model.current.clear();
        }
        walk(&Problem::parse(model).unwrap(), seed, 60)?;
    }
}

/// Enough operations for many stretches: three days of work with calendars, breaks, pools, changeovers that
/// need people, and operations that are frozen here and there.
fn long(seed: u64) -> Problem {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut model = sample::random(seed);
    let made: Vec<_> = model.orders.iter().cycle().take(24).cloned().collect();
    model.current.clear();
    model.orders = made;
    // An order that is left out would end the comparison.
    model.setups[0].forbidden.clear();
    for pool in &mut model.pools {
        (pool.calibrated_until, pool.certified_until) = (None, None);
    }
    for (number, order) in model.orders.iter_mut().enumerate() {
        (order.id, order.deadline) =
            (format!("O{number}"), number.is_multiple_of(5).then_some(model.horizon));
        let mut at = 200 + 150 * number as i64;
        for op in &mut order.ops {
            op.max_lag = None;
            for alt in &mut op.alts {
                alt.minutes = 5 + alt.minutes % 25;
            }
            let Some(alt) = op.alts.first() else { continue };
            let (start, end) = (at, at + alt.minutes);
            let state = if rng.random_bool(0.15) { Standing::Frozen } else { Standing::Planned };
            let (op, resource) = (format!("{}/{}", order.id, op.id), alt.resource.clone());
            model.current.push(Current { op, resource, start, end, state, remaining: None });
            at = end + rng.random_range(0..60);
        }
    }
    (model.now, model.policy.frozen_until) = (30, None);
    Problem::parse(model).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn a_change_in_a_long_plan_is_timed_as_if_from_the_start(seed in any::<u64>()) {
        walk(&long(seed), seed, 80)?;
    }
}
