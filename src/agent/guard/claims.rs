//! What a field claims whose schema says `x-takt-grounded`: a number, a date, and names of several words. With `true`
//! each must stand in what the run was told; with `"numbers"` names are left out. Other fields are not looked at: a
//! number in them may be a sum, and a model may count.

use super::super::text::{QUOTED_CHARS_MAX, quotable};
use super::{answer_path::AnswerPath, findings::Findings, phrases::Phrases, regex};
use regex::Regex;
use serde_json::{Number, Value};
use std::{
    collections::HashSet,
    sync::{LazyLock, OnceLock},
};

/// Schema keyword of a number, or of a text whose numbers, dates and names must be facts.
pub(super) const GROUNDED: &str = "x-takt-grounded";
/// Its value where a text may name what it likes: a mail begins with a greeting.
const NUMBERS: &str = "numbers";

/// Smaller ones without a unit count things in the sentence itself.
const NUMBER_MIN: f64 = 10.0;
/// Nobody counts more by reading.
const COUNT_MAX: usize = 99;
/// More digits than a binary fraction has.
const DECIMALS_MAX: usize = 15;
/// More than the longest unit has, with what stands around it.
const UNIT_CHARS_MAX: usize = 12;

static NUMBER: LazyLock<Regex> = LazyLock::new(|| regex(r"\d+(?:[.,]\d+)*"));
static TIME: LazyLock<Regex> = LazyLock::new(|| regex(r"\b\d{1,2}:\d{2}(?::\d{2})?\b"));
static NAME: LazyLock<Regex> = LazyLock::new(|| regex(r"\p{Lu}\p{Ll}+(?:[ \-]\p{Lu}\p{Ll}+)+"));
/// A day, and with it the time that is written behind it.
static DAY: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\b(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s?Z\b|\s?[+\-]\d{2}:?\d{2}\b)?|\b)",
    )
});
/// What makes a number a measure, whatever its size.
static UNIT_AFTER: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"(?i)^[\s\-]?(?:%|°|€|(?:USD|EUR|GBP|CHF|dollars?|euros?|percent|s|secs?|seconds?|min|mins|minutes?|h|hrs?",
        r"|hours?|d|days?|weeks?|months?|pcs?|pieces?|units?|kg|g|t|tons?|mm|cm|m|l|lit(?:er|re)s?|bar|psi|kPa|MPa|kN",
        r"|kWh?|rpm|ppm)\b)",
    ))
});
static UNIT_BEFORE: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)(?:[$€£]|\b(?:USD|EUR|GBP|CHF))\s?$"));

/// What structured fields and sentences told.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Numbers of structured fields.
    numbers: Numbers,
    /// Numerals that only a sentence, an id or a date holds: a sentence may repeat them, a number may not be one.
    told: Numbers,
    days: HashSet<String>,
    /// In lower case.
    texts: Vec<String>,
    /// Length of the longest list.
    items: usize,
}

/// Numbers that were told.
#[derive(Debug, Clone, Default)]
struct Numbers {
    bits: HashSet<u64>,
    /// In order, once the first of an answer is looked for.
    sorted: OnceLock<Vec<f64>>,
}

impl Numbers {
    fn insert(&mut self, number: f64) {
        if self.bits.insert(bits(number)) {
            self.sorted = OnceLock::new();
        }
    }

    /// Whether a value is one of these, or one of them rounded to as many decimals as it is written with.
    fn has_rounded(&self, value: f64, decimals: usize) -> bool {
        if self.bits.contains(&bits(value)) {
            return true;
        }
        let scale = 10f64.powi(i32::try_from(decimals).unwrap_or_default());
        let rounded = |number: f64| (number * scale).round();
        let written = rounded(value);
        let sorted = self.sorted.get_or_init(|| {
            let mut sorted: Vec<f64> = self.bits.iter().copied().map(f64::from_bits).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            sorted
        });
        // Rounding keeps the order, so that the first that is not rounded to less is the only one to look at.
        let first = sorted.partition_point(|number| rounded(*number) < written);
        sorted.get(first).is_some_and(|number| (rounded(*number) - written).abs() < 0.5)
    }
}

impl Facts {
    pub(super) fn learn_number(&mut self, number: f64) {
        self.numbers.insert(number);
        self.numbers.insert(number.abs());
    }

    pub(super) fn learn_list(&mut self, length: usize) {
        self.items = self.items.max(length);
        self.told.insert(length as f64);
    }

    /// The text of a field that names or measures something.
    pub(super) fn learn_text(&mut self, text: &str) {
        let rest = self.learn_days(text);
        for found in NUMBER.find_iter(&rest) {
            let Some(number) = read(found.as_str()) else { continue };
            let before = rest.get(..found.start()).and_then(|before| before.chars().next_back());
            match before {
                None | Some(' ' | '$' | '€' | '£' | '(' | '=' | '~') => self.numbers.insert(number),
                Some(_) => self.told.insert(number),
            };
        }
        if text.contains(' ') || text.contains('-') {
            self.texts.push(text.to_lowercase());
        }
    }

    /// A sentence of a field that is not for notes.
    pub(super) fn learn_sentence(&mut self, text: &str) {
        let rest = self.learn_days(text);
        NUMBER.find_iter(&rest).filter_map(|found| read(found.as_str())).for_each(|n| self.told.insert(n));
        self.texts.push(text.to_lowercase());
    }

    /// Gives the text without its days.
    fn learn_days(&mut self, text: &str) -> String {
        self.days.extend(days(text).map(str::to_owned));
        let parts = DAY.find_iter(text).flat_map(|day| NUMBER.find_iter(day.as_str()));
        parts.filter_map(|part| read(part.as_str())).for_each(|number| self.told.insert(number));
        DAY.replace_all(text, " ").into_owned()
    }

    /// Looks at one value, as its schema says; its names are another matter.
    pub(super) fn look(&self, answer: &Value, schema: &Value, at: &AnswerPath<'_>, findings: &mut Findings) {
        let grounded = schema.get(GROUNDED);
        if grounded != Some(&Value::Bool(true)) && grounded.and_then(Value::as_str) != Some(NUMBERS) {
            return;
        }
        match answer {
            Value::Number(number) if !self.is_measured(number) => findings.add_absent(at, number),
            Value::String(text) => self.numerals(text, at, findings),
            _ => {}
        }
    }

    /// Those of an answer's names that are no facts. They are looked for all at once.
    pub(super) fn unproven<'a>(&self, mut names: HashSet<&'a str>) -> HashSet<&'a str> {
        if names.is_empty() {
            return names;
        }
        let mut phrases = Phrases::default();
        names.iter().flat_map(|name| ways(name)).for_each(|way| phrases.add(&way));
        let said = phrases.find(&self.texts);
        names.retain(|name| !ways(name).iter().any(|way| said.has(way)));
        names
    }

    /// Whether a number is one of the data, or counts what is there.
    fn is_measured(&self, number: &Number) -> bool {
        let Some(value) = number.as_f64() else { return false };
        let decimals = decimals(&value.to_string());
        value == 1.0 || self.is_count(value) || self.numbers.has_rounded(value, decimals)
    }

    fn numerals(&self, text: &str, at: &AnswerPath<'_>, findings: &mut Findings) {
        days(text).filter(|day| !self.days.contains(*day)).for_each(|day| findings.add_absent(at, day));
        let rest = DAY.replace_all(text, " ");
        // A time of day may be told in another zone than it was given.
        let rest = TIME.replace_all(&rest, " ");
        for numeral in NUMBER.find_iter(&rest) {
            let (before, after) = (rest.get(..numeral.start()), rest.get(numeral.end()..));
            let unit = UNIT_AFTER.find(first_chars(after.unwrap_or_default())).map(|unit| unit.as_str());
            let has_unit = unit.is_some() || UNIT_BEFORE.is_match(last_chars(before.unwrap_or_default()));
            let is_percent = unit.is_some_and(|unit| unit.ends_with('%'));
            if !self.is_told(numeral.as_str(), has_unit, is_percent) {
                findings.add_absent(at, quotable(numeral.as_str(), QUOTED_CHARS_MAX));
            }
        }
    }

    fn is_told(&self, numeral: &str, has_unit: bool, is_percent: bool) -> bool {
        let Some(value) = read(numeral) else { return true };
        let decimals = decimals(numeral);
        let counts = if has_unit { value <= 1.0 && decimals == 0 } else { value < NUMBER_MIN };
        let is = |value, decimals| {
            self.numbers.has_rounded(value, decimals) || self.told.has_rounded(value, decimals)
        };
        counts
            || (!has_unit && self.is_count(value))
            || is(value, decimals)
            || (is_percent && is(value / 100.0, decimals + 2))
    }

    /// Whether so many may be counted in the lists of the data.
    fn is_count(&self, value: f64) -> bool {
        value.fract() == 0.0 && (0.0..=self.items.min(COUNT_MAX) as f64).contains(&value)
    }
}

/// The names in one value that must be facts, as its schema says.
pub(super) fn names_in<'a>(answer: &'a Value, schema: &Value) -> impl Iterator<Item = &'a str> + use<'a> {
    let is_grounded = schema.get(GROUNDED) == Some(&Value::Bool(true));
    let text = answer.as_str().filter(|_| is_grounded);
    text.into_iter().flat_map(|text| NAME.find_iter(text)).map(|found| found.as_str())
}

/// A name, and without its first word, which may only begin the sentence.
fn ways(name: &str) -> [String; 2] {
    let rest = name.split_once([' ', '-']).map_or(name, |(_, rest)| rest);
    [name, rest].map(str::to_lowercase)
}

fn days(text: &str) -> impl Iterator<Item = &str> {
    DAY.captures_iter(text).filter_map(|found| found.get(1)).map(|day| day.as_str())
}

/// `1,250` and `1250`, `3.50` and `3.5` are the same number. A comma stands before thousands.
fn read(number: &str) -> Option<f64> {
    number.replace(',', "").parse().ok()
}

/// Both zeros are one number.
fn bits(number: f64) -> u64 {
    (number + 0.0).to_bits()
}

fn decimals(number: &str) -> usize {
    number.split_once('.').map_or(0, |(_, decimals)| decimals.len()).min(DECIMALS_MAX)
}

/// A regular expression that is tied to the end, or that asks for the end of a word, may read all that it is given.
fn last_chars(text: &str) -> &str {
    let from = text.char_indices().rev().nth(UNIT_CHARS_MAX - 1).map_or(0, |(from, _)| from);
    text.get(from..).unwrap_or(text)
}

fn first_chars(text: &str) -> &str {
    let to = text.char_indices().nth(UNIT_CHARS_MAX).map_or(text.len(), |(to, _)| to);
    text.get(..to).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts() -> Facts {
        let mut facts = Facts::default();
        for number in [1250.0, 2.609_722, 0.874, 190.0] {
            facts.learn_number(number);
        }
        facts.learn_list(12);
        facts.learn_text("stands since 14:30 at Hydraulic Press 4, line North-East");
        facts.learn_text("PO-7705");
        facts.learn_text("1327 USD");
        facts.learn_text("2026-11-30T14:10:00Z");
        facts.learn_sentence("The second source would bridge the gap of 345 pieces, they say, within 8 days");
        facts
    }

    fn told(facts: &Facts, answers: &[Value], schema: &Value) -> Vec<String> {
        let at = AnswerPath::Field(&AnswerPath::Root, "it");
        let (mut findings, mut names) = (Findings::default(), HashSet::new());
        for answer in answers {
            facts.look(answer, schema, &at, &mut findings);
            names.extend(names_in(answer, schema));
        }
        facts.unproven(names).into_iter().for_each(|name| findings.add_absent(&at, format!("`{name}`")));
        findings.into_vec()
    }

    fn found(answer: Value, keyword: &Value) -> Vec<String> {
        told(&facts(), &[answer], &json!({ (GROUNDED): keyword }))
    }

    fn unproven(text: &str) -> Vec<String> {
        found(json!(text), &json!(true))
    }

    #[test]
    fn numbers_and_names_of_a_grounded_sentence_must_be_facts() {
        assert!(unproven("1,250 pieces late, Hydraulic Press 4 down since 14:30, 3 jobs move").is_empty());
        assert_eq!(unproven("1260 pieces"), ["/it: 1260 is not in the data"]);
        assert_eq!(unproven("let John Smith know"), ["/it: `John Smith` is not in the data"]);
        assert!(unproven("Ask Hydraulic Press 4").is_empty());
        assert_eq!(
            found(json!("Dear John Smith, 1260"), &json!("numbers")),
            ["/it: 1260 is not in the data"]
        );
    }

    #[test]
    fn a_measure_is_a_claim_whatever_its_size() {
        for told in [
            "2.6 days short",
            "2.61 days",
            "3 days",
            "87 % on time",
            "87.4% on time",
            "1327 USD",
            "$1,327",
            "345 pieces",
            "8 days",
            "0 min",
            "1 day",
            "9 of 12 jobs",
            "11 jobs",
        ] {
            assert_eq!(unproven(told), Vec::<String>::new(), "{told}");
        }
        for (invented, what) in [
            ("6 days short", "6"),
            ("a 5-hour stop", "5"),
            ("2.7 days", "2.7"),
            ("88 %", "88"),
            ("USD 7", "7"),
            ("7 €", "7"),
            ("13 jobs", "13"),
            ("7706", "7706"),
        ] {
            assert_eq!(unproven(invented), [format!("/it: {what} is not in the data")], "{invented}");
        }
    }

    #[test]
    fn a_day_is_one_day_however_its_time_is_written() {
        for told in ["2026-11-30", "on 2026-11-30.", "2026-11-30T14:10:00Z", "2026-11-30T08:10:00-06:00"] {
            assert_eq!(unproven(told), Vec::<String>::new(), "{told}");
        }
        assert_eq!(unproven("2026-11-29T14:10:00Z"), ["/it: 2026-11-29 is not in the data"]);
    }

    #[test]
    fn a_grounded_number_is_one_of_the_data() {
        for (number, is_fact) in [
            (json!(1250), true),
            (json!(1250.0), true),
            (json!(2.61), true),
            (json!(2.609_722), true),
            (json!(3), true),
            (json!(1327), true),
            (json!(0), true),
            (json!(12), true),
            (json!(13), false),
            (json!(1251), false),
            (json!(-1250), false),
            (json!(2.7), false),
            (json!(600_000), false),
            // Only in an id, a date, or a sentence.
            (json!(7705), false),
            (json!(2026), false),
            (json!(345), false),
        ] {
            assert_eq!(found(number.clone(), &json!(true)).is_empty(), is_fact, "{number}");
        }
    }

    #[test]
    fn other_fields_are_not_looked_at() {
        let answers = [json!("9999 by John Smith"), json!(9999)];
        for schema in [json!({}), json!({ (GROUNDED): false })] {
            assert_eq!(told(&Facts::default(), &answers, &schema), Vec::<String>::new());
        }
    }

    /// By looking at each.
    fn is_rounded_one(numbers: &[f64], value: f64, decimals: usize) -> bool {
        let scale = 10f64.powi(i32::try_from(decimals).unwrap());
        let is_same = |number: &f64| ((number * scale).round() - (value * scale).round()).abs() < 0.5;
        numbers.iter().any(|number| *number == value || is_same(number))
    }

    #[test]
    fn a_rounded_number_is_found_among_its_neighbours() {
        let known = [-3.5, -0.04, 0.0, 0.05, 0.874, 2.5, 2.609_722, 1250.0, 9.007_199_254_740_992e15, 1e300];
        let mut numbers = Numbers::default();
        assert!(!numbers.has_rounded(0.0, 0));
        known.iter().for_each(|number| numbers.insert(*number));
        for value in [-4.0, -3.5, -3.0, 0.0, 0.1, 0.9, 0.87, 1.0, 2.0, 2.6, 3.0, 1249.6, 1250.0, 1e16, 1e300]
        {
            for decimals in [0, 1, 2, 15, 17] {
                let wanted = is_rounded_one(&known, value, decimals);
                assert_eq!(numbers.has_rounded(value, decimals), wanted, "{value} with {decimals} decimals");
            }
        }
        // What is told later is found, too.
        numbers.insert(77.0);
        assert!(
            numbers.has_rounded(77.0, 0) && numbers.has_rounded(77.4, 0) && !numbers.has_rounded(78.0, 0)
        );
    }

    /// Letters that make another word for each number.
    fn word(mut number: usize) -> String {
        let mut word = String::from("B");
        for _ in 0..4 {
            word.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
            number /= 26;
        }
        word
    }

    /// Each claim compared with each fact would be thousands of millions of comparisons here.
    #[test]
    fn a_large_answer_is_held_against_as_much_data() {
        let mut facts = Facts::default();
        for number in 0..100_000_u32 {
            facts.learn_number(f64::from(number) + 1000.26);
        }
        (0..20_000)
            .for_each(|number| facts.learn_text(&format!("Press {} of {}", word(number), word(number + 1))));
        let numbers: String = (0..50_000).map(|number| format!("{}.3 é ", number + 1000)).collect();
        let names: String = (0..20_000).map(|number| format!("Press {}, ", word(number))).collect();
        let texts = [json!(numbers), json!(names), json!("999.7 by Press Zork")];
        let found = told(&facts, &texts, &json!({ (GROUNDED): true }));
        assert_eq!(found, ["/it: 999.7 is not in the data", "/it: `Press Zork` is not in the data"]);
    }

    #[test]
    fn as_much_is_read_before_a_number_as_behind_it() {
        let text = "é".repeat(40);
        for part in [first_chars(&text), last_chars(&text)] {
            assert_eq!(part.chars().count(), UNIT_CHARS_MAX);
        }
        assert_eq!((first_chars("USD"), last_chars("USD"), last_chars("")), ("USD", "USD", ""));
    }
}
