//! Instructions that a model gives away: an answer that repeats a long run of its system message word for word. Nothing
//! is hidden in the message for this: a request is found by its hash, and a word of chance would change it each time.

use super::{answer_path::AnswerPath, dlp::plain};
use serde_json::Value;
use std::collections::HashMap;

/// So many words in a row are no coincidence.
const WORDS_MIN: usize = 12;
/// A word that the instructions do not have.
const OTHER: usize = usize::MAX;

/// Where an answer repeats its instructions, as a JSON pointer. Words do not count that a value of the data put into them;
/// a run goes on from one text of the answer to the next. All three are as the model has them, with its tokens.
pub(in crate::agent) fn repeated(instructions: &str, data: &Value, answer: &Value) -> Option<String> {
    let instructions = readable(instructions);
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut numbered = Vec::new();
    for word in words(&instructions) {
        let next = numbers.len();
        numbered.push(*numbers.entry(word).or_insert(next));
    }
    let ends = ends(&numbered);
    let first_run = |counts: &[bool]| {
        let mut runs =
            Runs { numbers: &numbers, ends: &ends, counts, said: Vec::new(), going: HashMap::new() };
        runs.first(answer, &AnswerPath::Root)
    };
    // The data is long and hardly ever to blame: it is read only when there is something to find.
    first_run(&vec![true; numbered.len()])?;
    first_run(&own(&numbered, &numbers, data))
}

/// Where each passage of so many words ends in the instructions. An answer is looked at passage by passage: a word alone
/// stands in too many places to follow each.
fn ends(instructions: &[usize]) -> HashMap<&[usize], Vec<usize>> {
    let mut ends: HashMap<&[usize], Vec<usize>> = HashMap::new();
    for (start, passage) in instructions.windows(WORDS_MIN).enumerate() {
        ends.entry(passage).or_default().push(start + WORDS_MIN - 1);
    }
    ends
}

/// What an answer has repeated so far.
struct Runs<'a> {
    numbers: &'a HashMap<&'a str, usize>,
    ends: &'a HashMap<&'a [usize], Vec<usize>>,
    /// Which words of the instructions count.
    counts: &'a [bool],
    said: Vec<usize>,
    /// How many words count in the run that ends at a place of the instructions, where the run is long enough to.
    going: HashMap<usize, usize>,
}

impl Runs<'_> {
    /// Where the first run ends that is long enough.
    fn first(&mut self, answer: &Value, at: &AnswerPath<'_>) -> Option<String> {
        match answer {
            Value::Object(fields) => {
                fields.iter().find_map(|(field, value)| self.first(value, &at.field(field)))
            }
            Value::Array(items) => {
                items.iter().enumerate().find_map(|(i, item)| self.first(item, &at.item(i)))
            }
            Value::String(text) => {
                let text = readable(text);
                words(&text).any(|word| self.ends_with(word)).then(|| at.to_string())
            }
            _ => None,
        }
    }

    fn ends_with(&mut self, word: &str) -> bool {
        self.said.push(self.numbers.get(word).copied().unwrap_or(OTHER));
        let from = self.said.len().checked_sub(WORDS_MIN);
        let ends = from.and_then(|from| self.ends.get(self.said.get(from..)?));
        let counted = |place: usize| usize::from(self.counts.get(place).copied().unwrap_or_default());
        let longer: HashMap<usize, usize> = ends
            .into_iter()
            .flatten()
            .map(|end| {
                let before = end.checked_sub(1).and_then(|before| self.going.get(&before));
                let run = match before {
                    Some(run) => run + counted(*end),
                    None => (end + 1 - WORDS_MIN..=*end).map(counted).sum(),
                };
                (*end, run)
            })
            .collect();
        self.going = longer;
        self.going.values().any(|run| *run >= WORDS_MIN)
    }
}

/// Which words of the instructions are no value of the data.
fn own(instructions: &[usize], numbers: &HashMap<&str, usize>, data: &Value) -> Vec<bool> {
    let mut places: HashMap<usize, Vec<usize>> = HashMap::new();
    for (place, word) in instructions.iter().enumerate() {
        places.entry(*word).or_default().push(place);
    }
    let mut own = vec![true; instructions.len()];
    each_text(data, &mut |text: &str| {
        let text = readable(text);
        let value: Option<Vec<usize>> = words(&text).map(|word| numbers.get(word).copied()).collect();
        let Some(value) = value else { return };
        let starts = value.first().and_then(|first| places.get(first));
        for start in starts.into_iter().flatten() {
            let part = *start..start + value.len();
            if instructions.get(part.clone()) == Some(value.as_slice())
                && let Some(part) = own.get_mut(part)
            {
                part.fill(false);
            }
        }
    });
    own
}

fn each_text(value: &Value, tell: &mut dyn FnMut(&str)) {
    match value {
        Value::Object(fields) => fields.values().for_each(|value| each_text(value, tell)),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, tell)),
        Value::String(text) => tell(text),
        _ => {}
    }
}

/// Neither case nor letters that only look alike make another word.
fn readable(text: &str) -> String {
    plain(text).to_lowercase()
}

/// Letters and digits alone: neither spaces nor marks make another word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PROMPT: &str = "You help the maintenance people of Plant Nine Press Shop North Hall Two to judge a stop.\n\
        - how severe it is: `high` when tier A orders are at risk; - the likely cause, in a few words.";

    fn found(answer: &Value) -> Option<String> {
        repeated(PROMPT, &json!({}), answer)
    }

    #[test]
    fn twelve_words_of_the_instructions_in_a_row_are_found_where_they_stand() {
        let said = "how severe it is high when tier A orders are at risk";
        assert_eq!(found(&json!({"cause": "a seal", "summary": said})), Some("/summary".to_owned()));
        assert_eq!(found(&json!({"evidence": ["WO1", said]})), Some("/evidence/1".to_owned()));
        let eleven = said.split_once(' ').unwrap().1;
        assert_eq!(found(&json!({"summary": eleven})), None);
        let broken = said.replace("tier", "class");
        assert_eq!(found(&json!({"summary": broken})), None);
    }

    #[test]
    fn another_case_other_spaces_and_marks_do_not_hide_them() {
        for said in [
            "HOW  SEVERE\nIT IS: **HIGH** WHEN TIER-A ORDERS ARE AT RISK",
            "ｈｏｗ severe it is, high, when tier A orders are at risk",
        ] {
            assert_eq!(found(&json!([said])), Some("/0".to_owned()), "{said}");
        }
    }

    /// Who gives it away in pieces gives it away.
    #[test]
    fn a_run_goes_on_in_the_next_text() {
        let pieces = json!(["how severe it is", "high when tier A", "orders are at risk"]);
        assert_eq!(found(&pieces), Some("/2".to_owned()));
    }

    #[test]
    fn words_that_the_data_put_there_do_not_count() {
        let said =
            json!({"summary": "the maintenance people of Plant Nine Press Shop North Hall Two to judge"});
        assert_eq!(found(&said), Some("/summary".to_owned()));
        let data = json!({"site": {"name": "Plant Nine", "hall": "Press Shop North Hall Two"}});
        assert_eq!(repeated(PROMPT, &data, &said), None);
        // Words that the data has elsewhere, or in another order, hide nothing.
        let salad = json!({"note": "Two Hall North Shop Press Nine Plant of people maintenance the"});
        assert_eq!(repeated(PROMPT, &salad, &said), Some("/summary".to_owned()));
    }

    #[test]
    fn a_run_goes_on_over_words_of_the_data_and_is_found_where_enough_of_its_own_are_said() {
        let data = json!(["Plant Nine", "Press Shop North Hall Two"]);
        let said = |to: &str| {
            let text = PROMPT.split_once(to).unwrap().0;
            repeated(PROMPT, &data, &json!([text, to]))
        };
        // Eight of its own stand before the last, seven are the data's.
        assert_eq!(said("judge"), None);
        assert_eq!(said("severe"), Some("/1".to_owned()));
    }

    /// What is looked at is bounded by what was said, not by how often the instructions have a passage, nor by how long
    /// the names of its fields are: either would take minutes here.
    #[test]
    fn an_answer_of_a_megabyte_is_read_once() {
        let prompt: String = (0..2_000).map(|n| format!("the w{n} ")).collect();
        let mut answer = json!({"all": "the ".repeat(100_000)});
        answer["n".repeat(300_000)] = json!(vec!["the"; 40_000]);
        assert_eq!(repeated(&prompt, &json!({}), &answer), None);
        let data = json!({"known": "w1000 the w1001 the"});
        let part = "the w998 the w999 the w1000 the w1001 the w1002 the w1003 the ";
        answer["part"] = json!(part.repeat(5_000));
        assert_eq!(repeated(&prompt, &data, &answer), None);
        answer["end"] = json!(format!("{part} w1004 the w1005 the"));
        assert_eq!(repeated(&prompt, &data, &answer), Some("/end".to_owned()));
    }

    #[test]
    fn short_instructions_and_other_answers_are_no_finding() {
        assert_eq!(
            repeated("Say how bad it is.", &json!({}), &json!("Say how bad it is. ".repeat(20))),
            None
        );
        assert_eq!(found(&json!({"summary": "PRESS-4 stopped: hydraulic pressure lost.", "n": 4})), None);
    }
}
