//! What the journal can hold. PostgreSQL keeps no NUL in text, and the journal's parser reads 128 levels and no more:
//! what is written deeper could never be read again, and its run would stand still.

use serde_json::Value;

/// Levels of lists and objects in one value. Records, questions and batches put a few around it.
pub const NESTING_MAX: usize = 64;

/// Levels of lists and objects; none for a text or a number.
pub fn nesting_of(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(nesting_of).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(nesting_of).max().unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Whether any text in it, names of fields included, holds a NUL character.
pub fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
