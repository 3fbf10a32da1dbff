//! JSON Schemas that cannot be judged by: those that refer to themselves without going into the value, and those whose
//! references multiply. A validator would follow them until its stack, or its time, is over.

use serde_json::Value;

/// Schemas that one place of a value may be held against.
const REFERENCES_MAX: usize = 1_000;
/// Keywords whose schemas are held against the same value.
const IN_PLACE: [&str; 4] = ["not", "if", "then", "else"];
const IN_PLACE_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Why nothing can be held against this schema, as a sentence.
pub(super) fn endless(root: &Value) -> Option<&'static str> {
    let mut every = vec![root];
    while let Some(schema) = every.pop() {
        let mut seen = 0;
        if let Some(why) = follow(schema, root, &mut Vec::new(), &mut seen) {
            return Some(why);
        }
        match schema {
            Value::Object(keywords) => every.extend(keywords.values()),
            Value::Array(items) => every.extend(items),
            _ => {}
        }
    }
    None
}

fn follow<'s>(
    schema: &'s Value,
    root: &'s Value,
    path: &mut Vec<&'s str>,
    seen: &mut usize,
) -> Option<&'static str> {
    *seen += 1;
    if *seen > REFERENCES_MAX {
        return Some("its references multiply: one value would be held against thousands of schemas");
    }
    let keywords = schema.as_object()?;
    for word in ["$ref", "$dynamicRef"] {
        let Some(reference) = keywords.get(word).and_then(Value::as_str) else { continue };
        if path.contains(&reference) {
            return Some(
                "it refers to itself without going into the value, so no value can be held against it",
            );
        }
        // What is not in this file is no business of it, and refused elsewhere.
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        if let Some(target) = target {
            path.push(reference);
            let found = follow(target, root, path, seen);
            path.pop();
            if found.is_some() {
                return found;
            }
        }
    }
    let single = IN_PLACE.iter().filter_map(|word| keywords.get(*word));
    let lists = IN_PLACE_LISTS.iter().filter_map(|word| keywords.get(*word)?.as_array()).flatten();
    for inner in single.chain(lists) {
        if let Some(why) = follow(inner, root, path, seen) {
            return Some(why);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::endless;
    use serde_json::{Value, json};

    #[test]
    fn a_schema_that_never_ends_is_refused_and_one_that_goes_into_the_value_is_not() {
        let doubled = |n: usize| {
            let def = |at: usize| {
                let next = json!({ "$ref": format!("#/$defs/d{}", at + 1) });
                (format!("d{at}"), json!({ "allOf": [next.clone(), next] }))
            };
            let mut defs: serde_json::Map<String, Value> = (0..n).map(def).collect();
            defs.insert(format!("d{n}"), json!({}));
            json!({ "$ref": "#/$defs/d0", "$defs": defs })
        };
        let bad = [
            json!({ "$ref": "#" }),
            json!({ "allOf": [{ "$ref": "#" }, { "type": "object" }] }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "not": { "$ref": "#/$defs/a" } } } }),
            json!({ "properties": { "x": { "$ref": "#/$defs/a" } }, "$defs": { "a": { "anyOf": [{ "$ref": "#/$defs/a" }] } } }),
            doubled(30),
        ];
        for schema in bad {
            assert!(endless(&schema).is_some(), "{schema}");
        }
        let good = [
            json!({ "properties": { "next": { "$ref": "#" }, "list": { "items": { "$ref": "#" } } } }),
            json!({ "allOf": [{ "$ref": "#/$defs/a" }, { "$ref": "#/$defs/a" }], "$defs": { "a": { "type": "object" } } }),
            doubled(5),
        ];
        for schema in good {
            assert_eq!(endless(&schema), None, "{schema}");
        }
    }
}
