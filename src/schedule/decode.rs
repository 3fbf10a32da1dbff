//! From a sequence of operations with chosen resources to times: the append decoder.
//!
//! Every operation goes behind what its resource has so far, as early as release, material,
//! predecessors, changeover, open time and pools allow. An order that cannot be placed is dropped.

use super::answer::Cause;
use super::facts::{Facts, Pin, Slot, take};
use super::model::Minute;
use super::place::{Hours, Ready, Rules};
use super::problem::{OpIx, OrderIx, Problem};
use super::profile::{Profile, Stock};

/// Re-decodes to honour maximum lags, at most this often per sequence.
const LAG_ROUNDS: usize = 20;

/// What the search varies: a precedence-respecting order of the free operations, and their resources.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Sequence {
    pub(super) order: Vec<OpIx>,
    /// By operation: which alternative.
    pub(super) alt: Vec<usize>,
}

/// Derived `Clone` would allocate afresh on `clone_from`, which the search calls for every move.
impl Clone for Sequence {
    fn clone(&self) -> Self {
        Self { order: self.order.clone(), alt: self.alt.clone() }
    }

    fn clone_from(&mut self, source: &Self) {
        self.order.clone_from(&source.order);
        self.alt.clone_from(&source.alt);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) order: OrderIx,
    pub(super) op: OpIx,
    pub(super) cause: Cause,
}

/// A decoded sequence.
#[derive(Debug, Clone, Default)]
pub(super) struct Timed {
    pub(super) slots: Vec<Option<Slot>>,
    pub(super) dropped: Vec<Dropped>,
    /// By operation: what its resource did before, where that is a free operation.
    pub(super) behind: Vec<Option<OpIx>>,
    /// By operation: it waited for its resource rather than for a predecessor or material.
    pub(super) waited_for_resource: Vec<bool>,
}

pub(super) struct Decoder<'a> {
    problem: &'a Problem,
    facts: &'a Facts,
    rules: Rules<'a>,
    ready: Vec<Ready>,
    last: Vec<Option<OpIx>>,
    pools: Vec<Profile>,
    is_dropped: Vec<bool>,
    /// Set by maximum lags: starts not to go below.
    floor: Vec<Minute>,
    has_max_lag: bool,
    /// Predecessors that ended too long before, with the end they would need.
    too_early: Vec<(OpIx, Minute)>,
    timed: Timed,
    decoded: u64,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(problem: &'a Problem, facts: &'a Facts, hours: Hours) -> Self {
        Self {
            problem,
            facts,
            rules: Rules { problem, facts, hours },
            ready: Vec::new(),
            last: Vec::new(),
            pools: Vec::new(),
            is_dropped: Vec::new(),
            floor: vec![Minute::MIN; problem.ops.len()],
            has_max_lag: problem.ops.iter().any(|op| op.max_lag.is_some()),
            too_early: Vec::new(),
            timed: Timed::default(),
            decoded: 0,
        }
    }

    /// Full schedules decoded so far.
    pub(super) fn decoded(&self) -> u64 {
        self.decoded
    }

    pub(super) fn timed(&self) -> &Timed {
        &self.timed
    }

    pub(super) fn decode(&mut self, sequence: &Sequence) -> &Timed {
        self.floor.fill(Minute::MIN);
        for _ in 0..LAG_ROUNDS {
            self.clear();
            for &op in &sequence.order {
                // A dropped order is recorded in `timed`; the others go on.
                let _ = self.append(op, sequence.alt[op]);
            }
            self.decoded += 1;
            if !self.has_max_lag || !self.raise_floors() {
                break;
            }
        }
        &self.timed
    }

    /// Starts an empty schedule on top of the facts.
    pub(super) fn begin(&mut self) {
        self.floor.fill(Minute::MIN);
        self.clear();
    }

    fn clear(&mut self) {
        let (problem, facts) = (self.problem, self.facts);
        self.ready.clear();
        self.ready.extend((0..problem.resources.len()).map(|resource| self.rules.first(resource)));
        self.pools.clone_from(&facts.pools);
        reset(&mut self.last, problem.resources.len(), None);
        reset(&mut self.is_dropped, problem.orders.len(), false);
        self.timed.slots.clone_from(&facts.slots);
        self.too_early.clear();
        self.timed.dropped.clear();
        reset(&mut self.timed.behind, problem.ops.len(), None);
        reset(&mut self.timed.waited_for_resource, problem.ops.len(), false);
    }

    /// Puts `op` behind what its resource has. `Err` drops its whole order.
    pub(super) fn append(&mut self, op: OpIx, alt: usize) -> Result<Slot, Cause> {
        let order = self.problem.ops[op].order;
        if self.is_dropped[order] {
            return Err(Cause::BeyondHorizon);
        }
        let placed = self.place(op, alt);
        if let Err(cause) = placed {
            self.is_dropped[order] = true;
            self.timed.dropped.push(Dropped { order, op, cause });
        }
        placed
    }

    /// When `op` could start and end on `alt` if it went there next; looks at resources only.
    pub(super) fn estimate(&self, op: OpIx, alt: usize) -> Option<(Minute, Minute, Minute)> {
        let data = &self.problem.ops[op];
        let (resource, minutes) = (data.alts[alt].resource, data.alts[alt].minutes);
        let setup = self.problem.setup_minutes(resource, self.ready[resource].family, data.family)?;
        let at = self.earliest(op).max(self.ready[resource].at + setup);
        let windows = self.rules.windows(resource);
        let (start, end) = if data.splits {
            windows.work(at, minutes)?
        } else {
            windows.fit(at, minutes).map(|start| (start, start + minutes))?
        };
        Some((start, end, setup))
    }

    pub(super) fn is_dropped(&self, order: OrderIx) -> bool {
        self.is_dropped[order]
    }

    /// Without regard to resources: release, material, now and predecessors.
    fn earliest(&self, op: OpIx) -> Minute {
        let data = &self.problem.ops[op];
        let ends = data.preds.iter().filter_map(|&pred| self.timed.slots[pred]);
        ends.map(|slot| slot.end + data.min_lag).fold(data.earliest.max(self.floor[op]), Minute::max)
    }

    fn place(&mut self, op: OpIx, alt: usize) -> Result<Slot, Cause> {
        let resource = self.problem.ops[op].alts[alt].resource;
        let earliest = self.earliest(op);
        let before = self.ready[resource];
        let (slot, ready) = self.rules.place(&self.pools, before, op, alt, earliest)?;
        if let Some(too_early) = self.lag_exceeded(op, slot.start) {
            self.too_early.push(too_early);
            return Err(Cause::MaxLag);
        }
        if ready.after_pin {
            self.last[resource] = None;
        }
        self.ready[resource] = ready;
        self.commit(op, alt, slot, earliest);
        Ok(slot)
    }

    fn commit(&mut self, op: OpIx, alt: usize, slot: Slot, earliest: Minute) {
        let problem = self.problem;
        let data = &problem.ops[op];
        let resource = slot.resource;
        let windows = self.rules.windows(resource);
        for &(pool, qty) in &data.alts[alt].needs {
            let held = problem.pools[pool].held_over_breaks;
            take(&mut self.pools[pool], held, windows, (slot.start, slot.end), qty);
        }
        if slot.setup_minutes > 0 {
            for &(pool, qty) in problem.setup_needs(resource) {
                self.pools[pool].take(slot.setup_start, slot.setup_start + slot.setup_minutes, qty);
            }
        }
        self.timed.waited_for_resource[op] = slot.start > earliest || slot.setup_minutes > 0;
        self.timed.behind[op] = self.last[resource];
        self.last[resource] = Some(op);
        self.timed.slots[op] = Some(slot);
        if let Some(pin) = self.facts.pins[resource].get(self.ready[resource].next_pin).copied() {
            self.shorten_setup(pin);
        }
    }

    /// A frozen operation changes over from whatever was put before it, within the reserved time.
    fn shorten_setup(&mut self, pin: Pin) {
        let to = self.problem.ops[pin.op].family;
        let Some(mut slot) = self.timed.slots[pin.op] else { return };
        let from = self.ready[slot.resource].family;
        let minutes = self.problem.setup_minutes(slot.resource, from, to).unwrap_or(pin.reserved);
        slot.setup_start = pin.begins + pin.reserved - minutes;
        slot.setup_minutes = minutes;
        slot.setup_cost = self.problem.setup_cost(slot.resource, from, to);
        self.timed.slots[pin.op] = Some(slot);
    }

    /// The predecessor that ended too long before, with the end it would have to have.
    fn lag_exceeded(&self, op: OpIx, start: Minute) -> Option<(OpIx, Minute)> {
        let data = &self.problem.ops[op];
        let lag = data.max_lag?;
        let ends = data.preds.iter().filter_map(|&pred| Some((pred, self.timed.slots[pred]?.end)));
        ends.min_by_key(|&(_, end)| end)
            .filter(|&(_, end)| end + lag < start)
            .map(|(pred, _)| (pred, start - lag))
    }

    /// Delays predecessors that ended too early for a maximum lag; true when a new try may help.
    fn raise_floors(&mut self) -> bool {
        let mut raised = false;
        for (pred, end) in std::mem::take(&mut self.too_early) {
            if let Some(slot) = self.timed.slots[pred].filter(|_| !self.facts.is_decided(pred)) {
                self.floor[pred] = self.floor[pred].max(slot.start + end - slot.end);
                raised = true;
            }
        }
        raised
    }
}

fn reset<T: Clone>(values: &mut Vec<T>, len: usize, value: T) {
    values.clear();
    values.resize(len, value);
}
