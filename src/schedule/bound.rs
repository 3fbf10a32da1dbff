//! A lower bound of the objective: every order alone in the plant, and for the makespan also loads.
//!
//! Changeovers and pools are left out, so for the tardiness of plants full of them it is often 0 and
//! says so. No tardiness bound goes further than orders alone.

use super::answer::{Bound, BoundKind};
use super::capacity;
use super::construct::tails;
use super::decode::Timed;
use super::facts::Facts;
use super::load::{self, Work};
use super::model::Minute;
use super::problem::{OpIx, Problem};

/// For the orders that `timed` plans.
pub(super) fn bound(problem: &Problem, facts: &Facts, timed: &Timed) -> Bound {
    let weights = &problem.model.policy.weights;
    let alone = ends_alone(problem, facts);
    let (mut tardiness, mut late) = (0.0, 0.0);
    let mut makespan = Minute::MIN;
    for order in &problem.orders {
        let is_open = order.ops.iter().any(|&op| !facts.is_done[op]);
        let is_planned = order.ops.iter().all(|&op| timed.slots[op].is_some());
        let end = order.ops.iter().map(|&op| alone[op]).max();
        if let Some(end) = end.filter(|_| is_planned && is_open) {
            tardiness += order.weight * (end - order.due).max(0) as f64;
            late += f64::from(u8::from(end > order.due));
            makespan = makespan.max(end);
        }
    }
    let heads: Vec<Minute> = (0..problem.ops.len()).map(|op| head(problem, &alone, op)).collect();
    let capacity = capacity::needed(problem, facts, timed, &heads);
    let busiest = capacity.first().map_or(Minute::MIN, |needs| needs.until);
    let loaded = busiest.max(load(problem, facts, timed, &heads));
    let kind =
        if weights.makespan > 0.0 && loaded > makespan { BoundKind::Load } else { BoundKind::OrderAlone };
    let makespan = makespan.max(loaded).max(0);
    let value =
        weights.tardiness * tardiness + weights.late_orders * late + weights.makespan * makespan as f64;
    Bound { value, kind, informative: value > 0.0, makespan, capacity }
}

/// The makespan that the load of resources forces, whatever goes where.
fn load(problem: &Problem, facts: &Facts, timed: &Timed, heads: &[Minute]) -> Minute {
    let tail = tails(problem);
    let free = (0..problem.ops.len()).filter(|&op| !facts.is_decided(op) && timed.slots[op].is_some());
    let work = |op: OpIx| {
        let data = &problem.ops[op];
        Work {
            head: heads[op],
            tail: tail[op],
            choices: data.alts.iter().map(|alt| (alt.resource, alt.minutes)).collect(),
        }
    };
    load::bound(&free.map(work).collect::<Vec<_>>(), problem.resources.len())
}

/// When `op` can begin at the soonest, its order having the plant to itself.
fn head(problem: &Problem, alone: &[Minute], op: OpIx) -> Minute {
    let data = &problem.ops[op];
    let preds = data.preds.iter().map(|&pred| alone[pred].saturating_add(data.min_lag));
    preds.fold(data.earliest, Minute::max)
}

/// By operation: its earliest end if its order had the plant to itself.
pub(super) fn ends_alone(problem: &Problem, facts: &Facts) -> Vec<Minute> {
    let tail = tails(problem);
    let mut by_depth: Vec<OpIx> = (0..problem.ops.len()).collect();
    // An operation has a longer tail than anything behind it, so this order is topological.
    by_depth.sort_by_key(|&op| (std::cmp::Reverse(tail[op]), op));
    let mut ends = vec![Minute::MIN; problem.ops.len()];
    for op in by_depth {
        let data = &problem.ops[op];
        if let Some(slot) = facts.slots[op] {
            ends[op] = slot.end;
            continue;
        }
        let from = head(problem, &ends, op);
        let alone = data.alts.iter().filter_map(|alt| {
            let open = &problem.resources[alt.resource].open;
            if data.splits {
                open.work(from, alt.minutes).map(|work| work.1)
            } else {
                open.fit(from, alt.minutes).map(|start| start + alt.minutes)
            }
        });
        ends[op] = alone.min().unwrap_or(from);
    }
    ends
}
