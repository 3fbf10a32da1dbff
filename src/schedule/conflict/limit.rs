//! When explaining ends: it follows a search and is not to take as long again.

use super::super::model::Policy;
use super::super::watch::Watch;
use std::time::{Duration, Instant};

/// Of the time a search may take, how much explaining what it left out may take on top.
const SHARE: u32 = 10;
/// Enough for what is proven, however short the search was.
const LEAST: Duration = Duration::from_millis(100);

/// Over when its caller cancels or its time is up; without a time limit in the policy it has none.
pub(super) struct Limit<'w> {
    watch: &'w dyn Watch,
    until: Option<Instant>,
}

impl<'w> Limit<'w> {
    pub(super) fn of(policy: &Policy, watch: &'w dyn Watch) -> Self {
        let time = policy.budget_ms.map(|ms| (Duration::from_millis(ms) / SHARE).max(LEAST));
        // A time beyond every clock is none.
        Self { watch, until: time.and_then(|time| Instant::now().checked_add(time)) }
    }
}

/// Ends the short searches too; nobody follows their progress.
impl Watch for Limit<'_> {
    fn cancelled(&self) -> bool {
        self.watch.cancelled() || self.until.is_some_and(|until| Instant::now() >= until)
    }
}
