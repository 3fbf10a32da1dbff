//! The load: events that start runs, people who answer, events that runs wait for. All of it goes through the same
//! doors as in a plant, is repeated until it is acknowledged, and what was acknowledged is remembered.

use super::{cluster::Cluster, servers::API_TOKEN, witness};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Mutex as AsyncMutex;
use uuid::Uuid;

/// The secret of the site's source, as `takt.yaml` has it.
const SECRET: &str = "whsec_Y2hhb3MtcHJvb2Ytd2ViaG9vay1zZWNyZXQtMQ==";
/// Of these `part` is started by a program through the API, the others by events.
const KINDS: [&str; 5] = ["chain", "chain", "undoing", "fan", "part"];

#[derive(Debug, Clone, Default)]
pub struct Acknowledged {
    pub starts: BTreeSet<String>,
    pub events: BTreeSet<String>,
    pub runs: BTreeSet<Uuid>,
    /// Gate, person, decision.
    pub answers: Vec<(Uuid, String, String)>,
}

/// Shared by the load's tasks and the nemesis.
#[derive(Clone)]
pub struct Load {
    client: reqwest::Client,
    doors: Arc<Mutex<Vec<String>>>,
    acknowledged: Arc<Mutex<Acknowledged>>,
    random: Arc<Mutex<ChaCha8Rng>>,
    next: Arc<Mutex<u32>>,
    /// When a case was told to go on.
    told: Arc<Mutex<BTreeMap<String, Instant>>>,
    /// Now and then people say no.
    says_no: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Load {
    pub fn new(seed: u64) -> Self {
        // Every request on a connection of its own, so that a dead server costs nobody else's.
        let client =
            reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(4)).build();
        Self {
            client: client.expect("a client"),
            doors: Arc::default(),
            acknowledged: Arc::default(),
            random: Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed))),
            next: Arc::default(),
            told: Arc::default(),
            says_no: true,
        }
    }

    /// People who say yes to everything: every run of a workflow takes the same way.
    pub fn agreeing(seed: u64) -> Self {
        Self { says_no: false, ..Self::new(seed) }
    }

    /// Where the servers are that may be asked now.
    pub fn set_doors(&self, doors: Vec<String>) {
        *lock(&self.doors) = doors;
    }

    pub fn acknowledged(&self) -> Acknowledged {
        lock(&self.acknowledged).clone()
    }

    /// One more case, of a kind by chance.
    pub async fn start_one(&self) {
        let kind = *KINDS.choose(&mut *lock(&self.random)).expect("kinds");
        match kind {
            "part" => self.start_by_hand().await,
            kind => drop(self.start(kind).await),
        }
    }

    /// Once, because a start by hand has no key: whoever gets no answer looks before trying again.
    async fn start_by_hand(&self) {
        let Some(door) = self.door() else { return };
        let request = self.client.post(format!("{door}/api/workflows/part/runs")).bearer_auth(API_TOKEN);
        let body = json!({ "inputs": { "case": format!("by-hand-{}", self.number()) } });
        let Ok(answer) = request.header("x-takt-person", "ada").json(&body).send().await else { return };
        if answer.status() != reqwest::StatusCode::CREATED {
            return;
        }
        let Ok(started) = answer.json::<Value>().await else { return };
        let runs = started["runs"].as_array().into_iter().flatten();
        lock(&self.acknowledged).runs.extend(runs.filter_map(|run| run.as_str()?.parse::<Uuid>().ok()));
    }

    fn number(&self) -> u32 {
        let mut next = lock(&self.next);
        *next += 1;
        *next
    }

    /// Starts a case of this kind and gives its name.
    pub async fn start(&self, kind: &str) -> String {
        let number = self.number();
        let id = format!("start-{number}");
        let case = format!("case-{number}");
        let event = json!({
            "specversion": "1.0", "id": id, "source": "chaos", "type": "chaos.start", "subject": case,
            "data": { "kind": kind, "case": case },
        });
        self.send_until_taken(&event).await;
        lock(&self.acknowledged).starts.insert(id);
        case
    }

    /// An event that a chain waits for.
    pub async fn go(&self, case: &str) {
        let id = format!("go-{case}-{}", Uuid::new_v4());
        let event = json!({
            "specversion": "1.0", "id": id, "source": "chaos", "type": "chaos.go", "subject": case, "data": { "case": case },
        });
        self.send_until_taken(&event).await;
    }

    /// As any sender does: the same event again, until it is acknowledged.
    async fn send_until_taken(&self, event: &Value) {
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        loop {
            if let Some(door) = self.door()
                && self.send(&door, event).await
            {
                lock(&self.acknowledged).events.insert(id);
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn send(&self, door: &str, event: &Value) -> bool {
        let (body, now) = (event.to_string(), chrono::Utc::now().timestamp());
        let id = event["id"].as_str().unwrap_or_default();
        let signer = standardwebhooks::Webhook::new(SECRET).expect("a secret");
        let signature = signer.sign(id, now, body.as_bytes()).expect("a signature");
        let request = self.client.post(format!("{door}/hooks/chaos"));
        let request = request
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", signature)
            .header("content-type", "application/cloudevents+json");
        request.body(body).send().await.is_ok_and(|answer| answer.status() == reqwest::StatusCode::ACCEPTED)
    }

    /// Tries to answer one question; an answer that was taken is remembered.
    async fn answer(&self, gate: Uuid, proposal_hash: &str) {
        let Some(door) = self.door() else { return };
        let (person, decision) = {
            let mut random = lock(&self.random);
            let person = *["ada", "bob"].choose(&mut *random).expect("people");
            let is_no = self.says_no && random.random_range(0..10) == 0;
            (person, if is_no { "reject" } else { "approve" })
        };
        let reason = (decision == "reject").then_some("not today");
        let body = json!({ "decision": decision, "proposal_hash": proposal_hash, "reason": reason,
            "reason_code": reason.map(|_| "not_now") });
        let request = self.client.post(format!("{door}/api/gates/{gate}/answer")).bearer_auth(API_TOKEN);
        let answer = request.header("x-takt-person", person).json(&body).send().await;
        if let Ok(answer) = answer
            && answer.status().is_success()
        {
            lock(&self.acknowledged).answers.push((gate, person.to_owned(), decision.to_owned()));
        }
    }

    fn door(&self) -> Option<String> {
        lock(&self.doors).choose(&mut *lock(&self.random)).cloned()
    }

    /// What people and the plant do while things happen: answers every question and lets every wait end.
    pub async fn play(self, cluster: Arc<AsyncMutex<Cluster>>) {
        loop {
            let mut db = cluster.lock().await.connect("takt").await;
            while self.play_once(&mut db).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn play_once(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        let asked = witness::open_gates(db).await?;
        let mut waiting = witness::waiting(db).await?;
        // Everybody who waits hears every event of the type, so one for each case and a while is enough.
        waiting.retain(|case| {
            let mut told = lock(&self.told);
            let is_due = told.get(case).is_none_or(|at| at.elapsed() > Duration::from_secs(5));
            if is_due {
                told.insert(case.clone(), Instant::now());
            }
            is_due
        });
        let answers = asked.iter().map(|(gate, hash)| self.answer(*gate, hash));
        futures::future::join_all(answers).await;
        futures::future::join_all(waiting.iter().map(|case| self.go(case))).await;
        Ok(())
    }

    /// Keeps so many runs alive until it is dropped.
    pub async fn keep_busy(self, cluster: Arc<AsyncMutex<Cluster>>, runs: i64) {
        loop {
            let mut db = cluster.lock().await.connect("takt").await;
            while let Ok(live) = witness::live(&mut db).await {
                let missing = usize::try_from(runs - live).unwrap_or(0).min(4);
                futures::future::join_all((0..missing).map(|_| self.start_one())).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until nothing is alive any more, or patience ends; gives how many runs were left.
    pub async fn drained(&self, cluster: &AsyncMutex<Cluster>, patience: Duration) -> i64 {
        let begun = Instant::now();
        let mut db = cluster.lock().await.connect("takt").await;
        loop {
            let live = match witness::unfinished(&mut db).await {
                Ok(live) => live,
                // The last deed may still cut sessions off.
                Err(error) => {
                    assert!(begun.elapsed() < patience, "the database cannot be asked: {error}");
                    db = cluster.lock().await.connect("takt").await;
                    continue;
                }
            };
            if live == 0 || begun.elapsed() > patience {
                return live;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
