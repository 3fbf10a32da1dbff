//! How much the search may spend: sequences timed, time, and a caller's wish to stop.

use super::model::Policy;
use super::watch::Watch;
use std::time::{Duration, Instant};

/// Spent when the policy sets no limit: enough for a good plan of a plant, and reproducible.
const EVALUATIONS: u64 = 20_000;

#[derive(Clone, Copy)]
pub(super) struct Budget<'a> {
    evaluations: Option<u64>,
    started: Instant,
    time: Option<Duration>,
    watch: &'a dyn Watch,
}

impl<'a> Budget<'a> {
    pub(super) fn of(policy: &Policy, watch: &'a dyn Watch) -> Self {
        let evaluations = match (policy.evaluations, policy.budget_ms) {
            (None, None) => Some(EVALUATIONS),
            (evaluations, _) => evaluations,
        };
        Self {
            evaluations,
            started: Instant::now(),
            time: policy.budget_ms.map(Duration::from_millis),
            watch,
        }
    }

    /// Without `reserve`, which is kept for what follows the search; at most half of the time.
    pub(super) fn less(&self, reserve: Duration) -> Budget<'a> {
        Budget { time: self.time.map(|all| all - reserve.min(all / 2)), ..*self }
    }

    /// A part of what is left, from now on, for a search that counts its evaluations from 0.
    pub(super) fn share(&self, evaluated: u64, part: f64) -> Budget<'a> {
        let left = self.time.map(|time| time.saturating_sub(self.started.elapsed()));
        Budget {
            evaluations: self.evaluations.map(|_| (self.left(evaluated) as f64 * part).ceil() as u64),
            started: Instant::now(),
            time: left.map(|left| left.mul_f64(part)),
            watch: self.watch,
        }
    }

    pub(super) fn part_of_time(&self, part: f64) -> Duration {
        self.time.map_or(Duration::ZERO, |all| all.mul_f64(part))
    }

    /// A part of the whole, beside what is spent already; of the time no more than is left.
    pub(super) fn beside(&self, part: f64) -> Budget<'a> {
        let left = self.time.map(|time| time.saturating_sub(self.started.elapsed()));
        Budget {
            evaluations: self.evaluations.map(|all| (all as f64 * part).ceil() as u64),
            started: Instant::now(),
            time: left.map(|left| left.min(self.part_of_time(part))),
            watch: self.watch,
        }
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// Evaluations still allowed.
    pub(super) fn left(&self, evaluations: u64) -> u64 {
        self.evaluations.map_or(u64::MAX, |all| all.saturating_sub(evaluations))
    }

    /// The caller waits for the best plan there is.
    pub(super) fn is_cancelled(&self) -> bool {
        self.watch.cancelled()
    }

    /// Time is up or the caller wants to stop; evaluations apart.
    pub(super) fn is_over(&self) -> bool {
        self.is_cancelled() || self.time.is_some_and(|all| self.started.elapsed() >= all)
    }

    /// The part used up, from 0 to 1; 1 means stop.
    pub(super) fn spent(&self, evaluations: u64) -> f64 {
        if self.is_cancelled() {
            return 1.0;
        }
        let counted = self.evaluations.map_or(0.0, |all| evaluations as f64 / all.max(1) as f64);
        let timed =
            self.time.map_or(0.0, |all| self.started.elapsed().as_secs_f64() / all.as_secs_f64().max(1e-3));
        counted.max(timed).min(1.0)
    }
}
