//! Large arguments as their hash: a plan of two hundred operations is compared, not read.

use crate::agent::sha256_json;
use serde_json::{Map, Value, json};

/// Fields above this size are kept as `{ sha256: … }`.
const FIELD_BYTES_MAX: usize = 2_048;
const HASH: &str = "sha256";

/// The same arguments with large fields as their hash.
pub(super) fn abridged(args: &Value) -> Value {
    let Value::Object(fields) = args else { return args.clone() };
    let short = fields.iter().map(|(name, value)| {
        let large = value.to_string().len() > FIELD_BYTES_MAX;
        (name.clone(), if large { json!({ HASH: sha256_json(value) }) } else { value.clone() })
    });
    Value::Object(short.collect::<Map<_, _>>())
}

/// The hash that stands for a value, where one does.
pub(super) fn hash_of(value: &Value) -> Option<&str> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    fields.get(HASH).and_then(Value::as_str).filter(|hash| hash.len() == 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_fields_become_hashes() {
        let args = json!({"reason": "x", "sequence": vec!["J-1001"; 1_000]});
        let short = abridged(&args);
        assert_eq!(short["reason"], "x");
        assert_eq!(hash_of(&short["sequence"]), Some(sha256_json(&args["sequence"]).as_str()));
        assert_eq!(abridged(&short), short);
        assert_eq!(hash_of(&json!({"sha256": "x"})), None);
    }
}
