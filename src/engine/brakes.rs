//! What may hold a run of this worker back at a step boundary: a person who asked for it meanwhile, and the budget
//! of retries that keeps a system in trouble from being flooded with them.
//!
//! A retry is a debt that calls pay: each first call to a system earns a fifth of a retry, and time earns a few
//! more. What is not covered is not dropped but waits for its turn, one after the other.

use crate::run::RunId;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Retries earned by one first call: at most 20 % of calls are retries, beyond the floor.
const PER_CALL: f64 = 0.2;
/// The floor: retries of a system that are always possible, in each second.
const PER_SECOND: f64 = 0.2;
/// Retries that a quiet system has saved up.
const SAVED_MAX: f64 = 20.0;
const DEFER_MAX: Duration = Duration::from_secs(3600);

/// Shared by every run of a worker.
#[derive(Debug, Default)]
pub struct Brakes {
    asked: Mutex<BTreeSet<RunId>>,
    budgets: Mutex<BTreeMap<String, Budget>>,
}

#[derive(Debug, Clone, Copy)]
struct Budget {
    /// Retries that may go out now; below zero, those that wait for their turn.
    left: f64,
    /// Seconds of the engine's clock.
    at: f64,
    deferred: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Brakes {
    /// The runs of this worker that somebody asked to pause or cancel.
    pub fn ask(&self, runs: impl IntoIterator<Item = RunId>) {
        *lock(&self.asked) = runs.into_iter().collect();
    }

    /// Whether somebody asked for this run; it hears what they said when it is read again.
    pub fn is_asked(&self, run: RunId) -> bool {
        lock(&self.asked).contains(&run)
    }

    /// The run has just been read with all its news.
    pub fn heard(&self, run: RunId) {
        lock(&self.asked).remove(&run);
    }

    /// A first call to a system.
    pub fn called(&self, system: &str, now: f64) {
        let mut budgets = lock(&self.budgets);
        let budget = budget(&mut budgets, system, now);
        budget.left = (budget.left + PER_CALL).min(SAVED_MAX);
    }

    /// Takes a retry from the budget; how long it must wait at least when there is none left.
    pub fn retry(&self, system: &str, now: f64) -> Option<Duration> {
        let mut budgets = lock(&self.budgets);
        let budget = budget(&mut budgets, system, now);
        budget.left -= 1.0;
        if budget.left >= 0.0 {
            return None;
        }
        budget.deferred += 1;
        Some(Duration::from_secs_f64(-budget.left / PER_SECOND).min(DEFER_MAX))
    }

    /// Retries deferred since this was last asked, by system.
    pub fn take_deferred(&self) -> Vec<(String, u32)> {
        let mut budgets = lock(&self.budgets);
        let counted = budgets.iter_mut().filter(|(_, budget)| budget.deferred > 0);
        counted.map(|(system, budget)| (system.clone(), std::mem::take(&mut budget.deferred))).collect()
    }
}

fn budget<'a>(budgets: &'a mut BTreeMap<String, Budget>, system: &str, now: f64) -> &'a mut Budget {
    let fresh = Budget { left: SAVED_MAX, at: now, deferred: 0 };
    let budget = budgets.entry(system.to_owned()).or_insert(fresh);
    let passed = (now - budget.at).max(0.0);
    budget.left = (budget.left + passed * PER_SECOND).min(SAVED_MAX);
    budget.at = now;
    budget
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_retries_is_spread_and_none_is_dropped() {
        let brakes = Brakes::default();
        let waits: Vec<Option<Duration>> = (0..40).map(|_| brakes.retry("plex", 0.0)).collect();
        assert!(waits[..20].iter().all(Option::is_none), "what was saved up goes at once: {waits:?}");
        let later: Vec<u64> = waits[20..].iter().map(|wait| wait.map_or(0, |wait| wait.as_secs())).collect();
        assert_eq!(later[..3], [5, 10, 15], "then one every five seconds");
        assert_eq!(brakes.take_deferred(), [("plex".to_owned(), 20)]);
        assert_eq!(brakes.take_deferred(), []);
        assert_eq!(brakes.retry("erp", 0.0), None, "another system has its own budget");
    }

    #[test]
    fn a_fifth_of_the_calls_may_be_retries() {
        let brakes = Brakes::default();
        for _ in 0..20 {
            assert_eq!(brakes.retry("plex", 0.0), None);
        }
        for _ in 0..50 {
            brakes.called("plex", 0.0);
        }
        let at_once = (0..50).filter(|_| brakes.retry("plex", 0.0).is_none()).count();
        assert!((9..=10).contains(&at_once), "{at_once} of 50 calls");
    }

    #[test]
    fn time_pays_the_debt() {
        let brakes = Brakes::default();
        for _ in 0..30 {
            brakes.retry("plex", 0.0);
        }
        assert!(brakes.retry("plex", 30.0).is_some());
        assert_eq!(brakes.retry("plex", 120.0), None);
    }
}
