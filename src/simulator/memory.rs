//! What the plant remembers over a restart: its seed, its first instant, and everything that was done to it, one
//! line each. The same plant is made again and the same is done to it again; nothing else is stored.

use super::{config::Credentials, connection::Link, scenario::Firing, state::Shared};
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::header,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use tower::ServiceExt;

/// Where the plant came from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Origin {
    pub seed: u64,
    pub start: DateTime<Utc>,
}

/// Something that was done to the plant and changed it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Deed {
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Fired { event_id: String, firing: Firing },
    Written(Written),
}

/// An accepted request, with what of it the systems looked at.
#[derive(Debug, Serialize, Deserialize)]
pub struct Written {
    pub method: String,
    pub path: String,
    pub takt_key: Option<String>,
    pub idempotency_key: Option<String>,
    pub body: Value,
}

#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error("cannot use {path} to remember the simulated plant: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} does not hold a simulated plant, delete it to begin anew: {source}")]
    Unreadable { path: PathBuf, source: serde_json::Error },
}

pub struct Memory {
    file: Mutex<File>,
    path: PathBuf,
}

impl Memory {
    /// Forgets what was there and begins with a new plant.
    pub fn begin(path: &Path, origin: &Origin) -> Result<Self, MemoryError> {
        let file =
            File::create(path).map_err(|source| MemoryError::File { path: path.to_owned(), source })?;
        let memory = Self { file: Mutex::new(file), path: path.to_owned() };
        memory.line(origin).map_err(|source| MemoryError::File { path: path.to_owned(), source })?;
        Ok(memory)
    }

    /// What is remembered, if anything is; new deeds go after it.
    pub fn resume(path: &Path) -> Result<Option<(Origin, Vec<Deed>, Self)>, MemoryError> {
        let unusable = |source| MemoryError::File { path: path.to_owned(), source };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(error)),
        };
        let unreadable = |source| MemoryError::Unreadable { path: path.to_owned(), source };
        let mut origin = None;
        let mut deeds = Vec::new();
        // A line that the end of the process cut short has no newline: its reply was not sent either.
        let mut whole = 0;
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            whole += line.len() as u64;
            if origin.is_none() {
                origin = Some(serde_json::from_str(line).map_err(unreadable)?);
            } else {
                deeds.push(serde_json::from_str(line).map_err(unreadable)?);
            }
        }
        let Some(origin) = origin else { return Ok(None) };
        let file = OpenOptions::new().append(true).open(path).map_err(unusable)?;
        file.set_len(whole).map_err(unusable)?;
        Ok(Some((origin, deeds, Self { file: Mutex::new(file), path: path.to_owned() })))
    }

    pub fn add(&self, deed: &Deed) {
        if let Err(error) = self.line(deed) {
            let path = self.path.display();
            tracing::warn!(%error, %path, "the simulated plant will not remember this after a restart");
        }
    }

    fn line(&self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
    }
}

/// Does everything again, each at its time. Events are posted again under their old ids: receivers know them.
pub async fn relive(plant: &Shared, router: &Router, deeds: Vec<Deed>) {
    for deed in deeds {
        if plant.clock.set(deed.at).is_err() {
            tracing::debug!(at = %deed.at, "the plant is ahead of its memory by some milliseconds");
        }
        match deed.what {
            What::Fired { event_id, firing } => {
                if let Err(error) = plant.fire_as(Some(event_id), firing) {
                    tracing::debug!(%error, "a remembered event did not happen again");
                }
            }
            What::Written(written) => match request(&written, &plant.config.credentials) {
                Ok(request) => {
                    let Ok(reply) = router.clone().oneshot(request).await;
                    if !reply.status().is_success() {
                        tracing::warn!(status = %reply.status(), path = written.path, "a remembered write was refused");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, path = written.path, "a remembered write cannot be repeated")
                }
            },
        }
    }
}

fn request(written: &Written, credentials: &Credentials) -> Result<Request, axum::http::Error> {
    let system = written.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let pair =
        |user: &str, password: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let (name, value) = match system {
        "plex" => ("x-plex-connect-api-key", credentials.plex_key.clone()),
        "cmms" => ("x-api-key", credentials.cmms_key.clone()),
        "tickets" => ("authorization", pair(&credentials.tickets_user, &credentials.tickets_password)),
        "erp" => ("authorization", format!("token {}:{}", credentials.erp_key, credentials.erp_secret)),
        "portal" => ("authorization", format!("Bearer {}", credentials.portal_token)),
        _ => ("authorization", format!("Bearer {}", credentials.andon_token)),
    };
    let mut request = Request::builder()
        .method(written.method.as_str())
        .uri(&written.path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(name, value)
        .extension(ConnectInfo(Link::local()));
    for (name, key) in [("x-takt-key", &written.takt_key), ("idempotency-key", &written.idempotency_key)] {
        if let Some(key) = key {
            request = request.header(name, key);
        }
    }
    request.body(Body::from(written.body.to_string()))
}
