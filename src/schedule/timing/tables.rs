//! What does not change while a plan is searched, laid out so that timing one operation touches little.

use super::super::facts::Facts;
use super::super::place::{Hours, Rules};
use super::super::problem::{OpIx, Problem};
use super::NONE;

/// Minutes in the search; every time of a well-formed problem fits.
pub(super) type Time = i32;

/// A changeover that must not be.
const FORBIDDEN: Time = -1;

#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed {
    /// Release, material, now and decided predecessors.
    pub(super) earliest: Time,
    pub(super) lag: Time,
    /// The one free predecessor and successor; more of them are looked up in the problem.
    pub(super) pred: u32,
    pub(super) succ: u32,
    pub(super) family: u32,
    pub(super) first_alt: u32,
    pub(super) order: u32,
    /// Several predecessors or successors.
    pub(super) branches: bool,
    /// May pause over breaks or has a deadline, so the general rules time it.
    pub(super) is_general: bool,
    /// Nothing of its order follows.
    pub(super) is_last: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Alt {
    pub(super) resource: u32,
    pub(super) minutes: Time,
    needs: (u32, u32),
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) ready: Time,
    pub(super) family: u32,
    setup: Option<usize>,
    /// Frozen operations on it; the general rules time what is placed before the last of them.
    pub(super) pins: u32,
    /// Its changeovers need pools, so the general rules time all that is on it.
    pub(super) shares_setups: bool,
    windows: Vec<(Time, Time)>,
}

#[derive(Debug)]
pub(super) struct Tables {
    pub(super) fixed: Vec<Fixed>,
    alts: Vec<Alt>,
    needs: Vec<(u32, i32)>,
    pub(super) lanes: Vec<Lane>,
    families: usize,
    setups: Vec<Time>,
}

impl Tables {
    pub(super) fn of(problem: &Problem, facts: &Facts, hours: Hours) -> Self {
        let rules = Rules { problem, facts, hours };
        let families = problem.families();
        let mut tables = Self {
            fixed: Vec::new(),
            alts: Vec::new(),
            needs: Vec::new(),
            lanes: Vec::new(),
            families,
            setups: vec![FORBIDDEN; problem.setups.len() * families * families],
        };
        for (number, setup) in problem.setups.iter().enumerate() {
            for from in 0..families {
                for to in 0..families {
                    if let Some(minutes) = setup.minutes(from, to) {
                        tables.setups[(number * families + from) * families + to] = minutes as Time;
                    }
                }
            }
        }
        for (number, resource) in problem.resources.iter().enumerate() {
            let windows = rules.windows(number).spans().iter();
            tables.lanes.push(Lane {
                ready: facts.ready[number] as Time,
                family: facts.family[number].map_or(NONE, |family| family as u32),
                setup: resource.setup.map(|setup| setup * families * families),
                pins: facts.pins[number].len() as u32,
                shares_setups: !problem.setup_needs(number).is_empty(),
                windows: windows
                    .filter(|window| window.1 > problem.now())
                    .map(|&(from, to)| {
                        (from.max(i64::from(Time::MIN / 2)) as Time, to.min(i64::from(Time::MAX / 2)) as Time)
                    })
                    .collect(),
            });
        }
        for op in 0..problem.ops.len() {
            tables.add(problem, facts, op);
        }
        tables
    }

    fn add(&mut self, problem: &Problem, facts: &Facts, op: OpIx) {
        let data = &problem.ops[op];
        let first_alt = self.alts.len() as u32;
        for alt in &data.alts {
            let start = self.needs.len() as u32;
            self.needs.extend(alt.needs.iter().map(|&(pool, qty)| (pool as u32, qty as i32)));
            let needs = (start, self.needs.len() as u32);
            self.alts.push(Alt { resource: alt.resource as u32, minutes: alt.minutes as Time, needs });
        }
        let decided = data.preds.iter().filter_map(|&pred| facts.slots[pred]);
        let earliest = decided.map(|slot| slot.end + data.min_lag).fold(data.earliest, i64::max);
        let one = |neighbours: &[OpIx]| {
            let mut free = neighbours.iter().filter(|&&other| !facts.is_decided(other));
            (free.next().map_or(NONE, |&other| other as u32), free.next().is_some())
        };
        let ((pred, joins), (succ, forks)) = (one(&data.preds), one(&data.succs));
        self.fixed.push(Fixed {
            earliest: earliest as Time,
            lag: data.min_lag as Time,
            pred,
            succ,
            family: data.family.map_or(NONE, |family| family as u32),
            first_alt,
            order: data.order as u32,
            branches: joins || forks,
            is_general: data.splits || problem.orders[data.order].deadline.is_some(),
            is_last: succ == NONE,
        });
    }

    #[inline]
    pub(super) fn alt(&self, op: OpIx, alt: u32) -> &Alt {
        &self.alts[(self.fixed[op].first_alt + alt) as usize]
    }

    #[inline]
    pub(super) fn needs(&self, alt: &Alt) -> &[(u32, i32)] {
        &self.needs[alt.needs.0 as usize..alt.needs.1 as usize]
    }

    /// `None` is a forbidden changeover.
    #[inline]
    pub(super) fn setup(&self, lane: &Lane, from: u32, to: u32) -> Option<Time> {
        let Some(start) = lane.setup.filter(|_| from != NONE && to != NONE) else { return Some(0) };
        let minutes = self.setups[start + from as usize * self.families + to as usize];
        (minutes != FORBIDDEN).then_some(minutes)
    }
}

impl Lane {
    /// The earliest start at or after `at` of `minutes` in one piece.
    #[inline]
    pub(super) fn fit(&self, at: Time, minutes: Time) -> Option<Time> {
        let first =
            if self.windows.len() > 8 { self.windows.partition_point(|window| window.1 <= at) } else { 0 };
        for &(from, to) in &self.windows[first..] {
            let start = from.max(at);
            if start + minutes <= to {
                return Some(start);
            }
        }
        None
    }
}
