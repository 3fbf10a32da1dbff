//! JSON as one text: keys sorted, no spaces. Digests are over it, so they do not depend on who wrote the keys in which
//! order.

use serde_json::Value;
use sha2::{Digest, Sha256};

pub fn canonical(value: &Value) -> String {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    sorted.to_string()
}

/// SHA-256 over the canonical text, in lower-case hex.
pub fn digest_of(value: &Value) -> String {
    hex::encode(Sha256::digest(canonical(value).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth_and_lists_are_not() {
        let text = canonical(&json!({ "b": [{ "z": 1, "a": 2 }, 0.5], "a": "ü\n" }));
        assert_eq!(text, r#"{"a":"ü\n","b":[{"a":2,"z":1},0.5]}"#);
        assert_ne!(digest_of(&json!([1, 2])), digest_of(&json!([2, 1])));
    }
}
