//! What the real API refuses, as far as Takt could get it wrong.

use super::{MODEL, Refusal};
use serde_json::Value;

/// Keywords that strict structured output does not accept.
const NOT_STRICT: [&str; 8] =
    ["allOf", "oneOf", "not", "default", "minLength", "maxLength", "uniqueItems", "patternProperties"];

pub(super) fn check(request: &Value) -> Result<(), Refusal> {
    let model = request.get("model").and_then(Value::as_str).unwrap_or_default();
    if model.split('/').next() != Some(MODEL) {
        let message = format!("The model `{model}` does not exist: this endpoint only has `{MODEL}`.");
        return Err(Refusal::unknown("model_not_found", message));
    }
    if request.get("stream").and_then(Value::as_bool) == Some(true) {
        return Err(Refusal::invalid("unsupported_value", "stream", "This endpoint does not stream."));
    }
    let messages = request.get("messages").and_then(Value::as_array).filter(|list| !list.is_empty());
    let messages = messages.ok_or_else(|| {
        Refusal::invalid("invalid_type", "messages", "'messages' must be a list that is not empty.")
    })?;
    answered(messages)?;
    tools(request)?;
    if let Some(format) = request.pointer("/response_format/json_schema")
        && format.get("strict").and_then(Value::as_bool) == Some(true)
    {
        strict(format.get("schema").unwrap_or(&Value::Null), "response_format")?;
    }
    Ok(())
}

/// Every tool call is answered by one tool message before anybody else speaks.
fn answered(messages: &[Value]) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let param = format!("messages[{i}]");
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if !["system", "developer", "user", "assistant", "tool"].contains(&role) {
            return Err(Refusal::invalid("invalid_value", &param, format!("Invalid role: '{role}'.")));
        }
        if role == "tool" {
            let id = message.get("tool_call_id").and_then(Value::as_str).unwrap_or_default();
            match open.iter().position(|open| *open == id) {
                Some(at) => {
                    open.remove(at);
                }
                None => {
                    let message = format!("The tool message answers `{id}`, which nobody called.");
                    return Err(Refusal::invalid("invalid_value", &param, message));
                }
            }
            continue;
        }
        if !open.is_empty() {
            let message = format!("These tool calls have no answer: {}.", open.join(", "));
            return Err(Refusal::invalid("invalid_value", &param, message));
        }
        let calls = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
        open = calls.filter_map(|call| call.get("id").and_then(Value::as_str)).collect();
    }
    if open.is_empty() {
        return Ok(());
    }
    let message = format!("These tool calls have no answer: {}.", open.join(", "));
    Err(Refusal::invalid("invalid_value", "messages", message))
}

fn tools(request: &Value) -> Result<(), Refusal> {
    for (i, tool) in request.get("tools").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let param = format!("tools[{i}].function");
        let function = tool.get("function").unwrap_or(&Value::Null);
        let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
            let message = format!("Invalid tool name '{name}': [a-zA-Z0-9_-]{{1,64}}.");
            return Err(Refusal::invalid("invalid_value", &param, message));
        }
        if function.get("strict").and_then(Value::as_bool) == Some(true) {
            strict(function.get("parameters").unwrap_or(&Value::Null), &param)?;
        }
    }
    Ok(())
}

fn strict(schema: &Value, param: &str) -> Result<(), Refusal> {
    let Some(fields) = schema.as_object() else {
        return Err(Refusal::invalid("invalid_schema", param, "A schema must be an object."));
    };
    if let Some(keyword) = NOT_STRICT.iter().find(|keyword| fields.contains_key(**keyword)) {
        let message = format!("Invalid schema: '{keyword}' is not permitted.");
        return Err(Refusal::invalid("invalid_schema", param, message));
    }
    if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
        let required: Vec<&str> = fields
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if fields.get("additionalProperties") != Some(&Value::Bool(false)) {
            let message =
                "Invalid schema: 'additionalProperties' is required to be supplied and to be false.";
            return Err(Refusal::invalid("invalid_schema", param, message));
        }
        for (name, property) in properties {
            if !required.contains(&name.as_str()) {
                let message = format!("Invalid schema: 'required' must include '{name}'.");
                return Err(Refusal::invalid("invalid_schema", param, message));
            }
            strict(property, param)?;
        }
    }
    for keyword in ["anyOf", "items", "$defs"] {
        match fields.get(keyword) {
            Some(Value::Array(branches)) => branches.iter().try_for_each(|b| strict(b, param))?,
            Some(Value::Object(definitions)) if keyword == "$defs" => {
                definitions.values().try_for_each(|d| strict(d, param))?;
            }
            Some(schema) => strict(schema, param)?,
            None => {}
        }
    }
    Ok(())
}
