//! JSON with sorted keys, and SHA-256 over it: equal whatever order a database kept the keys in.

use serde_json::{Number, Value};
use sha2::{Digest, Sha256};
use std::cmp::Ordering;

/// Lower-case hex.
pub fn sha256_json(value: &Value) -> String {
    sha256_text(&sorted_json(value))
}

pub(super) fn sorted_json(value: &Value) -> String {
    let mut text = String::new();
    write(value, &|a, b| a.cmp(b), &|number, out| out.push_str(&number.to_string()), &mut text);
    text
}

pub fn sha256_text(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// JSON without a space, its keys and numbers as the caller wants them.
pub(super) fn write(
    value: &Value,
    order: &dyn Fn(&str, &str) -> Ordering,
    number: &dyn Fn(&Number, &mut String),
    out: &mut String,
) {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_by(|a, b| order(a, b));
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(&fields[key], order, number, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, order, number, out);
            }
            out.push(']');
        }
        Value::Number(found) => number(found, out),
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn key_order_does_not_matter_and_array_order_does() {
        assert_eq!(sha256_json(&json!({"a": 1, "b": [1, 2]})), sha256_json(&json!({"b": [1, 2], "a": 1})));
        assert_ne!(sha256_json(&json!([1, 2])), sha256_json(&json!([2, 1])));
        assert_ne!(sha256_json(&json!("1")), sha256_json(&json!(1)));
    }
}
