//! OpenAI's chat fine-tuning format: one conversation that ended well on each line. Names stay masked, as the model
//! saw them.

use super::Conversation;
use crate::agent::Source;
use serde_json::{Value, json};

/// Only answers of a model that were accepted; what the rules said is nothing to learn from.
pub fn chat_lines(conversations: &[Conversation]) -> String {
    let mut lines = String::new();
    for conversation in
        conversations.iter().filter(|c| matches!(c.source, Some(Source::Model | Source::FallbackModel)))
    {
        let mut messages =
            conversation.request.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
        let content = conversation.message.get("content").cloned().unwrap_or_default();
        messages.push(json!({"role": "assistant", "content": content}));
        let mut line = json!({ "messages": messages });
        if let Some(tools) = conversation.request.get("tools") {
            line["tools"] = tools.clone();
            line["parallel_tool_calls"] = json!(false);
        }
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_accepted_answers_of_a_model_are_lines() {
        let request =
            json!({"messages": [{"role": "system", "content": "Do."}], "tools": [{"type": "function"}]});
        let by = |source| Conversation {
            request: request.clone(),
            message: json!({"role": "assistant", "content": "{}", "refusal": null}),
            source: Some(source),
            ..Conversation::default()
        };
        let lines = chat_lines(&[by(Source::Model), by(Source::Rules)]);
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["messages"][1], json!({"role": "assistant", "content": "{}"}));
        assert_eq!(lines[0]["tools"], request["tools"]);
    }
}
