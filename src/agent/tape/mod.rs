//! What models answered in a run, played back. An answer is found by the hash of the whole request,
//! so nothing can change unnoticed: a request that is not on the tape is an error that says what is
//! different, never a guess and never a call.

mod key;
mod parts;
mod player;
mod terms;

pub use key::{canonical_json, request_key};
pub use parts::{Part, Parts, Stale};
pub use player::TapePlayer;
pub use terms::Terms;

use super::digest::sha256_json;
use super::ledger::Entry;
use super::mask_key::MaskKey;
use super::model::{ModelError, ModelErrorClass, ModelProfile, ModelReply};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tape {
    /// The models of the run, in order of preference.
    pub models: Vec<ModelProfile>,
    /// SHA-256 of the hand-written replies that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replies_sha: Option<String>,
    /// Key of each step's tokens, by its path; of a step without one it follows from the run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mask_keys: BTreeMap<String, MaskKey>,
    /// On what terms each step was recorded, by its path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub terms: BTreeMap<String, Terms>,
    pub exchanges: Vec<Exchange>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    pub request_sha: String,
    /// Hashes of the request's parts: only to say what changed.
    pub parts: Parts,
    /// An answer that was edited afterwards is no recording.
    pub outcome_sha: String,
    pub outcome: Played,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Played {
    Reply { status: u16, body: Value, ms: u64 },
    Error { class: ModelErrorClass, status: Option<u16>, retry_after_ms: Option<u64>, message: String },
}

impl Tape {
    /// As it stands in a file.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The exchanges of one agent step. A request whose answer was lost in a crash is left out.
    pub fn from_entries(step: &str, entries: &[Entry]) -> Self {
        let mut tape = Self::default();
        let mut open: Option<&Value> = None;
        tape.terms = entries.iter().filter_map(Terms::of).map(|terms| (step.to_owned(), terms)).collect();
        for entry in entries {
            match entry {
                Entry::Started { models, masking, .. } => {
                    tape.models.clone_from(models);
                    let key = masking.as_ref().map(|masking| (step.to_owned(), masking.key));
                    tape.mask_keys.extend(key);
                }
                Entry::Requested { request, .. } => open = Some(request),
                Entry::Responded { status, body, ms, .. } => {
                    let outcome = Played::Reply { status: *status, body: body.json(), ms: *ms };
                    tape.close(open.take(), outcome);
                }
                Entry::Failed { class, status, retry_after_ms, message, .. } => {
                    let request = open.take();
                    if *class != ModelErrorClass::Lost {
                        let outcome = Played::Error {
                            class: *class,
                            status: *status,
                            retry_after_ms: *retry_after_ms,
                            message: message.clone(),
                        };
                        tape.close(request, outcome);
                    }
                }
                _ => {}
            }
        }
        tape
    }

    fn close(&mut self, request: Option<&Value>, outcome: Played) {
        if let Some(request) = request {
            self.exchanges.push(Exchange::new(request, outcome));
        }
    }

    /// What changed in the terms of a step that a model answers, other than what its requests show.
    pub fn other_terms(&self, step: &str, started: &Entry) -> Vec<Stale> {
        let Entry::Started { models, .. } = started else { return Vec::new() };
        match (self.terms.get(step), Terms::of(started)) {
            _ if models.is_empty() => Vec::new(),
            (Some(was), Some(now)) => was.changes(&now),
            _ => vec![Stale::new(Part::Tape, format!("it does not say on what terms `{step}` was recorded"))],
        }
    }

    /// Appends another step's exchanges.
    pub fn extend(&mut self, other: Self) {
        if self.models.is_empty() {
            self.models = other.models;
        }
        self.mask_keys.extend(other.mask_keys);
        self.terms.extend(other.terms);
        self.exchanges.extend(other.exchanges);
    }
}

impl Exchange {
    pub fn new(request: &Value, outcome: Played) -> Self {
        let outcome_sha = outcome.sha256();
        Self { request_sha: request_key(request), parts: Parts::of(request), outcome_sha, outcome }
    }

    /// An answer that is not the one that was recorded.
    pub fn was_edited(&self) -> bool {
        self.outcome.sha256() != self.outcome_sha
    }
}

impl Played {
    fn sha256(&self) -> String {
        sha256_json(&json!(self))
    }

    /// What the model's caller gets.
    pub fn into_result(self) -> Result<ModelReply, ModelError> {
        match self {
            Self::Reply { status, body, ms } => Ok(ModelReply::read(status, body, ms)),
            Self::Error { class, status, retry_after_ms, message } => {
                let retry_after = retry_after_ms.map(Duration::from_millis);
                Err(ModelError { class, status, retry_after, message })
            }
        }
    }
}

impl From<&Result<ModelReply, ModelError>> for Played {
    fn from(result: &Result<ModelReply, ModelError>) -> Self {
        match result {
            Ok(reply) => Self::Reply { status: reply.status, body: reply.body.json(), ms: reply.ms },
            Err(error) => Self::Error {
                class: error.class,
                status: error.status,
                retry_after_ms: error
                    .retry_after
                    .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
                message: error.message.clone(),
            },
        }
    }
}
