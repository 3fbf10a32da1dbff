//! The keys that Microsoft signs with: where they are is in the metadata; they are kept for a day, and fetched again
//! when a token names one that is not known.

use crate::connector::{http, pace::Pace};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Tokens with made-up key ids do not make us ask all the time.
const FETCH_EVERY: Duration = Duration::from_secs(60);
const FETCHES_AT_ONCE: u32 = 5;

/// A published key, and what it may vouch for.
#[derive(Debug, Clone)]
pub struct Key {
    pub kid: String,
    pub endorsements: Vec<String>,
    /// As it is published (RFC 7517).
    pub jwk: Value,
}

pub struct Keys {
    http: reqwest::Client,
    metadata_url: String,
    known: Mutex<Option<Known>>,
    pace: Pace,
}

struct Known {
    keys: Arc<Vec<Key>>,
    since: Instant,
}

#[derive(Deserialize)]
struct Metadata {
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

#[derive(Debug, thiserror::Error)]
#[error("the keys of Teams cannot be fetched from {from}: {why}")]
pub struct KeysError {
    from: String,
    why: String,
}

impl Keys {
    pub fn new(metadata_url: &str) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: http::client()?,
            metadata_url: metadata_url.to_owned(),
            known: Mutex::default(),
            pace: Pace::new(FETCH_EVERY, FETCHES_AT_ONCE),
        })
    }

    /// `None` when Microsoft has no such key.
    pub async fn find(&self, kid: &str) -> Result<Option<Key>, KeysError> {
        let mut known = self.known.lock().await;
        let fresh = known.as_ref().filter(|known| known.since.elapsed() < KEPT);
        if let Some(key) = fresh.and_then(|known| known.keys.iter().find(|key| key.kid == kid)) {
            return Ok(Some(key.clone()));
        }
        if self.pace.turn(&self.metadata_url).await.is_err() {
            return Ok(None);
        }
        let keys = Arc::new(self.fetch().await?);
        *known = Some(Known { keys: keys.clone(), since: Instant::now() });
        Ok(keys.iter().find(|key| key.kid == kid).cloned())
    }

    async fn fetch(&self) -> Result<Vec<Key>, KeysError> {
        let metadata: Metadata = self.read(&self.metadata_url).await?;
        let is_safe = metadata.jwks_uri.starts_with("https://") || !self.metadata_url.starts_with("https://");
        if !is_safe {
            let why = "the metadata name an address that is not encrypted".to_owned();
            return Err(KeysError { from: self.metadata_url.clone(), why });
        }
        let set: KeySet = self.read(&metadata.jwks_uri).await?;
        Ok(set.keys.into_iter().filter_map(key).collect())
    }

    async fn read<T: DeserializeOwned>(&self, url: &str) -> Result<T, KeysError> {
        let failed = |why: String| KeysError { from: url.to_owned(), why };
        let sent = self.http.get(url).timeout(TIMEOUT).send().await;
        let response = sent.map_err(|error| failed(error.without_url().to_string()))?;
        if !response.status().is_success() {
            return Err(failed(format!("the answer was {}", response.status())));
        }
        let body = http::read_body(response, ANSWER_BYTES_MAX).await;
        let body = body.map_err(|error| failed(error.to_string()))?;
        serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))
    }
}

/// A key that has no id is nobody's.
fn key(jwk: Value) -> Option<Key> {
    let kid = jwk.get("kid")?.as_str()?.to_owned();
    let endorsements =
        jwk.get("endorsements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let endorsements = endorsements.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
    Some(Key { kid, endorsements, jwk })
}
