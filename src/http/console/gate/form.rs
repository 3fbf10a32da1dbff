//! The fields of a `form` question: as HTML inputs that need no script, and back to typed values.

use super::{super::number, answer::Typed};
use crate::{
    http::auth::Fields,
    workflow::form::{self, Field, FieldKind},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

#[derive(Debug, Serialize)]
pub(super) struct Input {
    /// Name of the form's field: `field.scrap_pieces`.
    name: String,
    title: String,
    help: Option<String>,
    required: bool,
    /// `text`, `long`, `choice`, `number`, `yes_no`, `date`.
    kind: &'static str,
    value: String,
    checked: bool,
    words: Vec<Word>,
    min: Option<f64>,
    max: Option<f64>,
    max_length: Option<u64>,
    step: &'static str,
}

#[derive(Debug, Serialize)]
struct Word {
    word: String,
    chosen: bool,
}

/// The inputs to show, with what was typed before.
pub(super) fn inputs(schema: Option<&Value>, typed: &Typed) -> Vec<Input> {
    let fields = schema.map(form::fields_of).and_then(Result::ok).unwrap_or_default();
    fields.into_iter().map(|field| input(field, typed)).collect()
}

fn input(field: Field, typed: &Typed) -> Input {
    let name = format!("field.{}", field.name);
    let value = typed.of(&name).unwrap_or_default().to_owned();
    let mut input = Input {
        title: field.title,
        help: field.help,
        required: field.required,
        kind: "text",
        checked: typed.of(&name).is_some(),
        words: Vec::new(),
        min: None,
        max: None,
        max_length: None,
        step: "any",
        value,
        name,
    };
    match field.kind {
        FieldKind::Text { long, max } => {
            (input.kind, input.max_length) = (if long { "long" } else { "text" }, max);
        }
        FieldKind::OneOf { words } => {
            input.kind = "choice";
            let word = |word: String| Word { chosen: word == input.value, word };
            input.words = words.into_iter().map(word).collect();
        }
        FieldKind::Number { whole, min, max } => {
            (input.kind, input.min, input.max) = ("number", min, max);
            input.step = if whole { "1" } else { "any" };
        }
        FieldKind::YesNo => input.kind = "yes_no",
        FieldKind::Date => input.kind = "date",
    }
    input
}

/// What was filled in. A number that is none stays a text: the policy says so in words.
pub(super) fn read(sent: &Fields, schema: &Value) -> Value {
    let mut filled = Map::new();
    for field in form::fields_of(schema).unwrap_or_default() {
        let name = format!("field.{}", field.name);
        let value = match (&field.kind, sent.text(&name)) {
            (FieldKind::YesNo, _) => Some(Value::Bool(sent.get(&name).is_some())),
            (_, None) => None,
            (FieldKind::Number { whole: true, .. }, Some(text)) => {
                Some(text.parse::<i64>().map_or_else(|_| json!(text), Value::from))
            }
            (FieldKind::Number { .. }, Some(text)) => {
                Some(number::read(&text).map_or_else(|_| json!(text), Value::from))
            }
            (_, Some(text)) => Some(json!(text.replace("\r\n", "\n"))),
        };
        filled.extend(value.map(|value| (field.name.clone(), value)));
    }
    Value::Object(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_what_the_schema_says() {
        let schema = json!({ "type": "object", "required": ["pieces"], "properties": {
            "pieces": { "type": "integer" }, "rate": { "type": "number" }, "stop": { "type": "boolean" },
            "note": { "type": "string" }, "on": { "type": "string", "format": "date" },
        } });
        let sent = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            read(&Fields(pairs.collect()), &schema)
        };
        assert_eq!(
            sent(&[("field.pieces", "12"), ("field.rate", "0,5"), ("field.stop", "on"), ("field.note", " ")]),
            json!({ "pieces": 12, "rate": 0.5, "stop": true })
        );
        assert_eq!(sent(&[("field.rate", "1,500")]), json!({ "rate": "1,500", "stop": false }));
        assert_eq!(sent(&[("field.pieces", "12x")]), json!({ "pieces": "12x", "stop": false }));
    }
}
