//! A circuit breaker: a system that fails again and again is left alone for a while.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

pub struct Breaker {
    failures_max: u32,
    cool_down: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    closed_from: Option<Instant>,
}

impl Breaker {
    pub fn new(failures_max: u32, cool_down: Duration) -> Self {
        Self { failures_max, cool_down, state: Mutex::default() }
    }

    /// Whether a request may go out at `now`; if not, for how long to leave the system alone.
    /// After the cool-down a single request goes first and tries the water for the others.
    pub fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.closed_from {
            Some(closed_from) if now < closed_from => Err(closed_from - now),
            Some(_) => {
                state.closed_from = Some(now + self.cool_down);
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub fn succeeded(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    pub fn failed(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures >= self.failures_max {
            state.closed_from = Some(now + self.cool_down);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOL_DOWN: Duration = Duration::from_secs(30);

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_probe_through() {
        let breaker = Breaker::new(2, COOL_DOWN);
        let start = Instant::now();
        breaker.failed(start);
        assert_eq!(breaker.admit(start), Ok(()));
        breaker.failed(start);
        assert_eq!(breaker.admit(start), Err(COOL_DOWN));

        let later = start + COOL_DOWN;
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later), Err(COOL_DOWN));
        breaker.succeeded();
        assert_eq!(breaker.admit(later), Ok(()));
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let breaker = Breaker::new(2, COOL_DOWN);
        let now = Instant::now();
        breaker.failed(now);
        breaker.succeeded();
        breaker.failed(now);
        assert_eq!(breaker.admit(now), Ok(()));
    }
}
