//! The inputs of a run: what was given, completed by the declared defaults.

use super::{NESTING_MAX, nesting_of};
use crate::{expr::is_time, workflow::Workflow};
use serde_json::{Map, Value};

/// Refuses unknown inputs and wrong types, in words for whoever gave them.
pub fn inputs_from(workflow: &Workflow, given: &Value) -> Result<Value, String> {
    let empty = Map::new();
    let given = match given {
        Value::Null => &empty,
        Value::Object(given) => given,
        _ => return Err(format!("the inputs of `{}` must be named values", workflow.id)),
    };
    if let Some(unknown) = given.keys().find(|name| !workflow.inputs.contains_key(*name)) {
        let known: Vec<&str> = workflow.inputs.keys().map(String::as_str).collect();
        return Err(format!("`{}` has no input `{unknown}`; it has: {}", workflow.id, known.join(", ")));
    }
    let mut inputs = Map::new();
    for (name, declared) in &workflow.inputs {
        let value = given.get(name).or(declared.default.as_ref());
        let Some(value) = value else {
            return Err(format!("`{}` needs the input `{name}` ({})", workflow.id, declared.kind));
        };
        if !is_of(value, &declared.kind) {
            return Err(format!("the input `{name}` of `{}` must be a {}", workflow.id, declared.kind));
        }
        if nesting_of(value) > NESTING_MAX {
            return Err(format!(
                "the input `{name}` of `{}` nests deeper than {NESTING_MAX} levels",
                workflow.id
            ));
        }
        inputs.insert(name.clone(), value.clone());
    }
    Ok(Value::Object(inputs))
}

/// Inputs as people type them; text that does not read as the declared type is refused later, with its name.
/// Nothing typed means not given.
pub fn inputs_from_text(workflow: &Workflow, typed: &[(String, String)]) -> Result<Value, String> {
    let read = |(name, text): &(String, String)| {
        let is_text = workflow
            .inputs
            .get(name)
            .is_some_and(|declared| matches!(declared.kind.as_str(), "string" | "time"));
        let value = if is_text { None } else { serde_json::from_str(text).ok() };
        (name.clone(), value.unwrap_or_else(|| Value::String(text.clone())))
    };
    let given: Map<String, Value> =
        typed.iter().filter(|(_, text)| !text.trim().is_empty()).map(read).collect();
    inputs_from(workflow, &Value::Object(given))
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "time" => value.as_str().is_some_and(is_time),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "list" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}
