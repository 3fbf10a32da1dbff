//! The parts of a request as hashes: they never decide whether a request is known, they say what is
//! different in one that is not.

use crate::agent::digest::sha256_json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    pub model: String,
    /// `role: hash`, in order; the first is the prompt.
    pub messages: Vec<String>,
    pub tools: BTreeMap<String, String>,
    pub schema: String,
    /// Everything else: token limits, tool choice.
    pub settings: String,
}

/// What no longer fits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Prompt,
    /// The data that the conversation begins with.
    Input,
    /// A later message: a tool's result, an answer, a repair.
    Message,
    /// A tool's name, description or arguments.
    Tool,
    /// The schema of the answer.
    Schema,
    Model,
    /// Token limits, tool choice and what else a request holds.
    Settings,
    /// A model is asked once more than recorded.
    Extra,
    /// A recorded answer that nobody asked for.
    Unplayed,
    /// Recorded answers are asked for in another order.
    Order,
    /// The tape was edited after it was made.
    Tape,
    /// A tool is asked for something that its world does not hold.
    World,
    /// The hand-written replies changed after the tape was made from them.
    Replies,
}

impl Part {
    pub fn word(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Input => "input",
            Self::Message => "message",
            Self::Tool => "tool",
            Self::Schema => "schema",
            Self::Model => "model",
            Self::Settings => "settings",
            Self::Extra => "extra",
            Self::Unplayed => "unplayed",
            Self::Order => "order",
            Self::Tape => "tape",
            Self::World => "world",
            Self::Replies => "replies",
        }
    }
}

/// One reason why a recording says nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stale {
    pub part: Part,
    /// A sentence for people.
    pub detail: String,
}

impl Stale {
    pub fn new(part: Part, detail: impl Into<String>) -> Self {
        Self { part, detail: detail.into() }
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl Parts {
    pub fn of(request: &Value) -> Self {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let items = |field: &str| request.get(field).and_then(Value::as_array).into_iter().flatten();
        let mut settings = request.clone();
        if let Some(fields) = settings.as_object_mut() {
            for part in ["model", "messages", "tools", "response_format"] {
                fields.remove(part);
            }
        }
        Self {
            model: text(request.get("model")),
            messages: items("messages")
                .map(|m| format!("{}: {}", text(m.get("role")), sha256_json(m)))
                .collect(),
            tools: items("tools").map(|t| (text(t.pointer("/function/name")), sha256_json(t))).collect(),
            schema: sha256_json(request.get("response_format").unwrap_or(&Value::Null)),
            settings: sha256_json(&settings),
        }
    }

    /// Two requests of one conversation begin with the same prompt and the same data.
    pub(super) fn same_conversation(&self, other: &Self) -> bool {
        self.messages.iter().take(2).eq(other.messages.iter().take(2))
    }

    /// What is different, part by part; empty when nothing is.
    pub fn changes(&self, now: &Self) -> Vec<Stale> {
        let mut changes = Vec::new();
        let mut note = |part: Part, what: String| changes.push(Stale::new(part, what));
        if self.model != now.model {
            note(Part::Model, format!("the model: {} → {}", self.model, now.model));
        }
        for name in self.tools.keys().filter(|name| !now.tools.contains_key(*name)) {
            note(Part::Tool, format!("tool {name} is gone"));
        }
        for (name, hash) in &now.tools {
            match self.tools.get(name) {
                None => note(Part::Tool, format!("tool {name} is new")),
                Some(was) if was != hash => note(Part::Tool, format!("tool {name}")),
                Some(_) => {}
            }
        }
        if self.schema != now.schema {
            note(Part::Schema, "the answer's schema".to_owned());
        }
        if self.settings != now.settings {
            note(Part::Settings, "limits or settings".to_owned());
        }
        for (i, (was, is)) in self.messages.iter().zip(&now.messages).enumerate() {
            let role = is.split(':').next().unwrap_or_default();
            match i {
                _ if was == is => {}
                0 => note(Part::Prompt, "the prompt".to_owned()),
                1 => note(Part::Input, "the input data".to_owned()),
                _ => note(Part::Message, format!("message {i} ({role})")),
            }
        }
        if self.messages.len() != now.messages.len() {
            let counts = format!("{} messages instead of {}", now.messages.len(), self.messages.len());
            note(Part::Message, counts);
        }
        changes
    }
}
