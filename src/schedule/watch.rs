//! What a caller sees of a running search, and how it ends one early.

use super::model::Minute;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The state of a search when its best plan got better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Since the question was asked.
    pub elapsed: Duration,
    /// Schedules timed so far, every change of a sequence counting once.
    pub evaluated: u64,
    /// The best by the weights that are searched just now; lower is better.
    pub objective: f64,
    pub makespan: Minute,
    /// Which weighting is searched, from 0; the policy's own is 0.
    pub weighting: usize,
}

/// Follows a search. Both calls come from the search's own threads and must return at once.
pub trait Watch: Sync {
    /// Asked often; once true, the best plans found so far are the answer.
    fn cancelled(&self) -> bool {
        false
    }

    /// Called for the first plan and whenever the best one improves.
    fn progress(&self, _progress: &Progress) {}
}

/// Watches nothing.
impl Watch for () {}

impl Watch for AtomicBool {
    fn cancelled(&self) -> bool {
        self.load(Ordering::Relaxed)
    }
}
