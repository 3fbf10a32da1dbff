//! How an endpoint outside is spared: when it may be asked again, and in which order those who wait go.
//! Pure arithmetic over what all workers know of it together; who keeps it is `store`'s business.
//!
//! After a refusal with a time nobody asks before that time. Then requests go out one after the other, as
//! far apart as its earlier answers say it can bear, and closer again with each answer.

use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// Wait after a refusal that names no time.
const REFUSED_WAIT: TimeDelta = TimeDelta::seconds(1);
/// Distance of requests to an endpoint of which nothing but a refusal is known.
const GAP_UNKNOWN: TimeDelta = TimeDelta::milliseconds(500);
const GAP_MIN: TimeDelta = TimeDelta::milliseconds(10);
const GAP_MAX: TimeDelta = TimeDelta::seconds(5);
/// Failures in a row after which it is left alone.
const FAILURES_MAX: u32 = 5;
const FAILING_REST: TimeDelta = TimeDelta::seconds(30);
const QUOTA_REST: TimeDelta = TimeDelta::minutes(10);
/// Longest time an endpoint may ask for; who says more is asked again then.
const WAIT_MAX: TimeDelta = TimeDelta::hours(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    Failing,
    Quota,
}

/// What is remembered of one endpoint; nothing while all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndpointState {
    pub not_before: Option<DateTime<Utc>>,
    pub gap: TimeDelta,
    pub next_turn: Option<DateTime<Utc>>,
    pub answered: u32,
    pub failures: u32,
    pub closed: Option<(DateTime<Utc>, Closed)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    Now,
    /// A turn of one's own: asked again then, one may go.
    Turn {
        at: DateTime<Utc>,
        refused: bool,
    },
    Closed {
        until: DateTime<Utc>,
        why: Closed,
    },
}

impl EndpointState {
    /// Nothing holds anybody, and nothing is to be learned from an answer.
    pub fn is_quiet(&self, now: DateTime<Utc>) -> bool {
        self.closed.is_none()
            && self.failures == 0
            && self.gap.is_zero()
            && self.not_before.is_none_or(|at| at <= now)
    }

    /// Whether a request may leave now. `has_turn` when this very moment was given to it before.
    pub fn leave(&mut self, now: DateTime<Utc>, has_turn: bool) -> Leave {
        if let Some((until, why)) = self.closed {
            if now < until {
                return Leave::Closed { until, why };
            }
            // One request tries the water; the others wait for what it finds.
            self.closed = Some((now + rest(why), why));
            return Leave::Now;
        }
        if let Some(until) = self.not_before.filter(|until| now < *until) {
            let at = self.next_turn.map_or(until, |turn| turn.max(until));
            self.next_turn = Some(at + self.gap);
            return Leave::Turn { at, refused: true };
        }
        if self.gap.is_zero() || has_turn {
            return Leave::Now;
        }
        let at = self.next_turn.map_or(now, |turn| turn.max(now));
        self.next_turn = Some(at + self.gap);
        if at <= now { Leave::Now } else { Leave::Turn { at, refused: false } }
    }

    pub fn answered(&mut self, now: DateTime<Utc>, pause: Option<Duration>) {
        self.failures = 0;
        self.closed = None;
        self.answered = self.answered.saturating_add(1);
        // A hundredth closer each time: fast enough to recover, slow enough not to run into the next refusal.
        self.gap = self.gap * 99 / 100;
        if self.gap < GAP_MIN {
            self.gap = TimeDelta::zero();
        }
        if let Some(pause) = pause {
            self.hold(now, delta(pause));
        }
    }

    /// It had too many requests.
    pub fn refused(&mut self, now: DateTime<Utc>, retry_after: Option<Duration>) {
        let wait = retry_after.map_or(REFUSED_WAIT, delta);
        let is_known = self.not_before.is_some_and(|until| now < until);
        self.failures = 0;
        // Refusals of requests that were under way together are one refusal.
        if !is_known {
            let learned = match i32::try_from(self.answered).unwrap_or(i32::MAX) {
                0 => GAP_UNKNOWN,
                answered => wait / answered,
            };
            self.gap = learned.max(self.gap * 3 / 2).clamp(GAP_MIN, GAP_MAX);
        }
        self.answered = 0;
        self.hold(now, wait);
    }

    /// It failed, or cannot be reached.
    pub fn failed(&mut self, now: DateTime<Utc>) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MAX {
            self.closed = Some((now + FAILING_REST, Closed::Failing));
        }
    }

    /// Its account has nothing left: asking again does not help.
    pub fn exhausted(&mut self, now: DateTime<Utc>) {
        self.closed = Some((now + QUOTA_REST, Closed::Quota));
    }

    fn hold(&mut self, now: DateTime<Utc>, wait: TimeDelta) {
        let until = now + wait;
        self.not_before = Some(self.not_before.map_or(until, |before| before.max(until)));
        // Turns before that time are gone: who has one is told to wait for a new one.
        self.next_turn = self.next_turn.max(self.not_before);
    }
}

fn rest(why: Closed) -> TimeDelta {
    match why {
        Closed::Failing => FAILING_REST,
        Closed::Quota => QUOTA_REST,
    }
}

fn delta(wait: Duration) -> TimeDelta {
    TimeDelta::from_std(wait).unwrap_or(WAIT_MAX).min(WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms)
    }

    #[test]
    fn nobody_leaves_before_the_time_that_was_asked_for_and_then_one_after_the_other() {
        let mut state = EndpointState::default();
        assert_eq!(state.leave(at(0), false), Leave::Now);
        state.refused(at(10), Some(Duration::from_secs(2)));
        let turns: Vec<Leave> = (0..3).map(|_| state.leave(at(20), false)).collect();
        let turn = |ms| Leave::Turn { at: at(ms), refused: true };
        assert_eq!(turns, [turn(2010), turn(2510), turn(3010)]);
        assert_eq!(state.leave(at(2010), true), Leave::Now);
        // A second refusal takes back the turns that were given.
        state.refused(at(2020), Some(Duration::from_secs(2)));
        assert_eq!(state.leave(at(2510), true), Leave::Turn { at: at(4020), refused: true });
    }

    #[test]
    fn what_an_endpoint_can_bear_is_learned_from_its_answers() {
        let mut state = EndpointState::default();
        for _ in 0..5 {
            state.answered(at(0), None);
        }
        state.refused(at(100), Some(Duration::from_secs(1)));
        assert_eq!(state.gap, TimeDelta::milliseconds(200));
        // Three more that were under way together say nothing new.
        state.refused(at(101), Some(Duration::from_secs(1)));
        assert_eq!(state.gap, TimeDelta::milliseconds(200));
    }

    #[test]
    fn failures_in_a_row_close_it_and_one_request_tries_again() {
        let mut state = EndpointState::default();
        (0..5).for_each(|_| state.failed(at(0)));
        assert!(matches!(state.leave(at(1), false), Leave::Closed { why: Closed::Failing, .. }));
        assert_eq!(state.leave(at(30_000), false), Leave::Now);
        assert!(matches!(state.leave(at(30_001), false), Leave::Closed { .. }));
        state.answered(at(30_100), None);
        assert_eq!(state.leave(at(30_101), false), Leave::Now);
        assert!(state.is_quiet(at(30_101)));
    }

    #[test]
    fn without_quota_it_is_left_alone_at_once() {
        let mut state = EndpointState::default();
        state.exhausted(at(0));
        assert!(matches!(state.leave(at(599_999), false), Leave::Closed { why: Closed::Quota, .. }));
        assert_eq!(state.leave(at(600_000), false), Leave::Now);
    }

    proptest! {
        /// Whatever was asked and answered before: a time that was asked for is kept, and turns are apart.
        #[test]
        fn a_hold_is_kept(
            events in prop::collection::vec((0u8..4, 0i64..400, 0u64..3_000), 1..60),
        ) {
            let (mut state, mut now, mut held) = (EndpointState::default(), 0, 0);
            let mut given: Vec<DateTime<Utc>> = Vec::new();
            for (kind, gap, wait) in events {
                now += gap;
                match kind {
                    0 => {
                        state.refused(at(now), Some(Duration::from_millis(wait)));
                        held = held.max(now + i64::try_from(wait).unwrap());
                        given.clear();
                    }
                    1 => state.answered(at(now), None),
                    _ => match state.leave(at(now), false) {
                        Leave::Now => prop_assert!(now >= held, "left at {now}, held until {held}"),
                        Leave::Turn { at: turn, .. } => {
                            prop_assert!(turn >= at(held) && turn >= at(now));
                            prop_assert!(given.last().is_none_or(|last| *last <= turn), "{given:?} {turn}");
                            given.push(turn);
                        }
                        Leave::Closed { .. } => prop_assert!(false, "nothing failed"),
                    },
                }
            }
        }
    }
}
