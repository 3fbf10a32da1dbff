//! Group commit: whatever has queued up while the last fsync ran goes into the next transaction, fenced by the
//! worker's epoch. A batch of one goes at once. A batch of runs that begin, get on or end is a single statement and its
//! own transaction; what else they do adds statements.

use super::{
    Hints, audited,
    commit::{Commit, CommitError, Journal, RowChange},
    crash::crash_point,
    fault::{self, Fault},
    observe,
    start::queue_run,
};
use crate::{
    run::{Intent, RunId, Signal, SignalKind},
    store::{
        Connection, HotConnection, PgConnection, Store, StoreError, audit,
        commits::{self, Fence, Over, Settled, Starts, Written},
        control, events, gates, journal, lanes, outbox, signals,
    },
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};
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

/// A committer's own connection. The pool would ask PostgreSQL for a sign of life whenever it is given back; what failed is
/// given back for just that.
type Line = Option<(HotConnection, Instant)>;
/// An unused one could have been cut off meanwhile.
const UNUSED_MAX: Duration = Duration::from_secs(1);

/// The worker's way to the journal.
pub struct Committer {
    queue: mpsc::Sender<Waiting>,
}

struct Writer {
    store: Store,
    fence: Fence,
    /// Channels every message goes to, `console` among them.
    channels: Vec<String>,
    /// Told after each batch that made another run ready or left a message to deliver.
    hints: Hints,
}

impl Committer {
    /// Starts the committer tasks; they end when the `Committer` is dropped.
    pub fn start(store: Store, fence: Fence, channels: Vec<String>, hints: Hints) -> Self {
        let (queue, waiting) = mpsc::channel(BATCH_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let writer = Arc::new(Writer { store, fence, channels, hints });
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
        if fault::is_seeded(Fault::AckBeforeCommit) {
            return Ok(());
        }
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

async fn run_committer(writer: Arc<Writer>, queue: Arc<Mutex<mpsc::Receiver<Waiting>>>) {
    let mut line = None;
    loop {
        let mut batch = Vec::new();
        if queue.lock().await.recv_many(&mut batch, BATCH_MAX).await == 0 {
            return;
        }
        let commits: Vec<&Commit> = batch.iter().map(|waiting| &waiting.commit).collect();
        let written = observe::commit(commits.len(), writer.write_into_days(&mut line, &commits)).await;
        let results = match written {
            Ok(results) => results,
            // One bad commit must not take the others down with it.
            Err(error) if error.is_refusal() && commits.len() > 1 => {
                let mut results = Vec::with_capacity(commits.len());
                for commit in commits {
                    let alone = writer.write_into_days(&mut line, &[commit]).await;
                    results.push(match alone {
                        Ok(mut result) => result.pop().unwrap_or(Ok(())),
                        Err(error) => Err(failed(&error)),
                    });
                }
                results
            }
            Err(error) => commits.iter().map(|_| Err(failed(&error))).collect(),
        };
        for (waiting, result) in batch.into_iter().zip(results) {
            // A driver that is gone reads the run again from the journal.
            let _ = waiting.done.send(result);
        }
    }
}

fn failed(error: &StoreError) -> CommitError {
    if error.is_bad_value() {
        CommitError::Refused(error.to_string())
    } else if error.is_refusal() && !error.is_conflict() && error.trouble().is_none() {
        CommitError::Declined(error.to_string())
    } else if error.is_refusal() {
        CommitError::Unknown(error.to_string())
    } else {
        CommitError::Severed(error.to_string())
    }
}

type Results = Vec<Result<(), CommitError>>;

impl Writer {
    /// The clock may have gone further than days are made ahead.
    async fn write_into_days(&self, line: &mut Line, commits: &[&Commit]) -> Result<Results, StoreError> {
        match self.write_over(line, commits).await {
            Err(error) if self.store.has_made_day_for(&error).await? => self.write_over(line, commits).await,
            done => done,
        }
    }

    async fn write_over(&self, line: &mut Line, commits: &[&Commit]) -> Result<Results, StoreError> {
        let mut db = match line.take() {
            Some((db, used)) if used.elapsed() < UNUSED_MAX => db,
            _ => self.store.hot_connection().await?,
        };
        let results = self.write(&mut db, commits).await?;
        *line = Some((db, Instant::now()));
        Ok(results)
    }

    async fn write(&self, db: &mut PgConnection, commits: &[&Commit]) -> Result<Results, StoreError> {
        let starts = starts_of(commits)?;
        let (rows, settled) = columns(commits)?;
        let starting = commits.iter().filter(|commit| commit.start.is_some()).count();
        let is_mixed = starting > 0 && starting < commits.len();
        let is_one_statement = starts.is_one_statement() && commits::is_one_statement(&rows, &settled);
        if is_mixed || !is_one_statement || commits.iter().any(|commit| needs_more(commit)) {
            return self.write_in_transaction(db, commits, &starts).await;
        }
        let fence = fault::fence(db, self.fence).await?;
        crash_point("before_commit");
        if starting > 0 {
            let begun = commits::start(db, Some(fence), &starts).await?;
            crash_point("after_commit");
            return Ok(commits.iter().map(|commit| outcome(commit, &begun, &BTreeSet::new())).collect());
        }
        let written = commits::settle(db, fence, &rows, &settled).await?;
        crash_point("after_commit");
        self.tell(written, &settled, false);
        let result = if written == Written::Fenced { Err(CommitError::Fenced) } else { Ok(()) };
        Ok(commits.iter().map(|_| result.clone()).collect())
    }

    /// Everything a batch may hold, in one transaction.
    async fn write_in_transaction(
        &self,
        db: &mut PgConnection,
        commits: &[&Commit],
        starts: &Starts,
    ) -> Result<Results, StoreError> {
        let mut tx = db.begin().await?;
        let fence = fault::fence(&mut tx, self.fence).await?;
        let mut begun = commits::Begun { runs: BTreeSet::new(), held: true, unknown: Vec::new() };
        if !starts.is_empty() {
            begun = commits::start(&mut tx, Some(fence), starts).await?;
        }
        let conflicting = conflicting(&mut tx, commits).await?;
        let results: Results = commits.iter().map(|commit| outcome(commit, &begun, &conflicting)).collect();
        let valid: Vec<&Commit> =
            commits.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(c, _)| *c).collect();
        let (rows, settled) = columns(&valid)?;
        let written = commits::settle(&mut tx, fence, &rows, &settled).await?;
        if written == Written::Fenced {
            tx.rollback().await?;
            return Ok(commits.iter().map(|_| Err(CommitError::Fenced)).collect());
        }
        let (mut joined, left) = (Vec::new(), lanes_left(&valid));
        for commit in &valid {
            self.write_intents(&mut tx, commit, &mut joined).await?;
        }
        audit::append(&mut tx, &audited::of(&valid)).await?;
        tell_parents(&mut tx, &valid).await?;
        let let_in = lanes::settle(&mut tx, &left, &joined).await?;
        crash_point("before_commit");
        tx.commit().await?;
        crash_point("after_commit");
        let tells = let_in > 0 || valid.iter().any(|commit| has_news(commit) || tells_parent(commit));
        self.tell(written, &settled, tells);
        Ok(results)
    }

    /// Wakes the loops that have something to do now.
    fn tell(&self, written: Written, settled: &Settled, tells: bool) {
        if let Some(at) = settled.parked.wake_at.iter().flatten().min() {
            self.hints.set_timer(*at);
        }
        if tells || matches!(written, Written::Held { woken } if woken > 0) {
            self.hints.tell();
        }
    }

    async fn write_intents(
        &self,
        tx: &mut PgConnection,
        commit: &Commit,
        joined: &mut Vec<i64>,
    ) -> Result<(), StoreError> {
        let now = commit.records.last().map(|record| record.at).unwrap_or_default();
        for intent in &commit.intents {
            match intent {
                Intent::OpenGate(gate) => gates::open(tx, commit.run, gate, now).await?,
                Intent::Reassign(to) => gates::reassign(tx, to, now).await?,
                Intent::CloseGate(gate) => gates::close(tx, &[gate.0]).await?,
                Intent::Subscribe { path, event, subject } => {
                    events::subscribe(tx, commit.run, path, event, subject.as_deref()).await?;
                }
                Intent::Unsubscribe { path } => events::unsubscribe(tx, commit.run, path).await?,
                Intent::StartRun(run) => {
                    queue_run(tx, run, now, joined).await?;
                }
                Intent::NoteFailure { step, failure } => {
                    control::failed(tx, commit.run, step, failure).await?
                }
                Intent::Send(message) => outbox::queue(tx, commit.run, message, &self.channels).await?,
                // Written with the records of its run.
                Intent::Audit(_) => {}
            }
        }
        Ok(())
    }
}

/// It leaves something that another loop takes up.
fn has_news(commit: &Commit) -> bool {
    commit.intents.iter().any(|intent| !matches!(intent, Intent::Audit(_)))
}

/// More than rows of runs and journal: it takes statements of its own.
fn needs_more(commit: &Commit) -> bool {
    let is_settled = !matches!(&commit.row, RowChange::Keep | RowChange::End { is_untidy: false, .. })
        || !commit.intents.is_empty()
        || !commit.heard.is_empty();
    let leaves_lane = matches!(&commit.row, RowChange::End { lane: Some(_), .. });
    has_news(commit) || tells_parent(commit) || (commit.start.is_some() && is_settled) || leaves_lane
}

/// The lanes of runs that end, once for each.
fn lanes_left(commits: &[&Commit]) -> Vec<i64> {
    let lane = |commit: &&Commit| match &commit.row {
        RowChange::End { lane, .. } => *lane,
        RowChange::Keep | RowChange::Park { .. } => None,
    };
    commits.iter().filter_map(lane).collect()
}

fn tells_parent(commit: &Commit) -> bool {
    matches!(&commit.row, RowChange::End { parent: Some(_), .. })
}

fn outcome(
    commit: &Commit,
    begun: &commits::Begun,
    conflicting: &BTreeSet<RunId>,
) -> Result<(), CommitError> {
    if !begun.held {
        return Err(CommitError::Fenced);
    }
    if conflicting.contains(&commit.run) {
        return Err(CommitError::Conflict);
    }
    match &commit.start {
        Some(start) if begun.unknown.contains(&start.sha256) => {
            Err(CommitError::Unknown(format!("the definition {} has no stored version", start.sha256)))
        }
        Some(_) if !begun.runs.contains(&commit.run.0) => Err(CommitError::NotStarted),
        _ => Ok(()),
    }
}

fn starts_of(commits: &[&Commit]) -> Result<Starts, StoreError> {
    let mut starts = Starts::default();
    for commit in commits {
        if let Some(run) = &commit.start {
            let at = commit.records.first().map(|record| record.at).unwrap_or_default();
            let over = match &commit.row {
                RowChange::End { outcome, .. } => Some(Over { at: ended_at(commit), outcome }),
                RowChange::Keep | RowChange::Park { .. } => None,
            };
            // A run that waits for a lane or its time does not begin in a worker's hands.
            starts.add(run, at, &commit.records, commits::Place::default(), over)?;
        }
    }
    Ok(starts)
}

fn ended_at(commit: &Commit) -> DateTime<Utc> {
    commit.records.last().map(|record| record.at).unwrap_or_default()
}

/// What commits write besides their intents, by column. Runs that begin bring their records with their start, and
/// their end where it comes with it.
fn columns(commits: &[&Commit]) -> Result<(journal::Rows, Settled), StoreError> {
    let (mut rows, mut settled) = (journal::Rows::default(), Settled::default());
    for commit in commits {
        if commit.start.is_none() {
            rows.add(commit.run, &commit.records)?;
        }
        settled.heard.extend(&commit.heard);
        for intent in &commit.intents {
            if let Intent::Audit(record) = intent {
                settled.audited.add(record);
            }
        }
        match &commit.row {
            RowChange::Keep => {}
            RowChange::Park { wake_at, signals, waiting_for } => {
                settled.parked.run.push(commit.run.0);
                settled.parked.wake_at.push(*wake_at);
                settled.parked.signals.push(*signals);
                settled.parked.waiting_for.push(waiting_for.clone());
            }
            RowChange::End { outcome, is_untidy, .. } => {
                if commit.start.is_none() {
                    settled.ended.run.push(commit.run.0);
                    settled.ended.at.push(ended_at(commit));
                    settled.ended.outcome.push(outcome.clone());
                }
                if *is_untidy {
                    settled.untidy.push(commit.run.0);
                }
            }
        }
    }
    Ok((rows, settled))
}

/// Runs whose transition rests on a gate that is no longer open.
async fn conflicting(tx: &mut PgConnection, commits: &[&Commit]) -> Result<BTreeSet<RunId>, StoreError> {
    let needed: BTreeMap<Uuid, RunId> = commits
        .iter()
        .flat_map(|commit| commit.intents.iter().map(|intent| (commit.run, intent)))
        .filter_map(|(run, intent)| match intent {
            Intent::Reassign(to) => Some((to.gate.0, run)),
            Intent::CloseGate(gate) => Some((gate.0, run)),
            _ => None,
        })
        .collect();
    if needed.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: Vec<Uuid> = needed.keys().copied().collect();
    let open = gates::lock_open(tx, &ids).await?;
    Ok(needed.into_iter().filter(|(gate, _)| !open.contains(gate)).map(|(_, run)| run).collect())
}

/// A child's end is news for the run that waits for it.
async fn tell_parents(tx: &mut PgConnection, commits: &[&Commit]) -> Result<(), StoreError> {
    for commit in commits {
        let RowChange::End { outcome, parent: Some(parent), output, .. } = &commit.row else { continue };
        let body = json!({ "run": commit.run, "outcome": outcome, "output": output });
        // A run that was reopened ends more than once, and each end is news.
        let ends_at = commit.records.last().map_or(0, |record| record.seq);
        let id = Uuid::new_v5(&commit.run.0, format!("ended:{ends_at}").as_bytes());
        let signal = Signal { id, kind: SignalKind::Child, path: Some(parent.path.clone()), body };
        signals::send(tx, parent.run, &signal).await?;
    }
    Ok(())
}
