//! The fields of a `form`: a JSON Schema of the kind that can be shown as an HTML form, and what was filled in.

use serde::Serialize;
use serde_json::{Map, Value};

/// How one field is asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FieldKind {
    Text { long: bool, max: Option<u64> },
    OneOf { words: Vec<String> },
    Number { whole: bool, min: Option<f64>, max: Option<f64> },
    YesNo,
    Date,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    pub name: String,
    pub title: String,
    pub help: Option<String>,
    pub required: bool,
    #[serde(flatten)]
    pub kind: FieldKind,
}

/// A text longer than this gets a larger box.
const LINE_CHARS: u64 = 120;

/// The fields of a schema in its order: those that are required as listed there, then the others by name.
/// The error says what cannot be asked.
pub fn fields_of(schema: &Value) -> Result<Vec<Field>, String> {
    let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty())
    else {
        return Err("a form's schema is an object with `properties`".into());
    };
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some(unknown) = required.iter().find(|name| !properties.contains_key(**name)) {
        return Err(format!("`required` names `{unknown}`, which is no field"));
    }
    let mut others: Vec<&str> = properties.keys().map(String::as_str).collect();
    others.retain(|name| !required.contains(name));
    others.sort_unstable();
    required
        .iter()
        .copied()
        .chain(others)
        .filter_map(|name| Some((name, properties.get(name)?)))
        .map(|(name, property)| {
            Ok(Field {
                name: name.to_owned(),
                title: property["title"].as_str().map_or_else(|| title(name), str::to_owned),
                help: property["description"].as_str().map(str::to_owned),
                required: required.contains(&name),
                kind: kind_of(name, property)?,
            })
        })
        .collect()
}

fn kind_of(name: &str, property: &Value) -> Result<FieldKind, String> {
    if let Some(words) = property["enum"].as_array() {
        let words: Option<Vec<String>> = words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
        return words
            .filter(|words| !words.is_empty())
            .map(|words| FieldKind::OneOf { words })
            .ok_or_else(|| format!("the `enum` of the field `{name}` is a list of texts"));
    }
    match (property["type"].as_str(), property["format"].as_str()) {
        (Some("string"), Some("date")) => Ok(FieldKind::Date),
        (Some("string"), None) => {
            let max = property["maxLength"].as_u64();
            Ok(FieldKind::Text { long: max.is_none_or(|max| max > LINE_CHARS), max })
        }
        (Some("integer" | "number"), _) => Ok(FieldKind::Number {
            whole: property["type"] == "integer",
            min: property["minimum"].as_f64(),
            max: property["maximum"].as_f64(),
        }),
        (Some("boolean"), _) => Ok(FieldKind::YesNo),
        _ => Err(format!(
            "the field `{name}` is a string (also with `enum` or `format: date`), an integer, a number or a boolean"
        )),
    }
}

/// What is wrong with what was filled in, field by field; nothing when it may be taken.
pub fn problems(schema: &Value, filled: &Value) -> Vec<String> {
    let Ok(fields) = fields_of(schema) else { return vec!["the form cannot be read".into()] };
    let Some(values) = filled.as_object() else { return vec!["fill in the form".into()] };
    let mut problems = Vec::new();
    if let Some(unknown) = values.keys().find(|name| !fields.iter().any(|field| field.name == **name)) {
        problems.push(format!("there is no field `{unknown}`"));
    }
    for field in &fields {
        match values.get(&field.name) {
            None | Some(Value::Null) if field.required => {
                problems.push(format!("{} is missing", field.title))
            }
            Some(Value::String(text)) if field.required && text.trim().is_empty() => {
                problems.push(format!("{} is missing", field.title));
            }
            None => {}
            Some(value) => problems.extend(problem_of(field, &schema["properties"][&field.name], value)),
        }
    }
    problems
}

fn problem_of(field: &Field, property: &Value, value: &Value) -> Option<String> {
    let validator = jsonschema::options().should_validate_formats(true).build(property).ok()?;
    let error = validator.iter_errors(value).next()?;
    let Field { title, kind, .. } = field;
    Some(match kind {
        FieldKind::OneOf { words } => format!("{title} is one of: {}", words.join(", ")),
        FieldKind::Date => format!("{title} is a date like 2026-12-24"),
        FieldKind::YesNo => format!("{title} is yes or no"),
        FieldKind::Number { whole, min, max } => {
            let what = if *whole { "a whole number" } else { "a number" };
            let bounds = match (min, max) {
                (Some(min), Some(max)) => format!(" from {min} to {max}"),
                (Some(min), None) => format!(", {min} or more"),
                (None, Some(max)) => format!(", {max} or less"),
                (None, None) => String::new(),
            };
            format!("{title} is {what}{bounds}")
        }
        FieldKind::Text { max: Some(max), .. } if value.is_string() => {
            format!("{title} does not fit: at most {max} characters ({error})")
        }
        FieldKind::Text { .. } => format!("{title}: {error}"),
    })
}

/// What was filled in, in words: one line per field, in the form's order.
pub fn in_words(schema: &Value, filled: &Value) -> Vec<(String, String)> {
    let empty = Map::new();
    let values = filled.as_object().unwrap_or(&empty);
    let fields = fields_of(schema).unwrap_or_default();
    let shown = |field: Field| {
        let words = match values.get(&field.name)? {
            Value::Bool(true) => "yes".to_owned(),
            Value::Bool(false) => "no".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some((field.title, words))
    };
    fields.into_iter().filter_map(shown).collect()
}

/// `scrap_pieces` as people write it.
fn title(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({ "type": "object", "required": ["cause", "pieces"], "properties": {
            "cause": { "enum": ["tool", "material"] },
            "pieces": { "type": "integer", "minimum": 0, "maximum": 500 },
            "rate": { "type": "number", "minimum": 0.5 },
            "on": { "type": "string", "format": "date" },
            "stop": { "type": "boolean" },
            "note": { "type": "string", "maxLength": 10 },
        } })
    }

    #[test]
    fn every_kind_of_field_is_checked_and_named() {
        let good = json!({ "cause": "tool", "pieces": 3, "rate": 0.5, "on": "2026-02-28", "stop": false, "note": "ok" });
        assert_eq!(problems(&schema(), &good), Vec::<String>::new());
        let cases = [
            (json!({ "pieces": 3 }), "Cause is missing"),
            (json!({ "cause": "rain", "pieces": 3 }), "Cause is one of: tool, material"),
            (json!({ "cause": "tool", "pieces": 501 }), "Pieces is a whole number from 0 to 500"),
            (json!({ "cause": "tool", "pieces": 1.5 }), "Pieces is a whole number from 0 to 500"),
            (json!({ "cause": "tool", "pieces": "3" }), "Pieces is a whole number from 0 to 500"),
            (json!({ "cause": "tool", "pieces": 3, "rate": 0.1 }), "Rate is a number, 0.5 or more"),
            (json!({ "cause": "tool", "pieces": 3, "on": "2026-02-30" }), "On is a date like 2026-12-24"),
            (json!({ "cause": "tool", "pieces": 3, "stop": "yes" }), "Stop is yes or no"),
            (json!({ "cause": "tool", "pieces": 3, "order": "PO-1" }), "there is no field `order`"),
        ];
        for (filled, problem) in cases {
            assert_eq!(problems(&schema(), &filled), [problem], "{filled}");
        }
        assert!(
            problems(&schema(), &json!({ "cause": "tool", "pieces": 3, "note": "far too long" }))[0]
                .contains("10")
        );
        assert_eq!(problems(&schema(), &json!("text")), ["fill in the form"]);
    }

    #[test]
    fn what_cannot_be_shown_as_a_field_is_said() {
        for (property, says) in [
            (json!({ "type": "object" }), "the field `x` is a string"),
            (json!({ "type": "string", "format": "email" }), "the field `x` is a string"),
            (json!({ "enum": [1, 2] }), "the `enum` of the field `x`"),
        ] {
            let wrong = fields_of(&json!({ "properties": { "x": property } })).unwrap_err();
            assert!(wrong.starts_with(says), "{wrong}");
        }
        assert!(fields_of(&json!({ "type": "object" })).is_err());
        let names: Vec<String> = fields_of(&schema()).unwrap().into_iter().map(|field| field.name).collect();
        assert_eq!(names, ["cause", "pieces", "note", "on", "rate", "stop"], "what is required comes first");
    }
}
