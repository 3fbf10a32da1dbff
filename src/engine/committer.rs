//! Group commit: whatever has queued up while the last fsync ran goes into the next transaction, fenced by
//! the worker's epoch, in a handful of set-based statements. A batch of one goes at once.

use super::{
    Hints,
    commit::{Commit, CommitError, Journal, RowChange},
    crash::crash_point,
    start::start_run,
};
use crate::{
    run::{Intent, Record, RunId, Signal, SignalKind, WorkerId},
    store::{
        PgConnection, Store, StoreError, events, gates, journal, outbox, runs, signals, summaries, workers,
    },
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

/// Most commits in one transaction.
const BATCH_MAX: usize = 512;
/// Transactions under way at once; more only fight for the same disk.
const COMMITTERS: usize = 2;

struct Waiting {
    commit: Commit,
    done: oneshot::Sender<Result<(), CommitError>>,
}

/// The worker's way to the journal.
pub struct Committer {
    queue: mpsc::Sender<Waiting>,
}

struct Writer {
    store: Store,
    worker: WorkerId,
    epoch: i32,
    /// Channels every message goes to, `console` among them.
    channels: Vec<String>,
    /// Told after each batch that made another run ready or left a message to deliver.
    hints: Hints,
}

impl Committer {
    /// Starts the committer tasks; they end when the `Committer` is dropped.
    pub fn start(store: Store, worker: WorkerId, epoch: i32, channels: Vec<String>, hints: Hints) -> Self {
        let (queue, waiting) = mpsc::channel(BATCH_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let writer = Arc::new(Writer { store, worker, epoch, channels, hints });
        for _ in 0..COMMITTERS {
            tokio::spawn(run_committer(writer.clone(), waiting.clone()));
        }
        Self { queue }
    }
}

#[async_trait]
impl Journal for Committer {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let (done, answer) = oneshot::channel();
        let gone = || CommitError::Unknown("the committer has stopped".into());
        self.queue.send(Waiting { commit, done }).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

async fn run_committer(writer: Arc<Writer>, queue: Arc<Mutex<mpsc::Receiver<Waiting>>>) {
    loop {
        let mut batch = Vec::new();
        if queue.lock().await.recv_many(&mut batch, BATCH_MAX).await == 0 {
            return;
        }
        let commits: Vec<&Commit> = batch.iter().map(|waiting| &waiting.commit).collect();
        let results = match writer.write(&commits).await {
            Ok(results) => results,
            // One bad commit must not take the others down with it.
            Err(_) if commits.len() > 1 => {
                let mut results = Vec::with_capacity(commits.len());
                for commit in commits {
                    let alone = writer.write(&[commit]).await;
                    results.push(match alone {
                        Ok(mut result) => result.pop().unwrap_or(Ok(())),
                        Err(error) => Err(CommitError::Unknown(error.to_string())),
                    });
                }
                results
            }
            Err(error) => vec![Err(CommitError::Unknown(error.to_string()))],
        };
        for (waiting, result) in batch.into_iter().zip(results) {
            // A driver that is gone reads the run again from the journal.
            let _ = waiting.done.send(result);
        }
    }
}

impl Writer {
    async fn write(&self, commits: &[&Commit]) -> Result<Vec<Result<(), CommitError>>, StoreError> {
        let mut tx = self.store.begin().await?;
        if !workers::fence(&mut tx, self.worker, self.epoch).await? {
            return Ok(commits.iter().map(|_| Err(CommitError::Fenced)).collect());
        }
        let conflicting = conflicting(&mut tx, commits).await?;
        let valid: Vec<&Commit> =
            commits.iter().copied().filter(|commit| !conflicting.contains(&commit.run)).collect();
        let records: Vec<(RunId, &Record)> = valid
            .iter()
            .flat_map(|commit| commit.records.iter().map(|record| (commit.run, record)))
            .collect();
        if !records.is_empty() {
            journal::append(&mut tx, &records).await?;
        }
        for commit in &valid {
            self.write_intents(&mut tx, commit).await?;
        }
        let heard: Vec<Uuid> = valid.iter().flat_map(|commit| commit.heard.iter().copied()).collect();
        if !heard.is_empty() {
            signals::forget(&mut tx, &heard).await?;
        }
        write_rows(&mut tx, &valid).await?;
        crash_point("before_commit");
        tx.commit().await?;
        crash_point("after_commit");
        if valid.iter().any(|commit| !commit.intents.is_empty() || commit.row != RowChange::Keep) {
            self.hints.tell();
        }
        Ok(commits
            .iter()
            .map(|commit| if conflicting.contains(&commit.run) { Err(CommitError::Conflict) } else { Ok(()) })
            .collect())
    }

    async fn write_intents(&self, tx: &mut PgConnection, commit: &Commit) -> Result<(), StoreError> {
        let now = commit.records.last().map(|record| record.at).unwrap_or_default();
        for intent in &commit.intents {
            match intent {
                Intent::OpenGate(gate) => gates::open(tx, commit.run, gate, now).await?,
                Intent::Reassign(to) => gates::reassign(tx, to).await?,
                Intent::CloseGate(gate) => gates::close(tx, &[gate.0]).await?,
                Intent::Subscribe { path, event } => events::subscribe(tx, commit.run, path, event).await?,
                Intent::Unsubscribe { path } => events::unsubscribe(tx, commit.run, path).await?,
                Intent::StartRun(run) => {
                    start_run(tx, run, now).await?;
                }
                Intent::Send(message) => outbox::queue(tx, commit.run, message, &self.channels).await?,
            }
        }
        Ok(())
    }
}

/// Runs whose transition rests on a gate that is no longer open.
async fn conflicting(tx: &mut PgConnection, commits: &[&Commit]) -> Result<BTreeSet<RunId>, StoreError> {
    let needed: Vec<(RunId, Uuid)> = commits
        .iter()
        .flat_map(|commit| commit.intents.iter().map(|intent| (commit.run, intent)))
        .filter_map(|(run, intent)| match intent {
            Intent::Reassign(to) => Some((run, to.gate.0)),
            Intent::CloseGate(gate) => Some((run, gate.0)),
            _ => None,
        })
        .collect();
    if needed.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: Vec<Uuid> = needed.iter().map(|(_, gate)| *gate).collect();
    let open = gates::lock_open(tx, &ids).await?;
    Ok(needed.into_iter().filter(|(_, gate)| !open.contains(gate)).map(|(run, _)| run).collect())
}

async fn write_rows(tx: &mut PgConnection, commits: &[&Commit]) -> Result<(), StoreError> {
    let mut parked = runs::Parked::default();
    let (mut ended, mut ended_at, mut outcomes) = (Vec::new(), Vec::<DateTime<Utc>>::new(), Vec::new());
    let mut children = Vec::new();
    for commit in commits {
        match &commit.row {
            RowChange::Keep => {}
            RowChange::Park { wake_at, signals, waiting_for } => {
                parked.run.push(commit.run.0);
                parked.wake_at.push(*wake_at);
                parked.signals.push(*signals);
                parked.waiting_for.push(waiting_for.clone());
            }
            RowChange::End { outcome, parent, output } => {
                ended.push(commit.run.0);
                ended_at.push(commit.records.last().map(|record| record.at).unwrap_or_default());
                outcomes.push(outcome.clone());
                if let Some(parent) = parent {
                    let body = json!({ "run": commit.run, "outcome": outcome, "output": output });
                    let id = Uuid::new_v5(&commit.run.0, b"ended");
                    let path = Some(parent.path.clone());
                    children.push((parent.run, Signal { id, kind: SignalKind::Child, path, body }));
                }
            }
        }
    }
    if !ended.is_empty() {
        gates::close_of_runs(tx, &ended).await?;
        summaries::end(tx, &ended, &ended_at, &outcomes).await?;
        runs::remove(tx, &ended).await?;
    }
    for (parent, signal) in &children {
        signals::send(tx, *parent, signal).await?;
    }
    if !parked.run.is_empty() {
        runs::park(tx, &parked).await?;
    }
    Ok(())
}
