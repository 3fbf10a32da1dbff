//! Ids and addresses as texts name them, however they are spelled, and which fields are written by people outside.
//! An id in such a field is a claim: whoever wrote it may have made it up.

use super::{dlp::plain, regex, taken::Taken};
use regex::Regex;
use std::{
    collections::{BTreeSet, HashSet},
    sync::LazyLock,
};

/// Last words of the names of fields that people fill with what they like.
const FREE_TEXT: [&str; 29] = [
    "text",
    "freetext",
    "note",
    "notes",
    "comment",
    "comments",
    "description",
    "descriptions",
    "message",
    "messages",
    "body",
    "remark",
    "remarks",
    "feedback",
    "subject",
    "problem",
    "problems",
    "title",
    "memo",
    "narrative",
    "observation",
    "observations",
    "symptom",
    "symptoms",
    "complaint",
    "explanation",
    "summary",
    "instruction",
    "instructions",
];

/// Prefixes that plants give their numbers, also where the data has none of the kind.
const PREFIXES: [&str; 16] = [
    "PO", "SO", "WO", "MO", "PR", "RFQ", "RMA", "INC", "NCR", "CAPA", "ECO", "ECN", "LOT", "SKU", "ASN", "EQ",
];

/// Prefixes that are words, too: with a space after them, only a long number makes them an id.
const WORDS: [&str; 9] = ["SO", "NO", "PER", "ALL", "DAY", "SHIFT", "LINE", "STEP", "OP"];
const LONG_NUMBER_CHARS: usize = 4;
/// A number behind a word alone may be how many there are, up to this length.
const AMOUNT_CHARS_MAX: usize = 4;

/// As plants write them: `PRESS-4`, `PO-1042`, `SO-4015-1`, `WO005002`.
static STRICT: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"\b(?:[A-Z][A-Z0-9]{0,9}-[A-Z0-9]*\d[A-Z0-9]*(?:-[A-Z0-9]+)*|[A-Z]{2,5}\d{3,})\b")
});
/// As people and models write them: `press-4`, `Press 4`, `PO #999`, `po no. 999`.
static LOOSE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)\b([a-z]{1,10})([-_/#.:]|\s?(?:no\.?|nr\.?|#|number)\s?|\s{1,2}|)(\d[a-z0-9]*(?:[-_][a-z0-9]+)*)\b",
    )
});
/// Without a dash: one letter before digits, or letters among them, as in `A9999` and `120AB77`. A `T` parts a day from
/// its time, an `X` two lengths.
static CODE: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\b(?:[A-Za-z]\d{4,}[A-Za-z0-9]*|\d{3,}[A-SU-WYZ][A-Z]{0,2}\d{2,}[A-Z0-9]*)\b"));
/// A number that its word makes an id: `part 40012345`, `order no. 4711`.
static NUMBERED: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"(?i)\b(?:part|order|lot|batch|serial|item|material|job|ticket|asset|equipment|drawing|article|invoice|delivery",
        r"|shipment|document|pallet|container|tool|requisition|badge)s?",
        r"(\s+(?:no\.?|nr\.?|number|id)\s*[:#]?\s*|\s*[:#]\s*|\s+)(\d[\d\-]{2,}\d)\b",
    ))
});
static DIGITS: LazyLock<Regex> = LazyLock::new(|| regex(r"\b\d[\d\-]{2,}\d\b"));
static DAY: LazyLock<Regex> = LazyLock::new(|| regex(r"^\d{4}-\d{2}-\d{2}"));
static DAY_FIRST: LazyLock<Regex> = LazyLock::new(|| regex(r"^\d{2}-\d{2}-\d{4}$"));
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r#"(?i)\b[a-z][a-z0-9+.\-]{1,15}://[^\s"'<>()\[\]]+"#,
        r#"|\b(?:mailto:|www\.)[^\s"'<>()\[\]]+"#,
        r"|[a-z0-9._%+\-]+@[a-z0-9\-]+(?:\.[a-z0-9\-]+)*\.[a-z]{2,}",
        r#"|\b(?:[a-z0-9\-]+\.)+[a-z]{2,24}/[^\s"'<>()\[\]]*"#,
    ))
});

/// Ids and addresses that structured fields have named.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    /// As they were written.
    exact: HashSet<String>,
    /// In one spelling.
    ids: HashSet<String>,
    /// First letters of the ids, which make a number after them one.
    prefixes: BTreeSet<String>,
    /// Numbers with so many digits that they may be called an order: alone, and those of the ids.
    numbers: HashSet<String>,
    /// Those of them that were a field's whole value.
    alone: HashSet<String>,
    /// In lower case.
    addresses: HashSet<String>,
}

impl Named {
    pub(super) fn learn(&mut self, text: &str) {
        let text = plain(text);
        for id in STRICT.find_iter(&text) {
            self.exact.insert(id.as_str().to_owned());
            self.ids.insert(one_spelling(id.as_str()));
            let letters: String = id.as_str().chars().take_while(char::is_ascii_uppercase).collect();
            self.prefixes.insert(letters);
            self.numbers.insert(id.as_str().trim_start_matches(|c: char| !c.is_ascii_digit()).to_owned());
        }
        self.ids.extend(LOOSE.find_iter(&text).map(|id| one_spelling(id.as_str())));
        self.ids.extend(CODE.find_iter(&text).map(|id| one_spelling(id.as_str())));
        self.numbers.extend(DIGITS.find_iter(&text).map(|number| number.as_str().to_owned()));
        if DIGITS.find(text.trim()).is_some_and(|number| number.as_str() == text.trim()) {
            self.alone.insert(text.trim().to_owned());
        }
        self.addresses.extend(ADDRESS.find_iter(&text).map(|found| address(found.as_str())));
    }

    /// An id may be a number; a short one is how many there are of something.
    pub(super) fn learn_number(&mut self, number: &str) {
        self.numbers.insert(number.to_owned());
        if number.len() > AMOUNT_CHARS_MAX {
            self.alone.insert(number.to_owned());
        }
    }

    /// Whether this is an id as it was named, letter for letter.
    pub(super) fn has(&self, id: &str) -> bool {
        self.exact.contains(id)
    }

    /// What a text names that was not named before, as it stands there.
    pub(super) fn unknown(&self, text: &str) -> Vec<String> {
        let text = plain(text);
        let mut found = Vec::new();
        let mut parts = Taken::default();
        for strict in STRICT.find_iter(&text) {
            parts.take(&strict.range());
            if !self.ids.contains(&one_spelling(strict.as_str())) {
                found.push(strict.as_str().to_owned());
            }
        }
        for loose in LOOSE.captures_iter(&text) {
            let (Some(whole), Some(prefix), Some(between), Some(number)) =
                (loose.get(0), loose.get(1), loose.get(2), loose.get(3))
            else {
                continue;
            };
            let is_id = self.is_id(prefix.as_str(), between.as_str(), number.as_str());
            let is_known = self.ids.contains(&one_spelling(whole.as_str()))
                || (NUMBERED.is_match(whole.as_str()) && self.alone.contains(number.as_str()));
            if is_id && !is_known && parts.take(&whole.range()) {
                found.push(whole.as_str().to_owned());
            }
        }
        found.extend(self.unknown_numbers(&text, &parts));
        let addresses = ADDRESS.find_iter(&text).map(|found| address(found.as_str()));
        found.extend(addresses.filter(|address| !self.addresses.contains(address)));
        found
    }

    /// Codes, and numbers that a word before them makes ids, outside of what was looked at already.
    fn unknown_numbers(&self, text: &str, parts: &Taken) -> Vec<String> {
        let codes = CODE.find_iter(text).filter(|code| !self.ids.contains(&one_spelling(code.as_str())));
        let mut found: Vec<regex::Match<'_>> = codes.filter(|code| parts.is_free(&code.range())).collect();
        for numbered in NUMBERED.captures_iter(text) {
            let (Some(whole), Some(between), Some(number)) =
                (numbered.get(0), numbered.get(1), numbered.get(2))
            else {
                continue;
            };
            // `order 10-12 pieces` is no id, nor is the price in `delivery: 1327.50 USD`.
            let is_bare = between.as_str().trim().is_empty();
            let is_fine =
                |number: &str| self.numbers.contains(number) || (is_bare && number.len() <= AMOUNT_CHARS_MAX);
            let has_decimals = text.get(whole.end()..).is_some_and(|rest| {
                rest.strip_prefix(['.', ','])
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            });
            let number = number.as_str();
            let is_day = DAY.is_match(number) || DAY_FIRST.is_match(number);
            let is_known = has_decimals || is_day || is_fine(number) || number.split('-').all(is_fine);
            if !is_known && parts.is_free(&whole.range()) {
                found.push(whole);
            }
        }
        found.into_iter().map(|found| found.as_str().to_owned()).collect()
    }

    /// Whether letters and a number after them are an id, or a word and a number.
    fn is_id(&self, prefix: &str, between: &str, number: &str) -> bool {
        let prefix = prefix.to_ascii_uppercase();
        if !self.prefixes.contains(&prefix) && !PREFIXES.contains(&prefix.as_str()) {
            return false;
        }
        let is_apart = between.chars().all(char::is_whitespace) && !between.is_empty();
        let is_long = number.len() >= LONG_NUMBER_CHARS;
        !is_apart || is_long || (prefix.len() > 1 && !WORDS.contains(&prefix.as_str()))
    }
}

/// Whether a field of this name holds what people write: `operatorNote`, `Reason Text`, `comments_2`.
pub(super) fn is_free_text(field: &str) -> bool {
    let mut word = String::new();
    let mut last = String::new();
    let mut was_lower = false;
    for c in field.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && was_lower) {
            last = if word.is_empty() { last } else { std::mem::take(&mut word) };
        }
        if c.is_alphabetic() {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    let last = if word.is_empty() { last } else { word };
    FREE_TEXT.contains(&last.as_str())
}

/// `press 4`, `PRESS-4` and `Press4` are the same id: capitals, and one dash where anything separates.
fn one_spelling(id: &str) -> String {
    let (letters, rest) = id.split_at(id.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(id.len()));
    let number = rest.find(|c: char| c.is_ascii_digit()).filter(|at| {
        let between = rest.get(..*at).unwrap_or_default().to_ascii_lowercase();
        let between: String = between.chars().filter(char::is_ascii_alphabetic).collect();
        ["", "no", "nr", "number"].contains(&between.as_str())
    });
    let rest = number.and_then(|at| rest.get(at..)).unwrap_or_else(|| rest.trim_start_matches(['-', '_']));
    format!("{letters}-{rest}").to_ascii_uppercase().replace('_', "-")
}

/// Without what ends a sentence.
fn address(found: &str) -> String {
    let found = found.trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_', '`', '/']).to_lowercase();
    found.strip_prefix("mailto:").map(str::to_owned).unwrap_or(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named() -> Named {
        let mut named = Named::default();
        for text in ["PRESS-4", "SO-4015-1", "WO005002", "J-1001", "Weld Cell 2", "https://docs.example/a"] {
            named.learn(text);
        }
        named
    }

    #[test]
    fn an_id_is_the_same_in_every_spelling() {
        for known in [
            "press-4",
            "Press 4",
            "PRESS4",
            "PRESS #4",
            "press no. 4",
            "ＰＲＥＳＳ－４",
            "so 4015-1",
            "wo 005002",
        ] {
            assert!(named().unknown(&format!("see {known} today")).is_empty(), "{known}");
        }
    }

    #[test]
    fn ids_that_nobody_named_are_found_in_every_spelling() {
        for unknown in [
            "PO-999",
            "po-999",
            "PO 999",
            "po 999",
            "PO#999",
            "po no. 999",
            "ＰＯ－９９９",
            "press-5",
            "PRESS 5",
            "Press5",
            "so 40-151",
            "SO-401-51",
            "j-1002",
            "WO5002",
        ] {
            let found = named().unknown(&format!("see {unknown} today"));
            assert_eq!(found.len(), 1, "{unknown}: {found:?}");
        }
    }

    #[test]
    fn numbers_after_words_are_no_ids() {
        let text =
            "so 3 jobs move, in 45 minutes, at 14:30, a 12 mm seal, 4-hour stop, shift 2, 20 pieces of 120";
        assert_eq!(named().unknown(text), Vec::<String>::new());
    }

    /// Each id compared with all before it would be a thousand million comparisons here.
    #[test]
    fn a_text_of_many_ids_is_read_once() {
        let text = "PRESS-4, press 4, part 12345, ".repeat(15_000);
        let mut named = named();
        named.learn("12345");
        assert_eq!(named.unknown(&text), Vec::<String>::new());
        let found = named.unknown(&format!("{text}PRESS-5, press 6, part 54321"));
        assert_eq!(found, ["PRESS-5", "press 6", "part 54321"]);
    }

    #[test]
    fn addresses_that_nobody_named_are_found() {
        assert!(named().unknown("see https://docs.example/a.").is_empty());
        for unknown in [
            "https://evil.example/x?d=1",
            "www.evil.example",
            "evil.example/collect",
            "a.b@evil.example",
            "mailto:a.b@evil.example",
            "![x](http://evil.example/p.png)",
            "ｈｔｔｐ：／／evil.example",
        ] {
            assert_eq!(named().unknown(&format!("see {unknown}")).len(), 1, "{unknown}");
        }
    }

    #[test]
    fn fields_that_people_fill_are_known_by_the_last_word_of_their_name() {
        for free in
            ["note", "Notes", "operatorNote", "reason_text", "Problem Description", "comments_2", "free-text"]
        {
            assert!(is_free_text(free), "{free}");
        }
        for structured in ["text_id", "noteCount", "work_center", "messageId", "", "4"] {
            assert!(!is_free_text(structured), "{structured}");
        }
    }
}
