//! What a sentence claims, in a field whose schema says `x-takt-grounded: true`: its numbers, and names of several
//! words. Each must stand in a structured field of what the run was told. Other sentences are not looked at: a
//! number in them may be a sum, and a model may count.

use super::regex;
use regex::Regex;
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashSet},
    sync::LazyLock,
};

/// Schema keyword of a string whose numbers and names must be facts.
pub(super) const GROUNDED: &str = "x-takt-grounded";

/// Smaller ones count things in the sentence itself.
const NUMBER_MIN: f64 = 10.0;

static NUMBER: LazyLock<Regex> = LazyLock::new(|| regex(r"\d+(?:[.,]\d+)*"));
static NAME: LazyLock<Regex> = LazyLock::new(|| regex(r"\p{Lu}\p{Ll}+(?:[ \-]\p{Lu}\p{Ll}+)+"));

/// Numbers and words of structured fields.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    numbers: HashSet<String>,
    texts: Vec<String>,
}

impl Facts {
    pub(super) fn learn_number(&mut self, number: f64) {
        self.numbers.insert(number.to_string());
    }

    pub(super) fn learn_text(&mut self, text: &str) {
        self.numbers
            .extend(NUMBER.find_iter(text).filter_map(|found| read(found.as_str())).map(|n| n.to_string()));
        if text.contains(' ') || text.contains('-') {
            self.texts.push(text.to_lowercase());
        }
    }

    /// One sentence for each claim that is no fact.
    pub(super) fn unproven(&self, answer: &Value, schema: &Value, at: &str, found: &mut BTreeSet<String>) {
        let (Some(text), Some(Value::Bool(true))) = (answer.as_str(), schema.get(GROUNDED)) else { return };
        for number in NUMBER.find_iter(text).map(|found| found.as_str()) {
            let value = read(number).filter(|value| *value >= NUMBER_MIN);
            if value.is_some_and(|value| !self.numbers.contains(&value.to_string())) {
                found.insert(format!("{at}: {number} is not in the data"));
            }
        }
        for name in NAME.find_iter(text).map(|found| found.as_str()) {
            // The first word may only begin the sentence.
            let rest = name.split_once([' ', '-']).map_or(name, |(_, rest)| rest);
            if !self.says(name) && !self.says(rest) {
                found.insert(format!("{at}: `{name}` is not in the data"));
            }
        }
    }

    fn says(&self, words: &str) -> bool {
        let words = words.to_lowercase();
        self.texts.iter().any(|text| text.contains(&words))
    }
}

/// `1,250` and `1250`, `3.50` and `3.5` are the same number. A comma stands before thousands.
fn read(number: &str) -> Option<f64> {
    number.replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn unproven(text: &str) -> Vec<String> {
        let mut facts = Facts::default();
        facts.learn_number(1250.0);
        facts.learn_text("stands since 14:30 at Hydraulic Press 4, line North-East");
        let mut found = BTreeSet::new();
        facts.unproven(&json!(text), &json!({ (GROUNDED): true }), "/summary", &mut found);
        found.into_iter().collect()
    }

    #[test]
    fn numbers_and_names_of_a_grounded_sentence_must_be_facts() {
        assert!(unproven("1,250 pieces late, Hydraulic Press 4 down since 14:30, 3 jobs move").is_empty());
        assert_eq!(unproven("1260 pieces"), ["/summary: 1260 is not in the data"]);
        assert_eq!(unproven("let John Smith know"), ["/summary: `John Smith` is not in the data"]);
        assert!(unproven("Ask Hydraulic Press 4").is_empty());
    }

    #[test]
    fn other_sentences_are_not_looked_at() {
        let mut found = BTreeSet::new();
        Facts::default().unproven(&json!("9999 by John Smith"), &json!({}), "", &mut found);
        assert!(found.is_empty());
    }
}
