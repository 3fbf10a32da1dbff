//! Which of many phrases stand in texts, letter for letter, also inside of words. The texts are read once, however many
//! phrases are looked for: an answer may claim more names than anybody could look up one by one.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::collections::HashSet;

/// The finder keeps at each place of a phrase all those that end there: phrases of thousands of letters, each the end of
/// the next, would take a gigabyte. A longer one stands where its parts do.
const PART_BYTES_MAX: usize = 120;

/// In parts, each once.
#[derive(Debug, Default)]
pub(super) struct Phrases(HashSet<Vec<u8>>);

/// What was found of them.
pub(super) struct Standing(HashSet<Vec<u8>>);

fn parts(phrase: &str) -> impl Iterator<Item = &[u8]> {
    phrase.as_bytes().chunks(PART_BYTES_MAX)
}

impl Phrases {
    pub(super) fn add(&mut self, phrase: &str) {
        self.0.extend(parts(phrase).map(<[u8]>::to_vec));
    }

    pub(super) fn find(self, texts: &[String]) -> Standing {
        let parts: Vec<Vec<u8>> = self.0.into_iter().collect();
        // Not the table that few phrases get by default: its size is theirs times the alphabet's.
        let finder = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(&parts);
        // More than a finder can hold is more than an answer can: nothing is proven.
        let Ok(finder) = finder else { return Standing(HashSet::new()) };
        let mut seen = vec![false; parts.len()];
        for found in texts.iter().flat_map(|text| finder.find_overlapping_iter(text)) {
            if let Some(seen) = seen.get_mut(found.pattern().as_usize()) {
                *seen = true;
            }
        }
        let seen = parts.into_iter().zip(seen).filter(|(_, is_seen)| *is_seen);
        Standing(seen.map(|(part, _)| part).collect())
    }
}

impl Standing {
    /// Of a phrase that was looked for.
    pub(super) fn has(&self, phrase: &str) -> bool {
        parts(phrase).all(|part| self.0.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_found_wherever_they_stand() {
        let long = "hydraulic ".repeat(PART_BYTES_MAX);
        let texts = [
            "joann leeward stops".to_owned(),
            "hydraulic press 4".to_owned(),
            "ababac".to_owned(),
            format!("a {long}press"),
        ];
        let (long_one, other) = (format!("{long}press"), format!("{long}pump"));
        let words = [
            "ann lee",
            "lee",
            "leeward",
            "ann leewards",
            "press",
            "press 4",
            "stops hydraulic",
            "s",
            "abac",
            "ababa",
            "babab",
            "c",
            "x",
            "hydraulic press 4 ",
            "ééé",
            "joann leeward stops",
            long_one.as_str(),
            other.as_str(),
        ];
        let mut phrases = Phrases::default();
        words.iter().for_each(|word| phrases.add(word));
        let standing = phrases.find(&texts);
        for word in words {
            assert_eq!(standing.has(word), texts.iter().any(|text| text.contains(word)), "{word}");
        }
    }

    #[test]
    fn where_there_are_no_texts_nothing_stands() {
        let mut phrases = Phrases::default();
        phrases.add("press");
        assert!(!phrases.find(&[]).has("press"));
    }

    /// All that end at each place of the longest would be a gigabyte here.
    #[test]
    fn phrases_that_each_end_the_next_take_no_more_than_others() {
        let longest = "ab ".repeat(200_000);
        let mut phrases = Phrases::default();
        phrases.add(&longest);
        for length in (2..600).map(|words| 3 * words) {
            phrases.add(&longest[longest.len() - length..]);
        }
        assert!(phrases.0.iter().all(|part| part.len() <= PART_BYTES_MAX));
        assert!(phrases.find(std::slice::from_ref(&longest)).has(&longest));
    }
}
