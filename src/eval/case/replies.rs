//! Hand-written answers of a model. Nobody but a person wrote them; a tape made of them says so.

use crate::agent::ModelErrorClass;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One answer, in exactly one of these forms. `{data:/pointer}` and `{result:N:/pointer}` in `calls` and `answer`
/// stand for values of the conversation, as in `evals/transcripts/`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ReplyCall>,
    /// The final answer as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// The final answer as text, for a model that misbehaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The whole assistant message, for servers that misbehave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails: Option<FailedReply>,
    /// Another `finish_reason` than the form has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
    /// The stream ended without a `finish_reason`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// Another `usage` than the texts have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_usage: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyCall {
    /// As workflows write it, or the name on the wire.
    pub tool: String,
    #[serde(default)]
    pub with: Map<String, Value>,
    /// The arguments as text, for a model that writes broken JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The attempt gave no answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailedReply {
    #[schemars(with = "String")]
    pub class: ModelErrorClass,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    #[serde(default)]
    pub message: String,
}

impl Reply {
    /// The forms that are given; there must be one.
    pub fn forms(&self) -> usize {
        let given = [
            !self.calls.is_empty(),
            self.answer.is_some(),
            self.text.is_some(),
            self.message.is_some(),
            self.fails.is_some(),
        ];
        given.into_iter().filter(|given| *given).count()
    }
}
