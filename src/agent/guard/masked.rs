//! The same masks for whoever else is outside: an assistant that calls a tool without a run, and who looks for what
//! should be masked in a file.

use super::Masker;
pub use super::dlp::shapes;
use crate::tool::DataClass;
use serde_json::Value;
use std::collections::BTreeMap;

/// A value as a model would be given it. The same key gives the same tokens; nothing puts them back.
pub fn masked(
    value: &Value,
    classes: &BTreeMap<String, DataClass>,
    known: &[(DataClass, String)],
    key: [u8; 32],
) -> Value {
    Masker::new(key, &[], known).mask(value, classes)
}
