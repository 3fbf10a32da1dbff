//! Where what is is not what was expected; large values may be given as their hash.

use crate::agent::sha256_json;
use crate::eval::abridge;
use serde_json::Value;

/// Where `expected` is not contained in `got`: objects may have more fields, everything else is equal.
pub(super) fn differences(expected: &Value, got: &Value, at: &str, found: &mut Vec<String>) {
    match (expected, got) {
        (Value::Null, _) => {}
        (expected, got) if abridge::hash_of(expected).is_some() => {
            if abridge::hash_of(expected) != Some(sha256_json(got).as_str()) {
                found.push(format!("{at} is another value: {}", short(got)));
            }
        }
        (Value::Object(fields), Value::Object(have)) => {
            for (field, expected) in fields {
                let at = format!("{at}.{field}");
                match have.get(field) {
                    None => found.push(format!("{at} is missing")),
                    Some(got) => differences(expected, got, &at, found),
                }
            }
        }
        (Value::Array(items), Value::Array(have)) if items.len() == have.len() => {
            for (i, (expected, got)) in items.iter().zip(have).enumerate() {
                differences(expected, got, &format!("{at}[{i}]"), found);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (expected, got) if sha256_json(expected) == sha256_json(got) => {}
        (expected, got) => found.push(format!("{at}: expected {}, got {}", short(expected), short(got))),
    }
}

pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 80 {
        text
    } else {
        format!("{}…", text.chars().take(80).collect::<String>())
    }
}

pub(super) fn contains(expected: &Value, got: &Value) -> bool {
    let mut found = Vec::new();
    differences(expected, got, "", &mut found);
    found.is_empty()
}
