//! Reads the assistant message out of a chat completion, leniently: servers leave out ids, send
//! arguments as objects and content as parts. What cannot be read is judged later, not here.

use super::{digest::sorted_json, model::Finish};
use serde_json::{Value, json};
use std::collections::HashSet;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Answer(String),
    Calls(Vec<WireCall>),
    Refused(String),
    Truncated(String),
    Empty,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct WireCall {
    /// Only for the server: our own keys do not depend on it.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: Result<Value, String>,
}

impl Reply {
    pub(super) fn read(body: &Value, finish: Option<Finish>, turn: u32) -> Self {
        let message = body.pointer("/choices/0/message").unwrap_or(&Value::Null);
        if let Some(refusal) = message.get("refusal").and_then(Value::as_str).filter(|r| !r.is_empty()) {
            return Self::Refused(refusal.to_owned());
        }
        match finish {
            Some(Finish::ContentFilter) => {
                return Self::Refused("the provider filtered the answer".to_owned());
            }
            Some(Finish::Length) => return Self::Truncated("the answer was longer than allowed".to_owned()),
            Some(Finish::Aborted) | None => {
                return Self::Truncated("the answer stopped before its end".to_owned());
            }
            Some(Finish::Stop | Finish::ToolCalls | Finish::Other) => {}
        }
        let calls = calls(message, turn);
        if !calls.is_empty() {
            return Self::Calls(calls);
        }
        match content(message) {
            Some(text) if !text.trim().is_empty() => Self::Answer(text),
            _ => Self::Empty,
        }
    }
}

/// The assistant message as it is sent back: ids are unique and never missing.
pub(super) fn assistant_calls(calls: &[WireCall]) -> Value {
    let calls: Vec<Value> = calls
        .iter()
        .map(|call| {
            let arguments = match &call.arguments {
                Ok(arguments) => sorted_json(arguments),
                // Servers parse the history again and refuse what is not JSON.
                Err(_) => "{}".to_owned(),
            };
            json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
        })
        .collect();
    json!({"role": "assistant", "content": null, "tool_calls": calls})
}

/// For calls that came without an id, or with one that cannot be sent back.
pub(super) fn own_id(turn: u32, index: usize) -> String {
    format!("call_{turn}_{index}")
}

fn calls(message: &Value, turn: u32) -> Vec<WireCall> {
    let Some(items) = message.get("tool_calls").and_then(Value::as_array) else { return Vec::new() };
    let mut calls: Vec<WireCall> = Vec::with_capacity(items.len());
    let mut ids: HashSet<String> = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let function = item.get("function").unwrap_or(&Value::Null);
        let own = item.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = match own {
            Some(id) if !ids.contains(id) => id.to_owned(),
            _ => own_id(turn, index),
        };
        ids.insert(id.clone());
        let name = function.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        calls.push(WireCall { id, name, arguments: arguments(function.get("arguments")) });
    }
    calls
}

fn arguments(arguments: Option<&Value>) -> Result<Value, String> {
    let parsed = match arguments {
        None | Some(Value::Null) => return Ok(json!({})),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(json!({})),
        Some(Value::String(text)) => {
            serde_json::from_str(text).map_err(|e| format!("the arguments are not JSON: {e}"))?
        }
        Some(value) => value.clone(),
    };
    match parsed {
        Value::Object(_) => Ok(parsed),
        _ => Err("the arguments are not a JSON object".to_owned()),
    }
}

fn content(message: &Value) -> Option<String> {
    match message.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            Some(parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect())
        }
        _ => None,
    }
}
