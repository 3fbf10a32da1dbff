//! The arguments of a tool as an author may write them: its own schema, but any value may be `${{ }}` instead.

use serde_json::{Map, Value, json};

/// Keywords that say something about a value that is not there yet, or that an editor does not know.
const DROPPED: [&str; 6] = ["$schema", "$id", "title", "format", "x-takt-entity", "x-takt-grounded"];

/// The map below `with:`.
pub(super) fn arguments(input: &Value) -> Value {
    let mut schema = written(input, true);
    if let Some(fields) = schema.as_object_mut() {
        fields.entry("type").or_insert_with(|| json!("object"));
    }
    schema
}

fn written(schema: &Value, is_root: bool) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let mut out = Map::new();
    for (name, value) in fields {
        match (name.as_str(), value) {
            (name, _) if DROPPED.contains(&name) => {}
            ("properties", Value::Object(properties)) => {
                let written = properties.iter().map(|(name, schema)| (name.clone(), written(schema, false)));
                out.insert(name.clone(), Value::Object(written.collect()));
            }
            ("items" | "additionalProperties", Value::Object(_)) => {
                out.insert(name.clone(), written(value, false));
            }
            ("anyOf" | "oneOf" | "allOf", Value::Array(several)) => {
                out.insert(name.clone(), several.iter().map(|schema| written(schema, true)).collect());
            }
            _ => {
                out.insert(name.clone(), value.clone());
            }
        }
    }
    if is_root || is_any_text(&out) || out.is_empty() {
        return Value::Object(out);
    }
    let mut either = Map::new();
    for name in ["description", "markdownDescription", "default"] {
        either.extend(out.remove(name).map(|value| (name.to_owned(), value)));
    }
    either.insert("anyOf".into(), json!([out, { "$ref": "#/definitions/template" }]));
    Value::Object(either)
}

/// A template is a text, so where any text is right nothing has to be added.
fn is_any_text(schema: &Map<String, Value>) -> bool {
    let is_text = match schema.get("type") {
        Some(Value::String(kind)) => kind == "string",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        _ => false,
    };
    is_text && !["enum", "const", "pattern", "maxLength"].iter().any(|word| schema.contains_key(*word))
}
