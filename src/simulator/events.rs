//! Events to the outside: signed CloudEvents in the Standard Webhooks scheme, posted until the target takes them.

use super::{
    clock::{Clock, wall_now},
    config::SignatureClock,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);

/// Signs webhooks: `v1,` and the base64 HMAC-SHA256 of `{id}.{timestamp}.{body}`.
#[derive(Clone)]
pub struct Signer {
    key: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
#[error("the webhook secret must be `whsec_` and base64, as Standard Webhooks defines it")]
pub struct SecretError;

impl Signer {
    pub fn new(secret: &str) -> Result<Self, SecretError> {
        let encoded = secret.strip_prefix("whsec_").ok_or(SecretError)?;
        Ok(Self { key: STANDARD.decode(encoded).map_err(|_| SecretError)? })
    }

    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        // HMAC takes keys of any length, so this cannot fail; an empty signature is refused by every receiver.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// One posting of an event; a duplicate on demand is a second posting of the same event.
#[derive(Debug, Clone, Serialize)]
pub struct Posting {
    pub event_id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub subject: String,
    pub created_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
    pub attempts: u32,
    pub delivered_at: Option<DateTime<Utc>>,
    pub last_status: Option<u16>,
    pub last_error: Option<String>,
    pub event: Value,
}

pub struct Outbox {
    postings: Arc<Mutex<Vec<Posting>>>,
    target: watch::Sender<Option<String>>,
    client: reqwest::Client,
    signer: Signer,
    signature_clock: SignatureClock,
    clock: Arc<Clock>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// An event to be posted, with how it may be late or doubled.
pub struct Dispatch {
    pub posting: Posting,
    pub copies: u32,
    pub delay: Duration,
}

impl Outbox {
    pub fn new(
        client: reqwest::Client,
        signer: Signer,
        signature_clock: SignatureClock,
        clock: Arc<Clock>,
        target: Option<String>,
        stop: CancellationToken,
    ) -> Self {
        let (target, _) = watch::channel(target);
        let tasks = TaskTracker::new();
        Self { postings: Arc::default(), target, client, signer, signature_clock, clock, tasks, stop }
    }

    pub fn set_target(&self, url: String) {
        self.target.send_replace(Some(url));
    }

    pub fn postings(&self) -> Vec<Posting> {
        lock(&self.postings).clone()
    }

    /// Posts from a task of its own.
    pub fn dispatch(&self, dispatch: Dispatch) {
        for copy in 0..dispatch.copies.max(1) {
            let index = {
                let mut postings = lock(&self.postings);
                postings.push(dispatch.posting.clone());
                postings.len() - 1
            };
            // Copies follow one another, or they would race and neither would be the duplicate.
            let delay = dispatch.delay + Duration::from_millis(150) * copy;
            let delivery = Delivery {
                index,
                delay,
                postings: Arc::clone(&self.postings),
                target: self.target.subscribe(),
                client: self.client.clone(),
                signer: self.signer.clone(),
                signature_clock: self.signature_clock,
                clock: Arc::clone(&self.clock),
            };
            let stop = self.stop.clone();
            self.tasks.spawn(async move { stop.run_until_cancelled(delivery.run()).await });
        }
    }

    /// Waits until nothing is being posted; the stop token was cancelled before.
    pub async fn closed(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

struct Delivery {
    index: usize,
    delay: Duration,
    postings: Arc<Mutex<Vec<Posting>>>,
    target: watch::Receiver<Option<String>>,
    client: reqwest::Client,
    signer: Signer,
    signature_clock: SignatureClock,
    clock: Arc<Clock>,
}

enum Attempt {
    Taken,
    /// 410: the target wants no more of it.
    Gone,
    Failed,
}

impl Delivery {
    async fn run(mut self) {
        tokio::time::sleep(self.delay).await;
        let mut pause = FIRST_PAUSE;
        loop {
            let Ok(url) =
                self.target.wait_for(Option::is_some).await.map(|url| url.clone().unwrap_or_default())
            else {
                return;
            };
            match self.attempt(&url).await {
                Attempt::Taken | Attempt::Gone => return,
                Attempt::Failed => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(&self, url: &str) -> Attempt {
        let (id, body) = {
            let mut postings = lock(&self.postings);
            let posting = &mut postings[self.index];
            posting.attempts += 1;
            (posting.event_id.clone(), posting.event.to_string())
        };
        let stamp = match self.signature_clock {
            SignatureClock::Wall => wall_now(),
            SignatureClock::Plant => self.clock.now(),
        }
        .timestamp();
        let reply = self
            .client
            .post(url)
            .timeout(ATTEMPT_TIMEOUT)
            .header("content-type", "application/cloudevents+json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", stamp)
            .header("webhook-signature", self.signer.sign(&id, stamp, body.as_bytes()))
            .body(body)
            .send()
            .await;
        let mut postings = lock(&self.postings);
        let posting = &mut postings[self.index];
        match reply {
            Ok(reply) => {
                posting.last_status = Some(reply.status().as_u16());
                if reply.status().is_success() {
                    posting.delivered_at = Some(self.clock.now());
                    return Attempt::Taken;
                }
                tracing::debug!(event = id, status = %reply.status(), "the target did not take the event");
                if reply.status() == reqwest::StatusCode::GONE { Attempt::Gone } else { Attempt::Failed }
            }
            Err(error) => {
                posting.last_error = Some(error.without_url().to_string());
                Attempt::Failed
            }
        }
    }
}

fn lock(postings: &Mutex<Vec<Posting>>) -> MutexGuard<'_, Vec<Posting>> {
    postings.lock().unwrap_or_else(PoisonError::into_inner)
}
