//! A value that fits a tool's output schema, for a write that is not made: later steps read it like the real one.

use serde_json::{Map, Value, json};

/// What a text is that no system has given.
const TEXT: &str = "shadow";
/// Schemas that refer to themselves end somewhere.
const DEPTH_MAX: usize = 12;

/// A value of this schema's shape: the least that fits, with every field that is described.
///
/// `null` wherever that fits, the first of the words of an `enum`, empty lists, zero and [`TEXT`] otherwise.
pub fn stand_in(schema: &Value) -> Value {
    value(schema, schema, 0)
}

fn value(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(pointer) = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
        return root.pointer(pointer).map_or(Value::Null, |target| value(target, root, depth + 1));
    }
    for word in ["const", "default"] {
        if let Some(fixed) = schema.get(word) {
            return fixed.clone();
        }
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema[word].get(0) {
            return value(first, root, depth + 1);
        }
    }
    match kind(schema) {
        Some("object") => {
            let properties = schema["properties"].as_object();
            let fields = properties.into_iter().flatten();
            let field = |(name, schema): (&String, &Value)| (name.clone(), value(schema, root, depth + 1));
            Value::Object(fields.map(field).collect::<Map<_, _>>())
        }
        Some("array") => json!([]),
        Some("string") => json!(TEXT),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(0)),
        Some("boolean") => json!(false),
        _ => Value::Null,
    }
}

fn kind(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) if kinds.iter().any(|kind| kind == "null") => None,
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        _ if schema["properties"].is_object() => Some("object"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_the_schema_and_has_every_field() {
        let schema = json!({
            "type": "object", "required": ["number", "state", "lines", "at"],
            "properties": {
                "number": { "type": "string" },
                "note": { "type": ["string", "null"] },
                "state": { "enum": ["open", "closed"] },
                "lines": { "type": "array", "items": { "type": "integer" } },
                "count": { "type": "integer", "minimum": 1 },
                "at": { "$ref": "#/$defs/place" },
            },
            "$defs": { "place": { "type": "object", "properties": { "line": { "type": "integer" } } } },
        });
        let stood = stand_in(&schema);
        assert_eq!(
            stood,
            json!({ "number": "shadow", "note": null, "state": "open", "lines": [], "count": 1, "at": { "line": 0 } })
        );
        assert!(jsonschema::is_valid(&schema, &stood));
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({ "type": "object", "properties": { "next": { "$ref": "#" } } });
        assert!(stand_in(&schema)["next"]["next"].is_object());
    }
}
