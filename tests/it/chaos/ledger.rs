//! The effects ledger: a tiny server outside of Takt that writes down every request in order, decides whether
//! it took effect, and is slow, busy or silent when its seed says so.

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::{DateTime, Utc};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use uuid::Uuid;

/// What a request did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Read,
    Applied,
    /// The key was known: nothing happened again.
    Repeated,
    /// Answered with an error, and nothing happened.
    Refused,
}

#[derive(Debug, Clone)]
pub struct Request {
    pub at: DateTime<Utc>,
    /// Who sent it, as its environment names it.
    pub process: String,
    pub run: Uuid,
    pub step: String,
    pub attempt: u32,
    pub key: String,
    /// `read`, `idempotent`, `keyed`, `unsafe`, `refused`.
    pub class: String,
    pub effect: Effect,
}

/// How badly the ledger behaves, in percent of its requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manners {
    pub slow: u32,
    pub busy: u32,
    pub silent: u32,
}

#[derive(Clone)]
pub struct Ledger {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    book: Mutex<Book>,
    manners: Manners,
    /// Reads of this step are answered only when it is somebody else's turn.
    held: watch::Sender<Option<String>>,
}

struct Book {
    requests: Vec<Request>,
    taken: BTreeMap<String, u64>,
    random: ChaCha8Rng,
}

#[derive(Deserialize)]
struct Said {
    run: Uuid,
    step: String,
    attempt: u32,
    #[serde(default)]
    key: String,
}

enum Mood {
    Good,
    Slow(Duration),
    Busy,
    Silent,
}

impl Ledger {
    pub async fn start(seed: u64, manners: Manners) -> Self {
        let book = Book { requests: vec![], taken: BTreeMap::new(), random: ChaCha8Rng::seed_from_u64(seed) };
        let shared = Arc::new(Shared { book: Mutex::new(book), manners, held: watch::Sender::new(None) });
        let router = Router::new()
            .route("/read", get(read))
            .route("/effects/{class}", post(effect))
            .route("/found/{key}", get(found))
            .with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// Leaves reads of a step unanswered until `release`.
    pub fn hold(&self, step: &str) {
        self.shared.held.send_replace(Some(step.to_owned()));
    }

    pub fn release(&self) {
        self.shared.held.send_replace(None);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mood(&self) -> Mood {
        let roll = self.lock().random.random_range(0..100);
        let Manners { slow, busy, silent } = self.manners;
        match roll {
            roll if roll < slow => Mood::Slow(Duration::from_millis(u64::from(roll + 1) * 40)),
            roll if roll < slow + busy => Mood::Busy,
            roll if roll < slow + busy + silent => Mood::Silent,
            _ => Mood::Good,
        }
    }

    fn note(&self, headers: &HeaderMap, said: &Said, class: &str, mood: &Mood) -> (u64, Effect) {
        let mut book = self.lock();
        let n = book.requests.len() as u64 + 1;
        let is_refused = class == "refused" || matches!(mood, Mood::Busy);
        let effect = match class {
            "read" => Effect::Read,
            _ if is_refused => Effect::Refused,
            "keyed" | "idempotent" if book.taken.contains_key(&said.key) => Effect::Repeated,
            _ => Effect::Applied,
        };
        let first =
            if effect == Effect::Applied { *book.taken.entry(said.key.clone()).or_insert(n) } else { n };
        let first = book.taken.get(&said.key).copied().unwrap_or(first);
        let process = headers.get("x-process").and_then(|name| name.to_str().ok()).unwrap_or_default();
        book.requests.push(Request {
            at: clock(),
            process: process.to_owned(),
            run: said.run,
            step: said.step.clone(),
            attempt: said.attempt,
            key: said.key.clone(),
            class: class.to_owned(),
            effect,
        });
        (first, effect)
    }
}

/// The wall clock, which the database on the same machine reads too.
fn clock() -> DateTime<Utc> {
    Utc::now()
}

async fn read(State(shared): State<Arc<Shared>>, headers: HeaderMap, Query(said): Query<Said>) -> Response {
    let (n, _) = shared.note(&headers, &said, "read", &Mood::Good);
    let mut held = shared.held.subscribe();
    // Only the first who asks is kept waiting: whoever takes over is served.
    let is_first =
        shared.lock().requests.iter().filter(|r| r.run == said.run && r.step == said.step).count() == 1;
    if is_first {
        let _ = held.wait_for(|step| step.as_deref() != Some(said.step.as_str())).await;
    }
    Json(json!({ "n": n })).into_response()
}

async fn effect(
    State(shared): State<Arc<Shared>>,
    Path(class): Path<String>,
    headers: HeaderMap,
    Json(said): Json<Said>,
) -> Response {
    let mood = shared.mood();
    let (n, effect) = shared.note(&headers, &said, &class, &mood);
    if class == "refused" {
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "message": "never" }))).into_response();
    }
    match mood {
        Mood::Busy => return (StatusCode::SERVICE_UNAVAILABLE, Json(Value::Null)).into_response(),
        // It took effect, and nobody will learn it from here.
        Mood::Silent => {
            let broken = futures::stream::once(async { Err::<String, _>(std::io::Error::other("gone")) });
            return Body::from_stream(broken).into_response();
        }
        Mood::Slow(pause) => tokio::time::sleep(pause).await,
        Mood::Good => {}
    }
    Json(json!({ "n": n, "effect": format!("{effect:?}") })).into_response()
}

async fn found(State(shared): State<Arc<Shared>>, Path(key): Path<String>) -> Response {
    Json(json!({ "n": shared.lock().taken.get(&key).copied().unwrap_or(0) })).into_response()
}
