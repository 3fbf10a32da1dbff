//! The moves of the search: earlier on a resource, to another resource, next to its family, or anywhere.
//!
//! Most start from what a late order waits for. A move never breaks a routing: what an operation waits
//! for in the moved stretch of the sequence moves along.

use super::problem::{OpIx, OrderIx, Problem};
use super::timing::{Change, Timing};
use rand::Rng;

/// Share of moves that start from the critical chain of a late order, while there is one.
const CRITICAL: f64 = 0.8;
/// Share of moves that change the resource, where there is a choice.
const REASSIGN: f64 = 0.35;
/// Share of moves that put an operation next to one of its family, where changeovers take time.
const FAMILY: f64 = 0.15;
/// Share of them on operations that waited for their resource.
const WAITING: f64 = 0.7;
/// Share of moves forward on a resource that let the one before go behind instead.
const GIVE_WAY: f64 = 0.3;
/// Longest critical chain looked at.
const CHAIN_MAX: usize = 256;
/// Moves drawn from one chain before another order is picked.
const CHAIN_USES: u32 = 12;
/// How far along a resource a neighbour of the same family is looked for.
const FAMILY_REACH: usize = 12;

#[derive(Debug)]
pub(super) struct Mover {
    late: Vec<OrderIx>,
    chain: Vec<OpIx>,
    /// Those of the chain that waited for their resource.
    waits: Vec<OpIx>,
    uses: u32,
    has_setups: bool,
}

impl Mover {
    pub(super) fn of(problem: &Problem) -> Self {
        Self {
            late: Vec::new(),
            chain: Vec::new(),
            waits: Vec::new(),
            uses: 0,
            has_setups: problem.setups.iter().any(|setup| setup.mean().is_some()),
        }
    }

    /// Takes in a plan that was accepted.
    pub(super) fn learn(&mut self, timing: &Timing) {
        self.late.clear();
        self.late.extend((0..timing.problem().orders.len()).filter(|&order| timing.order_cost(order) > 0.0));
        self.uses = 0;
    }

    /// A change to try; `None` when the draw leads to none.
    pub(super) fn propose(&mut self, timing: &Timing, rng: &mut impl Rng) -> Option<Change> {
        if timing.order().is_empty() {
            return None;
        }
        let is_critical = !self.late.is_empty() && rng.random_bool(CRITICAL);
        let op = if is_critical {
            self.critical_op(timing, rng)?
        } else {
            timing.order()[rng.random_range(0..timing.order().len())] as usize
        };
        let alts = timing.problem().ops[op].alts.len();
        if alts > 1 && rng.random_bool(REASSIGN) {
            return reassign(timing, op, rng);
        }
        if self.has_setups && rng.random_bool(FAMILY) {
            return beside_family(timing, op, rng);
        }
        if is_critical || rng.random_bool(0.5) {
            earlier(timing, op, rng)
        } else {
            Some(anywhere(timing, op, rng))
        }
    }

    /// A random operation of what a random late order waits for.
    fn critical_op(&mut self, timing: &Timing, rng: &mut impl Rng) -> Option<OpIx> {
        if self.uses == 0 {
            self.uses = CHAIN_USES;
            let order = self.late[rng.random_range(0..self.late.len())];
            self.follow(timing, order);
        }
        self.uses -= 1;
        let picked =
            if !self.waits.is_empty() && rng.random_bool(WAITING) { &self.waits } else { &self.chain };
        (!picked.is_empty()).then(|| picked[rng.random_range(0..picked.len())])
    }

    fn follow(&mut self, timing: &Timing, order: OrderIx) {
        let problem = timing.problem();
        self.chain.clear();
        self.waits.clear();
        let free = problem.orders[order].ops.iter().copied().filter(|&op| timing.place(op).is_some());
        let last = free.max_by_key(|&op| (timing.span(op).map_or(i64::MAX, |span| span.1), op));
        let Some(mut at) = last else { return };
        while self.chain.len() < CHAIN_MAX {
            self.chain.push(at);
            let earliest = timing.earliest(at);
            let waited = match (timing.span(at), earliest) {
                (Some((start, _)), Some(earliest)) => start > earliest,
                _ => true,
            };
            let behind = timing.before(at).filter(|_| waited);
            if behind.is_some() {
                self.waits.push(at);
            }
            match behind.or_else(|| timing.last_pred(at)) {
                Some(next) => at = next,
                None => break,
            }
        }
    }
}

/// To another resource, where its time comes or nearby.
fn reassign(timing: &Timing, op: OpIx, rng: &mut impl Rng) -> Option<Change> {
    let data = &timing.problem().ops[op];
    let other = rng.random_range(0..data.alts.len() - 1);
    let alt = if other >= timing.alt(op) { other + 1 } else { other };
    let place = timing.place(op)?;
    if rng.random_bool(0.3) {
        return Some(Change { op, target: place, alt });
    }
    let resource = data.alts[alt].resource;
    let earliest = timing.earliest(op)?;
    let mut target = nearest_on(timing, place, resource);
    // The last one there that has not begun when the operation could.
    while let Some(at) = target.filter(|&at| begins(timing, at) >= earliest) {
        match timing.before(at) {
            Some(before) if begins(timing, before) >= earliest => target = Some(before),
            _ => break,
        }
    }
    while let Some(at) = target.filter(|&at| begins(timing, at) < earliest) {
        target = timing.after(at);
    }
    for _ in 0..3 {
        if rng.random_bool(0.3) {
            target =
                target.and_then(|at| if rng.random_bool(0.5) { timing.before(at) } else { timing.after(at) });
        }
    }
    let target = target.and_then(|at| timing.place(at)).unwrap_or(place);
    // Going forward it ends up behind the target; one before it is meant.
    let target = if target > place { target - 1 } else { target };
    Some(Change { op, target, alt })
}

fn begins(timing: &Timing, op: OpIx) -> i64 {
    timing.span(op).map_or(i64::MAX, |span| span.0)
}

/// The operation on `resource` that comes next to `place` in the order.
fn nearest_on(timing: &Timing, place: usize, resource: usize) -> Option<OpIx> {
    let on_it = |&&op: &&u32| timing.resource(op as usize) == resource;
    let order = timing.order();
    let behind = order[place..].iter().take(200).find(on_it);
    behind.or_else(|| order[..place].iter().rev().take(200).find(on_it)).map(|&op| op as usize)
}

/// Right behind or before one of its family on its resource, so that a changeover may fall away.
fn beside_family(timing: &Timing, op: OpIx, rng: &mut impl Rng) -> Option<Change> {
    let problem = timing.problem();
    let family = problem.ops[op].family?;
    let goes_back = rng.random_bool(0.65);
    let next = |at| if goes_back { timing.before(at) } else { timing.after(at) };
    let mut at = next(op)?;
    let is_same = |at: OpIx| problem.ops[at].family == Some(family);
    let mut skipped = usize::from(is_same(at));
    for _ in 0..FAMILY_REACH {
        let beyond = next(at)?;
        if is_same(beyond) && !is_same(at) || skipped == 0 && is_same(beyond) {
            let target = timing.place(at)?;
            return Some(Change { op, target, alt: timing.alt(op) });
        }
        skipped = usize::from(is_same(beyond) && skipped > 0);
        at = beyond;
    }
    None
}

/// Before one of the operations its resource does right before it.
fn earlier(timing: &Timing, op: OpIx, rng: &mut impl Rng) -> Option<Change> {
    let mut target = timing.before(op)?;
    while let Some(before) = timing.before(target).filter(|_| rng.random_bool(0.4)) {
        target = before;
    }
    if rng.random_bool(GIVE_WAY) {
        return Some(Change { op: target, target: timing.place(op)?, alt: timing.alt(target) });
    }
    Some(Change { op, target: timing.place(target)?, alt: timing.alt(op) })
}

fn anywhere(timing: &Timing, op: OpIx, rng: &mut impl Rng) -> Change {
    let len = timing.order().len();
    let place = timing.place(op).unwrap_or(0);
    let reach = (len / 4).clamp(2, 200);
    let target = rng.random_range(place.saturating_sub(reach)..=(place + reach).min(len - 1));
    Change { op, target, alt: timing.alt(op) }
}
