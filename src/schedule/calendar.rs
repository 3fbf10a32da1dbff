//! Open time as sorted, disjoint intervals, and the questions the decoder asks of it.
//!
//! The validator has its own arithmetic on purpose and must not use this file.

use super::model::Minute;

/// Sorted, disjoint, half-open intervals; touching ones are merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Windows(Vec<(Minute, Minute)>);

impl Windows {
    pub(super) fn new(mut spans: Vec<(Minute, Minute)>) -> Self {
        spans.retain(|span| span.0 < span.1);
        spans.sort_unstable();
        let mut merged: Vec<(Minute, Minute)> = Vec::with_capacity(spans.len());
        for (from, to) in spans {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Self(merged)
    }

    pub(super) fn spans(&self) -> &[(Minute, Minute)] {
        &self.0
    }

    pub(super) fn intersect(&self, other: &Windows) -> Windows {
        let (mut left, mut right) = (0, 0);
        let mut spans = Vec::new();
        while let (Some(a), Some(b)) = (self.0.get(left), other.0.get(right)) {
            let (from, to) = (a.0.max(b.0), a.1.min(b.1));
            if from < to {
                spans.push((from, to));
            }
            if a.1 < b.1 { left += 1 } else { right += 1 }
        }
        Windows::new(spans)
    }

    pub(super) fn minus(&self, closed: &Windows) -> Windows {
        let mut spans = Vec::new();
        for &(mut from, to) in &self.0 {
            for &(closed_from, closed_to) in &closed.0[closed.first_after(from)..] {
                if closed_from >= to {
                    break;
                }
                if from < closed_from {
                    spans.push((from, closed_from));
                }
                from = from.max(closed_to);
            }
            if from < to {
                spans.push((from, to));
            }
        }
        Windows::new(spans)
    }

    /// The earliest start at or after `at` of `minutes` in one piece.
    pub(super) fn fit(&self, at: Minute, minutes: Minute) -> Option<Minute> {
        self.0[self.first_after(at)..].iter().find_map(|&(from, to)| {
            let start = from.max(at);
            (start + minutes <= to).then_some(start)
        })
    }

    /// The latest start of `minutes` in one piece that begins at or after `at` and ends by `by`.
    pub(super) fn fit_latest(&self, at: Minute, by: Minute, minutes: Minute) -> Option<Minute> {
        let last = self.0.partition_point(|span| span.0 < by);
        self.0[..last]
            .iter()
            .rev()
            .take_while(|span| span.1 > at)
            .map(|&(from, to)| (from.max(at), to.min(by) - minutes))
            .find(|&(earliest, latest)| earliest <= latest)
            .map(|(_, latest)| latest)
    }

    /// Works `minutes` through closed time, starting in open time at or after `at`.
    pub(super) fn work(&self, at: Minute, minutes: Minute) -> Option<(Minute, Minute)> {
        let mut left = minutes;
        let mut start = None;
        for &(from, to) in &self.0[self.first_after(at)..] {
            let from = from.max(at);
            let start = *start.get_or_insert(from);
            if left <= to - from {
                return Some((start, from + left));
            }
            left -= to - from;
        }
        None
    }

    /// Open minutes within `[from, to)`.
    pub(super) fn covered(&self, from: Minute, to: Minute) -> Minute {
        self.pieces(from, to).map(|(from, to)| to - from).sum()
    }

    /// The open parts of `[from, to)`.
    pub(super) fn pieces(&self, from: Minute, to: Minute) -> impl Iterator<Item = (Minute, Minute)> + '_ {
        self.0[self.first_after(from)..]
            .iter()
            .take_while(move |span| span.0 < to)
            .map(move |span| (span.0.max(from), span.1.min(to)))
    }

    pub(super) fn longest_after(&self, at: Minute) -> Minute {
        self.0.iter().map(|span| span.1 - span.0.max(at)).max().unwrap_or(0).max(0)
    }

    fn first_after(&self, at: Minute) -> usize {
        self.0.partition_point(|span| span.1 <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spans() -> impl Strategy<Value = Windows> {
        prop::collection::vec((0i64..60, 1i64..15), 0..6)
            .prop_map(|spans| Windows::new(spans.into_iter().map(|(from, len)| (from, from + len)).collect()))
    }

    fn open(windows: &Windows, minute: Minute) -> bool {
        windows.spans().iter().any(|span| span.0 <= minute && minute < span.1)
    }

    proptest! {
        #[test]
        fn set_operations_agree_with_minute_by_minute_sets(a in spans(), b in spans()) {
            let (both, only_a) = (a.intersect(&b), a.minus(&b));
            for minute in -1..80 {
                prop_assert_eq!(open(&both, minute), open(&a, minute) && open(&b, minute));
                prop_assert_eq!(open(&only_a, minute), open(&a, minute) && !open(&b, minute));
            }
        }

        #[test]
        fn placements_are_the_earliest_and_latest_possible(a in spans(), at in 0i64..70, minutes in 1i64..12, by in 0i64..90) {
            let fits = |start: Minute| (start..start + minutes).all(|minute| open(&a, minute));
            prop_assert_eq!(a.fit(at, minutes), (at..120).find(|&start| fits(start)));
            let latest = (at..120).rev().find(|&start| start + minutes <= by && fits(start));
            prop_assert_eq!(a.fit_latest(at, by, minutes), latest);
        }

        #[test]
        fn work_takes_exactly_its_minutes_of_open_time(a in spans(), at in 0i64..70, minutes in 1i64..30) {
            let left = (at..120).filter(|&minute| open(&a, minute)).count() as i64;
            match a.work(at, minutes) {
                None => prop_assert!(left < minutes),
                Some((start, end)) => {
                    prop_assert!(open(&a, start) && open(&a, end - 1));
                    prop_assert_eq!(a.covered(at, start), 0);
                    prop_assert_eq!(a.covered(start, end), minutes);
                }
            }
        }
    }
}
