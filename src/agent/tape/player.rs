//! Plays a tape. A request that is not on it gets no answer: neither a similar one nor a live one.

use super::{Exchange, Part, Parts, Played, Stale, Tape, request_key};
use crate::agent::model::{Model, ModelError, ModelErrorClass, ModelProfile, ModelReply};
use async_trait::async_trait;
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A tape being played; shared by the models of a run.
pub struct TapePlayer {
    exchanges: Mutex<Vec<(Exchange, bool)>>,
    misses: Mutex<Vec<Stale>>,
    models: Vec<ModelProfile>,
}

impl TapePlayer {
    pub fn new(tape: Tape) -> Arc<Self> {
        let edited = tape.exchanges.iter().enumerate().filter(|(_, exchange)| exchange.was_edited());
        let misses = edited
            .map(|(i, _)| Stale::new(Part::Tape, format!("recorded answer {} was edited afterwards", i + 1)))
            .collect();
        Arc::new(Self {
            exchanges: Mutex::new(tape.exchanges.into_iter().map(|exchange| (exchange, false)).collect()),
            misses: Mutex::new(misses),
            models: tape.models,
        })
    }

    pub fn models(self: &Arc<Self>) -> Vec<Arc<dyn Model>> {
        let model = |profile: &ModelProfile| -> Arc<dyn Model> {
            Arc::new(TapeModel { profile: profile.clone(), player: Arc::clone(self) })
        };
        self.models.iter().map(model).collect()
    }

    /// Why the tape no longer fits: what changed in each request it did not know, and each answer that
    /// nobody asked for. Empty means that the replay was exact.
    pub fn stale(&self) -> Vec<Stale> {
        let mut stale = lock(&self.misses).clone();
        let exchanges = lock(&self.exchanges);
        let unplayed = exchanges.iter().enumerate().filter(|(_, (_, played))| !played);
        stale.extend(unplayed.map(|(i, _)| {
            let detail = format!("recorded answer {} of {} was not asked for", i + 1, exchanges.len());
            Stale::new(Part::Unplayed, detail)
        }));
        stale
    }

    fn play(&self, request: &Value) -> Result<Played, String> {
        let key = request_key(request);
        let now = Parts::of(request);
        let mut exchanges = lock(&self.exchanges);
        let known = exchanges.iter().position(|(exchange, played)| !played && exchange.request_sha == key);
        let skipped = exchanges
            .iter()
            .take(known.unwrap_or(0))
            .position(|(exchange, played)| !played && exchange.parts.same_conversation(&now));
        let misses = match (known, skipped) {
            (Some(at), None) => {
                if let Some((exchange, played)) = exchanges.get_mut(at) {
                    *played = true;
                    return Ok(exchange.outcome.clone());
                }
                Vec::new()
            }
            (Some(at), Some(earlier)) => {
                let detail = format!("answer {} is asked for before answer {}", at + 1, earlier + 1);
                vec![Stale::new(Part::Order, detail)]
            }
            (None, _) => changed(&exchanges, &now),
        };
        let words: Vec<String> = misses.iter().map(ToString::to_string).collect();
        lock(&self.misses).extend(misses);
        Err(words.join(", "))
    }
}

/// What is different from the recorded request that is most like this one.
fn changed(exchanges: &[(Exchange, bool)], now: &Parts) -> Vec<Stale> {
    let open = exchanges.iter().filter(|(_, played)| !played);
    let nearest = open.map(|(exchange, _)| exchange.parts.changes(now)).min_by_key(Vec::len);
    match nearest {
        None => vec![Stale::new(Part::Extra, "a model is asked once more than recorded")],
        // Equal parts and another key: the key or the hashes in the file are wrong.
        Some(changes) if changes.is_empty() => {
            vec![Stale::new(Part::Tape, "the key of a recorded request is not that of its parts")]
        }
        Some(mut changes) => {
            for change in &mut changes {
                change.detail = format!("a request changed: {}", change.detail);
            }
            changes
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
            Ok(played) => played.into_result(),
            Err(message) => Err(ModelError {
                class: ModelErrorClass::NotFound,
                status: None,
                retry_after: None,
                message: format!("the tape does not fit: {message}"),
            }),
        }
    }
}
