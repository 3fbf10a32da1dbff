//! What is written down of an agent step, entry by entry. The conversation is a fold over these
//! entries: nothing else is needed to go on after a crash.

use super::body::Body;
use super::mask_key::MaskKey;
use super::model::{ModelErrorClass, ModelProfile};
use super::task::ToolClasses;
use crate::tool::{DataClass, Effect, ToolName};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

/// Keeps entries. Past entries are handed to the loop as a slice when a step resumes.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Returns only after the entry is durable.
    async fn append(&self, entry: Entry) -> Result<(), LedgerClosed>;
}

/// The run no longer belongs to this worker: stop at once, without effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the run now belongs to another worker")]
pub struct LedgerClosed;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Entry {
    /// What is fixed for the whole step: tools deployed later do not change a conversation.
    Started {
        at: DateTime<Utc>,
        prompt_sha: String,
        toolset_sha: String,
        schema_sha: String,
        /// Over the models, the limits and what is masked.
        #[serde(default)]
        policy_sha: String,
        /// The rendered prompt: a resumed step goes on with the one it began with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instructions: Option<String>,
        /// Steps that began before it was kept derive the key of their tokens.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        masking: Option<Box<Masking>>,
        models: Vec<ModelProfile>,
        /// Models that this step's data may not be sent to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        barred: Vec<Barred>,
        tools: Vec<Offered>,
        /// Listed in the workflow, but not offered: writes, and tools that do not exist.
        withheld: Vec<ToolName>,
        limits: Limits,
    },
    /// The endpoint is not to be asked before `until`; nothing was sent.
    Held {
        at: DateTime<Utc>,
        turn: u32,
        /// Index in `started.models`.
        model: usize,
        until: DateTime<Utc>,
        by: Hold,
    },
    /// Written before the request leaves.
    Requested {
        at: DateTime<Utc>,
        turn: u32,
        attempt: u32,
        /// Index in `started.models`.
        model: usize,
        request_sha: String,
        request: Value,
        reserve: Reserve,
    },
    /// Written before the answer is read.
    Responded {
        at: DateTime<Utc>,
        turn: u32,
        attempt: u32,
        status: u16,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// The text as it came.
        body: Body,
        ms: u64,
    },
    Failed {
        at: DateTime<Utc>,
        turn: u32,
        attempt: u32,
        class: ModelErrorClass,
        status: Option<u16>,
        retry_after_ms: Option<u64>,
        message: String,
    },
    /// The answer, or one tool call of it, was not accepted.
    Rejected {
        turn: u32,
        rejection: Rejection,
    },
    ToolRequested {
        turn: u32,
        index: u32,
        /// The same for every attempt of this call, whatever id the model gave it.
        call_key: Uuid,
        tool: ToolName,
        version: u32,
        args: Value,
    },
    ToolDone {
        call_key: Uuid,
        output: Value,
        ms: u64,
    },
    ToolFailed {
        call_key: Uuid,
        class: String,
        message: String,
        detail: Option<String>,
        ms: u64,
    },
    Finished {
        at: DateTime<Utc>,
        source: Source,
        output: Value,
        /// What a later gate's answer can be held against.
        #[serde(default)]
        output_sha: String,
        /// Why the fallback was used.
        why: Option<Why>,
    },
}

impl Entry {
    /// The word that tells what kind of entry it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Held { .. } => "held",
            Self::Requested { .. } => "requested",
            Self::Responded { .. } => "responded",
            Self::Failed { .. } => "failed",
            Self::Rejected { .. } => "rejected",
            Self::ToolRequested { .. } => "tool_requested",
            Self::ToolDone { .. } => "tool_done",
            Self::ToolFailed { .. } => "tool_failed",
            Self::Finished { .. } => "finished",
        }
    }
}

/// With what a step masks, from its begin to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Masking {
    pub key: MaskKey,
    /// Field names that the workflow masks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// What the tools said of their fields when it began.
    pub classes: ToolClasses,
}

/// A model that was left out of a step, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Barred {
    pub endpoint: String,
    pub model: String,
    pub why: String,
}

/// What keeps an endpoint from being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// It asked to be left alone, whoever it told.
    RateLimited,
    /// Requests go out one after the other since it had too many; this one's turn comes.
    Paced,
    /// It failed again and again.
    Circuit,
    /// Its account has no money or quota left.
    Quota,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offered {
    pub tool: ToolName,
    pub version: u32,
    #[serde(default = "read")]
    pub effect: Effect,
    /// Over all that a call of it relies on; steps that began before it was kept go by the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_sha: Option<String>,
    /// Name on the wire, where dots are not allowed.
    pub wire_name: String,
    /// The `tools[]` item as the model sees it.
    pub definition: Value,
    /// Schema of the arguments as the tool declares it.
    pub input: Value,
    /// Class of each field of the result, by name.
    pub classes: BTreeMap<String, DataClass>,
    pub timeout: Duration,
    pub result_bytes_max: usize,
}

/// Entries of earlier versions do not say it.
fn read() -> Effect {
    Effect::Read
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    pub turns: u32,
    pub time: Duration,
    pub tokens: u64,
    pub tool_calls: u32,
    pub cost_usd: f64,
    /// Rejected answers that may be repaired.
    pub repairs: u32,
    /// Times the same tool may be called with the same arguments.
    pub same_call: u32,
    /// Attempts of one turn at one endpoint, after the first.
    pub retries: u32,
    /// Longest wait for one answer.
    pub call_time: Duration,
    /// Tokens of one answer.
    pub answer_tokens: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            turns: 8,
            time: Duration::from_secs(120),
            tokens: 60_000,
            tool_calls: 12,
            cost_usd: 0.50,
            repairs: 1,
            same_call: 2,
            retries: 2,
            call_time: Duration::from_secs(60),
            answer_tokens: 4_096,
        }
    }
}

/// Taken from the budget before the request leaves, settled when the answer is there.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Reserve {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost_usd: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rejection {
    pub kind: RejectionKind,
    /// Which tool call of the answer; `None` is the answer itself.
    pub index: Option<u32>,
    /// What the model is told.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionKind {
    /// Not JSON, not an object, or not of the schema.
    InvalidOutput,
    InvalidArguments,
    UnknownTool,
    /// A tool that exists, but that this step may not use.
    NotPermitted,
    /// An id or a masked name that occurs in no input and no tool output.
    Ungrounded,
    /// A long run of the model's own instructions.
    PromptEcho,
    /// The workflow's own `check` is false.
    CheckFailed,
    Truncated,
    Refused,
    /// Neither an answer nor a tool call.
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The preferred model.
    Model,
    /// A model further down the list.
    FallbackModel,
    /// The workflow's own fallback.
    Rules,
}

/// Why the step ended without a model's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    pub reason: Reason,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    NoModel,
    ModelDown,
    Quota,
    Refused,
    InvalidAnswer,
    Turns,
    Time,
    Tokens,
    Cost,
    ToolCalls,
    /// The same call again and again.
    Loop,
    Truncated,
}
