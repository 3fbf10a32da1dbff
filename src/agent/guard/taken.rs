//! Parts of a text that are spoken for; none of them overlaps another. What is asked of a part is answered by its
//! neighbour alone, however many there are.

use std::{collections::BTreeMap, ops::Range};

/// End of each part, by its beginning.
#[derive(Debug, Default)]
pub(super) struct Taken(BTreeMap<usize, usize>);

impl Taken {
    /// Of those that begin before its end, the last one ends last.
    pub(super) fn is_free(&self, part: &Range<usize>) -> bool {
        self.0.range(..part.end).next_back().is_none_or(|(_, end)| *end <= part.start)
    }

    /// Whether it was free, and is taken now.
    pub(super) fn take(&mut self, part: &Range<usize>) -> bool {
        let is_free = self.is_free(part);
        if is_free && !part.is_empty() {
            self.0.insert(part.start, part.end);
        }
        is_free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_free_exactly_when_it_overlaps_none() {
        let mut taken = Taken::default();
        let mut kept: Vec<Range<usize>> = Vec::new();
        // Every start and length, in an order that jumps about.
        for n in 0..400_usize {
            let start = n * 37 % 101;
            let part = start..start + 1 + n * 13 % 7;
            let is_free = kept.iter().all(|one| part.end <= one.start || one.end <= part.start);
            assert_eq!(taken.is_free(&part), is_free, "{part:?} among {kept:?}");
            assert_eq!(taken.take(&part), is_free);
            if is_free {
                kept.push(part);
            }
        }
        assert!(kept.len() > 10);
    }
}
