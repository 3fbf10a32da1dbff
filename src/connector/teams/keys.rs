//! The keys that Microsoft signs with: where they are is in the metadata; they are kept for a day, and fetched again
//! when a token names one that is not known.

use crate::connector::{http, pace::Pace};
use serde::{Deserialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Tokens with made-up key ids do not make us ask all the time.
const FETCH_EVERY: Duration = Duration::from_secs(60);
const FETCHES_AT_ONCE: u32 = 5;

/// An RSA key, and what it may vouch for.
#[derive(Debug, Clone, Deserialize)]
pub struct Key {
    pub kid: String,
    #[serde(default)]
    pub n: String,
    #[serde(default)]
    pub e: String,
    #[serde(default)]
    pub endorsements: Vec<String>,
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
    keys: Vec<Key>,
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
        Ok(set.keys.into_iter().filter(|key| !key.n.is_empty() && !key.e.is_empty()).collect())
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
