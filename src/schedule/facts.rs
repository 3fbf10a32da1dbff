//! What cannot be planned any more: done and running operations, and frozen ones that can stay.
//!
//! A frozen operation whose place became impossible (a breakdown, late material, another frozen one)
//! is set free again and reported; a running one is a fact and stays, whatever it collides with.

use super::answer::Unfrozen;
use super::calendar::Windows;
use super::model::Minute;
use super::problem::{FamilyIx, OpIx, Problem, ResourceIx, Status};
use super::profile::{Fit, Profile, Stock};

/// One operation on one resource, with the changeover before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slot {
    pub(super) resource: ResourceIx,
    pub(super) start: Minute,
    pub(super) end: Minute,
    /// Meaningless while `setup_minutes` is 0.
    pub(super) setup_start: Minute,
    pub(super) setup_minutes: Minute,
    pub(super) setup_cost: f64,
}

impl Slot {
    pub(super) fn without_setup(resource: ResourceIx, start: Minute, end: Minute) -> Self {
        Self { resource, start, end, setup_start: start, setup_minutes: 0, setup_cost: 0.0 }
    }

    /// When it begins to occupy its resource.
    pub(super) fn begins(&self) -> Minute {
        if self.setup_minutes > 0 { self.setup_start } else { self.start }
    }
}

/// A frozen operation in the future of one resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pin {
    pub(super) op: OpIx,
    /// Minutes kept free for its changeover; whatever is put before it must need no more.
    pub(super) reserved: Minute,
    pub(super) begins: Minute,
    pub(super) end: Minute,
}

#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// By operation; `Some` is decided already.
    pub(super) slots: Vec<Option<Slot>>,
    pub(super) is_done: Vec<bool>,
    /// By resource: when it is first free, and what it is set up for then.
    pub(super) ready: Vec<Minute>,
    pub(super) family: Vec<Option<FamilyIx>>,
    /// By resource, sorted by time.
    pub(super) pins: Vec<Vec<Pin>>,
    /// What the decided operations leave of each pool.
    pub(super) pools: Vec<Profile>,
    pub(super) unfrozen: Vec<Unfrozen>,
    pub(super) warnings: Vec<String>,
}

impl Facts {
    pub(super) fn of(problem: &Problem) -> Facts {
        let mut facts = Facts {
            slots: vec![None; problem.ops.len()],
            is_done: vec![false; problem.ops.len()],
            ready: vec![problem.now(); problem.resources.len()],
            family: problem.resources.iter().map(|resource| resource.family).collect(),
            pins: vec![Vec::new(); problem.resources.len()],
            pools: problem.pools.iter().map(|pool| pool.capacity.clone()).collect(),
            unfrozen: Vec::new(),
            warnings: Vec::new(),
        };
        facts.keep_done(problem);
        facts.keep_running(problem);
        facts.keep_frozen(problem);
        facts
    }

    pub(super) fn is_decided(&self, op: OpIx) -> bool {
        self.slots[op].is_some()
    }

    fn keep_done(&mut self, problem: &Problem) {
        let mut last: Vec<(Minute, Option<FamilyIx>)> = vec![(Minute::MIN, None); problem.resources.len()];
        for (op, position) in positions(problem, |status| status == Status::Done) {
            self.slots[op] = Some(Slot::without_setup(position.resource, position.start, position.end));
            self.is_done[op] = true;
            if problem.ops[op].family.is_some() && position.end > last[position.resource].0 {
                last[position.resource] = (position.end, problem.ops[op].family);
            }
        }
        for (family, last) in self.family.iter_mut().zip(last) {
            *family = family.or(last.1);
        }
    }

    fn keep_running(&mut self, problem: &Problem) {
        let now = problem.now();
        let mut running: Vec<(Minute, Minute, OpIx)> = Vec::new();
        for (op, position) in positions(problem, |status| matches!(status, Status::Running { .. })) {
            let Status::Running { remaining } = position.status else { continue };
            let resource = &problem.resources[position.resource];
            let end = match resource.open.work(now, remaining) {
                _ if remaining == 0 => now,
                Some((_, end)) => end,
                None => {
                    let (name, id) = (&problem.ops[op].name, &resource.id);
                    self.warnings.push(format!("{name} runs on {id} and cannot end before the horizon"));
                    problem.model.horizon
                }
            };
            self.slots[op] = Some(Slot::without_setup(position.resource, position.start, end));
            for (pool, qty) in problem.needs_on(op, position.resource) {
                let held = problem.pools[pool].held_over_breaks;
                take(&mut self.pools[pool], held, &resource.open, (now, end), qty);
            }
            running.push((position.start, end, op));
        }
        running.sort_unstable();
        let mut is_busy = vec![false; problem.resources.len()];
        for (_, end, op) in running {
            let Some(Slot { resource, .. }) = self.slots[op] else { continue };
            if std::mem::replace(&mut is_busy[resource], true) {
                let (name, id) = (&problem.ops[op].name, &problem.resources[resource].id);
                self.warnings.push(format!("{name}: another operation is reported running on {id} too"));
            }
            self.ready[resource] = self.ready[resource].max(end);
            self.family[resource] = problem.ops[op].family.or(self.family[resource]);
        }
    }

    fn keep_frozen(&mut self, problem: &Problem) {
        let until = problem.frozen_until;
        let now = problem.now();
        let mut frozen: Vec<(OpIx, Minute)> = positions(problem, |_| true)
            .filter(|(_, position)| match position.status {
                Status::Frozen => true,
                Status::Planned => (now..until).contains(&position.start),
                Status::Running { .. } | Status::Done => false,
            })
            .map(|(op, position)| (op, position.start))
            .collect();
        frozen.sort_by_key(|&(op, start)| (start, op));
        for (op, _) in frozen {
            if let Err(reason) = self.freeze(problem, op) {
                self.unfrozen.push(Unfrozen { op: problem.ops[op].name.clone(), reason });
            }
        }
    }

    /// Keeps `op` where the current plan has it, or says why that is impossible.
    fn freeze(&mut self, problem: &Problem, ix: OpIx) -> Result<(), String> {
        let op = &problem.ops[ix];
        let Some((position, alt)) = op.current.and_then(|position| Some((position, position.alt?))) else {
            return Err("it has no place in the current plan".into());
        };
        let resource = position.resource;
        let (id, open) = (&problem.resources[resource].id, &problem.resources[resource].open);
        let minutes = op.alts[alt].minutes;
        let start = position.start;
        let at = problem.clock(start);
        if start < problem.now() {
            return Err(format!("its start {at} has passed"));
        }
        let placed = if op.splits {
            open.work(start, minutes)
        } else {
            open.fit(start, minutes).map(|at| (at, at + minutes))
        };
        let Some((_, end)) = placed.filter(|placed| placed.0 == start) else {
            return Err(format!(
                "{id} is closed or blocked between {at} and {}",
                problem.clock(start + minutes)
            ));
        };
        if start < op.earliest {
            return Err(format!("material or release only {}", problem.clock(op.earliest)));
        }
        if problem.orders[op.order].deadline.is_some_and(|deadline| end > deadline) {
            return Err(format!("it would end after the deadline of {}", problem.orders[op.order].id));
        }
        for &pred in &op.preds {
            let ends = self.slots[pred].map(|slot| slot.end);
            let fits = ends.is_some_and(|ends| {
                ends + op.min_lag <= start && op.max_lag.is_none_or(|lag| start <= ends + lag)
            });
            if !fits {
                return Err(format!("{} does not end in time before it", problem.ops[pred].name));
            }
        }
        let pins = &self.pins[resource];
        let ready = pins.last().map_or(self.ready[resource], |pin| pin.end);
        let family = pins.iter().rev().find_map(|pin| problem.ops[pin.op].family).or(self.family[resource]);
        let setup = self.setup_before(problem, resource, (ready, start), family, op.family)?;
        let needs = &op.alts[alt].needs;
        for &(pool, qty) in needs {
            if uses(&self.pools[pool], problem.pools[pool].held_over_breaks, open, (start, end), qty)
                != Fit::Yes
            {
                return Err(format!("{} is not available from {at}", problem.pools[pool].id));
            }
        }
        for &(pool, qty) in needs {
            take(&mut self.pools[pool], problem.pools[pool].held_over_breaks, open, (start, end), qty);
        }
        let (setup_start, setup_minutes) = setup;
        for &(pool, qty) in problem.setup_needs(resource) {
            self.pools[pool].take(setup_start, setup_start + setup_minutes, qty);
        }
        let setup_cost = problem.setup_cost(resource, family, op.family);
        let slot = Slot { resource, start, end, setup_start, setup_minutes, setup_cost };
        self.slots[ix] = Some(slot);
        self.pins[resource].push(Pin { op: ix, reserved: setup_minutes, begins: slot.begins(), end });
        Ok(())
    }

    /// Where the changeover before a frozen operation goes: as late as it can.
    fn setup_before(
        &self,
        problem: &Problem,
        resource: ResourceIx,
        (ready, start): (Minute, Minute),
        from: Option<FamilyIx>,
        to: Option<FamilyIx>,
    ) -> Result<(Minute, Minute), String> {
        let id = &problem.resources[resource].id;
        if ready > start {
            return Err(format!("{id} is busy until {}", problem.clock(ready)));
        }
        let Some(minutes) = problem.setup_minutes(resource, from, to) else {
            return Err(format!("its changeover on {id} is forbidden"));
        };
        if minutes == 0 {
            return Ok((start, 0));
        }
        let late = problem.resources[resource].open.fit_latest(ready, start, minutes);
        let Some(begin) = late else {
            return Err(format!("no time for the {minutes} min changeover on {id}"));
        };
        for &(pool, qty) in problem.setup_needs(resource) {
            if self.pools[pool].fit(begin, begin + minutes, qty) != Fit::Yes {
                return Err(format!("{} is not available for its changeover", problem.pools[pool].id));
            }
        }
        Ok((begin, minutes))
    }
}

fn positions(
    problem: &Problem,
    wanted: impl Fn(Status) -> bool,
) -> impl Iterator<Item = (OpIx, super::problem::Position)> {
    let placed = problem.ops.iter().enumerate().filter_map(|(op, data)| Some((op, data.current?)));
    placed.filter(move |(_, position)| wanted(position.status))
}

/// Whether `qty` of a pool is free for work that stops in closed time.
pub(super) fn uses<S: Stock>(
    pool: &S,
    held_over_breaks: bool,
    open: &Windows,
    (from, to): (Minute, Minute),
    qty: i64,
) -> Fit {
    if held_over_breaks {
        return pool.fit(from, to, qty);
    }
    open.pieces(from, to)
        .map(|(from, to)| pool.fit(from, to, qty))
        .find(|fit| *fit != Fit::Yes)
        .unwrap_or(Fit::Yes)
}

pub(super) fn take<S: Stock>(
    pool: &mut S,
    held_over_breaks: bool,
    open: &Windows,
    (from, to): (Minute, Minute),
    qty: i64,
) {
    if held_over_breaks {
        return pool.take(from, to, qty);
    }
    for (from, to) in open.pieces(from, to) {
        pool.take(from, to, qty);
    }
}
