//! The moves of the search: earlier on a resource, to another resource, next to its family, or anywhere.
//!
//! Most start from what a late order waits for. A move never breaks a routing: what an operation waits
//! for in the moved stretch of the sequence moves along.

use super::model::{BlockedKind, Minute, Resource};
use super::problem::{OpIx, OrderIx, Problem};
use super::timing::{Change, Timing};
use rand::Rng;

/// Share of moves that start from the critical chain of a late order, while there is one.
const CRITICAL: f64 = 0.8;
/// While what a breakdown moved is put right: share of moves that start from it.
const FOCUS: f64 = 0.6;
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
    /// Of those, the ones that end later than in the current plan.
    displaced: Vec<OrderIx>,
    /// By order: when it ends in the current plan, with the tolerance; never where it is not in it.
    planned: Vec<Minute>,
    /// Operations planned on what is broken, or on what stands in for it.
    near: Vec<OpIx>,
    /// Whether the displaced and what is near them come first.
    pub(super) is_focused: bool,
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
            displaced: Vec::new(),
            planned: planned_ends(problem),
            near: near_breakdowns(problem),
            is_focused: false,
            chain: Vec::new(),
            waits: Vec::new(),
            uses: 0,
            has_setups: problem.setups.iter().any(|setup| setup.mean().is_some()),
        }
    }

    /// Takes in a plan that was accepted.
    pub(super) fn learn(&mut self, timing: &Timing) {
        self.late.clear();
        self.late.extend((0..self.planned.len()).filter(|&order| timing.order_cost(order) > 0.0));
        self.displaced.clear();
        if self.is_focused {
            let is_later =
                |order: &OrderIx| timing.order_end(*order).is_none_or(|end| end > self.planned[*order]);
            self.displaced.extend(self.late.iter().copied().filter(is_later));
        }
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
        } else if let Some(op) = self.near_op(timing, rng) {
            op
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

    /// One near a breakdown, while that comes first.
    fn near_op(&self, timing: &Timing, rng: &mut impl Rng) -> Option<OpIx> {
        if !self.is_focused || self.near.is_empty() || !rng.random_bool(FOCUS) {
            return None;
        }
        let op = self.near[rng.random_range(0..self.near.len())];
        timing.place(op).map(|_| op)
    }

    /// The dearer one of two that are drawn: what is very late has the most to gain.
    fn late_order(&self, timing: &Timing, rng: &mut impl Rng) -> OrderIx {
        let is_displaced = self.is_focused && !self.displaced.is_empty() && rng.random_bool(FOCUS);
        let among = if is_displaced { &self.displaced } else { &self.late };
        let mut draw = || among[rng.random_range(0..among.len())];
        let (one, other) = (draw(), draw());
        if timing.order_cost(other) > timing.order_cost(one) { other } else { one }
    }

    /// A random operation of what a late order waits for.
    fn critical_op(&mut self, timing: &Timing, rng: &mut impl Rng) -> Option<OpIx> {
        if self.uses == 0 {
            self.uses = CHAIN_USES;
            let order = self.late_order(timing, rng);
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

fn planned_ends(problem: &Problem) -> Vec<Minute> {
    let mut ends = vec![None; problem.orders.len()];
    for op in &problem.ops {
        if let Some(current) = op.current {
            ends[op.order] = ends[op.order].max(Some(current.end));
        }
    }
    let tolerance = problem.model.policy.move_tolerance;
    ends.into_iter().map(|end| end.map_or(Minute::MAX, |end| end + tolerance)).collect()
}

fn near_breakdowns(problem: &Problem) -> Vec<OpIx> {
    let is_broken = |resource: &Resource| {
        let mut blocked = resource.blocked.iter();
        blocked.any(|blocked| blocked.kind == BlockedKind::Breakdown && blocked.to > problem.now())
    };
    let broken: Vec<bool> = problem.model.resources.iter().map(is_broken).collect();
    let mut is_near = broken.clone();
    let planned_on = |op: OpIx| problem.ops[op].current.map(|current| current.resource);
    for (op, data) in problem.ops.iter().enumerate() {
        if planned_on(op).is_some_and(|resource| broken[resource]) {
            data.alts.iter().for_each(|alt| is_near[alt.resource] = true);
        }
    }
    if !broken.contains(&true) {
        return Vec::new();
    }
    (0..problem.ops.len()).filter(|&op| planned_on(op).is_some_and(|resource| is_near[resource])).collect()
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
