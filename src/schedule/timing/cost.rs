//! The weighted objective of a plan that changes in places.

use super::super::facts::Facts;
use super::super::kpi;
use super::super::model::{Minute, Weights};
use super::super::problem::{OrderIx, Problem};
use super::{NONE, State, Time, Timing, UNPLACED};

/// Before everything, with room to subtract from.
const LONG_AGO: Minute = Minute::MIN / 4;

#[derive(Debug)]
pub(super) struct Costs {
    weights: Weights,
    /// Whether single operations cost something: changeovers, overtime or moves against the plan.
    pub(super) by_op: bool,
    counts_moves: bool,
    /// Of leaving out an order, per unit of its weight; and of leaving out the one that weighs least.
    left_out: f64,
    least_left_out: f64,
    total: f64,
    by_order: Vec<f64>,
    /// By order: when its free operations end.
    ends: Vec<Time>,
    /// By order: when its decided operations end.
    decided: Vec<Minute>,
    /// By order: its free operations with nothing behind them.
    lasts: Vec<Vec<u32>>,
    decided_end: Minute,
}

impl Costs {
    pub(super) fn new(problem: &Problem, facts: &Facts, weights: Weights) -> Self {
        let orders = problem.orders.len();
        let has_overtime = weights.overtime > 0.0 && problem.resources.iter().any(|on| on.has_overtime);
        let has_setups = weights.changeover > 0.0 && problem.resources.iter().any(|on| on.setup.is_some());
        let has_plan = problem.ops.iter().any(|op| op.current.is_some());
        let counts_moves = has_plan && weights.moves + weights.machine_changes > 0.0;
        let end = |op: &usize| facts.slots[*op].map(|slot| slot.end);
        let decided = |order: &super::super::problem::Order| order.ops.iter().filter_map(end).max();
        let is_last = |op: &usize| {
            !facts.is_decided(*op) && problem.ops[*op].succs.iter().all(|&succ| facts.is_decided(succ))
        };
        let lasts = |order: &super::super::problem::Order| {
            order.ops.iter().filter(|op| is_last(op)).map(|&op| op as u32).collect()
        };
        let left_out = kpi::left_out(problem, &weights);
        Self {
            weights,
            left_out,
            least_left_out: left_out * problem.least_weight(),
            by_op: has_overtime || has_setups || counts_moves,
            counts_moves,
            total: 0.0,
            by_order: vec![0.0; orders],
            ends: vec![0; orders],
            decided: problem.orders.iter().map(|order| decided(order).unwrap_or(LONG_AGO)).collect(),
            lasts: problem.orders.iter().map(lasts).collect(),
            decided_end: facts.slots.iter().flatten().map(|slot| slot.end).max().unwrap_or(Minute::MIN),
        }
    }

    pub(super) fn total(&self) -> f64 {
        self.total
    }

    pub(super) fn add(&mut self, cost: f64) {
        self.total += cost;
    }

    fn of_lateness(&self, weight: f64, late: f64) -> f64 {
        let at_all = if late > 0.0 { self.weights.late_orders } else { 0.0 };
        self.weights.tardiness * weight * late + at_all
    }

    fn makespan(&self) -> Minute {
        let free = self.ends.iter().copied().max().unwrap_or(0);
        Minute::from(free).max(self.decided_end)
    }

    pub(super) fn of_makespan(&self) -> f64 {
        if self.weights.makespan == 0.0 { 0.0 } else { self.weights.makespan * self.makespan() as f64 }
    }
}

impl Timing<'_> {
    /// The weighted objective of the plan as it stands.
    pub(in super::super) fn cost(&self) -> f64 {
        self.costs.total
    }

    pub(in super::super) fn order_cost(&self, order: OrderIx) -> f64 {
        self.costs.by_order[order]
    }

    /// Every plan that leaves an order out costs at least this, and no other one does.
    pub(in super::super) fn least_left_out(&self) -> f64 {
        self.costs.least_left_out
    }

    pub(in super::super) fn makespan(&self) -> Minute {
        self.costs.makespan()
    }

    /// Prices everything anew, so that rounding does not pile up.
    pub(super) fn price_all(&mut self) {
        let mut total = 0.0;
        for order in 0..self.costs.by_order.len() {
            (self.costs.by_order[order], self.costs.ends[order]) = self.price(order);
            total += self.costs.by_order[order];
        }
        if self.costs.by_op {
            for &op in &self.order {
                total += self.price_op(op as usize, &self.states[op as usize], self.resource[op as usize]);
            }
        }
        self.costs.total = total + self.costs.of_makespan();
    }

    /// Prices everything anew when no order is left out any more: a price so large rounds small figures off.
    pub(super) fn price_again(&mut self) {
        let least = self.costs.least_left_out;
        if self.undo.cost >= least && self.costs.total < least {
            self.price_all();
        }
    }

    /// Takes a new end of `order` into the total.
    pub(super) fn price_order(&mut self, order: OrderIx) {
        let (cost, end) = self.price(order);
        let old = self.costs.by_order[order];
        self.undo.orders.push((order, old, self.costs.ends[order]));
        (self.costs.by_order[order], self.costs.ends[order]) = (cost, end);
        self.costs.total += cost - old;
    }

    /// Takes a new place of `op` into the total.
    pub(super) fn price_change(&mut self, op: usize, old: &State) {
        let moved = self.undo.moved.filter(|moved| moved.0 == op);
        let was_on = moved.map_or(self.resource[op], |moved| self.tables.alt(op, moved.1).resource);
        let new = self.price_op(op, &self.states[op], self.resource[op]);
        self.costs.total += new - self.price_op(op, old, was_on);
    }

    pub(super) fn take_costs_back(&mut self) {
        while let Some((order, cost, end)) = self.undo.orders.pop() {
            (self.costs.by_order[order], self.costs.ends[order]) = (cost, end);
        }
        self.costs.total = self.undo.cost;
    }

    /// Tardiness, or the price of leaving the order out; and when it ends.
    fn price(&self, order: OrderIx) -> (f64, Time) {
        let data = &self.rules.problem.orders[order];
        let mut end = Time::MIN;
        for &op in &self.costs.lasts[order] {
            if self.place[op as usize] == NONE {
                continue;
            }
            let state = &self.states[op as usize];
            if state.start == UNPLACED {
                return (self.costs.left_out * data.weight, Time::MIN);
            }
            end = end.max(state.ready);
        }
        if end == Time::MIN {
            // Nothing of it is free; what is decided costs the same in every plan.
            let running = data.ops.iter().any(|&op| !self.rules.facts.is_done[op] && self.place[op] == NONE);
            let is_planned = data.ops.iter().all(|&op| self.rules.facts.is_decided(op));
            let late = (self.costs.decided[order] - data.due).max(0) as f64;
            return (
                if running && is_planned { self.costs.of_lateness(data.weight, late) } else { 0.0 },
                Time::MIN,
            );
        }
        let late = (Minute::from(end).max(self.costs.decided[order]) - data.due).max(0);
        (self.costs.of_lateness(data.weight, late as f64), end)
    }

    fn price_op(&self, op: usize, state: &State, resource: u32) -> f64 {
        let (weights, problem) = (&self.costs.weights, self.rules.problem);
        let Some(mut slot) = self.slot(op, state) else { return 0.0 };
        if slot.resource != resource as usize {
            slot.resource = resource as usize;
            let family = (state.from != NONE).then_some(state.from as usize);
            slot.setup_cost = problem.setup_cost(slot.resource, family, problem.ops[op].family);
        }
        let mut cost = weights.changeover * (slot.setup_minutes as f64 + slot.setup_cost);
        if weights.overtime > 0.0 && problem.resources[slot.resource].has_overtime {
            // Where no pool is in its way, the general rules put it late themselves: at the same place.
            if slot.setup_minutes > 0 && !self.tables.lanes[slot.resource].shares_setups {
                let windows = self.rules.windows(slot.resource);
                let late = windows.fit_latest(slot.setup_start, slot.start, slot.setup_minutes);
                slot.setup_start = late.unwrap_or(slot.setup_start);
            }
            cost += weights.overtime * kpi::overtime(problem, op, &slot) as f64;
        }
        if self.costs.counts_moves && kpi::moved(problem, op, &slot) {
            cost += weights.moves;
            if kpi::changed_resource(problem, op, &slot) {
                cost += weights.machine_changes;
            }
        }
        cost
    }
}
