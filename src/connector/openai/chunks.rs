//! One whole answer out of the chunks of a stream: what the server would have sent at once. Chunks that end before the
//! answer does make none.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is shown of an answer is its end.
const SHOWN_CHARS_MAX: usize = 1_200;

/// Fields of a chunk that are put together here, or mean nothing.
const OWN: [&str; 4] = ["object", "choices", "usage", "obfuscation"];

#[derive(Default)]
pub(super) struct Chunks {
    head: Map<String, Value>,
    choices: BTreeMap<u64, Choice>,
    usage: Option<Value>,
    bytes: usize,
}

#[derive(Default)]
struct Choice {
    message: Map<String, Value>,
    calls: Vec<ToolCall>,
    finish: Option<String>,
    rest: Map<String, Value>,
}

struct ToolCall {
    index: Option<u64>,
    fields: Map<String, Value>,
}

impl Chunks {
    /// Takes the next chunk; what it does not say stays as it was.
    pub(super) fn take(&mut self, chunk: &Value) {
        let Some(fields) = chunk.as_object() else { return };
        for (name, value) in fields.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
            let is_empty = value.is_null() || value == "" || (name == "created" && *value == json!(0));
            // Azure's first chunk has no model yet.
            if !is_empty {
                self.head.insert(name.clone(), value.clone());
            }
        }
        if let Some(usage) = fields.get("usage").filter(|usage| !usage.is_null()) {
            self.usage = Some(usage.clone());
        }
        for choice in fields.get("choices").and_then(Value::as_array).into_iter().flatten() {
            let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
            self.bytes += self.choices.entry(index).or_default().take(choice);
        }
    }

    /// Of all text that has come.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// `None` when it stopped before its end: nobody said why it finished.
    pub(super) fn whole(self) -> Option<Value> {
        if self.choices.is_empty() || self.choices.values().any(|choice| choice.finish.is_none()) {
            return None;
        }
        let mut answer = self.head;
        answer.insert("object".to_owned(), json!("chat.completion"));
        let choices = self.choices.into_iter().map(|(index, choice)| choice.whole(index));
        answer.insert("choices".to_owned(), choices.collect());
        if let Some(usage) = self.usage {
            answer.insert("usage".to_owned(), usage);
        }
        Some(Value::Object(answer))
    }

    /// What a person reads of it now.
    pub(super) fn so_far(&self) -> String {
        let Some(choice) = self.choices.values().next() else { return String::new() };
        let said = ["content", "refusal"].iter().filter_map(|field| choice.message.get(*field)?.as_str());
        let mut lines: Vec<String> =
            said.filter(|text| !text.is_empty()).map(|text| end(text).to_owned()).collect();
        for call in &choice.calls {
            let part =
                |field: &str| call.fields.get("function").and_then(|function| function[field].as_str());
            lines.push(format!(
                "{}({}",
                part("name").unwrap_or_default(),
                end(part("arguments").unwrap_or_default())
            ));
        }
        end(&lines.join("\n")).to_owned()
    }
}

impl Choice {
    fn take(&mut self, choice: &Value) -> usize {
        let mut bytes = 0;
        if let Some(finish) = choice.get("finish_reason").and_then(Value::as_str)
            // Some servers write an empty word into every chunk.
            && (self.finish.is_none() || !finish.is_empty())
        {
            self.finish = Some(finish.to_owned());
        }
        for (name, value) in choice.as_object().into_iter().flatten() {
            match name.as_str() {
                "index" | "finish_reason" => {}
                "delta" => bytes += self.said(value),
                "logprobs" => merge_logprobs(self.rest.entry(name.clone()).or_insert(Value::Null), value),
                _ if !value.is_null() => drop(self.rest.insert(name.clone(), value.clone())),
                _ => {}
            }
        }
        bytes
    }

    fn said(&mut self, delta: &Value) -> usize {
        let mut bytes = 0;
        for (name, value) in delta.as_object().into_iter().flatten() {
            match (name.as_str(), value) {
                ("tool_calls", Value::Array(calls)) => {
                    bytes += calls.iter().map(|call| self.call(call)).sum::<usize>();
                }
                ("role", _) => drop(self.message.insert(name.clone(), value.clone())),
                // Content, a refusal, and what servers add, such as their reasoning.
                (_, Value::String(more)) => bytes += append(&mut self.message, name, more),
                ("content", Value::Array(parts)) => {
                    for part in parts.iter().filter_map(|part| part.get("text")?.as_str()) {
                        bytes += append(&mut self.message, name, part);
                    }
                }
                (_, Value::Null) => {}
                _ => drop(self.message.insert(name.clone(), value.clone())),
            }
        }
        bytes
    }

    fn call(&mut self, fragment: &Value) -> usize {
        let index = fragment.get("index").and_then(Value::as_u64);
        let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
        let id = text(fragment, "id").filter(|id| !id.is_empty());
        let call = self.place(index, id.as_deref());
        let mut bytes = 0;
        for (name, value) in fragment.as_object().into_iter().flatten() {
            match name.as_str() {
                "index" => {}
                "function" => {
                    let function = call.fields.entry("function").or_insert_with(|| json!({}));
                    let Some(function) = function.as_object_mut() else { continue };
                    bytes += called(function, value);
                }
                // Said once; some servers repeat it, or send it empty later.
                _ if call.fields.get(name).is_none_or(|known| known == "") && !value.is_null() => {
                    call.fields.insert(name.clone(), value.clone());
                }
                _ => {}
            }
        }
        bytes
    }

    /// The call that a fragment belongs to: by its index, and where a server gives all of them the same index or none,
    /// by its id; what has neither goes on with the last.
    fn place(&mut self, index: Option<u64>, id: Option<&str>) -> &mut ToolCall {
        let is_other = |call: &ToolCall| {
            let known = call.fields.get("id").and_then(Value::as_str).unwrap_or_default();
            id.is_some_and(|id| !known.is_empty() && known != id)
        };
        let found = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index),
            None => self.calls.len().checked_sub(1),
        };
        let place = match found {
            Some(place) if !is_other(&self.calls[place]) => place,
            _ => {
                self.calls.push(ToolCall { index, fields: Map::new() });
                self.calls.len() - 1
            }
        };
        &mut self.calls[place]
    }

    fn whole(mut self, index: u64) -> Value {
        for field in ["content", "refusal"] {
            self.message.entry(field).or_insert(Value::Null);
        }
        self.message.entry("role").or_insert_with(|| json!("assistant"));
        if !self.calls.is_empty() {
            // As the model counted them, not as they came.
            self.calls.sort_by_key(|call| call.index);
            let calls = self.calls.into_iter().map(|call| Value::Object(call.fields));
            self.message.insert("tool_calls".to_owned(), calls.collect());
        }
        let mut choice = self.rest;
        choice.entry("logprobs").or_insert(Value::Null);
        choice.insert("index".to_owned(), json!(index));
        choice.insert("message".to_owned(), Value::Object(self.message));
        choice.insert("finish_reason".to_owned(), json!(self.finish));
        Value::Object(choice)
    }
}

/// Name and arguments of a call: the name comes once, the arguments in pieces.
fn called(function: &mut Map<String, Value>, fragment: &Value) -> usize {
    let mut bytes = 0;
    for (name, value) in fragment.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("arguments", Value::String(more)) => bytes += append(function, name, more),
            (_, Value::Null) => {}
            _ if function.get(name).is_none_or(|known| known == "") => {
                bytes += value.as_str().map_or_else(|| value.to_string().len(), str::len);
                function.insert(name.clone(), value.clone());
            }
            _ => {}
        }
    }
    bytes
}

fn append(fields: &mut Map<String, Value>, name: &str, more: &str) -> usize {
    match fields.get_mut(name) {
        Some(Value::String(text)) => text.push_str(more),
        _ => drop(fields.insert(name.to_owned(), json!(more))),
    }
    more.len()
}

/// Lists of tokens are put one after the other.
fn merge_logprobs(known: &mut Value, more: &Value) {
    let Some(more) = more.as_object() else { return };
    if known.is_null() {
        *known = json!({});
    }
    for (name, tokens) in more {
        match (known.get_mut(name).and_then(Value::as_array_mut), tokens.as_array()) {
            (Some(known), Some(tokens)) => known.extend(tokens.iter().cloned()),
            _ => known[name.as_str()] = tokens.clone(),
        }
    }
}

fn end(text: &str) -> &str {
    let start = text.char_indices().rev().nth(SHOWN_CHARS_MAX - 1).map_or(0, |(start, _)| start);
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assembled(chunks: &[Value]) -> Option<Value> {
        let mut all = Chunks::default();
        for chunk in chunks {
            all.take(chunk);
        }
        all.whole()
    }

    fn delta(delta: &Value) -> Value {
        json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] })
    }

    fn call(fragment: &Value) -> Value {
        delta(&json!({ "tool_calls": [fragment] }))
    }

    fn finish(word: &str) -> Value {
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": word }] })
    }

    fn calls(chunks: &[Value]) -> Value {
        assembled(chunks).expect("an answer")["choices"][0]["message"]["tool_calls"].clone()
    }

    #[test]
    fn fragments_of_calls_belong_to_their_index_however_they_come() {
        let found = calls(&[
            call(
                &json!({ "index": 0, "id": "a", "type": "function", "function": { "name": "one", "arguments": "{\"x\"" } }),
            ),
            call(
                &json!({ "index": 1, "id": "b", "type": "function", "function": { "name": "two", "arguments": "" } }),
            ),
            call(&json!({ "index": 0, "function": { "arguments": ":1}" } })),
            call(&json!({ "index": 1, "id": "", "function": { "name": null, "arguments": "{}" } })),
            finish("tool_calls"),
        ]);
        let wanted = json!([
            { "id": "a", "type": "function", "function": { "name": "one", "arguments": "{\"x\":1}" } },
            { "id": "b", "type": "function", "function": { "name": "two", "arguments": "{}" } },
        ]);
        assert_eq!(found, wanted);
    }

    /// Each is how a server is known to write them.
    #[test]
    fn calls_of_servers_that_are_not_exact_are_told_apart() {
        let whole = |index: Option<u64>, id: &str, name: &str| {
            let mut call = json!({ "id": id, "function": { "name": name, "arguments": "{}" } });
            if let Some(index) = index {
                call["index"] = json!(index);
            }
            call
        };
        for index in [Some(0), None] {
            let found = calls(&[
                call(&whole(index, "a", "one")),
                call(&whole(index, "b", "two")),
                finish("tool_calls"),
            ]);
            assert_eq!(
                (&found[0]["function"]["name"], &found[1]["function"]["name"]),
                (&json!("one"), &json!("two"))
            );
        }
        let repeated = calls(&[
            call(&json!({ "index": 0, "id": "a", "function": { "name": "one", "arguments": "{\"x\":" } })),
            call(&json!({ "index": 0, "id": "a", "function": { "name": "one", "arguments": "1}" } })),
            finish("tool_calls"),
        ]);
        assert_eq!(repeated[0]["function"], json!({ "name": "one", "arguments": "{\"x\":1}" }));
        let object = calls(&[
            call(&json!({ "index": 0, "id": "a", "function": { "name": "one", "arguments": { "x": 1 } } })),
            finish("stop"),
        ]);
        assert_eq!(object[0]["function"]["arguments"], json!({ "x": 1 }));
    }

    #[test]
    fn what_has_no_end_is_no_answer_and_an_empty_word_is_not_the_last() {
        assert_eq!(assembled(&[]), None);
        assert_eq!(assembled(&[delta(&json!({ "content": "{}" }))]), None);
        assert_eq!(assembled(&[json!({ "choices": [], "usage": { "prompt_tokens": 1 } })]), None);
        let found = assembled(&[finish(""), delta(&json!({ "content": "a" })), finish("stop"), finish("")]);
        assert_eq!(found.expect("an answer")["choices"][0]["finish_reason"], "stop");
    }

    #[test]
    fn its_end_is_shown() {
        let mut all = Chunks::default();
        all.take(&delta(&json!({ "content": "ä".repeat(2_000) })));
        all.take(&call(&json!({ "index": 0, "function": { "name": "look", "arguments": "{\"a\":1" } })));
        let shown = all.so_far();
        assert_eq!(shown.chars().count(), SHOWN_CHARS_MAX);
        assert!(shown.ends_with("ä\nlook({\"a\":1"), "{shown}");
        assert_eq!(all.bytes(), 4_000 + "look{\"a\":1".len());
    }
}
