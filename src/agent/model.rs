//! The door to a language model: one attempt of one chat completion. Retries, budgets and the
//! journal are the loop's business; HTTP is the connector's.

use super::body::Body;
use super::onlookers::Screen;
use crate::tool::DataClass;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// Who answers and what it costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelProfile {
    /// Name of the endpoint in `takt.yaml`.
    pub endpoint: String,
    /// Model name on the wire.
    pub model: String,
    /// Plays hand-written transcripts; every answer says so.
    pub authored: bool,
    pub usd_per_million_input: f64,
    pub usd_per_million_output: f64,
    #[serde(default, skip_serializing_if = "Capabilities::are_usual")]
    pub capabilities: Capabilities,
}

impl ModelProfile {
    pub fn cost_usd(&self, usage: Usage) -> f64 {
        let Usage { input_tokens, output_tokens } = usage;
        (input_tokens as f64 * self.usd_per_million_input
            + output_tokens as f64 * self.usd_per_million_output)
            / 1e6
    }
}

/// What an endpoint can do and may be told, where it differs from the usual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Enforces a schema that is marked `strict`; others are only told it.
    pub strict: bool,
    /// Knows `response_format: json_schema`; others are told the schema in words.
    pub json_schema: bool,
    /// Knows `tool_choice` and `parallel_tool_calls`.
    pub tool_choice: bool,
    /// Knows `max_completion_tokens`; older servers want `max_tokens`.
    pub max_completion_tokens: bool,
    /// Knows `store`.
    pub store: bool,
    /// Classes of data that may be sent there, masked as they are; empty means all.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub data: BTreeSet<DataClass>,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            strict: true,
            json_schema: true,
            tool_choice: true,
            max_completion_tokens: true,
            store: true,
            data: BTreeSet::new(),
        }
    }
}

impl Capabilities {
    fn are_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Who stands behind an endpoint, as OpenTelemetry's conventions name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// `gen_ai.provider.name`: a well-known value, whatever the site calls the endpoint.
    pub name: &'static str,
    pub address: Option<String>,
    pub port: Option<u16>,
}

/// A chat-completions endpoint. `complete` makes exactly one attempt and never retries: every attempt
/// is an entry of the journal.
#[async_trait]
pub trait Model: Send + Sync {
    fn profile(&self) -> &ModelProfile;

    /// Only of one that is reached over a network.
    fn provider(&self) -> Option<Provider> {
        None
    }

    /// `request` is the whole body of a chat completion; it is sent as it is.
    async fn complete(&self, request: &Value, timeout: Duration) -> Result<ModelReply, ModelError>;

    /// The same while somebody looks on: who can, shows what comes in. The reply is what it would be otherwise.
    async fn complete_shown(
        &self,
        request: &Value,
        timeout: Duration,
        _screen: Arc<dyn Screen>,
    ) -> Result<ModelReply, ModelError> {
        self.complete(request, timeout).await
    }
}

/// An answer with HTTP status 2xx, whatever stands in it: nobody has read it yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelReply {
    pub status: u16,
    /// Those that say who answered and how much is left, by lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Body,
    /// The endpoint has given the last request it has to give: leave it alone for so long.
    pub pause: Option<Duration>,
    pub ms: u64,
}

impl ModelReply {
    /// An answer that is JSON, without headers.
    pub fn read(status: u16, body: Value, ms: u64) -> Self {
        Self { status, headers: BTreeMap::new(), body: Body::of_json(&body), pause: None, ms }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
}

impl Usage {
    /// Half a report is none: what is missing is not 0.
    pub(super) fn read(usage: &Value) -> Option<Self> {
        let tokens = |key: &str| usage.get(key).and_then(Value::as_u64);
        Some(Self { input_tokens: tokens("prompt_tokens")?, output_tokens: tokens("completion_tokens")? })
    }

    pub fn total(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    Stop,
    ToolCalls,
    /// The answer was cut off: never parsed as complete.
    Length,
    ContentFilter,
    /// Empty or `abort`: some servers say so when they stopped in the middle.
    Aborted,
    /// A word we do not know, such as `eos_token`; the answer is validated like any other.
    Other,
}

impl Finish {
    pub(super) fn read(word: &str) -> Self {
        match word {
            "stop" => Self::Stop,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "length" | "max_tokens" => Self::Length,
            "content_filter" => Self::ContentFilter,
            "" | "abort" | "error" => Self::Aborted,
            _ => Self::Other,
        }
    }
}

/// An attempt that gave no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    pub class: ModelErrorClass,
    /// HTTP status, where there was one.
    pub status: Option<u16>,
    pub retry_after: Option<Duration>,
    /// Safe to show: no key, no request text.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelErrorClass {
    /// 429: ask again after `retry_after`.
    RateLimited,
    /// The account has no money or quota left: asking again does not help.
    Quota,
    /// 401 or 403.
    Auth,
    /// The endpoint does not know the model.
    NotFound,
    /// 400, 413, 422: this request will never be accepted.
    BadRequest,
    /// 400 `content_filter`: the provider refused the prompt.
    ContentFilter,
    /// 5xx, 408, 409, or a 200 that holds an error.
    Server,
    /// No connection: nothing was sent.
    Unreachable,
    /// The connection was lost after the request had gone out.
    Network,
    Timeout,
    /// 2xx, but not JSON.
    Unparseable,
    /// The process ended between the question and the answer; only the journal uses it.
    Lost,
}

impl ModelErrorClass {
    pub fn word(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Quota => "quota",
            Self::Auth => "auth",
            Self::NotFound => "not_found",
            Self::BadRequest => "bad_request",
            Self::ContentFilter => "content_filter",
            Self::Server => "server",
            Self::Unreachable => "unreachable",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Unparseable => "unparseable",
            Self::Lost => "lost",
        }
    }

    /// The same question may be asked of the same endpoint again.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::Server | Self::Unreachable | Self::Network | Self::Timeout | Self::Lost
        )
    }

    /// Whether an attempt that failed so, with this HTTP status, may have been answered and billed all the same: nobody
    /// bills what never left or was refused with an error status, and whoever began to answer may bill it.
    pub fn may_cost(self, status: Option<u16>) -> bool {
        match status {
            Some(status) => (200..300).contains(&status),
            None => matches!(self, Self::Network | Self::Timeout | Self::Unparseable | Self::Lost),
        }
    }
}
