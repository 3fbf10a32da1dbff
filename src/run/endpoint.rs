//! How an endpoint outside is spared: when it may be asked again, and in which order those who wait go.
//! Pure arithmetic over what all workers know of it together; who keeps it is `store`'s business.
//!
//! After a refusal with a time nobody asks before that time. Then requests go out one after the other, as
//! far apart as its earlier answers say it can bear, and closer again with each answer. What a site says that an endpoint
//! may be asked in a time is kept by giving each request a slot, in the order in which they ask.

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
/// Longest time an endpoint may ask for; who says more means something else, and is asked again then.
const WAIT_MAX: TimeDelta = TimeDelta::days(7);
/// Longest time that one request takes of a share.
const SLOT_MAX: TimeDelta = TimeDelta::days(1);

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
    /// When all requests and all tokens that were given out would be paid off.
    pub requests_at: Option<DateTime<Utc>>,
    pub tokens_at: Option<DateTime<Utc>>,
}

/// What a site says an endpoint may be asked, by all workers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    pub requests: Option<Share>,
    pub tokens: Option<Share>,
}

/// So many in any such time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub count: u32,
    pub period: TimeDelta,
}

/// A request that wants to leave.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish {
    pub quota: Quota,
    /// At most what it costs.
    pub tokens: u64,
    /// This very moment was given to it before.
    pub has_turn: bool,
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

    /// An answer would say nothing new of it.
    pub fn is_well(&self) -> bool {
        Self { requests_at: None, tokens_at: None, ..*self } == Self::default()
    }

    /// Whether a request may leave now.
    pub fn leave(&mut self, now: DateTime<Utc>, wish: &Wish) -> Leave {
        if let Some((until, why)) = self.closed {
            if now < until {
                return Leave::Closed { until, why };
            }
            // One request tries the water; the others wait for what it finds.
            self.closed = Some((now + rest(why), why));
            self.slot(now, wish);
            return Leave::Now;
        }
        if let Some(until) = self.not_before.filter(|until| now < *until) {
            let at = self.slot(self.next_turn.map_or(until, |turn| turn.max(until)), wish);
            self.next_turn = Some(at + self.gap);
            return Leave::Turn { at, refused: true };
        }
        if wish.has_turn {
            return Leave::Now;
        }
        let turn = self.next_turn.filter(|_| !self.gap.is_zero()).map_or(now, |turn| turn.max(now));
        let at = self.slot(turn, wish);
        if !self.gap.is_zero() {
            self.next_turn = Some(at + self.gap);
        }
        if at <= now { Leave::Now } else { Leave::Turn { at, refused: false } }
    }

    /// The first moment from `earliest` on at which the site's quota has room for it; the room is taken.
    fn slot(&mut self, earliest: DateTime<Utc>, wish: &Wish) -> DateTime<Utc> {
        let tokens = wish.quota.tokens.map(|share| Bucket::of_tokens(share, wish.tokens));
        let requests = wish.quota.requests.map(Bucket::of_requests);
        let room = |bucket: &Option<Bucket>, paid: Option<DateTime<Utc>>, from| {
            bucket.as_ref().map_or(from, |bucket| bucket.first(paid, from))
        };
        let at = room(&tokens, self.tokens_at, room(&requests, self.requests_at, earliest));
        // Room does not go away by waiting, so that both hold at the later of the two moments.
        if let Some(requests) = requests {
            self.requests_at = Some(requests.paid(self.requests_at, at));
        }
        if let Some(tokens) = tokens {
            self.tokens_at = Some(tokens.paid(self.tokens_at, at));
        }
        at
    }

    /// It cost less than it might have.
    pub fn unused(&mut self, quota: &Quota, tokens: u64) {
        if let (Some(share), Some(at)) = (quota.tokens, self.tokens_at) {
            self.tokens_at = Some(at - Bucket::of_tokens(share, tokens).cost);
        }
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

/// One request against a share of which a part may go at once and the rest evenly: together never more than the share in
/// any such time.
struct Bucket {
    cost: TimeDelta,
    room: TimeDelta,
}

impl Bucket {
    /// A quarter at once.
    fn of_requests(share: Share) -> Self {
        let at_once = (share.count / 4).max(1);
        let cost = times(share.period, 1, share.count.saturating_sub(at_once) + 1);
        Self { cost, room: cost * i32::try_from(at_once).unwrap_or(i32::MAX) }
    }

    /// Half at once: one request has many. One that has more than that goes when all before it are paid off.
    fn of_tokens(share: Share, tokens: u64) -> Self {
        let at_once = (share.count / 2).max(1);
        let evenly = (share.count - at_once).max(1);
        let room = times(share.period, u64::from(at_once), evenly);
        Self { cost: times(share.period, tokens, evenly), room }
    }

    fn first(&self, paid: Option<DateTime<Utc>>, from: DateTime<Utc>) -> DateTime<Utc> {
        let room = (self.room - self.cost).max(TimeDelta::zero());
        paid.map_or(from, |paid| (paid - room).max(from))
    }

    fn paid(&self, paid: Option<DateTime<Utc>>, at: DateTime<Utc>) -> DateTime<Utc> {
        paid.map_or(at, |paid| paid.max(at)) + self.cost
    }
}

/// Rounded up: never more than the share.
fn times(period: TimeDelta, count: u64, of: u32) -> TimeDelta {
    let micros = i128::from(period.num_microseconds().unwrap_or(i64::MAX)) * i128::from(count);
    let micros = (micros + i128::from(of) - 1) / i128::from(of);
    TimeDelta::microseconds(i64::try_from(micros).unwrap_or(i64::MAX)).min(SLOT_MAX)
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

    const FREE: Wish = Wish { quota: Quota { requests: None, tokens: None }, tokens: 0, has_turn: false };

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms)
    }

    #[test]
    fn nobody_leaves_before_the_time_that_was_asked_for_and_then_one_after_the_other() {
        let mut state = EndpointState::default();
        assert_eq!(state.leave(at(0), &FREE), Leave::Now);
        state.refused(at(10), Some(Duration::from_secs(2)));
        let turns: Vec<Leave> = (0..3).map(|_| state.leave(at(20), &FREE)).collect();
        let turn = |ms| Leave::Turn { at: at(ms), refused: true };
        assert_eq!(turns, [turn(2010), turn(2510), turn(3010)]);
        assert_eq!(state.leave(at(2010), &Wish { has_turn: true, ..FREE }), Leave::Now);
        // A second refusal takes back the turns that were given.
        state.refused(at(2020), Some(Duration::from_secs(2)));
        assert_eq!(
            state.leave(at(2510), &Wish { has_turn: true, ..FREE }),
            Leave::Turn { at: at(4020), refused: true }
        );
    }

    #[test]
    fn a_day_that_was_asked_for_is_a_day_for_everybody_and_nonsense_is_a_week() {
        let day = 86_400_000;
        for (asked, held) in [(86_400, day), (7 * 86_400, 7 * day), (u64::MAX, 7 * day)] {
            let mut state = EndpointState::default();
            state.refused(at(0), Some(Duration::from_secs(asked)));
            let turn = Leave::Turn { at: at(held), refused: true };
            assert_eq!(state.leave(at(3_600_001), &FREE), turn, "{asked} s");
            let next = Leave::Turn { at: at(held + 500), refused: true };
            assert_eq!(state.leave(at(held - 1), &Wish { has_turn: true, ..FREE }), next, "{asked} s");
        }
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
        assert!(matches!(state.leave(at(1), &FREE), Leave::Closed { why: Closed::Failing, .. }));
        assert_eq!(state.leave(at(30_000), &FREE), Leave::Now);
        assert!(matches!(state.leave(at(30_001), &FREE), Leave::Closed { .. }));
        state.answered(at(30_100), None);
        assert_eq!(state.leave(at(30_101), &FREE), Leave::Now);
        assert!(state.is_quiet(at(30_101)));
    }

    #[test]
    fn without_quota_it_is_left_alone_at_once() {
        let mut state = EndpointState::default();
        state.exhausted(at(0));
        assert!(matches!(state.leave(at(599_999), &FREE), Leave::Closed { why: Closed::Quota, .. }));
        assert_eq!(state.leave(at(600_000), &FREE), Leave::Now);
    }

    #[test]
    fn a_quarter_goes_at_once_and_the_rest_evenly() {
        let share = Share { count: 8, period: TimeDelta::milliseconds(700) };
        let wish = Wish { quota: Quota { requests: Some(share), tokens: None }, ..FREE };
        let mut state = EndpointState::default();
        let turn = |ms| Leave::Turn { at: at(ms), refused: false };
        let left: Vec<Leave> = (0..4).map(|_| state.leave(at(0), &wish)).collect();
        assert_eq!(left, [Leave::Now, Leave::Now, turn(100), turn(200)]);
        // A slot that was given is not paid for again.
        assert_eq!(state.leave(at(100), &Wish { has_turn: true, ..wish }), Leave::Now);
        assert_eq!(state.leave(at(100), &wish), turn(300));
    }

    #[test]
    fn tokens_that_were_not_used_are_given_back() {
        let share = Share { count: 1_000, period: TimeDelta::seconds(1) };
        let quota = Quota { requests: None, tokens: Some(share) };
        let wish = Wish { quota, tokens: 500, has_turn: false };
        let mut state = EndpointState::default();
        assert_eq!(state.leave(at(0), &wish), Leave::Now);
        let mut wasteful = state;
        assert_eq!(wasteful.leave(at(0), &wish), Leave::Turn { at: at(1_000), refused: false });
        state.unused(&quota, 400);
        assert_eq!(state.leave(at(0), &wish), Leave::Turn { at: at(200), refused: false });
        // More than fits at once goes alone.
        let mut empty = EndpointState::default();
        assert_eq!(empty.leave(at(0), &Wish { tokens: 5_000, ..wish }), Leave::Now);
        assert_eq!(
            empty.leave(at(0), &Wish { tokens: 1, ..wish }),
            Leave::Turn { at: at(9_002), refused: false }
        );
    }

    proptest! {
        /// However requests come, no time as long as the share's has more of them, or of their tokens, than the share.
        #[test]
        fn a_quota_is_kept(
            count in 1u32..40,
            tokens in 10u32..2_000,
            events in prop::collection::vec((0i64..120, 1u64..900), 1..80),
        ) {
            let period = TimeDelta::milliseconds(1_000);
            let share = |count| Some(Share { count, period });
            let quota = Quota { requests: share(count), tokens: share(tokens) };
            let (mut state, mut now, mut left) = (EndpointState::default(), 0, Vec::new());
            for (gap, cost) in events {
                now += gap;
                // A single one may not be more than the half that goes at once.
                let cost = cost.min(u64::from(tokens / 2));
                let moment = match state.leave(at(now), &Wish { quota, tokens: cost, has_turn: false }) {
                    Leave::Now => at(now),
                    Leave::Turn { at, .. } => at,
                    Leave::Closed { .. } => unreachable!("nothing failed"),
                };
                prop_assert!(left.last().is_none_or(|(before, _)| *before <= moment), "in their order");
                left.push((moment, cost));
            }
            for (start, _) in &left {
                let within: Vec<_> = left.iter().filter(|(at, _)| at >= start && *at < *start + period).collect();
                prop_assert!(within.len() <= count as usize, "{} of {count}", within.len());
                let spent: u64 = within.iter().map(|(_, cost)| cost).sum();
                prop_assert!(spent <= u64::from(tokens), "{spent} of {tokens}");
            }
        }

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
                    _ => match state.leave(at(now), &FREE) {
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
