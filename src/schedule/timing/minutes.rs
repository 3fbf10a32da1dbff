//! A pool kept minute by minute: more memory than steps, but taking and asking are a scan of a few words.

use super::super::model::Minute;
use super::super::profile::{Fit, Profile, Stock};

/// Minutes of all pools together, beyond which a plan is timed with steps instead.
pub(super) const MINUTES_MAX: i64 = 12_000_000;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Minutes {
    from: Minute,
    free: Vec<i32>,
}

impl Minutes {
    /// What `profile` has between two minutes; nothing is free outside.
    pub(super) fn of(profile: &Profile, from: Minute, to: Minute) -> Self {
        let small = |free: i64| free.clamp(i64::from(i32::MIN / 2), i64::from(i32::MAX / 2)) as i32;
        Self { from, free: profile.spread(from, to).into_iter().map(small).collect() }
    }

    #[inline]
    fn range(&self, from: Minute, to: Minute) -> std::ops::Range<usize> {
        let at = |minute: Minute| ((minute - self.from).max(0) as usize).min(self.free.len());
        at(from)..at(to)
    }
}

impl Stock for Minutes {
    #[inline]
    fn fit(&self, from: Minute, to: Minute, qty: i64) -> Fit {
        let range = self.range(from, to);
        let (qty, last) = (qty as i32, range.end);
        let wanted = &self.free[range];
        // Without an early exit the compiler compares several minutes at once.
        if !wanted.iter().fold(false, |is_short, &free| is_short | (free < qty)) {
            return Fit::Yes;
        }
        let short = wanted.iter().rposition(|&free| free < qty).unwrap_or(0);
        let short = last - wanted.len() + short;
        match self.free[short..].iter().position(|&free| free >= qty) {
            Some(offset) => Fit::NotBefore(self.from + (short + offset) as Minute),
            None => Fit::Never,
        }
    }

    #[inline]
    fn take(&mut self, from: Minute, to: Minute, qty: i64) {
        let range = self.range(from, to);
        let qty = qty as i32;
        self.free[range].iter_mut().for_each(|free| *free -= qty);
    }
}
