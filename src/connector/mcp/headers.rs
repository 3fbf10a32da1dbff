//! The headers that repeat parts of a request, as the protocol wants them since 2026-07-28.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;
use std::collections::BTreeSet;

const MARK: &str = "x-mcp-header";
/// Largest integer that every reader of JSON keeps.
const SAFE_INTEGER: i64 = (1 << 53) - 1;

/// An argument that is repeated as a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Param {
    path: Vec<String>,
    header: HeaderName,
}

/// The marked arguments of a schema; a mark in a wrong place makes the whole tool unusable.
pub(super) fn params(schema: &Value) -> Result<Vec<Param>, String> {
    let (mut found, mut names) = (Vec::new(), BTreeSet::new());
    collect(schema, &mut Vec::new(), true, &mut names, &mut found)?;
    Ok(found)
}

fn collect(
    schema: &Value,
    path: &mut Vec<String>,
    reachable: bool,
    names: &mut BTreeSet<String>,
    found: &mut Vec<Param>,
) -> Result<(), String> {
    let Some(fields) = schema.as_object() else { return Ok(()) };
    if let Some(mark) = fields.get(MARK) {
        let at = path.join(".");
        if !reachable || path.is_empty() {
            return Err(format!("`{MARK}` stands where no argument has a fixed place"));
        }
        let mark = mark.as_str().ok_or_else(|| format!("`{MARK}` of `{at}` is not a text"))?;
        let header = format!("mcp-param-{}", mark.to_ascii_lowercase()).parse::<HeaderName>();
        let header = header.ok().filter(|_| !mark.is_empty());
        let header = header.ok_or_else(|| format!("`{MARK}` of `{at}` is not a header name"))?;
        if !matches!(fields.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
            return Err(format!("`{at}` is neither text, integer nor boolean"));
        }
        if !names.insert(header.as_str().to_owned()) {
            return Err(format!("two arguments ask for the header `{header}`"));
        }
        found.push(Param { path: path.clone(), header });
    }
    for (keyword, inner) in fields {
        match (keyword.as_str(), inner) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    path.push(name.clone());
                    collect(property, path, reachable, names, found)?;
                    path.pop();
                }
            }
            ("const" | "enum" | "default" | "examples", _) => {}
            (_, Value::Array(items)) => {
                for item in items {
                    collect(item, path, false, names, found)?;
                }
            }
            (_, Value::Object(_)) => {
                collect(inner, path, false, names, found)?;
                for inner in inner.as_object().into_iter().flatten().map(|(_, inner)| inner) {
                    collect(inner, path, false, names, found)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl Param {
    /// Absent where the argument is.
    pub(super) fn header(&self, arguments: &Value) -> Option<(HeaderName, HeaderValue)> {
        let value = self.path.iter().try_fold(arguments, |value, name| value.get(name))?;
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => {
                number.as_i64().filter(|n| (-SAFE_INTEGER..=SAFE_INTEGER).contains(n))?.to_string()
            }
            _ => return None,
        };
        Some((self.header.clone(), encode(&text)))
    }
}

/// As it is where a header can hold it, else in base64 with the marks the protocol has for that.
pub(super) fn encode(text: &str) -> HeaderValue {
    let plain = text.chars().all(|c| matches!(c, ' '..='~'))
        && text.trim() == text
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    let encoded = if plain { text.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(text)) };
    HeaderValue::from_str(&encoded).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_encoded_as_the_specification_shows() {
        for (text, encoded) in [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            assert_eq!(encode(text), encoded, "{text}");
        }
    }

    #[test]
    fn marked_arguments_become_headers_and_wrong_marks_are_refused() {
        let marked = |schema: Value| json!({ "type": "object", "properties": { "region": schema } });
        let region = json!({ "type": "string", "x-mcp-header": "Region" });
        let found = params(&marked(region.clone())).expect("a good mark");
        let (name, value) = found[0].header(&json!({ "region": "north" })).expect("a header");
        assert_eq!((name.as_str(), value.to_str().expect("text")), ("mcp-param-region", "north"));
        assert_eq!(found[0].header(&json!({ "region": null })), None);
        for wrong in [
            marked(json!({ "type": "number", "x-mcp-header": "Region" })),
            marked(json!({ "type": "string", "x-mcp-header": "" })),
            marked(json!({ "type": "string", "x-mcp-header": "a b" })),
            marked(json!({ "type": "array", "items": region.clone() })),
            json!({ "type": "object", "anyOf": [marked(region.clone())] }),
            json!({ "type": "object", "properties": { "a": region, "b": region } }),
        ] {
            params(&wrong).expect_err("a wrong mark");
        }
    }
}
