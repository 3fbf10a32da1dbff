//! Instructions that a model gives away: an answer that repeats a long run of its system message word for word. Nothing
//! is hidden in the message for this: a request is found by its hash, and a word of chance would change it each time.

use super::dlp::plain;
use serde_json::Value;
use std::collections::HashMap;

/// So many words in a row are no coincidence.
const WORDS_MIN: usize = 12;

/// Where an answer repeats its instructions, as a JSON pointer. Words do not count that a value of the data put into them;
/// a run goes on from one text of the answer to the next.
pub(in crate::agent) fn repeated(instructions: &str, data: &Value, answer: &Value) -> Option<String> {
    let instructions = words(instructions);
    let places = places(&instructions);
    let mut texts = Vec::new();
    collect(answer, "", &mut texts);
    let texts: Vec<(String, Vec<String>)> = texts.into_iter().map(|(at, text)| (at, words(text))).collect();
    // The data is long and hardly ever to blame: it is read only when there is something to find.
    first_run(&places, &vec![true; instructions.len()], &texts)?;
    first_run(&places, &own(&instructions, &places, data), &texts)
}

/// Where the first run ends that is long enough. `counts` says which words of the instructions count.
fn first_run(
    places: &HashMap<&str, Vec<usize>>,
    counts: &[bool],
    texts: &[(String, Vec<String>)],
) -> Option<String> {
    // How many words count in the run that ends at a place of the instructions.
    let mut runs: HashMap<usize, usize> = HashMap::new();
    for (at, text) in texts {
        for word in text {
            let here = places.get(word.as_str()).into_iter().flatten().copied();
            let longer: HashMap<usize, usize> = here
                .map(|place| {
                    let before = place.checked_sub(1).and_then(|before| runs.get(&before));
                    let counted = counts.get(place).copied().unwrap_or_default();
                    (place, before.copied().unwrap_or(0) + usize::from(counted))
                })
                .collect();
            if longer.values().any(|run| *run >= WORDS_MIN) {
                return Some(at.clone());
            }
            runs = longer;
        }
    }
    None
}

/// Which words of the instructions are no value of the data.
fn own(instructions: &[String], places: &HashMap<&str, Vec<usize>>, data: &Value) -> Vec<bool> {
    let mut own = vec![true; instructions.len()];
    let mut values = Vec::new();
    collect(data, "", &mut values);
    for (_, value) in values {
        let value = words(value);
        let starts = value.first().and_then(|first| places.get(first.as_str()));
        for start in starts.into_iter().flatten() {
            let part = *start..start + value.len();
            if instructions.get(part.clone()) == Some(value.as_slice())
                && let Some(part) = own.get_mut(part)
            {
                part.fill(false);
            }
        }
    }
    own
}

fn places(words: &[String]) -> HashMap<&str, Vec<usize>> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, word) in words.iter().enumerate() {
        places.entry(word).or_default().push(place);
    }
    places
}

/// Every text of a value, with where it stands.
fn collect<'v>(value: &'v Value, at: &str, found: &mut Vec<(String, &'v str)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                collect(value, &format!("{at}/{field}"), found);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                collect(item, &format!("{at}/{i}"), found);
            }
        }
        Value::String(text) => found.push((at.to_owned(), text.as_str())),
        _ => {}
    }
}

/// Letters and digits alone: neither case nor spaces, marks or letters that only look alike make another word.
fn words(text: &str) -> Vec<String> {
    let text = plain(text).to_lowercase();
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
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
    fn short_instructions_and_other_answers_are_no_finding() {
        assert_eq!(
            repeated("Say how bad it is.", &json!({}), &json!("Say how bad it is. ".repeat(20))),
            None
        );
        assert_eq!(found(&json!({"summary": "PRESS-4 stopped: hydraulic pressure lost.", "n": 4})), None);
    }
}
