//! Parts of people's names: `Novak` alone is who is known as `Mia Novak`. Words that a plant uses for its machines and
//! its work are nobody's name.

use super::{
    reading,
    spelling::{folded, words},
};
use crate::agent::guard::taken::Taken;
use regex::Regex;
use std::{
    collections::{BTreeSet, HashSet},
    ops::Range,
};

/// Shorter parts stand in too many other words.
const LETTERS_MIN: usize = 4;
/// What has more words is a sentence.
const WORDS_MAX: usize = 5;
const FINDER_WORDS_MAX: usize = 200;

/// Words of every plant.
const OF_PLANTS: [&str; 6] = [
    "andon area assembly badge batch bench buffer cell center centre clerk controller crane crew",
    "customer dock drill driver employee engineer external furnace gate gauge hall hydraulic inspector",
    "lathe lead leader line machine maintenance manager material mill mold night office operator order",
    "oven paint part planner planning plant press production pump purchasing quality robot scheduler",
    "service shift shop station stock store supervisor supplier team technician temp test tool user",
    "vendor warehouse weld welder",
];
/// Names that are words of every day: only with a capital they are taken for a name.
const OF_EVERY_DAY: [&str; 5] = [
    "art max may rob ray gene skip trip van ward west north",
    "april august baker banks bell bill black bond brand brown chance chase cook cross dean drew early",
    "faith field fish frank free glass good grace grant gray green hand hill hope joint june king lane",
    "little long mark miles moss page park pierce price rice rich rose sharp short small smart stone",
    "street strong summer will wood work young",
];

#[derive(Debug, Default)]
pub(super) struct Parts {
    /// Parts as they read without case.
    known: HashSet<String>,
    fresh: BTreeSet<String>,
    finders: Vec<Regex>,
    /// Words of the ids that the data has.
    of_ids: HashSet<String>,
}

impl Parts {
    /// Learns the parts of a whole name.
    pub(super) fn learn(&mut self, name: &str) {
        let count = words(name).count();
        if !(2..=WORDS_MAX).contains(&count) || name.chars().any(char::is_numeric) {
            return;
        }
        for part in words(name).map(|word| word.trim_matches(|c: char| !c.is_alphabetic())) {
            if part.chars().filter(|c| c.is_alphabetic()).count() < LETTERS_MIN || is_of_plants(part) {
                continue;
            }
            for spelling in reading::spellings(part) {
                if self.known.insert(folded(&spelling)) {
                    self.fresh.insert(spelling);
                }
            }
        }
    }

    /// A machine may be called like somebody: the words of an id, as in `BENDER-2`, are nobody's name here.
    pub(super) fn learn_id(&mut self, text: &str) {
        let is_id_char =
            |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '/');
        if text.chars().all(is_id_char) && text.chars().any(|c| c.is_ascii_digit()) {
            let parts = text.split(|c: char| !c.is_ascii_uppercase());
            self.of_ids.extend(parts.filter(|part| part.len() >= LETTERS_MIN).map(str::to_lowercase));
        }
    }

    /// Whether what was learned can be looked for.
    pub(super) fn build(&mut self) -> bool {
        let mut is_built = true;
        let fresh: Vec<String> = std::mem::take(&mut self.fresh).into_iter().collect();
        for parts in fresh.chunks(FINDER_WORDS_MAX) {
            let parts: Vec<String> = parts.iter().map(|part| regex::escape(part)).collect();
            match Regex::new(&format!(r"(?i)\b(?:{})\b", parts.join("|"))) {
                Ok(finder) => self.finders.push(finder),
                Err(_) => is_built = false,
            }
        }
        is_built
    }

    /// Where a part of a name stands alone in a text.
    pub(super) fn find(&self, text: &str) -> Vec<Range<usize>> {
        let (mut found, mut taken) = (Vec::new(), Taken::default());
        for part in self.finders.iter().flat_map(|finder| finder.find_iter(text)) {
            let folded = folded(part.as_str());
            let is_capital = part.as_str().chars().next().is_some_and(char::is_uppercase);
            let is_word = self.of_ids.contains(&folded) || (!is_capital && is_one_of(&OF_EVERY_DAY, &folded));
            if !is_word && taken.take(&part.range()) {
                found.push(part.range());
            }
        }
        found.sort_by_key(|at: &Range<usize>| at.start);
        found
    }
}

/// Whether somebody's id may be meant as an ordinary word.
pub(super) fn is_word(word: &str) -> bool {
    is_of_plants(word) || is_one_of(&OF_EVERY_DAY, &folded(word))
}

/// Whether a word is one of those that plants use.
fn is_of_plants(word: &str) -> bool {
    is_one_of(&OF_PLANTS, &folded(word))
}

fn is_one_of(lines: &[&str], word: &str) -> bool {
    lines.iter().flat_map(|line| line.split(' ')).any(|known| known == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_names_are_found_alone() {
        let mut parts = Parts::default();
        ["Mia Novak", "Jan Novak", "Zoë Müller-Lüdenscheidt", "Ivo Press", "Line Lead", "Crew 12 North"]
            .iter()
            .for_each(|name| parts.learn(name));
        assert!(parts.build());
        let found =
            |text: &str| parts.find(text).into_iter().map(|at| text[at].to_owned()).collect::<Vec<_>>();
        assert_eq!(found("ask novak, MUELLER or Lüdenscheidt"), ["novak", "MUELLER"]);
        assert_eq!(found("Press 4, the line lead, crew North, Mia, Novakowski"), Vec::<String>::new());
    }

    #[test]
    fn a_word_of_an_id_or_of_every_day_is_no_name() {
        let mut parts = Parts::default();
        ["Ann Bender", "Tom Long"].iter().for_each(|name| parts.learn(name));
        assert!(parts.build());
        let count = |parts: &Parts, text: &str| parts.find(text).len();
        assert_eq!(count(&parts, "bender says so, as long as Long is there"), 2);
        parts.learn_id("bender-2 is no id");
        assert_eq!(count(&parts, "bender says so"), 1);
        parts.learn_id("BENDER-2");
        assert_eq!(count(&parts, "bender 2 stands still"), 0);
    }
}
