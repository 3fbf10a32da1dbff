//! What a text may hold. A journal: PostgreSQL's JSON holds no NUL character, and a reader of ours stops at 128
//! levels. Whatever a model or a tool wrote must not make a run unreadable. And nothing
//! that a reader cannot see: it hides words from those who look for them.

use serde_json::{Map, Value};
use std::borrow::Cow;

const MODEL_NAME_LENGTH_MAX: usize = 100;
/// Levels of one value; a note of the journal may have 64, with what stands around it.
const DEPTH_MAX: usize = 48;
/// Of a field's name in what is said of an answer.
pub(super) const FIELD_CHARS_MAX: usize = 64;
/// Of a value that is quoted to whom it came from.
pub(super) const QUOTED_CHARS_MAX: usize = 200;

/// Without characters that people cannot see.
pub fn visible(text: &str) -> String {
    let invisible = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
                | '\u{3164}' | '\u{ffa0}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e01ef}')
    };
    text.chars().filter(|c| !invisible(*c)).collect()
}

/// A server names itself, and the name stands on cards: nothing in it may be a link, a mark or a sentence.
pub fn is_model_name(text: &str) -> bool {
    text.len() <= MODEL_NAME_LENGTH_MAX
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/@+".contains(c))
        && !text.contains("//")
}

pub(super) fn storable_text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A part of an answer as it is quoted: whole, or only its size. Who masks what is quoted does not know the half of a name.
pub(super) fn quotable(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.chars().nth(chars_max) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(format!("({} bytes)", text.len())),
    }
}

pub fn storable(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::from(storable_text(&text)),
        Value::Array(items) => items.into_iter().map(storable).collect(),
        Value::Object(fields) => {
            let fields: Map<String, Value> = fields
                .into_iter()
                .map(|(name, value)| match name.contains('\0') {
                    true => (storable_text(&name), storable(value)),
                    false => (name, storable(value)),
                })
                .collect();
            Value::Object(fields)
        }
        scalar => scalar,
    }
}

/// Says so when a value is nested deeper than a journal can hold.
pub fn too_deep(value: &Value) -> Option<String> {
    exceeds(value, DEPTH_MAX).then(|| format!("it is nested more than {DEPTH_MAX} levels deep"))
}

fn exceeds(value: &Value, left: usize) -> bool {
    let inner = |value: &Value| match left.checked_sub(1) {
        None => true,
        Some(left) => exceeds(value, left),
    };
    match value {
        Value::Array(items) => items.iter().any(inner),
        Value::Object(fields) => fields.values().any(inner),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_models_are_told_from_what_else_a_server_may_say() {
        for name in
            ["small-2026-09-01", "meta-llama/Llama-3.1-8B", "ft:small:plant::Ab1", "m:8b-Q4_K_M", "7b"]
        {
            assert!(is_model_name(name), "{name}");
        }
        let long = "m".repeat(MODEL_NAME_LENGTH_MAX + 1);
        for text in [
            "",
            "approved by Mia Novak",
            "<b>m</b>",
            "*m*",
            "m\n",
            "https://example.com/x",
            "[m](x)",
            "m\u{202e}",
            "mš",
            "-m",
            long.as_str(),
        ] {
            assert!(!is_model_name(text), "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_to_be_quoted_is_told_by_its_size() {
        for (text, quoted) in [("Müller", "Müller"), ("Müllers", "(8 bytes)"), ("", "")] {
            assert_eq!(quotable(text, 6), quoted);
        }
    }

    #[test]
    fn depth_is_counted_and_flat_values_pass() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(too_deep(&nested(DEPTH_MAX)), None);
        assert!(too_deep(&nested(DEPTH_MAX + 1)).is_some());
        assert_eq!(too_deep(&json!({"a": [1, 2, {"b": "c"}]})), None);
    }
}
