//! The engine's time: the database's clock, carried forward between two looks at it.

use chrono::{DateTime, TimeDelta, Utc};
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// A clock that is further ahead of the database was wrong.
const AHEAD_MAX: TimeDelta = TimeDelta::seconds(1);

/// Tells the time of the database without asking it each time. Tests and evals hold it still.
#[derive(Debug)]
pub struct Clock {
    seen: Mutex<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    time: DateTime<Utc>,
    at: Instant,
    runs: bool,
}

impl Clock {
    /// A clock that goes on from a time.
    pub fn running(time: DateTime<Utc>) -> Self {
        Self { seen: Mutex::new(Seen { time, at: Instant::now(), runs: true }) }
    }

    /// A clock that stands until it is set.
    pub fn standing(time: DateTime<Utc>) -> Self {
        Self { seen: Mutex::new(Seen { time, at: Instant::now(), runs: false }) }
    }

    pub fn now(&self) -> DateTime<Utc> {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.runs {
            return seen.time;
        }
        let passed = TimeDelta::from_std(seen.at.elapsed()).unwrap_or_default();
        // Postgres keeps microseconds: a time that is written must read back equal.
        let now = seen.time + passed;
        DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }

    /// Sets the clock; it never goes back.
    pub fn set(&self, time: DateTime<Utc>) {
        let now = self.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Seen { time: time.max(now), at: Instant::now(), runs: seen.runs };
    }

    /// Goes by what the database said when it was asked at a moment. Small differences never take the clock back; one
    /// that was ahead and has been set right does, and that is told with `true`: else every wait would be late by it.
    pub fn follow(&self, time: DateTime<Utc>, asked: Instant) -> bool {
        let now = self.now();
        let since = TimeDelta::from_std(asked.elapsed()).unwrap_or_default();
        let is_ahead = now - (time + since) > AHEAD_MAX;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let time = if is_ahead { time } else { time.max(now) };
        *seen = Seen { time, at: Instant::now(), runs: seen.runs };
        is_ahead
    }

    /// Waits so long. A clock that stands jumps instead: nobody waits in a replay.
    pub async fn sleep(&self, duration: std::time::Duration) {
        let runs = self.seen.lock().unwrap_or_else(PoisonError::into_inner).runs;
        if runs {
            tokio::time::sleep(duration).await;
        } else {
            self.set(self.now() + TimeDelta::from_std(duration).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_right_goes_back_and_one_that_drifts_does_not() {
        let right = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let clock = Clock::running(right + TimeDelta::days(1));
        assert!(clock.follow(right, Instant::now()));
        assert!(clock.now() - right < TimeDelta::seconds(1), "{}", clock.now());
        assert!(!clock.follow(right + TimeDelta::hours(1), Instant::now()), "ahead it goes without a word");
        let before = clock.now();
        assert!(!clock.follow(before - TimeDelta::milliseconds(900), Instant::now()));
        assert!(clock.now() >= before);
        // An answer that was long under way is older than the clock, which is right all the same.
        let asked = Instant::now().checked_sub(std::time::Duration::from_secs(20)).expect("a moment");
        assert!(!clock.follow(before - TimeDelta::seconds(15), asked));
        assert!(clock.now() >= before);
    }
}
