//! Cases in the formats of others: chat fine-tuning lines, promptfoo tests, Inspect logs. What a format cannot say
//! is left out there and told to the person, never bent.

mod chat;
mod inspect;
mod promptfoo;

pub use chat::chat_lines;
pub use inspect::{InspectSample, inspect_log};
pub use promptfoo::{Imported, promptfoo_tests, read_promptfoo};

use super::score::{Replayed, entries};
use crate::agent::{Entry, ModelProfile, Source, Usage};
use serde_json::Value;
use std::collections::BTreeMap;

/// One agent step's conversation, as far as it went.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    pub step: String,
    pub profile: Option<ModelProfile>,
    /// Body of the last request.
    pub request: Value,
    /// The message that answered it.
    pub message: Value,
    pub finish: Option<String>,
    pub usage: Usage,
    /// The step's output.
    pub output: Value,
    pub source: Option<Source>,
}

/// Every conversation of a replay in which a model was asked.
pub fn conversations(replayed: &Replayed) -> Vec<Conversation> {
    let mut by_step: BTreeMap<String, (Conversation, Vec<ModelProfile>)> = BTreeMap::new();
    for (step, entry) in entries(&replayed.records) {
        let (conversation, models) = by_step.entry(step.clone()).or_default();
        conversation.step = step;
        match entry {
            Entry::Started { models: started, .. } => *models = started,
            Entry::Requested { request, model, .. } => {
                conversation.request = request;
                conversation.profile = models.get(model).cloned();
            }
            Entry::Responded { body, .. } => {
                let read = body.read();
                conversation.message = read.json.pointer("/choices/0/message").cloned().unwrap_or_default();
                let finish = read.json.pointer("/choices/0/finish_reason").and_then(Value::as_str);
                conversation.finish = finish.map(str::to_owned);
                let usage = read.usage.unwrap_or_default();
                conversation.usage.input_tokens += usage.input_tokens;
                conversation.usage.output_tokens += usage.output_tokens;
            }
            Entry::Finished { source, output, .. } => {
                (conversation.source, conversation.output) = (Some(source), output);
            }
            _ => {}
        }
    }
    by_step.into_values().map(|(conversation, _)| conversation).filter(|c| !c.request.is_null()).collect()
}
