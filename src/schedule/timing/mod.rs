//! A plan that is timed again only where a change of its sequence reaches, and can take the change back.
//!
//! The same rules as the decoder's (`place`), applied in the same order, so the times are the same. A
//! change spreads along resources and routings; with pools also to whoever used the same minutes later.

mod changed;
mod minutes;
mod relink;
#[cfg(test)]
mod tests;

use super::decode::{Decoder, Sequence};
use super::facts::{Facts, Slot, take};
use super::kpi::{self, DROPPED};
use super::model::{Minute, Weights};
use super::place::{Hours, Ready, Rules};
use super::problem::{OpIx, OrderIx, Problem};
use changed::{Places, Touched};
use minutes::{MINUTES_MAX, Minutes};

pub(super) const NONE: u32 = u32::MAX;

/// What the plan has of one free operation.
#[derive(Debug, Clone, Copy, PartialEq)]
struct State {
    slot: Option<Slot>,
    /// What its resource is like behind it.
    ready: Ready,
    /// From here on it looked for a place.
    looked_from: Minute,
    cost: f64,
}

/// What a change did to one operation or order, to take it back.
struct Undo {
    states: Vec<(OpIx, State)>,
    orders: Vec<(OrderIx, f64, Minute)>,
    low: usize,
    segment: Vec<u32>,
    moved: Option<(OpIx, u32)>,
}

pub(super) struct Timing<'a> {
    rules: Rules<'a>,
    weights: Weights,
    order: Vec<u32>,
    place: Vec<u32>,
    alt: Vec<u32>,
    /// By operation: its neighbours on its resource, among the free ones.
    before: Vec<u32>,
    after: Vec<u32>,
    slots: Vec<Option<Slot>>,
    states: Vec<State>,
    order_cost: Vec<f64>,
    ends: Vec<Minute>,
    cost: f64,
    pools: Vec<Minutes>,
    touched: Vec<Touched>,
    dirty: Places,
    stale_orders: Vec<OrderIx>,
    is_stale: Vec<bool>,
    undo: Undo,
    links: relink::Scratch,
    counts_moves: bool,
    has_pools: bool,
    /// Times every change from the start, where a change cannot be followed.
    in_full: Option<Box<(Decoder<'a>, Sequence)>>,
}

/// An operation's new place in the order and on its resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) op: OpIx,
    pub(super) target: usize,
    pub(super) alt: usize,
}

impl<'a> Timing<'a> {
    pub(super) fn new(problem: &'a Problem, facts: &'a Facts, hours: Hours, weights: Weights) -> Self {
        let (ops, orders) = (problem.ops.len(), problem.orders.len());
        let span = problem.model.horizon - problem.now() + 1;
        let uses_pools = problem.ops.iter().flat_map(|op| &op.alts).any(|alt| !alt.needs.is_empty())
            || problem.setups.iter().any(|setup| !setup.needs.is_empty());
        let has_pools = uses_pools && !problem.pools.is_empty();
        let is_too_long = has_pools && span.saturating_mul(problem.pools.len() as i64) > MINUTES_MAX;
        // Maximum lags reach backwards, and minutes of pools over years are too many to keep.
        let in_full = is_too_long || problem.ops.iter().any(|op| op.max_lag.is_some());
        let has_pools = has_pools && !in_full;
        let rules = Rules { problem, facts, hours };
        let ready = Ready { at: 0, family: None, next_pin: 0, after_pin: false };
        let blank = State { slot: None, ready, looked_from: 0, cost: 0.0 };
        let (now, end) = (problem.now(), problem.model.horizon);
        let pools = if has_pools { problem.pools.len() } else { 0 };
        Self {
            rules,
            weights,
            order: Vec::new(),
            place: vec![NONE; ops],
            alt: vec![0; ops],
            before: vec![NONE; ops],
            after: vec![NONE; ops],
            slots: facts.slots.clone(),
            states: vec![blank; ops],
            order_cost: vec![0.0; orders],
            ends: vec![Minute::MIN; orders],
            cost: 0.0,
            pools: (0..pools).map(|pool| Minutes::of(&facts.pools[pool], now, end)).collect(),
            touched: (0..pools).map(|_| Touched::new(now, end)).collect(),
            dirty: Places::with_room(ops),
            stale_orders: Vec::new(),
            is_stale: vec![false; orders],
            undo: Undo { states: Vec::new(), orders: Vec::new(), low: 0, segment: Vec::new(), moved: None },
            links: relink::Scratch::new(ops, problem.resources.len()),
            counts_moves: problem.ops.iter().any(|op| op.current.is_some()),
            has_pools,
            in_full: in_full.then(|| Box::new((Decoder::new(problem, facts, hours), Sequence::default()))),
        }
    }

    /// Times `sequence` in full.
    pub(super) fn set(&mut self, sequence: &Sequence) {
        let facts = self.rules.facts;
        let problem = self.rules.problem;
        for index in 0..self.order.len() {
            self.give_back(self.order[index] as usize);
        }
        self.slots.clone_from(&facts.slots);
        self.order.clear();
        self.order.extend(sequence.order.iter().map(|&op| op as u32));
        self.place.fill(NONE);
        let mut last = vec![NONE; problem.resources.len()];
        for (place, &op) in sequence.order.iter().enumerate() {
            self.place[op] = place as u32;
            self.alt[op] = sequence.alt[op] as u32;
            let resource = self.resource(op);
            let before = std::mem::replace(&mut last[resource], op as u32);
            (self.before[op], self.after[op]) = (before, NONE);
            if before != NONE {
                self.after[before as usize] = op as u32;
            }
            self.states[op].slot = None;
            self.states[op].cost = 0.0;
        }
        if self.in_full.is_some() {
            self.retime_in_full();
            self.stale_orders.clear();
            self.is_stale.fill(false);
        } else {
            for index in 0..self.order.len() {
                let op = self.order[index] as usize;
                let state = self.timed(op);
                self.states[op] = state;
                self.slots[op] = state.slot;
                self.take_up(op);
            }
        }
        for order in 0..problem.orders.len() {
            self.order_cost[order] = self.cost_of(order);
        }
        self.cost = self.total();
        self.undo.states.clear();
        self.undo.orders.clear();
        self.undo.moved = None;
        self.undo.segment.clear();
    }

    pub(super) fn sequence(&self) -> Sequence {
        Sequence {
            order: self.order.iter().map(|&op| op as usize).collect(),
            alt: self.alt.iter().map(|&alt| alt as usize).collect(),
        }
    }

    pub(super) fn copy_to(&self, sequence: &mut Sequence) {
        sequence.order.clear();
        sequence.order.extend(self.order.iter().map(|&op| op as usize));
        sequence.alt.clear();
        sequence.alt.extend(self.alt.iter().map(|&alt| alt as usize));
    }

    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    pub(super) fn place(&self, op: OpIx) -> Option<usize> {
        (self.place[op] != NONE).then_some(self.place[op] as usize)
    }

    pub(super) fn alt(&self, op: OpIx) -> usize {
        self.alt[op] as usize
    }

    pub(super) fn before(&self, op: OpIx) -> Option<OpIx> {
        (self.before[op] != NONE).then_some(self.before[op] as usize)
    }

    pub(super) fn after(&self, op: OpIx) -> Option<OpIx> {
        (self.after[op] != NONE).then_some(self.after[op] as usize)
    }

    pub(super) fn slot(&self, op: OpIx) -> Option<Slot> {
        self.slots[op]
    }

    /// The weighted objective of the plan as it stands.
    pub(super) fn cost(&self) -> f64 {
        self.cost
    }

    pub(super) fn order_cost(&self, order: OrderIx) -> f64 {
        self.order_cost[order]
    }

    pub(super) fn makespan(&self) -> Minute {
        let facts = self.rules.facts.slots.iter().flatten().map(|slot| slot.end);
        self.ends.iter().copied().chain(facts).max().unwrap_or(0)
    }

    pub(super) fn problem(&self) -> &'a Problem {
        self.rules.problem
    }

    fn resource(&self, op: OpIx) -> usize {
        self.rules.problem.ops[op].alts[self.alt[op] as usize].resource
    }

    /// When its order lets `op` start; `None` while a predecessor has no place.
    pub(super) fn earliest(&self, op: OpIx) -> Option<Minute> {
        let data = &self.rules.problem.ops[op];
        let mut earliest = data.earliest;
        for &pred in &data.preds {
            earliest = earliest.max(self.slots[pred]?.end + data.min_lag);
        }
        Some(earliest)
    }

    /// What the resource of `op` is like before it.
    pub(super) fn ready_for(&self, op: OpIx) -> Ready {
        match self.before[op] {
            NONE => self.rules.first(self.resource(op)),
            before => self.states[before as usize].ready,
        }
    }

    /// The state `op` has behind what is before it now.
    fn timed(&self, op: OpIx) -> State {
        let ready = self.ready_for(op);
        let unplaced = State { slot: None, ready, looked_from: Minute::MIN, cost: 0.0 };
        let Some(earliest) = self.earliest(op) else { return unplaced };
        match self.rules.place(&self.pools, ready, op, self.alt[op] as usize, earliest) {
            Err(_) => unplaced,
            Ok((slot, behind)) => {
                let resource = slot.resource;
                let looked_from = if self.rules.problem.setup_needs(resource).is_empty() {
                    earliest.max(ready.at)
                } else {
                    ready.at
                };
                State { slot: Some(slot), ready: behind, looked_from, cost: self.op_cost(op, &slot) }
            }
        }
    }

    fn op_cost(&self, op: OpIx, slot: &Slot) -> f64 {
        let (weights, problem) = (&self.weights, self.rules.problem);
        let mut cost = weights.changeover * (slot.setup_minutes as f64 + slot.setup_cost);
        if weights.overtime > 0.0 && problem.resources[slot.resource].has_overtime {
            cost += weights.overtime * kpi::overtime(problem, op, slot) as f64;
        }
        if self.counts_moves && kpi::moved(problem, op, slot) {
            cost += weights.moves;
            if kpi::changed_resource(problem, op, slot) {
                cost += weights.machine_changes;
            }
        }
        cost
    }

    /// Tardiness, or the price of leaving the order out; also notes when it ends.
    fn cost_of(&mut self, order: OrderIx) -> f64 {
        let data = &self.rules.problem.orders[order];
        let mut end = Minute::MIN;
        let mut is_dropped = false;
        let mut is_free = false;
        for &op in &data.ops {
            if self.place[op] == NONE {
                continue;
            }
            is_free = true;
            match self.slots[op] {
                Some(slot) => end = end.max(slot.end),
                None => is_dropped = true,
            }
        }
        self.ends[order] = end;
        if is_dropped {
            return DROPPED * data.weight;
        }
        if !is_free {
            return 0.0;
        }
        self.weights.tardiness * data.weight * kpi::lateness(&data.ops, data.due, self.rules.facts, &self.slots) as f64
    }

    fn total(&self) -> f64 {
        let ops: f64 = self.order.iter().map(|&op| self.states[op as usize].cost).sum();
        ops + self.order_cost.iter().sum::<f64>() + self.makespan_cost()
    }

    fn makespan_cost(&self) -> f64 {
        if self.weights.makespan == 0.0 { 0.0 } else { self.weights.makespan * self.makespan() as f64 }
    }

    fn take_up(&mut self, op: OpIx) {
        self.use_pools(op, 1);
    }

    fn give_back(&mut self, op: OpIx) {
        self.use_pools(op, -1);
    }

    fn use_pools(&mut self, op: OpIx, sign: i64) {
        let Some(slot) = self.slots[op].filter(|_| self.has_pools) else { return };
        let problem = self.rules.problem;
        let windows = self.rules.windows(slot.resource);
        for &(pool, qty) in &problem.ops[op].alts[self.alt[op] as usize].needs {
            let held = problem.pools[pool].held_over_breaks || !problem.ops[op].splits;
            take(&mut self.pools[pool], held, windows, (slot.start, slot.end), sign * qty);
        }
        if slot.setup_minutes > 0 {
            let end = slot.setup_start + slot.setup_minutes;
            for &(pool, qty) in problem.setup_needs(slot.resource) {
                take(&mut self.pools[pool], true, windows, (slot.setup_start, end), sign * qty);
            }
        }
    }

    /// Makes the change and returns the cost it leads to; [`Timing::keep`] or [`Timing::take_back`] must follow.
    ///
    /// `None`, with nothing changed, when the change does nothing.
    pub(super) fn try_change(&mut self, change: Change) -> Option<f64> {
        let before = self.cost;
        let makespan = self.makespan_cost();
        let low = self.resequence(change)?;
        if self.in_full.is_some() {
            self.retime_in_full();
        } else if self.has_pools {
            self.retime_with_pools(low);
        } else {
            self.retime(low);
        }
        let mut delta = 0.0;
        for index in 0..self.undo.states.len() {
            let (op, old) = self.undo.states[index];
            delta += self.states[op].cost - old.cost;
        }
        while let Some(order) = self.stale_orders.pop() {
            self.is_stale[order] = false;
            let old = self.order_cost[order];
            let end = self.ends[order];
            let new = self.cost_of(order);
            self.undo.orders.push((order, old, end));
            self.order_cost[order] = new;
            delta += new - old;
        }
        self.cost = before + delta + self.makespan_cost() - makespan;
        Some(self.cost)
    }

    /// Times again what the dirty places reach, along resources and routings.
    fn retime(&mut self, low: usize) {
        let mut from = low;
        while let Some(place) = self.dirty.next(from) {
            from = place;
            let op = self.order[place] as usize;
            let new = self.timed(op);
            self.replace(op, new);
        }
    }

    /// Notes the new state and who depends on it; true when the slot is another one.
    fn replace(&mut self, op: OpIx, new: State) -> bool {
        let old = self.states[op];
        if old == new {
            return false;
        }
        self.undo.states.push((op, old));
        self.states[op] = new;
        if old.ready != new.ready && self.after[op] != NONE {
            self.dirty.add(self.place[self.after[op] as usize] as usize);
        }
        if old.slot == new.slot {
            return false;
        }
        self.slots[op] = new.slot;
        if old.slot.map(|slot| slot.end) != new.slot.map(|slot| slot.end) {
            let data = &self.rules.problem.ops[op];
            for &succ in &data.succs {
                if self.place[succ] != NONE {
                    self.dirty.add(self.place[succ] as usize);
                }
            }
            if !std::mem::replace(&mut self.is_stale[data.order], true) {
                self.stale_orders.push(data.order);
            }
        }
        true
    }

    fn retime_in_full(&mut self) {
        let Some(mut full) = self.in_full.take() else { return };
        let (decoder, sequence) = &mut *full;
        self.copy_to(sequence);
        let timed = decoder.decode(sequence);
        for index in 0..self.order.len() {
            let op = self.order[index] as usize;
            let slot = timed.slots[op];
            let cost = slot.map_or(0.0, |slot| self.op_cost(op, &slot));
            self.replace(op, State { slot, cost, ..self.states[op] });
        }
        self.dirty.clear();
        self.in_full = Some(full);
    }

    /// As [`Timing::retime`], but what comes later must not be in the pools while something is placed.
    fn retime_with_pools(&mut self, low: usize) {
        // The moved operation gave back its old use before its resource changed.
        for place in low..self.order.len() {
            let op = self.order[place] as usize;
            if self.undo.moved.is_none_or(|moved| moved.0 != op) {
                self.give_back(op);
            }
        }
        let moved = self.undo.moved;
        for place in low..self.order.len() {
            let op = self.order[place] as usize;
            if self.dirty.take(place) || self.is_touched(op) {
                let old = self.states[op].slot;
                let old_alt = moved.filter(|moved| moved.0 == op).map_or(self.alt[op], |moved| moved.1);
                let new = self.timed(op);
                if self.replace(op, new) || old_alt != self.alt[op] {
                    self.touch(op, old_alt, old);
                }
            }
            self.take_up(op);
        }
        self.touched.iter_mut().for_each(Touched::clear);
    }

    /// Whether something before `op` in the order changed a pool where `op` looked for its place.
    fn is_touched(&self, op: OpIx) -> bool {
        let state = &self.states[op];
        let Some(slot) = state.slot else { return true };
        let problem = self.rules.problem;
        let mut needs = problem.ops[op].alts[self.alt[op] as usize].needs.iter();
        if needs.any(|need| {
            let touched = &self.touched[need.0];
            !touched.is_empty() && touched.meets(state.looked_from, slot.end)
        }) {
            return true;
        }
        let setup = problem.setup_needs(slot.resource);
        !setup.is_empty() && setup.iter().any(|need| self.touched[need.0].meets(state.looked_from, slot.end))
    }

    /// Marks where the use of pools differs between the old place and the new one.
    fn touch(&mut self, op: OpIx, old_alt: u32, old: Option<Slot>) {
        let problem = self.rules.problem;
        let new = self.slots[op];
        let data = &problem.ops[op];
        let (old_needs, new_needs) = (&data.alts[old_alt as usize].needs, &data.alts[self.alt[op] as usize].needs);
        if let (true, Some(old), Some(new), false) = (old_needs == new_needs, old, new, data.splits) {
            for &(pool, _) in new_needs {
                // Only where one of the two uses it; a use moved by little changes little.
                self.touched[pool].add(old.start.min(new.start), old.start.max(new.start));
                self.touched[pool].add(old.end.min(new.end), old.end.max(new.end));
            }
        } else {
            for (slot, needs) in [(old, old_needs), (new, new_needs)] {
                let Some(slot) = slot else { continue };
                needs.iter().for_each(|need| self.touched[need.0].add(slot.start, slot.end));
            }
        }
        for slot in [old, new].into_iter().flatten().filter(|slot| slot.setup_minutes > 0) {
            for &(pool, _) in problem.setup_needs(slot.resource) {
                self.touched[pool].add(slot.setup_start, slot.setup_start + slot.setup_minutes);
            }
        }
    }

    /// The last change stays.
    pub(super) fn keep(&mut self) {
        self.undo.states.clear();
        self.undo.orders.clear();
        self.undo.moved = None;
    }

    /// The last change goes; the plan is as it was before it.
    pub(super) fn take_back(&mut self, cost: f64) {
        self.unmake();
        self.cost = cost;
    }
}
