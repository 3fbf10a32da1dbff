//! The outside of the simulation: tools whose requests, effects and answers are separate events of the schedule,
//! and the journal through which a worker's commits go, whose acknowledgements are too.

use super::{Mutation, store::Store};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use takt::{
    engine::{Commit, CommitError, Driven, Journal},
    run::{Change, RunId},
    tool::{Call, Effect, Idempotency, Lookup, Registry, Tool, ToolError, ToolErrorKind, ToolSpec},
};
use tokio::sync::oneshot;
use uuid::Uuid;

/// Of a call, by the schedule's time.
const LIMIT: Duration = Duration::from_secs(60);

/// A commit on its way to the database, or its acknowledgement on its way back.
pub struct Pending {
    pub tenure: u64,
    pub commit: Commit,
    pub result: Option<Result<(), CommitError>>,
    /// `None` when nobody waits for the answer any more: it may still arrive.
    pub done: Option<oneshot::Sender<Result<(), CommitError>>>,
}

/// A request on its way out, or its answer on its way back.
pub struct Request {
    pub tenure: u64,
    pub run: Uuid,
    pub step: String,
    pub key: String,
    pub class: Idempotency,
    pub is_refused: bool,
    pub arrived: bool,
    /// Whoever sent it waits no longer, and it arrives no later.
    pub until: DateTime<Utc>,
    pub is_given_up: bool,
    pub done: oneshot::Sender<Result<Value, ToolError>>,
}

/// Everything that is not a worker's memory.
pub struct World {
    pub now: DateTime<Utc>,
    pub store: Store,
    pub pending: Vec<Pending>,
    pub requests: Vec<Request>,
    /// Effects by key.
    pub effects: BTreeMap<String, u32>,
    /// Tenure and number of a drive, its run, and how it came to its end.
    pub driven: Vec<(u64, u64, RunId, Driven)>,
    /// Grows with everything that a worker does.
    pub activity: u64,
}

#[derive(Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub fn new(now: DateTime<Utc>, mutation: Option<Mutation>) -> Self {
        Self(Arc::new(Mutex::new(World {
            now,
            store: Store::new(mutation),
            pending: Vec::new(),
            requests: Vec::new(),
            effects: BTreeMap::new(),
            driven: Vec::new(),
            activity: 0,
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// The request reaches the other side and takes effect there.
    pub fn arrive(&mut self, at: usize) {
        let request = &mut self.requests[at];
        request.arrived = true;
        if request.is_refused || request.class == Idempotency::Read {
            return;
        }
        let count = self.effects.entry(request.key.clone()).or_default();
        if request.class == Idempotency::Unsafe || *count == 0 {
            *count += 1;
        }
        if *count > 1 {
            let text = format!("{}: `{}` took effect {count} times", request.run, request.step);
            self.store.report(text);
        }
    }

    fn request(
        &mut self,
        tenure: u64,
        spec: &ToolSpec,
        call: &Call,
    ) -> oneshot::Receiver<Result<Value, ToolError>> {
        self.activity += 1;
        let run = RunId(call.run);
        if !self.store.is_valid(tenure) {
            self.store.report(format!("{run}: `{}` went out from a worker that was taken over", call.step));
        }
        let is_started = |record: &takt::run::Record| {
            matches!(record.change, Change::Started)
                && record.attempt == call.attempt
                && record.path.as_ref().is_some_and(|path| path.as_str() == call.step)
        };
        // Reads run ahead of the journal; whatever changes something waits for it.
        let is_known = self.store.journal.get(&run).is_some_and(|records| records.iter().any(is_started));
        if spec.effect == Effect::Write && !is_known {
            self.store.report(format!("{run}: `{}` went out before the journal knew", call.step));
        }
        let (done, answer) = oneshot::channel();
        self.requests.push(Request {
            tenure,
            run: call.run,
            step: call.step.clone(),
            key: call.key.clone(),
            class: spec.idempotency,
            is_refused: spec.name.as_str() == "ledger.refuse",
            arrived: false,
            until: self.now + LIMIT,
            is_given_up: false,
            done,
        });
        answer
    }
}

/// A worker's way to the database.
pub struct Line {
    pub world: Shared,
    pub tenure: u64,
}

#[async_trait]
impl Journal for Line {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let (done, answer) = oneshot::channel();
        let early = {
            let mut world = self.world.lock();
            world.activity += 1;
            world.pending.push(Pending { tenure: self.tenure, commit, result: None, done: Some(done) });
            world.store.mutation == Some(Mutation::AckBeforeCommit)
        };
        if early {
            return Ok(());
        }
        answer.await.unwrap_or_else(|_| Err(CommitError::Unknown("the committer is gone".into())))
    }
}

struct Outward {
    spec: ToolSpec,
    world: Shared,
    tenure: u64,
}

/// The site's declared tools, played by the simulation.
pub fn tools(declared: &Registry, world: &Shared, tenure: u64) -> Registry {
    let mut tools = Registry::default();
    for spec in declared.specs().filter(|spec| spec.name.system() == "ledger") {
        // The real clock ends no call here: giving one up is an event of the schedule.
        let believes = world.lock().store.mutation == Some(Mutation::BelievesTooSoon);
        let spec =
            ToolSpec { timeout: if believes { Duration::from_secs(2) } else { LIMIT }, ..spec.clone() };
        let tool = Outward { spec, world: world.clone(), tenure };
        tools.add(Arc::new(tool)).expect("names differ");
    }
    tools
}

#[async_trait]
impl Tool for Outward {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: &Call, _: Value) -> Result<Value, ToolError> {
        let answer = self.world.lock().request(self.tenure, &self.spec, call);
        let gone = || ToolError::new(ToolErrorKind::OutcomeUnknown, "the connection is gone");
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    async fn look_up(&self, call: &Call, _: &Value) -> Result<Lookup, ToolError> {
        let world = self.world.lock();
        Ok(match world.effects.get(&call.key) {
            Some(count) => Lookup::Found(json!({ "ledger": count })),
            None => Lookup::Absent,
        })
    }
}
