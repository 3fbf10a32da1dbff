//! What is left of a pool over time: a step function the decoder takes from.

use super::model::Minute;

/// `free[i]` holds on `[times[i], times[i + 1])`; the first step reaches back and the last one on forever.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Profile {
    times: Vec<Minute>,
    free: Vec<i64>,
}

/// Derived `Clone` would allocate afresh on `clone_from`, which the decoder calls for every schedule.
impl Clone for Profile {
    fn clone(&self) -> Self {
        Self { times: self.times.clone(), free: self.free.clone() }
    }

    fn clone_from(&mut self, source: &Self) {
        self.times.clone_from(&source.times);
        self.free.clone_from(&source.free);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Yes,
    /// Too little is free; from this minute on there is enough again.
    NotBefore(Minute),
    Never,
}

/// What can be asked and taken of a pool, however it is kept.
pub(super) trait Stock {
    fn fit(&self, from: Minute, to: Minute, qty: i64) -> Fit;
    /// A negative `qty` gives back.
    fn take(&mut self, from: Minute, to: Minute, qty: i64);
}

impl Profile {
    pub(super) fn constant(capacity: i64) -> Self {
        Self { times: vec![Minute::MIN], free: vec![capacity] }
    }

    /// From `at` on the capacity is `capacity`, until a later step says otherwise.
    pub(super) fn step(&mut self, at: Minute, capacity: i64) {
        let index = self.cut(at);
        self.times.truncate(index + 1);
        self.free.truncate(index);
        self.free.push(capacity);
    }

    /// Nothing is free within `[from, to)`.
    pub(super) fn close(&mut self, from: Minute, to: Minute) {
        if from < to {
            let (first, last) = (self.cut(from), self.cut(to));
            self.free[first..last].fill(0);
        }
    }

    /// The times at which at least `qty` is free, up to `until`.
    pub(super) fn spans_with(&self, qty: i64, from: Minute, until: Minute) -> Vec<(Minute, Minute)> {
        (0..self.times.len())
            .filter(|&index| self.free[index] >= qty)
            .map(|index| {
                let end = self.times.get(index + 1).copied().unwrap_or(until);
                (self.times[index].max(from), end.min(until))
            })
            .filter(|span| span.0 < span.1)
            .collect()
    }

    /// Minute by minute over `[from, to)`.
    pub(super) fn spread(&self, from: Minute, to: Minute) -> Vec<i64> {
        let mut spread = Vec::with_capacity((to - from).max(0) as usize);
        let mut index = self.step_at(from);
        for minute in from..to {
            while self.times.get(index + 1).is_some_and(|&next| next <= minute) {
                index += 1;
            }
            spread.push(self.free[index]);
        }
        spread
    }

    pub(super) fn most(&self) -> i64 {
        self.free.iter().copied().max().unwrap_or(0)
    }

    fn step_at(&self, at: Minute) -> usize {
        self.times.partition_point(|&time| time <= at) - 1
    }

    /// Makes `at` the start of a step and returns its index.
    fn cut(&mut self, at: Minute) -> usize {
        let index = self.step_at(at);
        if self.times[index] == at {
            return index;
        }
        self.times.insert(index + 1, at);
        self.free.insert(index + 1, self.free[index]);
        index + 1
    }
}

impl Stock for Profile {
    fn take(&mut self, from: Minute, to: Minute, qty: i64) {
        if from < to {
            let (first, last) = (self.cut(from), self.cut(to));
            for free in &mut self.free[first..last] {
                *free -= qty;
            }
        }
    }

    fn fit(&self, from: Minute, to: Minute, qty: i64) -> Fit {
        if from >= to {
            return Fit::Yes;
        }
        let mut index = self.step_at(from);
        while index < self.times.len() && self.times[index] < to {
            if self.free[index] < qty {
                let again = self.free[index..].iter().position(|&free| free >= qty);
                return again.map_or(Fit::Never, |offset| Fit::NotBefore(self.times[index + offset]));
            }
            index += 1;
        }
        Fit::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_minute_by_minute_count(
            capacity in 0i64..4,
            uses in prop::collection::vec((0i64..40, 1i64..20, 1i64..3), 0..8),
            from in 0i64..50, length in 1i64..20, qty in 1i64..3,
        ) {
            let mut profile = Profile::constant(capacity);
            let mut free = vec![capacity; 100];
            for (at, length, qty) in uses {
                profile.take(at, at + length, qty);
                free[at as usize..(at + length) as usize].iter_mut().for_each(|free| *free -= qty);
            }
            let short = (from..from + length).find(|&minute| free[minute as usize] < qty);
            match (profile.fit(from, from + length, qty), short) {
                (Fit::Yes, None) => {}
                (Fit::NotBefore(again), Some(short)) => {
                    prop_assert_eq!(Some(again), (short..100).find(|&minute| free[minute as usize] >= qty));
                }
                (Fit::Never, Some(short)) => prop_assert!((short..100).all(|minute| free[minute as usize] < qty)),
                (fit, short) => prop_assert!(false, "{fit:?} but {short:?}"),
            }
        }
    }

    #[test]
    fn steps_and_closures_shape_the_capacity() {
        let mut profile = Profile::constant(2);
        profile.step(100, 1);
        profile.close(20, 30);
        assert_eq!(profile.fit(0, 20, 2), Fit::Yes);
        assert_eq!(profile.fit(10, 25, 1), Fit::NotBefore(30));
        assert_eq!(profile.fit(90, 110, 2), Fit::Never);
        assert_eq!(profile.spans_with(2, 0, 200), vec![(0, 20), (30, 100)]);
        assert_eq!(profile.most(), 2);
    }
}
