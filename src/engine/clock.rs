//! The engine's time: the database's clock, carried forward between two looks at it.

use chrono::{DateTime, TimeDelta, Utc};
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

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
