//! What models answered in a run, played back. An answer is found by the hash of the whole request,
//! so nothing can change unnoticed: a request that is not on the tape is an error that says what is
//! different, never a guess and never a call.

use super::digest::sha256_json;
use super::ledger::Entry;
use super::model::{Model, ModelError, ModelErrorClass, ModelProfile, ModelReply};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tape {
    /// The models of the run, in order of preference.
    pub models: Vec<ModelProfile>,
    pub exchanges: Vec<Exchange>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    pub request_sha: String,
    /// Hashes of the request's parts: only to say what changed.
    pub parts: Parts,
    pub outcome: Played,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Played {
    Reply { status: u16, body: Value, ms: u64 },
    Error { class: ModelErrorClass, status: Option<u16>, retry_after_ms: Option<u64>, message: String },
}

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

impl Tape {
    /// The exchanges of one agent step. A request whose answer was lost in a crash is left out.
    pub fn from_entries(entries: &[Entry]) -> Self {
        let mut tape = Self::default();
        let mut open: Option<(&str, &Value)> = None;
        for entry in entries {
            match entry {
                Entry::Started { models, .. } => tape.models.clone_from(models),
                Entry::Requested { request_sha, request, .. } => open = Some((request_sha, request)),
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

    fn close(&mut self, request: Option<(&str, &Value)>, outcome: Played) {
        if let Some((sha, request)) = request {
            let parts = Parts::of(request);
            self.exchanges.push(Exchange { request_sha: sha.to_owned(), parts, outcome });
        }
    }

    /// Appends another step's exchanges.
    pub fn extend(&mut self, other: Self) {
        if self.models.is_empty() {
            self.models = other.models;
        }
        self.exchanges.extend(other.exchanges);
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

    /// What is different, in words; empty when nothing is.
    pub fn changes(&self, now: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.model != now.model {
            changes.push(format!("the model: {} → {}", self.model, now.model));
        }
        for name in self.tools.keys().filter(|name| !now.tools.contains_key(*name)) {
            changes.push(format!("tool {name} is gone"));
        }
        for (name, hash) in &now.tools {
            match self.tools.get(name) {
                None => changes.push(format!("tool {name} is new")),
                Some(was) if was != hash => changes.push(format!("tool {name}")),
                Some(_) => {}
            }
        }
        if self.schema != now.schema {
            changes.push("the answer's schema".to_owned());
        }
        if self.settings != now.settings {
            changes.push("limits or settings".to_owned());
        }
        for (i, (was, is)) in self.messages.iter().zip(&now.messages).enumerate() {
            let role = is.split(':').next().unwrap_or_default();
            match i {
                _ if was == is => {}
                0 => changes.push("the prompt".to_owned()),
                1 => changes.push("the input data".to_owned()),
                _ => changes.push(format!("message {i} ({role})")),
            }
        }
        if self.messages.len() != now.messages.len() {
            changes.push(format!("{} messages instead of {}", now.messages.len(), self.messages.len()));
        }
        changes
    }
}

/// A tape being played; shared by the models of a run.
pub struct TapePlayer {
    exchanges: Mutex<Vec<(Exchange, bool)>>,
    misses: Mutex<Vec<String>>,
    models: Vec<ModelProfile>,
}

impl TapePlayer {
    pub fn new(tape: Tape) -> Arc<Self> {
        Arc::new(Self {
            exchanges: Mutex::new(tape.exchanges.into_iter().map(|exchange| (exchange, false)).collect()),
            misses: Mutex::default(),
            models: tape.models,
        })
    }

    pub fn models(self: &Arc<Self>) -> Vec<Arc<dyn Model>> {
        let model = |profile: &ModelProfile| -> Arc<dyn Model> {
            Arc::new(TapeModel { profile: profile.clone(), player: Arc::clone(self) })
        };
        self.models.iter().map(model).collect()
    }

    /// Why the tape no longer fits: one sentence for each request it did not know and for each answer
    /// nobody asked for. Empty means that the replay was exact.
    pub fn stale(&self) -> Vec<String> {
        let mut stale = self.misses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        let unplayed = exchanges.iter().filter(|(_, played)| !played).count();
        if unplayed > 0 {
            stale.push(format!("{unplayed} recorded answers were not asked for"));
        }
        stale
    }

    fn play(&self, request: &Value) -> Result<Played, String> {
        let sha = sha256_json(request);
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((exchange, played)) =
            exchanges.iter_mut().find(|(e, played)| !played && e.request_sha == sha)
        {
            *played = true;
            return Ok(exchange.outcome.clone());
        }
        let now = Parts::of(request);
        let nearest = exchanges.iter().filter(|(_, played)| !played).map(|(e, _)| e.parts.changes(&now));
        let miss = match nearest.min_by_key(Vec::len) {
            None => "a model is asked once more than recorded".to_owned(),
            Some(changes) => format!("a request changed: {}", changes.join(", ")),
        };
        self.misses.lock().unwrap_or_else(PoisonError::into_inner).push(miss.clone());
        Err(miss)
    }
}

/// A model that only knows a tape.
struct TapeModel {
    profile: ModelProfile,
    player: Arc<TapePlayer>,
}

#[async_trait]
impl Model for TapeModel {
    fn profile(&self) -> &ModelProfile {
        &self.profile
    }

    async fn complete(&self, request: &Value, _timeout: Duration) -> Result<ModelReply, ModelError> {
        match self.player.play(request) {
            Ok(Played::Reply { status, body, ms }) => Ok(ModelReply::read(status, body, ms)),
            Ok(Played::Error { class, status, retry_after_ms, message }) => {
                let retry_after = retry_after_ms.map(Duration::from_millis);
                Err(ModelError { class, status, retry_after, message })
            }
            Err(message) => Err(ModelError {
                class: ModelErrorClass::NotFound,
                status: None,
                retry_after: None,
                message: format!("the tape does not fit: {message}"),
            }),
        }
    }
}
