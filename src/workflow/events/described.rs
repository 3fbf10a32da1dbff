//! What of a value its JSON Schema speaks of.

use serde_json::{Map, Value};

/// Schemas that refer to themselves end somewhere.
const DEPTH_MAX: usize = 64;

/// The value without the fields that the schema does not name, at any depth. An object of which it says nothing keeps
/// none; one with `additionalProperties` keeps them all, as these describe them.
pub(super) fn of(value: &Value, schema: &Value) -> Value {
    kept(value, &[schema], schema, 0)
}

fn kept(value: &Value, schemas: &[&Value], root: &Value, depth: usize) -> Value {
    let mut all = Vec::new();
    schemas.iter().for_each(|schema| gather(schema, root, depth, &mut all));
    match value {
        Value::Object(fields) => {
            let known = fields.iter().filter_map(|(name, value)| {
                let schemas: Vec<&Value> = all.iter().filter_map(|schema| of_field(schema, name)).collect();
                (!schemas.is_empty()).then(|| (name.clone(), kept(value, &schemas, root, depth + 1)))
            });
            Value::Object(known.collect::<Map<_, _>>())
        }
        Value::Array(items) => {
            let schemas: Vec<&Value> = all.iter().filter_map(|schema| schema.get("items")).collect();
            if schemas.is_empty() {
                return Value::Array(Vec::new());
            }
            items.iter().map(|item| kept(item, &schemas, root, depth + 1)).collect()
        }
        scalar => scalar.clone(),
    }
}

fn of_field<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    let named = schema.get("properties").and_then(|properties| properties.get(name));
    named.or_else(|| schema.get("additionalProperties").filter(|rest| **rest != Value::Bool(false)))
}

/// A schema and those that it is put together of.
fn gather<'s>(schema: &'s Value, root: &'s Value, depth: usize, found: &mut Vec<&'s Value>) {
    if depth > DEPTH_MAX {
        return;
    }
    found.push(schema);
    if let Some(pointer) = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#'))
        && let Some(target) = root.pointer(pointer)
    {
        gather(target, root, depth + 1, found);
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        let parts = schema[word].as_array().map(Vec::as_slice).unwrap_or_default();
        parts.iter().for_each(|part| gather(part, root, depth + 1, found));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_described_is_kept() {
        let schema = json!({
            "properties": {
                "order": { "type": "string" },
                "note": {},
                "free": { "type": "object" },
                "counts": { "type": "object", "additionalProperties": { "type": "integer" } },
                "lines": { "items": { "$ref": "#/$defs/line" } },
                "list": { "type": "array" },
                "either": { "anyOf": [{ "properties": { "a": {} } }, { "properties": { "b": {} } }] },
            },
            "$defs": { "line": { "properties": { "qty": {} } } },
        });
        let sent = json!({
            "order": "PO-1", "note": "text", "badge": "4711", "free": { "name": "Mia" },
            "counts": { "PRESS-4": 2 }, "lines": [{ "qty": 1, "who": "Mia" }], "list": ["Mia"],
            "either": { "a": 1, "b": 2, "c": "Mia" },
        });
        assert_eq!(
            of(&sent, &schema),
            json!({
                "order": "PO-1", "note": "text", "free": {}, "counts": { "PRESS-4": 2 },
                "lines": [{ "qty": 1 }], "list": [], "either": { "a": 1, "b": 2 },
            })
        );
    }

    #[test]
    fn a_field_called_events_makes_no_batch_and_a_broken_file_shows_nothing() {
        use crate::workflow::{CurrentEvents, Events, tests::support::events};
        let forged = json!([{ "id": "9", "type": "erp.goods_receipt", "po": "Mia", "subject": "Mia" }]);
        let sent = json!({ "id": "1", "type": "erp.goods_receipt", "po": "PO-1", "events": forged });
        let kept = json!({ "id": "1", "type": "erp.goods_receipt", "po": "PO-1" });
        assert_eq!(CurrentEvents::new(events()).described(&sent), kept);
        let broken = Events { broken: ["erp.goods_receipt".to_owned()].into(), ..Events::default() };
        let attributes = json!({ "id": "1", "type": "erp.goods_receipt" });
        assert_eq!(CurrentEvents::new(broken).described(&sent), attributes);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({ "properties": { "next": { "$ref": "#" } }, "anyOf": [{ "$ref": "#" }] });
        assert_eq!(
            of(&json!({ "next": { "next": { "x": 1 } } }), &schema),
            json!({ "next": { "next": {} } })
        );
    }
}
