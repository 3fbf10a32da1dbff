//! Timing again where pools are shared: nothing later in the order may hold them in the meantime.

use super::super::facts::take;
use super::super::problem::OpIx;
use super::super::profile::Stock;
use super::super::model::Minute;
use super::{State, Timing, Touched, UNPLACED};

impl Timing<'_> {
    /// Gives the pools of everything from `low` on back, then places what may differ and takes the rest up.
    pub(super) fn retime_with_pools(&mut self, low: usize) {
        let moved = self.undo.moved.map(|moved| moved.0 as u32);
        for place in low..self.order.len() {
            // The moved operation gave its pools back before its alternative changed.
            if Some(self.order[place]) != moved {
                self.use_pools(self.order[place] as usize, -1);
            }
        }
        for place in low..self.order.len() {
            let op = self.order[place] as usize;
            if self.dirty.take(place) || self.is_touched(op) {
                let old = self.states[op];
                let new = self.timed(op);
                let is_moved = Some(op as u32) == moved;
                if self.replace(op, new) || is_moved {
                    let old_alt = self.undo.moved.filter(|_| is_moved).map_or(self.alt[op], |moved| moved.1);
                    self.touch(op, old_alt, &old);
                }
            }
            self.use_pools(op, 1);
        }
        self.touched.iter_mut().for_each(Touched::clear);
    }

    pub(super) fn use_pools(&mut self, op: OpIx, sign: i64) {
        let state = self.states[op];
        if self.pools.is_empty() || state.start == UNPLACED {
            return;
        }
        let (start, end) = (Minute::from(state.start), Minute::from(state.ready));
        let alt = self.tables.alt(op, self.alt[op]);
        if self.tables.fixed[op].is_general {
            let problem = self.rules.problem;
            let windows = self.rules.windows(self.resource[op] as usize);
            for &(pool, qty) in self.tables.needs(alt) {
                let held = problem.pools[pool as usize].held_over_breaks;
                take(&mut self.pools[pool as usize], held, windows, (start, end), sign * i64::from(qty));
            }
        } else {
            for &(pool, qty) in self.tables.needs(alt) {
                self.pools[pool as usize].take(start, end, sign * i64::from(qty));
            }
        }
        if state.setup > 0 && self.tables.lanes[self.resource[op] as usize].is_general {
            let from = Minute::from(state.setup_start);
            for &(pool, qty) in self.rules.problem.setup_needs(self.resource[op] as usize) {
                self.pools[pool].take(from, from + Minute::from(state.setup), sign * qty);
            }
        }
    }

    /// Whether something before `op` in the order changed a pool where `op` looked for its place.
    #[inline]
    fn is_touched(&self, op: OpIx) -> bool {
        let state = &self.states[op];
        let (from, to) = (Minute::from(state.looked_from), Minute::from(state.ready));
        let needs = self.tables.needs(self.tables.alt(op, self.alt[op]));
        if state.start == UNPLACED {
            return true;
        }
        let meets = |pool: usize| !self.touched[pool].is_empty() && self.touched[pool].meets(from, to);
        if needs.iter().any(|need| meets(need.0 as usize)) {
            return true;
        }
        let lane = self.resource[op] as usize;
        self.tables.lanes[lane].is_general
            && self.rules.problem.setup_needs(lane).iter().any(|need| meets(need.0))
    }

    /// Marks where the use of pools differs between the old place and the new one.
    fn touch(&mut self, op: OpIx, old_alt: u32, old: &State) {
        let new = self.states[op];
        let is_general = self.tables.fixed[op].is_general;
        let (old_needs, new_needs) =
            (self.tables.needs(self.tables.alt(op, old_alt)), self.tables.needs(self.tables.alt(op, self.alt[op])));
        let placed = old.start != UNPLACED && new.start != UNPLACED;
        if placed && !is_general && old_needs == new_needs {
            for &(pool, _) in new_needs {
                // Only where one of the two uses it; a use moved by little changes little.
                let touched = &mut self.touched[pool as usize];
                touched.add(Minute::from(old.start.min(new.start)), Minute::from(old.start.max(new.start)));
                touched.add(Minute::from(old.ready.min(new.ready)), Minute::from(old.ready.max(new.ready)));
            }
        } else {
            for (state, needs) in [(old, old_needs), (&new, new_needs)] {
                for &(pool, _) in needs.iter().filter(|_| state.start != UNPLACED) {
                    self.touched[pool as usize].add(Minute::from(state.start), Minute::from(state.ready));
                }
            }
        }
        let old_lane = self.tables.alt(op, old_alt).resource;
        for (state, lane) in [(old, old_lane), (&new, self.resource[op])] {
            if state.start != UNPLACED && state.setup > 0 {
                let from = Minute::from(state.setup_start);
                for &(pool, _) in self.rules.problem.setup_needs(lane as usize) {
                    self.touched[pool].add(from, from + Minute::from(state.setup));
                }
            }
        }
    }
}
