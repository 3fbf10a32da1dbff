//! The figures of a plan: the few the search compares by, and the full set people read.

use super::answer::{Kpis, LateOrder};
use super::decode::Timed;
use super::facts::{Facts, Slot};
use super::model::{Minute, Weights};
use super::problem::{OpIx, OrderIx, Problem, Status};
use std::collections::BTreeMap;

/// What leaving out the order that weighs least costs at least.
const DROPPED: f64 = 1e9;

/// The price of leaving out an order, per unit of its weight: above all that the other figures can reach.
pub(super) fn left_out(problem: &Problem, weights: &Weights) -> f64 {
    (2.0 * problem.reach(weights)).max(DROPPED) / problem.least_weight()
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Figures {
    pub(super) tardiness: f64,
    pub(super) late: usize,
    pub(super) makespan: Minute,
    pub(super) changeover_minutes: Minute,
    pub(super) changeover_cost: f64,
    pub(super) overtime: Minute,
    pub(super) moved: usize,
    pub(super) machine_changes: usize,
    /// Weight of the orders left out.
    pub(super) dropped: f64,
}

impl Figures {
    pub(super) fn of(problem: &Problem, facts: &Facts, timed: &Timed) -> Figures {
        let mut figures = Figures::default();
        for (op, slot) in timed.slots.iter().enumerate() {
            let Some(slot) = slot else { continue };
            figures.makespan = figures.makespan.max(slot.end);
            figures.changeover_minutes += slot.setup_minutes;
            figures.changeover_cost += slot.setup_cost;
            figures.overtime += overtime(problem, op, slot);
            if moved(problem, op, slot) {
                figures.moved += 1;
                figures.machine_changes += usize::from(changed_resource(problem, op, slot));
            }
        }
        for order in &problem.orders {
            let late = lateness(&order.ops, order.due, facts, &timed.slots);
            figures.tardiness += order.weight * late as f64;
            figures.late += usize::from(late > 0);
        }
        figures.dropped = timed.dropped.iter().map(|dropped| problem.orders[dropped.order].weight).sum();
        figures
    }

    /// Of the orders that are planned.
    pub(super) fn objective(&self, weights: &Weights) -> f64 {
        weights.tardiness * self.tardiness
            + weights.late_orders * self.late as f64
            + weights.makespan * self.makespan as f64
            + weights.changeover * (self.changeover_minutes as f64 + self.changeover_cost)
            + weights.moves * self.moved as f64
            + weights.machine_changes * self.machine_changes as f64
            + weights.overtime * self.overtime as f64
    }

    /// The objective, and the price of what is left out.
    pub(super) fn cost(&self, problem: &Problem, weights: &Weights) -> f64 {
        self.objective(weights) + left_out(problem, weights) * self.dropped
    }
}

/// The full set for a plan without dropped orders; `unscheduled` counts those left out of it.
pub(super) fn kpis(problem: &Problem, facts: &Facts, timed: &Timed, unscheduled: usize) -> Kpis {
    let figures = Figures::of(problem, facts, timed);
    let late = late_orders(problem, facts, timed);
    let mut late_by_tier: BTreeMap<String, usize> =
        problem.orders.iter().map(|order| (order.tier.clone(), 0)).collect();
    for order in &late {
        *late_by_tier.entry(order.tier.clone()).or_default() += 1;
    }
    let placed = || timed.slots.iter().enumerate().filter_map(|(op, slot)| Some((op, slot.as_ref()?)));
    let movable = placed().filter(|&(op, _)| is_movable(problem, op)).count();
    let stability = if movable == 0 { 1.0 } else { 1.0 - figures.moved as f64 / movable as f64 };
    Kpis {
        objective: figures.objective(&problem.model.policy.weights),
        weighted_tardiness: figures.tardiness,
        late_orders: late.len(),
        late_by_tier,
        max_late_minutes: late.iter().map(|order| order.minutes_late).max().unwrap_or(0),
        makespan: figures.makespan,
        changeover_minutes: figures.changeover_minutes,
        changeovers: placed().filter(|(_, slot)| slot.setup_minutes > 0).count(),
        changeover_cost: figures.changeover_cost,
        overtime_minutes: figures.overtime,
        utilisation: Some(utilisation(problem, facts, timed, figures.makespan)),
        moved_ops: figures.moved,
        machine_changes: figures.machine_changes,
        stability,
        unscheduled_orders: unscheduled,
    }
}

/// Work and changeovers as a share of open time, of the resources that do anything.
fn utilisation(problem: &Problem, facts: &Facts, timed: &Timed, makespan: Minute) -> f64 {
    let now = problem.now();
    let mut busy: Vec<Minute> = vec![0; problem.resources.len()];
    for (op, slot) in timed.slots.iter().enumerate() {
        let Some(slot) = slot.filter(|_| !facts.is_done[op]) else { continue };
        let data = &problem.ops[op];
        let runs = matches!(data.current.map(|current| current.status), Some(Status::Running { .. }));
        let alt = data.alts.iter().find(|alt| alt.resource == slot.resource).filter(|_| !runs);
        let work = match alt {
            Some(alt) => alt.minutes,
            None => problem.resources[slot.resource].open.covered(slot.start.max(now), slot.end),
        };
        busy[slot.resource] += work + slot.setup_minutes;
    }
    let used = (0..busy.len()).filter(|&resource| busy[resource] > 0);
    let open = |resource: usize| problem.resources[resource].open.covered(now, makespan.max(now));
    let open: Minute = used.map(open).sum();
    if open == 0 { 0.0 } else { busy.iter().sum::<Minute>() as f64 / open as f64 }
}

/// Worst first.
pub(super) fn late_orders(problem: &Problem, facts: &Facts, timed: &Timed) -> Vec<LateOrder> {
    let mut late: Vec<LateOrder> = problem
        .orders
        .iter()
        .map(|order| LateOrder {
            order: order.id.clone(),
            tier: order.tier.clone(),
            due: order.due,
            minutes_late: lateness(&order.ops, order.due, facts, &timed.slots),
        })
        .filter(|order| order.minutes_late > 0)
        .collect();
    late.sort_by(|a, b| b.minutes_late.cmp(&a.minutes_late).then_with(|| a.order.cmp(&b.order)));
    late
}

pub(super) fn is_late(problem: &Problem, facts: &Facts, timed: &Timed, order: OrderIx) -> bool {
    let order = &problem.orders[order];
    lateness(&order.ops, order.due, facts, &timed.slots) > 0
}

/// On another resource, or too far from its start in the current plan; new and started ones never are.
pub(super) fn moved(problem: &Problem, op: OpIx, slot: &Slot) -> bool {
    let tolerance = problem.model.policy.move_tolerance;
    is_movable(problem, op)
        && problem.ops[op].current.is_some_and(|current| {
            current.resource != slot.resource || (current.start - slot.start).abs() > tolerance
        })
}

pub(super) fn changed_resource(problem: &Problem, op: OpIx, slot: &Slot) -> bool {
    problem.ops[op].current.is_some_and(|current| current.resource != slot.resource)
}

fn is_movable(problem: &Problem, op: OpIx) -> bool {
    let status = problem.ops[op].current.map(|current| current.status);
    matches!(status, Some(Status::Planned | Status::Frozen))
}

/// Minutes late of an order that is planned in full and not over yet.
pub(super) fn lateness(ops: &[OpIx], due: Minute, facts: &Facts, slots: &[Option<Slot>]) -> Minute {
    let mut end = Minute::MIN;
    let mut is_open = false;
    for &op in ops {
        let Some(slot) = slots[op] else { return 0 };
        end = end.max(slot.end);
        is_open |= !facts.is_done[op];
    }
    if is_open { (end - due).max(0) } else { 0 }
}

pub(super) fn overtime(problem: &Problem, op: OpIx, slot: &Slot) -> Minute {
    let resource = &problem.resources[slot.resource];
    let status = problem.ops[op].current.map(|current| current.status);
    if !resource.has_overtime || status == Some(Status::Done) {
        return 0;
    }
    let runs = matches!(status, Some(Status::Running { .. }));
    let outside = |from, to| resource.open.covered(from, to) - resource.regular.covered(from, to);
    let setup = match slot.setup_minutes {
        0 => 0,
        minutes => outside(slot.setup_start, slot.setup_start + minutes),
    };
    let from = slot.start.max(problem.now());
    let minutes =
        problem.ops[op].alts.iter().find(|alt| alt.resource == slot.resource).map(|alt| alt.minutes);
    let pauses = problem.ops[op].splits && !runs && minutes == Some(resource.regular.covered(from, slot.end));
    setup + if pauses { 0 } else { outside(from, slot.end) }
}
