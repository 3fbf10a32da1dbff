//! What a step kind implements, and what it is given.

use super::Clock;
use crate::{
    expr::Scope,
    run::{Approval, Change, Failure, Intent, RunId, Sent, Signal, StartedRun, StepPath, Task},
    tool::{Lease, ToolError},
    workflow::Definition,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// One step kind. It returns what happened; it never writes to the store.
#[async_trait]
pub trait Execute: Send + Sync {
    async fn execute(&self, task: &Task, context: &StepContext) -> Outcome;

    /// Whether the step may begin while the run's history up to it is still being written. Only for steps that change
    /// nothing outside of Takt: after a crash they are done again, and nobody has seen what they gave.
    fn runs_ahead(&self, _task: &Task) -> bool {
        false
    }
}

/// Step kinds by [`crate::run::Leaf::kind`].
pub type Executors = BTreeMap<&'static str, Arc<dyn Execute>>;

#[derive(Debug)]
pub enum Outcome {
    Done {
        output: Value,
        intents: Vec<Intent>,
    },
    /// Wait for a signal or a time; `note` is added to the step's notes.
    Park {
        wake_at: Option<DateTime<Utc>>,
        note: Option<Value>,
        intents: Vec<Intent>,
    },
    Fail(StepError),
    /// The worker lost the run while the step was under way.
    Lost,
}

impl Outcome {
    pub fn done(output: Value) -> Self {
        Self::Done { output, intents: Vec::new() }
    }

    pub fn fail(class: &str, message: impl Into<String>) -> Self {
        Self::Fail(Failure::new(class, message).into())
    }
}

#[derive(Debug)]
pub struct StepError {
    pub failure: Failure,
    pub retry_after: Option<Duration>,
    pub intents: Vec<Intent>,
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        Self { failure, retry_after: None, intents: Vec::new() }
    }
}

impl From<ToolError> for StepError {
    fn from(error: ToolError) -> Self {
        let retry_after = match error.kind {
            crate::tool::ToolErrorKind::RateLimited { retry_after } => retry_after,
            _ => None,
        };
        let mut failure = Failure::new(error.class(), error.message);
        failure.detail = error.detail;
        Self { failure, retry_after, intents: Vec::new() }
    }
}

/// A request to journal something in the middle of a step.
pub(super) struct NoteRequest {
    pub path: StepPath,
    pub change: Change,
    pub intents: Vec<Intent>,
    pub durable: oneshot::Sender<()>,
}

/// What a step knows of its run.
pub struct StepContext {
    pub run: RunId,
    pub start: Arc<StartedRun>,
    pub definition: Arc<Definition>,
    pub path: StepPath,
    pub attempt: u32,
    /// The names its expressions see; `now` in it is the attempt's recorded time.
    pub scope: Arc<Scope>,
    /// When the run began.
    pub began_at: DateTime<Utc>,
    /// Events that earlier waits of this run have ended with.
    pub taken_events: BTreeSet<String>,
    /// The attempt's recorded time.
    pub now: DateTime<Utc>,
    /// The time as it goes on, for deadlines.
    pub clock: Arc<Clock>,
    /// The step was executed before: by a worker that died, or before it parked.
    pub resumed: bool,
    pub notes: Vec<Value>,
    pub signals: Vec<Signal>,
    /// The last question on the way to this step, which answers for what it writes.
    pub approval: Option<Approval>,
    /// How often the step's effect was undone and asked for anew.
    pub generation: u32,
    /// An earlier attempt was made under the same key: it may have taken effect.
    pub repeats: bool,
    /// Something that was sent before may have taken effect, or still may: nobody knows.
    pub in_doubt: bool,
    /// What was sent under the same key.
    pub sent: Option<Sent>,
    /// With what the run's agent steps mask, as one of them has noted it; only an agent step is told.
    pub masking: Option<Value>,
    pub lease: Arc<Lease>,
    pub(super) note_to: mpsc::Sender<NoteRequest>,
}

impl StepContext {
    /// Journals something durably; `None` means that the worker lost the run and the step must stop.
    pub async fn note(&self, note: Value) -> Option<()> {
        self.journal(Change::Noted { note }, Vec::new()).await
    }

    /// The same, with what must become true together with the note.
    pub async fn note_with(&self, note: Value, intents: Vec<Intent>) -> Option<()> {
        self.journal(Change::Noted { note }, intents).await
    }

    /// Journals news that the step found by itself.
    pub async fn hear(&self, signal: Signal) -> Option<()> {
        self.journal(Change::Signalled(signal), Vec::new()).await
    }

    async fn journal(&self, change: Change, intents: Vec<Intent>) -> Option<()> {
        let (durable, done) = oneshot::channel();
        let request = NoteRequest { path: self.path.clone(), change, intents, durable };
        self.note_to.send(request).await.ok()?;
        done.await.ok()
    }

    /// The idempotency key of this step: the same for every attempt, another for every run and step, and another
    /// once its effect was undone and is asked for anew.
    pub fn key(&self) -> String {
        Uuid::new_v5(&self.run.0, self.identity().as_str().as_bytes()).to_string()
    }

    /// What the ids of its key, its gates and its child run are made of.
    pub fn identity(&self) -> StepPath {
        self.path.of_generation(self.generation)
    }
}
