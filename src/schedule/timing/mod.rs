//! A plan that is timed again only where a change of its sequence reaches, and can take the change back.
//!
//! The same rules as the decoder's (`place`), applied in the same order, so the times are the same. A
//! change spreads along resources and routings; with pools also to whoever looked at the same minutes.

mod changed;
mod cost;
mod minutes;
mod pooled;
mod relink;
mod tables;
#[cfg(test)]
mod tests;

use super::decode::{Decoder, Sequence};
use super::facts::{Facts, Slot};
use super::model::{Minute, Weights};
use super::place::{Hours, Ready, Rules};
use super::problem::{OpIx, OrderIx, Problem};
use super::profile::{Fit, Stock};
use changed::{Places, Touched};
use cost::Costs;
use minutes::{MINUTES_MAX, Minutes};
use pooled::Noted;
use relink::mixed;
use tables::{Tables, Time};

pub(super) const NONE: u32 = u32::MAX;
const UNPLACED: Time = Time::MIN;

/// What the plan has of one free operation.
#[derive(Debug, Clone, Copy, PartialEq)]
struct State {
    /// `UNPLACED` when there is no place.
    start: Time,
    /// When its resource is ready behind it: its end, if it has a place.
    ready: Time,
    /// What its resource is set up for before and behind it.
    from: u32,
    family: u32,
    setup_start: Time,
    setup: Time,
    /// From here on it looked for a place.
    looked_from: Time,
    next_pin: u32,
}

const BLANK: State = State {
    start: UNPLACED,
    ready: 0,
    from: NONE,
    family: NONE,
    setup_start: 0,
    setup: 0,
    looked_from: 0,
    next_pin: 0,
};

/// What the last change did, to take it back.
#[derive(Default)]
struct Undo {
    states: Vec<(u32, State)>,
    orders: Vec<(OrderIx, f64, Time)>,
    cost: f64,
    low: usize,
    segment: Vec<u32>,
    /// What changed its alternative, and from which.
    moved: Option<(OpIx, u32)>,
    /// Whether it holds pools again, in its new place.
    has_arrived: bool,
}

pub(super) struct Timing<'a> {
    rules: Rules<'a>,
    tables: Tables,
    costs: Costs,
    order: Vec<u32>,
    place: Vec<u32>,
    alt: Vec<u32>,
    resources_hash: u64,
    resource: Vec<u32>,
    /// By operation: its neighbours on its resource, among the free ones.
    before: Vec<u32>,
    after: Vec<u32>,
    states: Vec<State>,
    pools: Vec<Minutes>,
    touched: Vec<Touched>,
    /// By stretch of the order: its own earliest times, and those of it and all behind it.
    own: Vec<Noted>,
    noted: Vec<Noted>,
    dirty: Places,
    undo: Undo,
    links: relink::Scratch,
    /// Times every change from the start, where a change cannot be followed.
    in_full: Option<Box<(Decoder<'a>, Sequence)>>,
}

/// An operation's new place in the order, and its alternative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) op: OpIx,
    pub(super) target: usize,
    pub(super) alt: usize,
}

impl<'a> Timing<'a> {
    pub(super) fn new(problem: &'a Problem, facts: &'a Facts, hours: Hours, weights: Weights) -> Self {
        let ops = problem.ops.len();
        let (now, end) = (problem.now(), problem.model.horizon);
        let uses_pools = problem.ops.iter().flat_map(|op| &op.alts).any(|alt| !alt.needs.is_empty())
            || problem.setups.iter().any(|setup| !setup.needs.is_empty());
        let pools = if uses_pools { problem.pools.len() } else { 0 };
        // Maximum lags reach backwards, and minutes of pools over years are too many to keep.
        let in_full = problem.ops.iter().any(|op| op.max_lag.is_some())
            || (end - now + 1).saturating_mul(pools as i64) > MINUTES_MAX;
        let pools = if in_full { 0 } else { pools };
        Self {
            rules: Rules { problem, facts, hours },
            tables: Tables::of(problem, facts, hours),
            costs: Costs::new(problem, facts, weights),
            order: Vec::new(),
            place: vec![NONE; ops],
            alt: vec![0; ops],
            resources_hash: 0,
            resource: vec![0; ops],
            before: vec![NONE; ops],
            after: vec![NONE; ops],
            states: vec![BLANK; ops],
            pools: (0..pools).map(|pool| Minutes::of(&facts.pools[pool], now, end)).collect(),
            touched: (0..pools).map(|_| Touched::new(now, end)).collect(),
            own: Vec::new(),
            noted: Vec::new(),
            dirty: Places::with_room(ops),
            undo: Undo::default(),
            links: relink::Scratch::new(ops, problem.resources.len()),
            in_full: in_full.then(|| Box::new((Decoder::new(problem, facts, hours), Sequence::default()))),
        }
    }

    /// Times `sequence` in full.
    pub(super) fn set(&mut self, sequence: &Sequence) {
        for index in 0..self.order.len() {
            self.use_pools(self.order[index] as usize, -1);
        }
        self.order.clear();
        self.order.extend(sequence.order.iter().map(|&op| op as u32));
        self.resources_hash = 0;
        self.place.fill(NONE);
        let mut last = vec![NONE; self.rules.problem.resources.len()];
        for (place, &op) in sequence.order.iter().enumerate() {
            self.place[op] = place as u32;
            self.alt[op] = sequence.alt[op] as u32;
            self.resource[op] = self.tables.alt(op, self.alt[op]).resource;
            self.resources_hash ^= mixed(op, self.alt[op]);
            let before = std::mem::replace(&mut last[self.resource[op] as usize], op as u32);
            (self.before[op], self.after[op]) = (before, NONE);
            if before != NONE {
                self.after[before as usize] = op as u32;
            }
            self.states[op] = BLANK;
        }
        if self.in_full.is_some() {
            self.retime_in_full();
        } else {
            for index in 0..self.order.len() {
                let op = self.order[index] as usize;
                self.states[op] = self.timed(op);
                self.use_pools(op, 1);
            }
        }
        self.undo = Undo::default();
        self.price_all();
        self.note(0, self.order.len());
    }

    pub(super) fn sequence(&self) -> Sequence {
        let mut sequence = Sequence::default();
        self.copy_to(&mut sequence);
        sequence
    }

    pub(super) fn copy_to(&self, sequence: &mut Sequence) {
        sequence.order.clear();
        sequence.order.extend(self.order.iter().map(|&op| op as usize));
        sequence.alt.clear();
        sequence.alt.extend(self.alt.iter().map(|&alt| alt as usize));
    }

    /// Tells plans apart by what runs where.
    pub(super) fn resources_hash(&self) -> u64 {
        self.resources_hash
    }

    pub(super) fn problem(&self) -> &'a Problem {
        self.rules.problem
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

    pub(super) fn resource(&self, op: OpIx) -> usize {
        self.resource[op] as usize
    }

    pub(super) fn before(&self, op: OpIx) -> Option<OpIx> {
        (self.before[op] != NONE).then_some(self.before[op] as usize)
    }

    pub(super) fn after(&self, op: OpIx) -> Option<OpIx> {
        (self.after[op] != NONE).then_some(self.after[op] as usize)
    }

    /// Start and end, of a free operation that has a place.
    pub(super) fn span(&self, op: OpIx) -> Option<(Minute, Minute)> {
        let state = &self.states[op];
        (state.start != UNPLACED).then_some((Minute::from(state.start), Minute::from(state.ready)))
    }

    /// When its order lets `op` start; `None` while a predecessor has no place.
    pub(super) fn earliest(&self, op: OpIx) -> Option<Minute> {
        self.earliest_start(op).map(Minute::from)
    }

    /// The free predecessor that ends last.
    pub(super) fn last_pred(&self, op: OpIx) -> Option<OpIx> {
        let fixed = &self.tables.fixed[op];
        if !fixed.branches {
            return (fixed.pred != NONE).then_some(fixed.pred as usize);
        }
        let preds = self.rules.problem.ops[op].preds.iter().copied();
        preds.filter(|&pred| self.place[pred] != NONE).max_by_key(|&pred| self.states[pred].ready)
    }

    #[inline]
    fn earliest_start(&self, op: OpIx) -> Option<Time> {
        let fixed = &self.tables.fixed[op];
        let mut earliest = fixed.earliest;
        if fixed.branches {
            for &pred in &self.rules.problem.ops[op].preds {
                if self.place[pred] != NONE {
                    let pred = &self.states[pred];
                    if pred.start == UNPLACED {
                        return None;
                    }
                    earliest = earliest.max(pred.ready + fixed.lag);
                }
            }
        } else if fixed.pred != NONE {
            let pred = &self.states[fixed.pred as usize];
            if pred.start == UNPLACED {
                return None;
            }
            earliest = earliest.max(pred.ready + fixed.lag);
        }
        Some(earliest)
    }

    /// The state `op` has behind what is before it now.
    #[inline]
    fn timed(&self, op: OpIx) -> State {
        let fixed = &self.tables.fixed[op];
        let lane = &self.tables.lanes[self.resource[op] as usize];
        let (ready, family, next_pin) = match self.before[op] {
            NONE => (lane.ready, lane.family, 0),
            before => {
                let before = &self.states[before as usize];
                (before.ready, before.family, before.next_pin)
            }
        };
        let unplaced = State { ready, family, next_pin, ..BLANK };
        let Some(earliest) = self.earliest_start(op) else { return unplaced };
        if lane.shares_setups || next_pin < lane.pins || fixed.is_general {
            return self.timed_by_rules(op, unplaced, earliest);
        }
        let Some(setup) = self.tables.setup(lane, family, fixed.family) else { return unplaced };
        let free = if setup == 0 {
            ready
        } else {
            match lane.fit(ready, setup) {
                Some(start) => start + setup,
                None => return unplaced,
            }
        };
        let alt = self.tables.alt(op, self.alt[op]);
        let from = earliest.max(free);
        let Some(start) = self.fit(lane, alt, from) else { return unplaced };
        State {
            start,
            ready: start + alt.minutes,
            from: family,
            family: if fixed.family == NONE { family } else { fixed.family },
            setup_start: free - setup,
            setup,
            looked_from: from,
            next_pin,
        }
    }

    #[inline]
    fn fit(&self, lane: &tables::Lane, alt: &tables::Alt, from: Time) -> Option<Time> {
        if self.pools.is_empty() {
            return lane.fit(from, alt.minutes);
        }
        let needs = self.tables.needs(alt);
        let mut at = from;
        'next: loop {
            let start = lane.fit(at, alt.minutes)?;
            let span = (Minute::from(start), Minute::from(start + alt.minutes));
            for &(pool, qty) in needs {
                match self.pools[pool as usize].fit(span.0, span.1, i64::from(qty)) {
                    Fit::Yes => {}
                    Fit::NotBefore(next) => {
                        at = (next as Time).max(start + 1);
                        continue 'next;
                    }
                    Fit::Never => return None,
                }
            }
            return Some(start);
        }
    }

    /// Frozen operations, breaks within operations, deadlines and changeovers with pools.
    fn timed_by_rules(&self, op: OpIx, unplaced: State, earliest: Time) -> State {
        let ready = Ready {
            at: Minute::from(unplaced.ready),
            family: (unplaced.family != NONE).then_some(unplaced.family as usize),
            before_family: None,
            next_pin: unplaced.next_pin as usize,
            after_pin: false,
        };
        match self.rules.place(&self.pools, ready, op, self.alt[op] as usize, Minute::from(earliest)) {
            Err(_) => unplaced,
            Ok((slot, behind)) => State {
                start: slot.start as Time,
                ready: behind.at as Time,
                from: behind.before_family.map_or(NONE, |family| family as u32),
                family: behind.family.map_or(NONE, |family| family as u32),
                setup_start: slot.setup_start as Time,
                setup: slot.setup_minutes as Time,
                looked_from: unplaced.ready,
                next_pin: behind.next_pin as u32,
            },
        }
    }

    fn slot(&self, op: OpIx, state: &State) -> Option<Slot> {
        if state.start == UNPLACED {
            return None;
        }
        let resource = self.resource[op] as usize;
        let family = |family: u32| (family != NONE).then_some(family as usize);
        Some(Slot {
            resource,
            start: Minute::from(state.start),
            end: Minute::from(state.ready),
            setup_start: Minute::from(state.setup_start),
            setup_minutes: Minute::from(state.setup),
            setup_cost: self.rules.problem.setup_cost(
                resource,
                family(state.from),
                self.rules.problem.ops[op].family,
            ),
        })
    }

    /// Makes the change and returns the cost it leads to; [`Timing::keep`] or [`Timing::take_back`] must follow.
    ///
    /// `None`, with nothing changed, when the change does nothing. Timing breaks off, with an infinite cost,
    /// once the orders timed so far cost more than `limit` together with what the others cost before.
    pub(super) fn try_change(&mut self, change: Change, limit: f64) -> Option<f64> {
        self.undo.cost = self.costs.total();
        let makespan = self.costs.of_makespan();
        let low = self.resequence(change)?;
        let is_whole = if self.in_full.is_some() {
            self.retime_in_full();
            true
        } else if self.pools.is_empty() {
            self.retime(low, limit)
        } else {
            self.retime_with_pools(low, limit)
        };
        if !is_whole {
            return Some(f64::INFINITY);
        }
        self.costs.add(self.costs.of_makespan() - makespan);
        Some(self.costs.total())
    }

    /// Times again what the dirty places reach, along resources and routings; false when it broke off.
    fn retime(&mut self, low: usize, limit: f64) -> bool {
        let mut from = low;
        while let Some(place) = self.dirty.next(from) {
            from = place;
            let op = self.order[place] as usize;
            let new = self.timed(op);
            if self.replace(op, new) && self.costs.total() > limit {
                self.dirty.clear();
                return false;
            }
        }
        true
    }

    /// Notes the new state and who depends on it; true when the plan of the operation is another one.
    #[inline]
    fn replace(&mut self, op: OpIx, new: State) -> bool {
        let old = self.states[op];
        // On another resource even the same times are another plan.
        if old == new && self.undo.moved.is_none_or(|moved| moved.0 != op) {
            return false;
        }
        self.undo.states.push((op as u32, old));
        self.states[op] = new;
        if self.costs.by_op {
            self.price_change(op, &old);
        }
        let after = self.after[op];
        if after != NONE && (old.ready, old.family, old.next_pin) != (new.ready, new.family, new.next_pin) {
            self.dirty.add(self.place[after as usize] as usize);
        }
        if old.start == new.start && old.ready == new.ready {
            return old.setup != new.setup || old.setup_start != new.setup_start;
        }
        let fixed = self.tables.fixed[op];
        if fixed.branches {
            for &succ in &self.rules.problem.ops[op].succs {
                if self.place[succ] != NONE {
                    self.dirty.add(self.place[succ] as usize);
                }
            }
        } else if fixed.succ != NONE && self.place[fixed.succ as usize] != NONE {
            self.dirty.add(self.place[fixed.succ as usize] as usize);
        }
        if fixed.is_last {
            self.price_order(fixed.order as usize);
        }
        true
    }

    fn retime_in_full(&mut self) {
        let Some(mut full) = self.in_full.take() else { return };
        let (decoder, sequence) = &mut *full;
        self.copy_to(sequence);
        let timed = decoder.decode(sequence);
        let mut family: Vec<u32> = self.tables.lanes.iter().map(|lane| lane.family).collect();
        for index in 0..self.order.len() {
            let op = self.order[index] as usize;
            let state = match timed.slots[op] {
                None => BLANK,
                Some(slot) => {
                    let own = self.tables.fixed[op].family;
                    let behind = if own == NONE { family[slot.resource] } else { own };
                    State {
                        start: slot.start as Time,
                        ready: slot.end as Time,
                        from: std::mem::replace(&mut family[slot.resource], behind),
                        family: behind,
                        setup_start: slot.setup_start as Time,
                        setup: slot.setup_minutes as Time,
                        ..BLANK
                    }
                }
            };
            self.replace(op, state);
        }
        self.dirty.clear();
        self.in_full = Some(full);
    }

    /// The last change stays.
    pub(super) fn keep(&mut self) {
        self.note_changed();
        self.price_again();
        self.undo.states.clear();
        self.undo.orders.clear();
        self.undo.moved = None;
    }

    /// The last change goes; the plan is as it was before it.
    pub(super) fn take_back(&mut self) {
        self.unmake();
        self.take_costs_back();
    }
}
