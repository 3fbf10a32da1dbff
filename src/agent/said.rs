//! What was said, in the parts that OpenTelemetry's conventions for generative AI have for it.

use serde_json::{Value, json};

/// The messages of a request.
pub(super) fn input(request: &Value) -> Value {
    let messages = request.get("messages").and_then(Value::as_array);
    messages.into_iter().flatten().map(message).collect()
}

/// The answers of a completion.
pub(super) fn output(body: &Value) -> Value {
    let choices = body.get("choices").and_then(Value::as_array);
    let answers = choices.into_iter().flatten().map(|choice| {
        let mut said = message(choice.get("message").unwrap_or(&Value::Null));
        said["finish_reason"] = match choice.get("finish_reason").and_then(Value::as_str) {
            Some("tool_calls" | "function_call") => json!("tool_call"),
            word => json!(word),
        };
        said
    });
    answers.collect()
}

fn message(message: &Value) -> Value {
    let role = message.get("role").and_then(Value::as_str).unwrap_or("assistant");
    json!({ "role": role, "parts": parts(role, message) })
}

fn parts(role: &str, message: &Value) -> Vec<Value> {
    let texts = texts(message.get("content"));
    if role == "tool" {
        let (id, response) = (message.get("tool_call_id"), read(&texts.concat()));
        return vec![json!({ "type": "tool_call_response", "id": id, "response": response })];
    }
    let refusal = message.get("refusal").and_then(Value::as_str);
    let texts = texts.into_iter().chain(refusal);
    let mut parts: Vec<Value> = texts.map(|text| json!({ "type": "text", "content": text })).collect();
    let calls = message.get("tool_calls").and_then(Value::as_array);
    parts.extend(calls.into_iter().flatten().map(tool_call));
    parts
}

fn texts(content: Option<&Value>) -> Vec<&str> {
    match content {
        Some(Value::String(text)) => vec![text.as_str()],
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
        _ => Vec::new(),
    }
}

fn tool_call(call: &Value) -> Value {
    let function = call.get("function").unwrap_or(&Value::Null);
    let arguments = match function.get("arguments") {
        Some(Value::String(text)) => read(text),
        other => json!(other),
    };
    json!({ "type": "tool_call", "id": call.get("id"), "name": function.get("name"), "arguments": arguments })
}

/// Text that is no JSON stays what it is.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_message_has_its_part() {
        let call =
            json!({ "id": "c1", "type": "function", "function": { "name": "t", "arguments": "{\"a\":1}" } });
        let request = json!({ "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": [{ "type": "text", "text": "What" }, { "type": "text", "text": "is it?" }] },
            { "role": "assistant", "content": null, "tool_calls": [call] },
            { "role": "tool", "tool_call_id": "c1", "content": "{\"ok\":true}" },
        ] });
        let wanted = json!([
            { "role": "system", "parts": [{ "type": "text", "content": "Be brief." }] },
            { "role": "user", "parts": [
                { "type": "text", "content": "What" }, { "type": "text", "content": "is it?" },
            ] },
            { "role": "assistant", "parts": [
                { "type": "tool_call", "id": "c1", "name": "t", "arguments": { "a": 1 } },
            ] },
            { "role": "tool", "parts": [
                { "type": "tool_call_response", "id": "c1", "response": { "ok": true } },
            ] },
        ]);
        assert_eq!(input(&request), wanted);
    }

    #[test]
    fn an_answer_has_its_parts_and_why_it_ended() {
        let said = |message: Value, finish: Value| {
            output(&json!({ "choices": [{ "message": message, "finish_reason": finish }] }))[0].clone()
        };
        let text = said(json!({ "role": "assistant", "content": "{}", "refusal": null }), json!("stop"));
        let part = json!({ "type": "text", "content": "{}" });
        assert_eq!(text, json!({ "role": "assistant", "parts": [part], "finish_reason": "stop" }));
        let broken = json!({ "tool_calls": [{ "function": { "name": "t", "arguments": "{a:" } }] });
        let call = said(broken, json!("tool_calls"));
        assert_eq!(call["finish_reason"], "tool_call");
        assert_eq!(
            call["parts"],
            json!([{ "type": "tool_call", "id": null, "name": "t", "arguments": "{a:" }])
        );
        let refused = said(json!({ "content": null, "refusal": "No." }), Value::Null);
        assert_eq!(refused["parts"], json!([{ "type": "text", "content": "No." }]));
        assert_eq!(output(&json!({ "choices": [] })), json!([]));
        assert_eq!(input(&json!({})), json!([]));
    }
}
