//! A model that answers at once: it asks for a tool in every turn but the last. What is left to measure is the agent
//! loop itself with its commits.

use super::engine::STEPS;
use crate::agent::{Capabilities, Model, ModelError, ModelProfile, ModelReply};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::time::Duration;

pub struct Ready {
    profile: ModelProfile,
    tool: String,
}

impl Ready {
    /// `tool` is the name on the wire.
    pub fn new(tool: String) -> Self {
        let profile = ModelProfile {
            endpoint: "bench".to_owned(),
            model: "bench".to_owned(),
            authored: true,
            usd_per_million_input: 0.0,
            usd_per_million_output: 0.0,
            capabilities: Capabilities::default(),
        };
        Self { profile, tool }
    }
}

#[async_trait]
impl Model for Ready {
    fn profile(&self) -> &ModelProfile {
        &self.profile
    }

    async fn complete(&self, request: &Value, _timeout: Duration) -> Result<ModelReply, ModelError> {
        let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let turn = messages.iter().filter(|message| message["role"] == "tool").count() + 1;
        let (message, finish) = if turn < STEPS {
            let arguments = json!({ "n": turn }).to_string();
            let call = json!({ "id": format!("c{turn}"), "type": "function",
                "function": { "name": self.tool, "arguments": arguments } });
            (json!({ "role": "assistant", "content": null, "tool_calls": [call] }), "tool_calls")
        } else {
            (json!({ "role": "assistant", "content": "{\"done\":true}" }), "stop")
        };
        let body = json!({ "model": "bench", "choices": [{ "index": 0, "message": message, "finish_reason": finish }],
            "usage": { "prompt_tokens": 1000, "completion_tokens": 20 } });
        Ok(ModelReply::read(200, body, 0))
    }
}
