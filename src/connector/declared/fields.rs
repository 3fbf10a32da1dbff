//! The short form of fields (`hours?: integer = 24, how far back`) and the JSON Schema it stands for.

use serde_json::{Map, Value, json};

/// The whole `input` or `output`. An input refuses fields it does not know, an output may carry more.
pub(super) fn schema(fields: &Value, closed: bool) -> Result<Value, String> {
    let Value::Object(map) = fields else {
        return Err("write the fields as a map, `name: type`".to_owned());
    };
    if let Some(verbatim) = map.get("json_schema") {
        return if map.len() == 1 {
            Ok(verbatim.clone())
        } else {
            Err("`json_schema` stands alone".to_owned())
        };
    }
    object(map, closed)
}

/// Defaults of the top fields, so that every declared field exists in expressions; null without one.
pub(super) fn defaults(schema: &Value) -> Map<String, Value> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Map::new() };
    let default = |field: &Value| field.get("default").cloned().unwrap_or(Value::Null);
    properties.iter().map(|(name, field)| (name.clone(), default(field))).collect()
}

fn object(fields: &Map<String, Value>, closed: bool) -> Result<Value, String> {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, field) in fields {
        let (name, optional) = match name.strip_suffix('?') {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        let mut field = one(field).map_err(|message| format!("`{name}`: {message}"))?;
        if optional {
            field = nullable(field);
        } else if field.get("default").is_none() {
            required.push(name.to_owned());
        }
        properties.insert(name.to_owned(), field);
    }
    let mut object = json!({ "type": "object", "properties": properties, "required": required });
    if closed {
        object["additionalProperties"] = Value::Bool(false);
    }
    Ok(object)
}

fn one(field: &Value) -> Result<Value, String> {
    match field {
        Value::String(text) => scalar(text),
        Value::Array(items) => match items.as_slice() {
            [item] => Ok(json!({ "type": "array", "items": one(item)? })),
            _ => Err("a list is written with one item, like `[string]`".to_owned()),
        },
        Value::Object(map) => schema(&Value::Object(map.clone()), false),
        Value::Null => Err("no type; write `name: type`, in quotes where a comma follows".to_owned()),
        _ => Err("write a type, like string or integer".to_owned()),
    }
}

/// `type [= default][, description]`
fn scalar(text: &str) -> Result<Value, String> {
    let (head, description) = match text.split_once(',') {
        Some((head, description)) => (head, Some(description.trim())),
        None => (text, None),
    };
    let (kind, default) = match head.split_once('=') {
        Some((kind, default)) => (kind.trim(), Some(default.trim())),
        None => (head.trim(), None),
    };
    let mut field = kind_schema(kind)?;
    if let Some(description) = description {
        field["description"] = json!(description);
    }
    if let Some(default) = default {
        field["default"] = serde_json::from_str(default).unwrap_or_else(|_| json!(default));
    }
    Ok(field)
}

fn kind_schema(kind: &str) -> Result<Value, String> {
    let word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '.'))
    };
    match kind {
        "string" | "integer" | "number" | "boolean" | "object" => Ok(json!({ "type": kind })),
        "date" | "date-time" => Ok(json!({ "type": "string", "format": kind })),
        "any" => Ok(json!({})),
        words if words.contains('|') => {
            let words: Vec<&str> = words.split('|').map(str::trim).collect();
            if words.iter().all(|w| word(w)) {
                Ok(json!({ "type": "string", "enum": words }))
            } else {
                Err(format!("`{kind}` is not a list of words separated by |"))
            }
        }
        _ => Err(format!(
            "`{kind}` is not a type: string, integer, number, boolean, date, date-time, object, any, or words \
             separated by |"
        )),
    }
}

fn nullable(mut field: Value) -> Value {
    let Some(kind) = field.get("type").cloned() else {
        // `any` takes null already; a verbatim schema without a type is widened from outside.
        let widen = field.as_object().is_some_and(|map| map.keys().any(|key| key != "description"));
        return if widen { json!({ "anyOf": [field, { "type": "null" }] }) } else { field };
    };
    match kind {
        Value::String(kind) => field["type"] = json!([kind, "null"]),
        Value::Array(mut kinds) if !kinds.contains(&json!("null")) => {
            kinds.push(json!("null"));
            field["type"] = Value::Array(kinds);
        }
        _ => {}
    }
    if let Some(words) = field.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_the_short_form() {
        let fields = json!({
            "work_center": "string, code like PRESS-4",
            "hours?": "integer = 24, how far back",
            "tier": "A | B | C",
            "rows": [{ "due": "date-time", "note?": "string" }],
            "po": { "json_schema": { "type": "string", "pattern": "^PO-" } },
            "raw": "any",
        });
        insta::assert_json_snapshot!(schema(&fields, true).expect("valid fields"));
    }

    #[test]
    fn says_what_is_wrong_with_a_field() {
        let message = |fields: Value| schema(&fields, false).expect_err("refused");
        assert!(message(json!({ "a": "strng" })).starts_with("`a`: `strng` is not a type"));
        assert!(message(json!({ "a": ["string", "integer"] })).contains("one item"));
        assert!(message(json!({ "a": { "b": null } })).starts_with("`a`: `b`: no type"));
        assert!(message(json!("string")).contains("map"));
    }

    #[test]
    fn every_field_has_a_default() {
        let schema = schema(&json!({ "a": "string", "hours?": "integer = 24" }), true).expect("valid");
        assert_eq!(Value::Object(defaults(&schema)), json!({ "a": null, "hours": 24 }));
    }
}
