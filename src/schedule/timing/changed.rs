//! Sets that a trial fills and empties thousands of times a second: places to look at, minutes touched.

use super::super::model::Minute;

/// Places in the order still to be timed again, lowest first.
#[derive(Debug, Default)]
pub(super) struct Places {
    words: Vec<u64>,
}

impl Places {
    pub(super) fn with_room(places: usize) -> Self {
        Self { words: vec![0; places / 64 + 1] }
    }

    #[inline]
    pub(super) fn add(&mut self, place: usize) {
        self.words[place / 64] |= 1 << (place % 64);
    }

    /// Takes out the lowest place at or behind `from`.
    #[inline]
    pub(super) fn next(&mut self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        while word < self.words.len() {
            let bits = self.words[word];
            if bits != 0 {
                self.words[word] = bits & (bits - 1);
                return Some(word * 64 + bits.trailing_zeros() as usize);
            }
            word += 1;
        }
        None
    }

    /// Whether nothing at or behind `from` is in; what is before it has been taken out.
    #[inline]
    pub(super) fn is_empty_from(&self, from: usize) -> bool {
        self.words[from / 64..].iter().all(|&word| word == 0)
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Takes out `place`, if it is in.
    #[inline]
    pub(super) fn take(&mut self, place: usize) -> bool {
        let bit = 1 << (place % 64);
        let was = self.words[place / 64] & bit != 0;
        self.words[place / 64] &= !bit;
        was
    }
}

/// When a pool is used otherwise than before, in steps of a few minutes.
#[derive(Debug, Default)]
pub(super) struct Touched {
    from: Minute,
    words: Vec<u64>,
    low: usize,
    high: usize,
}

/// Minutes of one bit, as a power of two: coarse enough to be short, fine enough to tell uses apart.
const STEP_LOG: u32 = 2;

impl Touched {
    pub(super) fn new(from: Minute, to: Minute) -> Self {
        let steps = ((to - from).max(0) as usize >> STEP_LOG) + 2;
        Self { from, words: vec![0; steps / 64 + 1], low: usize::MAX, high: 0 }
    }

    fn bits(&self, from: Minute, to: Minute) -> (usize, usize) {
        let limit = self.words.len() * 64 - 1;
        let at = |minute: Minute| (((minute - self.from).max(0) as usize) >> STEP_LOG).min(limit);
        (at(from), at(to - 1))
    }

    pub(super) fn add(&mut self, from: Minute, to: Minute) {
        if from >= to {
            return;
        }
        let (first, last) = self.bits(from, to);
        for word in first / 64..=last / 64 {
            let mut bits = u64::MAX;
            if word == first / 64 {
                bits &= u64::MAX << (first % 64);
            }
            if word == last / 64 {
                bits &= u64::MAX >> (63 - last % 64);
            }
            self.words[word] |= bits;
        }
        self.low = self.low.min(first / 64);
        self.high = self.high.max(last / 64 + 1);
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.high == 0
    }

    /// Behind the last minute touched; long ago when there is none.
    pub(super) fn end(&self) -> Minute {
        let Some(last) = self.high.checked_sub(1) else { return Minute::MIN };
        let bits = last * 64 + 64 - self.words[last].leading_zeros() as usize;
        self.from + ((bits << STEP_LOG) as Minute)
    }

    pub(super) fn meets(&self, from: Minute, to: Minute) -> bool {
        let (first, last) = self.bits(from, to.max(from + 1));
        let (low, high) = ((first / 64).max(self.low), (last / 64 + 1).min(self.high));
        (low..high.max(low)).any(|word| {
            let mut bits = self.words[word];
            if word == first / 64 {
                bits &= u64::MAX << (first % 64);
            }
            if word == last / 64 {
                bits &= u64::MAX >> (63 - last % 64);
            }
            bits != 0
        })
    }

    pub(super) fn clear(&mut self) {
        if self.high > 0 {
            self.words[self.low..self.high].fill(0);
            (self.low, self.high) = (usize::MAX, 0);
        }
    }
}
