//! Schemas of confidential fields. A model sees a token where a cost stands, so a schema that demands
//! a number would make it invent one: it is asked for the token instead, and the number is put back.

use super::super::task::Task;
use crate::tool::DataClass;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Field names whose values a model only sees as tokens.
pub(in crate::agent) fn confidential_fields(task: &Task) -> BTreeSet<String> {
    let classified = task.classes.iter().filter(|(_, class)| **class != DataClass::Public);
    classified.map(|(field, _)| field.clone()).chain(task.mask.iter().cloned()).collect()
}

/// The schema with strings where a confidential number stands. Answers are put back into shape before
/// they are validated against the schema as it was.
pub(in crate::agent) fn as_tokens(schema: &Value, fields: &BTreeSet<String>) -> Value {
    match schema {
        Value::Object(keywords) => {
            let converted = keywords.iter().map(|(keyword, value)| match (keyword.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    let properties = properties.iter().map(|(name, property)| {
                        let property = match fields.contains(name) {
                            true => token(property),
                            false => as_tokens(property, fields),
                        };
                        (name.clone(), property)
                    });
                    (keyword.clone(), Value::Object(properties.collect()))
                }
                _ => (keyword.clone(), as_tokens(value, fields)),
            });
            Value::Object(converted.collect())
        }
        Value::Array(items) => items.iter().map(|item| as_tokens(item, fields)).collect(),
        scalar => scalar.clone(),
    }
}

fn token(property: &Value) -> Value {
    let kind = match property.get("type") {
        Some(Value::String(kind)) if ["number", "integer", "string"].contains(&kind.as_str()) => {
            json!("string")
        }
        Some(Value::Array(kinds))
            if kinds.iter().all(|k| k == "null" || k == "number" || k == "integer" || k == "string") =>
        {
            let optional = kinds.iter().any(|kind| kind == "null");
            if optional { json!(["string", "null"]) } else { json!("string") }
        }
        _ => return property.clone(),
    };
    let was = property.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{was} (confidential: repeat the word that stands for it in the data)");
    let mut token = Map::new();
    token.insert("type".into(), kind);
    token.insert("description".into(), json!(description.trim()));
    Value::Object(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_confidential_fields_become_tokens() {
        let schema = json!({
            "type": "object",
            "properties": {
                "options": {"type": "array", "items": {"type": "object", "properties": {
                    "cost": {"type": "number", "minimum": 0, "description": "USD"},
                    "qty": {"type": "number"},
                }}},
                "customer": {"type": ["integer", "null"]},
                "lines": {"type": "array", "items": {"type": "string"}},
            },
        });
        let fields = ["cost", "customer", "lines"].map(str::to_owned).into();
        let tokens = as_tokens(&schema, &fields);
        let cost = tokens.pointer("/properties/options/items/properties/cost").unwrap();
        assert_eq!(cost["type"], "string");
        assert!(cost["description"].as_str().unwrap().starts_with("USD (confidential"));
        assert!(cost.get("minimum").is_none());
        assert_eq!(tokens["properties"]["customer"]["type"], json!(["string", "null"]));
        assert_eq!(tokens["properties"]["lines"], schema["properties"]["lines"]);
        let qty = "/properties/options/items/properties/qty";
        assert_eq!(tokens.pointer(qty), schema.pointer(qty));
    }
}
