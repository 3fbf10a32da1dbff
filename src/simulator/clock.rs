//! The plant's own clock: starts at a given instant, runs in real time, can be moved forward.

use chrono::{DateTime, TimeDelta, Utc};
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

pub struct Clock {
    /// The plant's time at a moment of the machine's steady clock.
    anchor: Mutex<(DateTime<Utc>, Instant)>,
}

impl Clock {
    pub fn starting_at(start: DateTime<Utc>) -> Self {
        Self { anchor: Mutex::new((start, Instant::now())) }
    }

    pub fn now(&self) -> DateTime<Utc> {
        let (at, steady) = *self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        at + elapsed_since(steady)
    }

    pub fn advance(&self, by: TimeDelta) -> DateTime<Utc> {
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        anchor.0 += by.max(TimeDelta::zero());
        anchor.0 + elapsed_since(anchor.1)
    }

    /// Moves forward to `now`; a plant's history cannot be unwritten, so an earlier instant is refused.
    pub fn set(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>, DateTime<Utc>> {
        let current = self.now();
        if now < current { Err(current) } else { Ok(self.advance(now - current)) }
    }
}

/// This machine's time, which has nothing to do with the plant's.
#[expect(clippy::disallowed_methods, reason = "a receiver judges the age of a webhook by the real time")]
pub fn wall_now() -> DateTime<Utc> {
    Utc::now()
}

fn elapsed_since(steady: Instant) -> TimeDelta {
    TimeDelta::from_std(steady.elapsed()).unwrap_or(TimeDelta::zero())
}
