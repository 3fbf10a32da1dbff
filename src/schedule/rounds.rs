//! Walkers that search side by side and meet after equal amounts of work.
//!
//! Each walker has its own random stream; threads only carry them. So a budget in evaluations gives the
//! same plans on one thread or two. More threads carry more walkers, which find other plans.

use super::model::Minute;
use super::watch::{Progress, Watch};
use std::time::Instant;

/// Two at least, so that one thread and two walk the same ways.
pub(super) fn walkers(threads: usize) -> usize {
    threads.max(2)
}

/// Runs `work` for every walker, on up to `threads` threads.
pub(super) fn together<W: Send>(walkers: &mut [W], threads: usize, work: impl Fn(&mut W) + Sync) {
    let share = walkers.len().div_ceil(threads.max(1));
    if share >= walkers.len() {
        return walkers.iter_mut().for_each(work);
    }
    let work = &work;
    std::thread::scope(|scope| {
        for group in walkers.chunks_mut(share) {
            scope.spawn(move || group.iter_mut().for_each(work));
        }
    });
}

/// Counts what a question cost so far and tells the caller of better plans.
pub(super) struct Tally<'w> {
    watch: &'w dyn Watch,
    started: Instant,
    /// Steps within the weighting searched now: what a budget counts.
    pub(super) evaluated: u64,
    /// Of all steps so far, those that led to no other sequence, so that nothing was timed.
    pub(super) idle: u64,
    before: u64,
    weighting: usize,
    best: f64,
}

impl<'w> Tally<'w> {
    pub(super) fn new(watch: &'w dyn Watch, started: Instant) -> Self {
        Self { watch, started, evaluated: 0, idle: 0, before: 0, weighting: 0, best: f64::INFINITY }
    }

    /// Goes on to another weighting, whose objective compares with no earlier one.
    pub(super) fn turn_to(&mut self, weighting: usize) {
        self.before += std::mem::take(&mut self.evaluated);
        if self.weighting != weighting {
            (self.weighting, self.best) = (weighting, f64::INFINITY);
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.before + self.evaluated
    }

    /// Sequences timed, as people are told.
    pub(super) fn timed(&self) -> u64 {
        self.total() - self.idle
    }

    pub(super) fn improved(&mut self, objective: f64, makespan: Minute) {
        if objective < self.best {
            self.best = objective;
            self.watch.progress(&Progress {
                elapsed: self.started.elapsed(),
                evaluated: self.timed(),
                objective,
                makespan,
                weighting: self.weighting,
            });
        }
    }
}
