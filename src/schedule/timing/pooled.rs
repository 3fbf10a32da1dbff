//! Timing again where pools are shared: nothing later in the order may hold them in the meantime.

use super::super::facts::take;
use super::super::model::Minute;
use super::super::problem::OpIx;
use super::super::profile::Stock;
use super::{State, Time, Timing, Touched, UNPLACED};

impl State {
    /// When it first uses pools, changeover included.
    fn begins(&self) -> Time {
        match self.start {
            UNPLACED => Time::MAX,
            start if self.setup > 0 => start.min(self.setup_start),
            start => start,
        }
    }

    fn end_or_never(&self) -> Time {
        if self.start == UNPLACED { Time::MAX } else { self.ready }
    }
}

/// Places in a stretch of the order, which is given back to the pools at once.
const STRETCH: usize = 16;

/// The earliest times of some operations of the plan that was kept last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    /// From when on they use pools.
    begins: Time,
    /// From when on they looked for their places.
    looked: Time,
}

impl Noted {
    const NEVER: Noted = Noted { begins: Time::MAX, looked: Time::MAX };

    fn of(state: &State) -> Noted {
        // What has no place would take one anywhere.
        let looked = if state.start == UNPLACED { Time::MIN } else { state.looked_from };
        Noted { begins: state.begins(), looked }
    }

    fn min(self, other: Noted) -> Noted {
        Noted { begins: self.begins.min(other.begins), looked: self.looked.min(other.looked) }
    }
}

impl Timing<'_> {
    /// Places what may differ and takes the rest up again; false when it broke off at `limit`.
    ///
    /// What comes later in the order must not be in the pools where an operation looks for its place. It
    /// is given back stretch by stretch, as far ahead as operations start early enough to matter.
    pub(super) fn retime_with_pools(&mut self, low: usize, limit: f64) -> bool {
        let moved = self.undo.moved.map(|moved| moved.0 as u32);
        let segment = self.undo.low + self.undo.segment.len();
        let mut given = low;
        for place in low..self.order.len() {
            if place >= segment && place.is_multiple_of(STRETCH) && self.is_settled(place) {
                self.take_up(place, given, None);
                break;
            }
            let op = self.order[place] as usize;
            let is_dirty = self.dirty.take(place);
            if !is_dirty && !self.is_touched(op) {
                if place < given {
                    self.use_pools(op, 1);
                } else {
                    // It never gave its pools back.
                    given = place + 1;
                }
                continue;
            }
            // Itself, and with it those whose start may have come before the noted one.
            given = self.give_back(given, place + 1, Time::MIN, moved);
            let old = self.states[op];
            let mut new = self.timed(op);
            loop {
                let further = self.give_back(given, place + 1, new.end_or_never(), moved);
                if further == given {
                    break;
                }
                given = further;
                new = self.timed(op);
            }
            let is_moved = Some(op as u32) == moved;
            self.undo.has_arrived |= is_moved;
            if self.replace(op, new) || is_moved {
                if self.costs.total() > limit {
                    self.use_pools(op, 1);
                    // Taking the change back gives the moved one its old pools, if it was not placed anew.
                    self.take_up(place + 1, given, moved);
                    self.dirty.clear();
                    self.touched.iter_mut().for_each(Touched::clear);
                    return false;
                }
                let old_alt = self.undo.moved.filter(|_| is_moved).map_or(self.alt[op], |moved| moved.1);
                self.touch(op, old_alt, &old);
            }
            self.use_pools(op, 1);
        }
        self.touched.iter_mut().for_each(Touched::clear);
        true
    }

    /// Whether nothing from `place` on can differ: it is not marked, and looked for places behind all that
    /// was touched.
    fn is_settled(&self, place: usize) -> bool {
        let Some(noted) = self.noted.get(place / STRETCH) else { return false };
        self.dirty.is_empty_from(place)
            && self.touched.iter().all(|touched| touched.end() <= Minute::from(noted.looked))
    }

    /// Takes up again what was given back from one place to another, but for `moved`.
    fn take_up(&mut self, from: usize, given: usize, moved: Option<u32>) {
        for place in from..given {
            if Some(self.order[place]) != moved {
                self.use_pools(self.order[place] as usize, 1);
            }
        }
    }

    /// Gives back from place `given` on, up to `least` and while something later starts before `end`.
    fn give_back(&mut self, given: usize, least: usize, end: Time, moved: Option<u32>) -> usize {
        let mut given = given;
        // The segment changed its order, so the starts noted for its stretches do not hold.
        let least = least.max(self.undo.low + self.undo.segment.len());
        while given < self.order.len()
            && (given < least || self.noted.get(given / STRETCH).is_some_and(|noted| noted.begins < end))
        {
            let to = ((given / STRETCH + 1) * STRETCH).min(self.order.len());
            for place in given..to {
                // The moved operation gave its pools back before its alternative changed.
                if Some(self.order[place]) != moved {
                    self.use_pools(self.order[place] as usize, -1);
                }
            }
            given = to;
        }
        given
    }

    /// Notes what a change that is kept made of the earliest times.
    pub(super) fn note_changed(&mut self) {
        if self.pools.is_empty() {
            return;
        }
        let segment = self.undo.low + self.undo.segment.len();
        let changed = self.undo.states.iter().map(|&(op, _)| self.place[op as usize] as usize);
        let high = changed.fold(segment, usize::max);
        self.note(self.undo.low, high);
    }

    /// Notes the earliest times of each stretch and all behind it, where those of `low..=high` changed.
    pub(super) fn note(&mut self, low: usize, high: usize) {
        let stretches = self.order.len().div_ceil(STRETCH);
        if self.pools.is_empty() || stretches == 0 {
            return;
        }
        self.own.resize(stretches, Noted::NEVER);
        self.noted.resize(stretches, Noted::NEVER);
        let (first, last) = (low / STRETCH, (high / STRETCH).min(stretches - 1));
        let mut noted = self.noted.get(last + 1).copied().unwrap_or(Noted::NEVER);
        for stretch in (0..=last).rev() {
            if stretch >= first {
                let to = ((stretch + 1) * STRETCH).min(self.order.len());
                let ops = self.order[stretch * STRETCH..to].iter();
                let times = ops.map(|&op| Noted::of(&self.states[op as usize]));
                self.own[stretch] = times.fold(Noted::NEVER, Noted::min);
            }
            noted = noted.min(self.own[stretch]);
            if stretch < first && self.noted[stretch] == noted {
                return;
            }
            self.noted[stretch] = noted;
        }
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
        if state.setup > 0 && self.tables.lanes[self.resource[op] as usize].shares_setups {
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
        self.tables.lanes[lane].shares_setups
            && self.rules.problem.setup_needs(lane).iter().any(|need| meets(need.0))
    }

    /// Marks where the use of pools differs between the old place and the new one.
    fn touch(&mut self, op: OpIx, old_alt: u32, old: &State) {
        let new = self.states[op];
        let is_general = self.tables.fixed[op].is_general;
        let (old_needs, new_needs) = (
            self.tables.needs(self.tables.alt(op, old_alt)),
            self.tables.needs(self.tables.alt(op, self.alt[op])),
        );
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
