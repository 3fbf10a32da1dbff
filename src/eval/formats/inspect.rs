//! Inspect's JSON log (version 2): one sample for each conversation of each trial, with Takt's checks as its scores.

use super::Conversation;
use crate::agent::request_key;
use crate::eval::report::Trial;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

pub struct InspectSample<'a> {
    pub case: String,
    /// From 1.
    pub trial: usize,
    pub conversation: Conversation,
    pub result: &'a Trial,
}

/// `created` is passed in, so that the same cases give the same log.
pub fn inspect_log(samples: &[InspectSample<'_>], created: DateTime<Utc>) -> Value {
    let model = samples.iter().find_map(|sample| sample.conversation.profile.as_ref());
    let model = model.map_or("none/none".to_owned(), |profile| format!("takt/{}", profile.model));
    let created = created.to_rfc3339();
    let passed = samples.iter().filter(|sample| sample.result.passed).count();
    let accuracy = if samples.is_empty() { 0.0 } else { passed as f64 / samples.len() as f64 };
    let (input, output) = samples.iter().fold((0, 0), |(input, output), sample| {
        let usage = sample.conversation.usage;
        (input + usage.input_tokens, output + usage.output_tokens)
    });
    let usage = json!({"input_tokens": input, "output_tokens": output, "total_tokens": input + output});
    let ids: Vec<&str> = samples.iter().map(|sample| sample.case.as_str()).collect();
    let id = request_key(&json!([created, ids]));
    json!({
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": &id[..22], "run_id": &id[22..44], "created": created, "task": "takt eval", "task_id": &id[44..],
            "task_version": 0, "task_attribs": {}, "task_args": {},
            "dataset": {"name": "evals", "samples": samples.len(), "shuffled": false},
            "model": model, "model_args": {}, "model_generate_config": {},
            "config": {"epochs": 1}, "packages": {}, "metadata": {"replay": true},
        },
        "plan": {"name": "plan", "steps": [{"solver": "replay", "params": {}}], "config": {}},
        "results": {
            "total_samples": samples.len(), "completed_samples": samples.len(),
            "scores": [{
                "name": "checks", "scorer": "checks", "params": {},
                "metrics": {"accuracy": {"name": "accuracy", "value": accuracy, "params": {}}},
            }],
        },
        "stats": {"started_at": created, "completed_at": created, "model_usage": {model: usage}},
        "samples": samples.iter().map(sample).collect::<Vec<Value>>(),
    })
}

fn sample(sample: &InspectSample<'_>) -> Value {
    let conversation = &sample.conversation;
    let messages: Vec<Value> = conversation
        .request
        .get("messages")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(message)
        .collect();
    let answer = conversation.message.get("content").and_then(Value::as_str).unwrap_or_default();
    let model = conversation.profile.as_ref().map_or("none", |profile| profile.model.as_str());
    let stop = match conversation.finish.as_deref() {
        Some("stop") => "stop",
        Some("length") => "max_tokens",
        Some("tool_calls") => "tool_calls",
        Some("content_filter") => "content_filter",
        _ => "unknown",
    };
    let checks: Map<String, Value> =
        sample.result.score.checks.iter().map(|(name, check)| (name.clone(), json!(check.holds))).collect();
    let failing = sample.result.score.checks.iter().filter(|(_, check)| !check.holds);
    let why: Vec<String> = failing.map(|(name, check)| format!("{name}: {}", check.detail)).collect();
    let (input, output) = (conversation.usage.input_tokens, conversation.usage.output_tokens);
    json!({
        "id": format!("{}/{}", sample.case, conversation.step),
        "epoch": sample.trial,
        "input": messages.iter().take(2).cloned().collect::<Vec<Value>>(),
        "target": "",
        "messages": messages,
        "output": {
            "model": model,
            "choices": [{"message": {"role": "assistant", "content": answer, "source": "generate"}, "stop_reason": stop}],
            "usage": {"input_tokens": input, "output_tokens": output, "total_tokens": input + output},
        },
        "scores": {"checks": {"value": if sample.result.passed { "C" } else { "I" }, "answer": answer, "explanation": why.join("; "), "metadata": {"checks": checks}}},
        "metadata": {
            "source": conversation.source, "outcome": sample.result.score.outcome,
            "stale": sample.result.stale, "authored": sample.result.answered.is_authored(),
        },
        "store": {}, "events": [], "model_usage": {}, "attachments": {},
    })
}

/// Inspect reads the arguments of a call as an object, and names its function in its own field.
fn message(message: &Value) -> Value {
    let text = |field: &str| message.get(field).and_then(Value::as_str).unwrap_or_default();
    match text("role") {
        "assistant" => {
            let calls = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
            let calls: Vec<Value> = calls
                .map(|call| {
                    let arguments =
                        call.pointer("/function/arguments").and_then(Value::as_str).unwrap_or("{}");
                    json!({
                        "id": call.get("id"), "function": call.pointer("/function/name"), "type": "function",
                        "arguments": serde_json::from_str::<Value>(arguments).unwrap_or_else(|_| json!({})),
                    })
                })
                .collect();
            let calls = if calls.is_empty() { Value::Null } else { Value::Array(calls) };
            json!({"role": "assistant", "content": text("content"), "tool_calls": calls, "source": "generate"})
        }
        "tool" => json!({"role": "tool", "content": text("content"), "tool_call_id": text("tool_call_id")}),
        "user" => json!({"role": "user", "content": text("content"), "source": "input"}),
        _ => json!({"role": "system", "content": text("content")}),
    }
}
