//! Where one operation goes behind what its resource has: the timing rules of every plan made here.
//!
//! As early as release, material, predecessors, changeover, open time, frozen operations and pools
//! allow. Pure in its inputs, so that a plan can be timed again in part.

use super::answer::Cause;
use super::calendar::Windows;
use super::facts::{Facts, Pin, Slot, uses};
use super::model::Minute;
use super::problem::{FamilyIx, OpIx, PoolIx, Problem, ResourceIx};
use super::profile::{Fit, Stock};

/// Whether planned work may use time outside regular hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hours {
    Open,
    Regular,
}

/// What a resource is like behind the last thing it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) at: Minute,
    pub(super) family: Option<FamilyIx>,
    /// What it was set up for before that last thing.
    pub(super) before_family: Option<FamilyIx>,
    pub(super) next_pin: usize,
    /// A frozen operation came in between, so that nothing stands right before.
    pub(super) after_pin: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) problem: &'a Problem,
    pub(super) facts: &'a Facts,
    pub(super) hours: Hours,
}

/// What has to fit somewhere.
struct Work<'w> {
    windows: &'w Windows,
    splits: bool,
    needs: &'w [(PoolIx, i64)],
}

impl<'a> Rules<'a> {
    /// Before anything planned.
    pub(super) fn first(&self, resource: ResourceIx) -> Ready {
        let (at, family) = (self.facts.ready[resource], self.facts.family[resource]);
        Ready { at, family, before_family: None, next_pin: 0, after_pin: false }
    }

    pub(super) fn windows(&self, resource: ResourceIx) -> &'a Windows {
        let resource = &self.problem.resources[resource];
        match self.hours {
            Hours::Open => &resource.open,
            Hours::Regular => &resource.regular,
        }
    }

    /// The place of `op` on `alt` and what its resource is like behind it.
    pub(super) fn place<S: Stock>(
        &self,
        pools: &[S],
        ready: Ready,
        op: OpIx,
        alt: usize,
        earliest: Minute,
    ) -> Result<(Slot, Ready), Cause> {
        let data = &self.problem.ops[op];
        let resource = data.alts[alt].resource;
        let pins = &self.facts.pins[resource];
        let mut ready = Ready { after_pin: false, ..ready };
        let slot = loop {
            let tried = self.behind(pools, ready, op, alt, earliest);
            match (tried, pins.get(ready.next_pin)) {
                (Ok(slot), None) => break slot,
                (Ok(slot), Some(pin)) if self.fits_before(&slot, ready.family, data.family, pin) => {
                    break slot;
                }
                (Err(cause), None) => return Err(cause),
                (_, Some(pin)) => {
                    ready = Ready {
                        at: pin.end,
                        family: self.problem.ops[pin.op].family.or(ready.family),
                        next_pin: ready.next_pin + 1,
                        after_pin: true,
                        ..ready
                    };
                }
            }
        };
        if self.problem.orders[data.order].deadline.is_some_and(|deadline| slot.end > deadline) {
            return Err(Cause::MissesDeadline);
        }
        let family = data.family.or(ready.family);
        Ok((slot, Ready { at: slot.end, family, before_family: ready.family, ..ready }))
    }

    /// The earliest place behind `ready`, frozen operations ignored.
    fn behind<S: Stock>(
        &self,
        pools: &[S],
        ready: Ready,
        op: OpIx,
        alt: usize,
        earliest: Minute,
    ) -> Result<Slot, Cause> {
        let data = &self.problem.ops[op];
        let (resource, minutes) = (data.alts[alt].resource, data.alts[alt].minutes);
        let windows = self.windows(resource);
        let from = ready.family;
        let setup_minutes =
            self.problem.setup_minutes(resource, from, data.family).ok_or(Cause::ForbiddenChangeover)?;
        let setup_cost = self.problem.setup_cost(resource, from, data.family);
        let work = Work { windows, splits: data.splits, needs: &data.alts[alt].needs };
        if setup_minutes == 0 {
            let fit = self.fit(pools, &work, earliest.max(ready.at), minutes);
            let (start, end) = fit.ok_or(Cause::BeyondHorizon)?;
            return Ok(Slot { setup_cost, ..Slot::without_setup(resource, start, end) });
        }
        let setup = Work { windows, splits: false, needs: self.problem.setup_needs(resource) };
        let (first, first_end) =
            self.fit(pools, &setup, ready.at, setup_minutes).ok_or(Cause::BeyondHorizon)?;
        let (start, end) =
            self.fit(pools, &work, earliest.max(first_end), minutes).ok_or(Cause::BeyondHorizon)?;
        // A changeover right before its operation is what people expect to see; else the earliest one.
        let setup_start = windows
            .fit_latest(first, start, setup_minutes)
            .filter(|&late| self.blocked(pools, &setup, late, late + setup_minutes) == Fit::Yes)
            .unwrap_or(first);
        Ok(Slot { resource, start, end, setup_start, setup_minutes, setup_cost })
    }

    /// Whether the next frozen operation keeps its place, changeover included, behind `slot`.
    fn fits_before(&self, slot: &Slot, from: Option<FamilyIx>, family: Option<FamilyIx>, pin: &Pin) -> bool {
        let after = family.or(from);
        let to = self.problem.ops[pin.op].family;
        if to.is_none() && after != from {
            // It would pass the new state on to the frozen operation behind it, whose time is fixed.
            return false;
        }
        let setup = self.problem.setup_minutes(slot.resource, after, to);
        slot.end <= pin.begins && setup.is_some_and(|setup| setup <= pin.reserved)
    }

    fn fit<S: Stock>(
        &self,
        pools: &[S],
        work: &Work,
        at: Minute,
        minutes: Minute,
    ) -> Option<(Minute, Minute)> {
        let mut at = at;
        loop {
            let (start, end) = if work.splits {
                work.windows.work(at, minutes)?
            } else {
                work.windows.fit(at, minutes).map(|start| (start, start + minutes))?
            };
            match self.blocked(pools, work, start, end) {
                Fit::Yes => return Some((start, end)),
                Fit::NotBefore(next) => at = next.max(start + 1),
                Fit::Never => return None,
            }
        }
    }

    /// The first pool that is short during the work.
    fn blocked<S: Stock>(&self, pools: &[S], work: &Work, from: Minute, to: Minute) -> Fit {
        for &(pool, qty) in work.needs {
            let held = self.problem.pools[pool].held_over_breaks || !work.splits;
            let fit = uses(&pools[pool], held, work.windows, (from, to), qty);
            if fit != Fit::Yes {
                return fit;
            }
        }
        Fit::Yes
    }
}
