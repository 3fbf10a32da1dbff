//! Weights that compare plans by one figure after another.
//!
//! A step of one figure weighs more than everything the figures after it can reach, so that the weighted sum
//! orders plans as the list does.

use super::super::error::ScheduleError;
use super::super::model::{Figure, Model, Op, Order, Weights};

const PATH: &str = "policy.lexicographic";
/// All figures together stay well below the price of an order that is left out.
const TOTAL: f64 = 1e8;
/// What a step of the last figure must weigh to be told from rounding.
const STEP_MIN: f64 = 1e-6;
const ALL: [Figure; 7] = [
    Figure::Tardiness,
    Figure::LateOrders,
    Figure::Makespan,
    Figure::Changeover,
    Figure::Moves,
    Figure::MachineChanges,
    Figure::Overtime,
];

pub(super) fn weights(model: &Model) -> Result<Weights, ScheduleError> {
    let ranked = &model.policy.lexicographic;
    let refuse = |rule| {
        Err(ScheduleError::OutOfRange { path: PATH.into(), value: format!("{} figures", ranked.len()), rule })
    };
    if !(2..=3).contains(&ranked.len()) {
        return refuse("name two or three; one alone is a weight");
    }
    if (1..ranked.len()).any(|index| ranked[..index].contains(&ranked[index])) {
        return refuse("name each figure once");
    }
    let mut weights = Weights::NOTHING;
    let mut reached = 0.0;
    for &figure in ranked.iter().rev() {
        let (step, range) = scale(model, figure);
        let weight = (reached + 1.0) / step;
        *weight_of(&mut weights, figure) = weight;
        reached += weight * range;
    }
    let shrink = TOTAL / reached.max(TOTAL);
    for &figure in ranked {
        *weight_of(&mut weights, figure) *= shrink;
    }
    if shrink < STEP_MIN {
        return refuse("in a problem of this size they cannot be told apart; name fewer");
    }
    Ok(weights)
}

/// The largest value that each figure reaches.
pub(super) fn ranges(model: &Model) -> Weights {
    let mut ranges = Weights::NOTHING;
    for figure in ALL {
        *weight_of(&mut ranges, figure) = scale(model, figure).1;
    }
    ranges
}

fn weight_of(weights: &mut Weights, figure: Figure) -> &mut f64 {
    match figure {
        Figure::Tardiness => &mut weights.tardiness,
        Figure::LateOrders => &mut weights.late_orders,
        Figure::Makespan => &mut weights.makespan,
        Figure::Changeover => &mut weights.changeover,
        Figure::Moves => &mut weights.moves,
        Figure::MachineChanges => &mut weights.machine_changes,
        Figure::Overtime => &mut weights.overtime,
    }
}

/// The smallest difference between two values of a figure, and the largest value it reaches.
fn scale(model: &Model, figure: Figure) -> (f64, f64) {
    let ops = || model.orders.iter().flat_map(|order| &order.ops);
    let count = ops().count() as f64;
    let changeover = || {
        let minutes = model.setups.iter().flat_map(|setup| setup.minutes.iter().flatten()).max();
        let costs = model.setups.iter().flat_map(|setup| setup.cost.iter().flatten());
        minutes.copied().unwrap_or(0) as f64 + costs.copied().fold(0.0, f64::max)
    };
    match figure {
        Figure::Tardiness => {
            let weights = || model.orders.iter().map(Order::minute_weight).filter(|&weight| weight > 0.0);
            let late = |order: &Order| (model.horizon - order.must_end(model.now)).max(0);
            let worst = |order: &Order| order.minute_weight() * late(order) as f64;
            (weights().fold(1.0, f64::min), model.orders.iter().map(worst).sum::<f64>().max(1.0))
        }
        Figure::LateOrders => (1.0, model.orders.len() as f64),
        Figure::Makespan => (1.0, (model.horizon - model.now.min(0)) as f64),
        Figure::Changeover => (1.0, count * changeover()),
        Figure::Moves | Figure::MachineChanges => (1.0, count),
        Figure::Overtime => {
            let longest = |op: &Op| op.alts.iter().map(|alt| alt.minutes).max().unwrap_or(0);
            (1.0, ops().map(longest).sum::<i64>() as f64 + count * changeover())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_sum_orders_plans_as_the_list_does(
            seed in any::<u64>(),
            ranked in Just(ALL.to_vec()).prop_shuffle(),
            count in 2_usize..=3,
            parts in prop::collection::vec((0.0..=1.0, 0.0..=1.0), 3),
        ) {
            let mut model = sample::random(seed);
            model.policy.lexicographic = ranked[..count].to_vec();
            let Ok(mut weights) = weights(&model) else { return Ok(()) };
            let (mut sums, mut first) = ([0.0, 0.0], std::cmp::Ordering::Equal);
            for (&figure, &(a, b)) in ranked[..count].iter().zip(&parts) {
                let (step, range) = scale(&model, figure);
                let value = |part: f64| (part * range / step).floor() * step;
                first = first.then(value(a).total_cmp(&value(b)));
                sums[0] += *weight_of(&mut weights, figure) * value(a);
                sums[1] += *weight_of(&mut weights, figure) * value(b);
            }
            prop_assert_eq!(sums[0].total_cmp(&sums[1]), first, "{:?} {:?}", weights, sums);
        }
    }

    #[test]
    fn one_figure_and_the_same_twice_are_refused() {
        let mut model = sample::random(1);
        for ranked in [vec![Figure::Tardiness], vec![Figure::Moves, Figure::Moves], ALL.to_vec()] {
            model.policy.lexicographic = ranked;
            assert!(weights(&model).unwrap_err().to_string().starts_with("policy.lexicographic: "));
        }
    }
}
