//! JSON Schemas as strict structured output accepts them. Constraints it does not know move into the
//! description; a shape it cannot express is refused, because a dropped shape would be believed.
//!
//! Answers are always validated against the full schema: the strict one only helps the model.

use serde_json::{Map, Value, json};

const STRING_FORMATS: [&str; 9] =
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// Kept as they are.
const KEPT: [&str; 14] = [
    "type",
    "enum",
    "const",
    "$ref",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "pattern",
    "description",
    "format",
];

/// Told to the model in words.
const SAID: [&str; 5] = ["minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties"];

const REFUSED: [&str; 12] = [
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "contains",
    "prefixItems",
    "unevaluatedProperties",
];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema at `{pointer}` {why}")]
pub struct NotStrict {
    pub pointer: String,
    /// The keyword that cannot be said, where it is one.
    pub keyword: Option<&'static str>,
    pub why: String,
}

/// The strict form of a schema, or where it cannot be one.
pub fn strict(schema: &Value) -> Result<Value, NotStrict> {
    if schema.get("type") != Some(&json!("object")) {
        return Err(refuse("", "is not an object at its root"));
    }
    let mut converted = convert(schema, "")?;
    for keyword in ["$defs", "definitions"] {
        if let Some(Value::Object(definitions)) = schema.get(keyword) {
            let mut all = Map::new();
            for (name, definition) in definitions {
                all.insert(name.clone(), convert(definition, &format!("/{keyword}/{name}"))?);
            }
            converted[keyword] = Value::Object(all);
        }
    }
    Ok(converted)
}

/// Removes the nulls that stand for "left out": strict output must name every field.
pub fn without_absent(value: Value, schema: &Value) -> Value {
    prune(value, schema, schema)
}

fn convert(schema: &Value, at: &str) -> Result<Value, NotStrict> {
    let Value::Object(fields) = schema else { return Err(refuse(at, "allows anything")) };
    if let Some(keyword) = REFUSED.iter().find(|keyword| fields.contains_key(**keyword)) {
        return Err(NotStrict { keyword: Some(*keyword), ..refuse(at, &format!("uses `{keyword}`")) });
    }
    let mut out = Map::new();
    for keyword in KEPT {
        if let Some(value) = fields.get(keyword) {
            out.insert(keyword.to_owned(), value.clone());
        }
    }
    let mut said: Vec<String> =
        SAID.iter().filter_map(|k| fields.get(*k).map(|value| format!("{k} {value}"))).collect();
    if let Some(format) = fields.get("format").and_then(Value::as_str)
        && !STRING_FORMATS.contains(&format)
    {
        out.remove("format");
        said.push(format!("format {format}"));
    }
    if !said.is_empty() {
        let description = fields.get("description").and_then(Value::as_str).unwrap_or_default();
        out.insert("description".into(), json!(format!("{description} ({})", said.join(", ")).trim()));
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(Value::Array(branches)) = fields.get(keyword) {
            let branches: Result<Vec<Value>, NotStrict> = branches
                .iter()
                .enumerate()
                .map(|(i, b)| convert(b, &format!("{at}/{keyword}/{i}")))
                .collect();
            out.insert("anyOf".into(), Value::Array(branches?));
        }
    }
    if let Some(items) = fields.get("items") {
        out.insert("items".into(), convert(items, &format!("{at}/items"))?);
    } else if allows(schema, "array") {
        return Err(refuse(at, "is a list of anything"));
    }
    if allows(schema, "object") || fields.contains_key("properties") {
        object(fields, at, &mut out)?;
    }
    if !["type", "enum", "const", "$ref", "anyOf"].iter().any(|keyword| out.contains_key(*keyword)) {
        return Err(refuse(at, "allows anything"));
    }
    Ok(Value::Object(out))
}

fn object(fields: &Map<String, Value>, at: &str, out: &mut Map<String, Value>) -> Result<(), NotStrict> {
    match fields.get("additionalProperties") {
        None | Some(Value::Bool(false)) => {}
        Some(_) => {
            let keyword = Some("additionalProperties");
            let why = "is a map: with `additionalProperties` its keys are not fixed";
            return Err(NotStrict { keyword, ..refuse(at, why) });
        }
    }
    let empty = Map::new();
    let properties = match fields.get("properties") {
        Some(Value::Object(properties)) => properties,
        None if fields.contains_key("additionalProperties") => &empty,
        _ => return Err(refuse(at, "is an object without declared properties")),
    };
    let required: Vec<&str> = required(fields);
    let mut converted = Map::new();
    for (name, property) in properties {
        let strict = convert(property, &format!("{at}/properties/{name}"))?;
        let strict = if required.contains(&name.as_str()) { strict } else { nullable(strict) };
        converted.insert(name.clone(), strict);
    }
    out.insert("required".into(), converted.keys().cloned().collect());
    out.insert("properties".into(), Value::Object(converted));
    out.insert("additionalProperties".into(), json!(false));
    Ok(())
}

fn nullable(schema: Value) -> Value {
    if allows(&schema, "null") {
        return schema;
    }
    let simple = schema.get("enum").is_none() && schema.get("const").is_none();
    match schema.get("type") {
        Some(Value::String(kind)) if simple => {
            let mut schema = schema.clone();
            schema["type"] = json!([kind, "null"]);
            schema
        }
        _ => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}

fn allows(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|k| k == kind),
        _ => {
            let branches = schema.get("anyOf").and_then(Value::as_array);
            kind == "null" && branches.is_some_and(|all| all.iter().any(|b| allows(b, "null")))
        }
    }
}

fn required(fields: &Map<String, Value>) -> Vec<&str> {
    fields.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn prune(value: Value, schema: &Value, root: &Value) -> Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
    let schema = target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema);
    match value {
        Value::Object(fields) => {
            let properties = schema.get("properties");
            let required = schema.as_object().map(required).unwrap_or_default();
            let kept = fields.into_iter().filter_map(|(name, value)| {
                let of_field = properties.and_then(|p| p.get(&name));
                let declared_null = of_field.is_none_or(|s| allows(s, "null"));
                if value.is_null() && !declared_null && !required.contains(&name.as_str()) {
                    return None;
                }
                let value = of_field.map_or_else(|| value.clone(), |s| prune(value.clone(), s, root));
                Some((name, value))
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => match schema.get("items") {
            Some(schema) => items.into_iter().map(|item| prune(item, schema, root)).collect(),
            None => Value::Array(items),
        },
        scalar => scalar,
    }
}

fn refuse(pointer: &str, why: &str) -> NotStrict {
    NotStrict { pointer: pointer.to_owned(), keyword: None, why: why.to_owned() }
}

#[cfg(test)]
mod tests;
