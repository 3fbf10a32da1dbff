//! JSON Schemas as strict structured output accepts them. Some constraints move into the description, annotations
//! are left out; every other keyword is refused, because what was dropped would be believed. How much a schema may
//! hold is in `limits`.
//!
//! Answers are always validated against the full schema: the strict one only helps the model.

mod limits;

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

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
const SAID: [&str; 7] = [
    "minLength",
    "maxLength",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "contentEncoding",
    "contentMediaType",
];

/// Converted.
const SHAPE: [&str; 6] = ["properties", "required", "additionalProperties", "items", "anyOf", "oneOf"];

const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// Forbid no value. What begins with `x-` does not either.
const LEFT_OUT: [&str; 9] =
    ["title", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$comment", "$schema"];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema at `{pointer}` {why}")]
pub struct NotStrict {
    pub pointer: String,
    /// The keyword that cannot be said, where it is one.
    pub keyword: Option<String>,
    pub why: String,
}

/// The strict form of a schema, or where it cannot be one.
pub fn strict(schema: &Value) -> Result<Value, NotStrict> {
    if schema.get("type") != Some(&json!("object")) {
        return Err(refuse("", "is not an object at its root"));
    }
    let mut converted = convert(schema, "")?;
    for keyword in DEFINITIONS {
        if let Some(Value::Object(definitions)) = schema.get(keyword) {
            let mut all = Map::new();
            for (name, definition) in definitions {
                all.insert(name.clone(), convert(definition, &format!("/{keyword}/{name}"))?);
            }
            converted[keyword] = Value::Object(all);
        }
    }
    limits::within(&converted)?;
    Ok(converted)
}

/// Removes the nulls that stand for "left out": strict output must name every field.
pub fn without_absent(value: Value, schema: &Value) -> Value {
    prune(value, schema, schema)
}

fn convert(schema: &Value, at: &str) -> Result<Value, NotStrict> {
    let Value::Object(fields) = schema else { return Err(refuse(at, "allows anything")) };
    sayable(fields, at)?;
    let mut out = Map::new();
    for keyword in KEPT {
        if let Some(value) = fields.get(keyword) {
            out.insert(keyword.to_owned(), value.clone());
        }
    }
    say(fields, &mut out);
    for keyword in ["anyOf", "oneOf"] {
        if let Some(branches) = fields.get(keyword) {
            out.insert("anyOf".into(), choices(branches, keyword, at)?);
        }
    }
    if let Some(items) = fields.get("items") {
        out.insert("items".into(), convert(items, &format!("{at}/items"))?);
    } else if allows(schema, "array") {
        return Err(refuse(at, "is a list of anything"));
    }
    let has = |keyword: &str| fields.contains_key(keyword);
    let untyped = !has("type") && (has("required") || has("additionalProperties"));
    if allows(schema, "object") || has("properties") || untyped {
        object(fields, at, &mut out)?;
    }
    if !["type", "enum", "const", "$ref", "anyOf"].iter().any(|keyword| out.contains_key(*keyword)) {
        return Err(refuse(at, "allows anything"));
    }
    Ok(Value::Object(out))
}

/// Every keyword has a strict form, or forbids nothing.
fn sayable(fields: &Map<String, Value>, at: &str) -> Result<(), NotStrict> {
    let known = |keyword: &str| {
        let of_root = at.is_empty() && (keyword == "$id" || DEFINITIONS.contains(&keyword));
        KEPT.contains(&keyword)
            || SAID.contains(&keyword)
            || SHAPE.contains(&keyword)
            || is_left_out(keyword)
            || of_root
    };
    if let Some(keyword) = fields.keys().find(|keyword| !known(keyword.as_str())) {
        return Err(refuse_keyword(at, keyword, &format!("uses `{keyword}`, which has no strict form")));
    }
    let sibling = fields.keys().find(|keyword| *keyword != "$ref" && !is_left_out(keyword));
    if let Some(sibling) = sibling.filter(|_| fields.contains_key("$ref")) {
        let why = format!("has `{sibling}` beside `$ref`, which stands alone in a strict schema");
        return Err(refuse_keyword(at, "$ref", &why));
    }
    if fields.get("pattern").and_then(Value::as_str).is_some_and(looks_around) {
        let why = "has a `pattern` with look-around, which has no strict form";
        return Err(refuse_keyword(at, "pattern", why));
    }
    if fields.contains_key("anyOf") && fields.contains_key("oneOf") {
        return Err(refuse_keyword(at, "oneOf", "has `oneOf` beside `anyOf`"));
    }
    match ["anyOf", "oneOf"].into_iter().find(|keyword| at.is_empty() && fields.contains_key(*keyword)) {
        Some(keyword) => Err(refuse_keyword(at, keyword, &format!("has `{keyword}` at its root"))),
        None => Ok(()),
    }
}

fn is_left_out(keyword: &str) -> bool {
    LEFT_OUT.contains(&keyword) || keyword.starts_with("x-")
}

/// Whether a regular expression asks what stands before or after a place.
fn looks_around(pattern: &str) -> bool {
    let (mut rest, mut in_class) = (pattern.chars(), false);
    loop {
        let group = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|group| rest.as_str().starts_with(group));
        if group && !in_class {
            return true;
        }
        match rest.next() {
            None => return false,
            Some('\\') => {
                rest.next();
            }
            Some('[') => in_class = true,
            Some(']') => in_class = false,
            Some(_) => {}
        }
    }
}

/// What has no keyword in a strict schema is told to the model in the description.
fn say(fields: &Map<String, Value>, out: &mut Map<String, Value>) {
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
}

fn choices(branches: &Value, keyword: &str, at: &str) -> Result<Value, NotStrict> {
    let Value::Array(branches) = branches else {
        return Err(refuse_keyword(at, keyword, &format!("has an `{keyword}` that is no list")));
    };
    branches.iter().enumerate().map(|(i, b)| convert(b, &format!("{at}/{keyword}/{i}"))).collect()
}

fn object(fields: &Map<String, Value>, at: &str, out: &mut Map<String, Value>) -> Result<(), NotStrict> {
    match fields.get("additionalProperties") {
        None | Some(Value::Bool(false)) => {}
        Some(_) => {
            let why = "is a map: with `additionalProperties` its keys are not fixed";
            return Err(refuse_keyword(at, "additionalProperties", why));
        }
    }
    let empty = Map::new();
    let properties = match fields.get("properties") {
        Some(Value::Object(properties)) => properties,
        None if fields.contains_key("additionalProperties") => &empty,
        _ => return Err(refuse(at, "is an object without declared properties")),
    };
    let required: BTreeSet<&str> = required(fields).into_iter().collect();
    if let Some(name) = required.iter().find(|name| !properties.contains_key(**name)) {
        let why = format!("requires `{name}`, which is not among its `properties`");
        return Err(refuse_keyword(at, "required", &why));
    }
    let mut converted = Map::new();
    for (name, property) in properties {
        let strict = convert(property, &format!("{at}/properties/{name}"))?;
        let strict = if required.contains(name.as_str()) { strict } else { nullable(strict) };
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

fn refuse_keyword(pointer: &str, keyword: &str, why: &str) -> NotStrict {
    NotStrict { keyword: Some(keyword.to_owned()), ..refuse(pointer, why) }
}

#[cfg(test)]
mod tests;
