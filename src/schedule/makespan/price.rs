//! What the end of an order costs, where orders are to be in time.

use super::super::facts::Facts;
use super::super::kpi;
use super::super::model::{Minute, Weights};
use super::super::problem::{OpIx, Order, Problem};
use super::shop::{Shop, Time};

/// No way leads there; stays far below every time with all ways added.
pub(super) const NEVER: Time = Time::MIN / 2;

/// Tails kept, one for each operation and order, at most.
const TAILS_MAX: usize = 6_000;

#[derive(Debug, Clone, Copy)]
pub(super) struct Price {
    due: Time,
    by_minute: f64,
    /// For being late at all.
    late: f64,
    /// Of its decided operations.
    end: Time,
    horizon: Time,
    /// For being left out, which a plan does that goes beyond the horizon.
    left_out: f64,
}

impl Price {
    #[inline]
    pub(super) fn of(&self, end: Time) -> f64 {
        let late = end.max(self.end) - self.due;
        let left_out = if end > self.horizon { self.left_out } else { 0.0 };
        if late > 0 { self.by_minute * f64::from(late) + self.late + left_out } else { left_out }
    }
}

impl Shop {
    /// Prices late orders instead of the makespan.
    ///
    /// `None` where annealing finds better plans: with a choice of machines, with changeovers, and where the
    /// tails of all orders take long to keep; also when a time is too large.
    pub(in super::super) fn priced(
        mut self,
        problem: &Problem,
        facts: &Facts,
        weights: &Weights,
    ) -> Option<Self> {
        if self.is_flexible || self.has_setups() || self.len() * self.lasts.len() > TAILS_MAX {
            return None;
        }
        let mut number = vec![None; problem.orders.len()];
        let left_out = kpi::left_out(problem, weights);
        self.order = Vec::with_capacity(self.len());
        for index in 0..self.len() {
            let order = problem.ops[self.ops[index]].order;
            let next = self.prices.len() as u32;
            let known = *number[order].get_or_insert(next);
            if known == next {
                let price = price(&problem.orders[order], problem, facts, (weights, left_out))?;
                self.prices.push(price);
            }
            self.order.push(known);
        }
        let is_done = |order: &Order| order.ops.iter().all(|&op| facts.is_done[op]);
        let is_decided = |order: &Order| order.ops.iter().all(|&op| facts.is_decided(op));
        let decided = problem.orders.iter().filter(|order| is_decided(order) && !is_done(order));
        self.decided = decided
            .filter_map(|order| Some(price(order, problem, facts, (weights, left_out))?.of(NEVER)))
            .sum();
        Some(self)
    }
}

/// With what leaving out costs per unit of weight.
fn price(
    order: &Order,
    problem: &Problem,
    facts: &Facts,
    (weights, left_out): (&Weights, f64),
) -> Option<Price> {
    let small = |minute: Minute| Time::try_from(minute).ok().filter(|minute| minute.abs() < -NEVER / 2);
    let decided = |&op: &OpIx| facts.slots[op].map(|slot| slot.end);
    Some(Price {
        due: small(order.due)?,
        by_minute: weights.tardiness * order.weight,
        late: weights.late_orders,
        end: order.ops.iter().filter_map(decided).max().map_or(Some(NEVER), small)?,
        horizon: small(problem.model.horizon)?,
        left_out: left_out * order.weight,
    })
}
