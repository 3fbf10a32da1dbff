//! How fast a place may be written to: so many at once, then one per interval; and not at all while the other side asked
//! to be left alone. One place that has had enough holds up no other.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// A turn that comes this soon is waited for.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Places that are remembered; those that are free again are forgotten first.
const PLACES_MAX: usize = 4096;

pub struct Pace {
    every: Duration,
    /// How far ahead of its interval a place may be.
    ahead: Duration,
    places: Mutex<HashMap<String, Place>>,
}

#[derive(Clone, Copy)]
struct Place {
    /// When it would be free if every turn so far had taken one interval.
    next: Instant,
    held_until: Instant,
}

impl Pace {
    pub fn new(every: Duration, at_once: u32) -> Self {
        Self { every, ahead: every * at_once.saturating_sub(1), places: Mutex::default() }
    }

    /// Waits for a turn that comes soon; otherwise says how long it takes.
    pub async fn turn(&self, place: &str) -> Result<(), Duration> {
        sleep_until(self.take(place, Instant::now())?).await;
        Ok(())
    }

    /// Whether the place has not asked to be left alone.
    pub fn open(&self, place: &str) -> Result<(), Duration> {
        self.open_at(place, Instant::now())
    }

    fn open_at(&self, place: &str, now: Instant) -> Result<(), Duration> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let held = places.get(place).map_or(now, |place| place.held_until);
        if held > now { Err(held - now) } else { Ok(()) }
    }

    /// The other side asked to be left alone for a while.
    pub fn hold(&self, place: &str, pause: Duration) {
        self.hold_from(place, pause, Instant::now());
    }

    fn hold_from(&self, place: &str, pause: Duration, now: Instant) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let known = places.entry(place.to_owned()).or_insert(Place { next: now, held_until: now });
        known.held_until = known.held_until.max(now + pause);
    }

    fn take(&self, place: &str, now: Instant) -> Result<Instant, Duration> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= PLACES_MAX {
            places.retain(|_, place| place.next > now || place.held_until > now);
        }
        let known = places.entry(place.to_owned()).or_insert(Place { next: now, held_until: now });
        let next = known.next.max(now);
        let turn = (next.checked_sub(self.ahead).unwrap_or(now)).max(known.held_until).max(now);
        if turn - now > PATIENCE {
            return Err(turn - now);
        }
        known.next = next.max(turn) + self.every;
        Ok(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_goes_at_once_and_then_one_each_interval() {
        let (pace, now) = (Pace::new(SECOND, 3), Instant::now());
        let turns: Vec<_> = (0..5).map(|_| pace.take("C1", now).map(|turn| turn - now)).collect();
        let zero = Ok(Duration::ZERO);
        assert_eq!(turns, [zero, zero, zero, Ok(SECOND), Err(2 * SECOND)]);
        // Refused turns were not taken, and another channel is free.
        assert_eq!(pace.take("C1", now + SECOND), Ok(now + 2 * SECOND));
        assert_eq!(pace.take("C2", now), Ok(now));
    }

    #[test]
    fn whoever_asked_to_be_left_alone_is_and_nobody_else() {
        let (pace, now) = (Pace::new(SECOND, 3), Instant::now());
        pace.hold_from("C1", 30 * SECOND, now);
        assert_eq!(pace.take("C1", now), Err(30 * SECOND));
        assert_eq!(pace.open_at("C1", now), Err(30 * SECOND));
        assert_eq!(pace.take("C2", now), Ok(now));
        let after = now + 30 * SECOND;
        assert_eq!((pace.open_at("C1", after), pace.take("C1", after)), (Ok(()), Ok(after)));
    }
}
