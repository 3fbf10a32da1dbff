//! Drives one claimed run in memory: plan, execute what is ready, journal what happened, until it parks or ends.

mod retries;

pub(super) use retries::deferred;

use super::{
    Brakes, Caps, Clock, CommitError, Executors, Journal, Ladders, Outcome, RowChange, StepContext,
    caps::{Size, bytes_of_records},
    definitions::as_begun,
    execute::NoteRequest,
    fault, observe,
    start::first_record,
    unwritten::Unwritten,
};
use crate::{
    run::{
        Change, Failure, Intent, Leaf, MessageKind, NewRun, OutboxMessage, Phase, Plan, Record, RunId,
        Signal, SignalKind, State, StepPath, Task, approval_of, machine::Status, plan,
    },
    tool::Lease,
    workflow::{Autonomy, Definition, WaitFor},
};
use chrono::{DateTime, Utc};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
    sync::Arc,
};
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

/// More messages than one step sends: `step::gate` counts its rounds below.
const ORDINALS_PER_GENERATION: u64 = 1 << 48;
/// A run of so many steps lets others go on before each plan.
const LARGE: usize = 200;
/// So many records are written before more steps go on, however quick those are.
const UNWRITTEN_MAX: usize = 256;

/// What every run of a worker shares.
pub struct Services {
    pub journal: Arc<dyn Journal>,
    pub clock: Arc<Clock>,
    /// Ends before anybody else may have these runs.
    pub lease: Arc<Lease>,
    pub executors: Executors,
    pub ladders: Arc<dyn Ladders>,
    /// `site` as expressions see it.
    pub site: Value,
    pub caps: Caps,
    pub brakes: Arc<Brakes>,
}

/// How a drive came to its end.
#[derive(Debug)]
pub enum Driven {
    Parked,
    Ended {
        outcome: String,
    },
    /// Somebody else has the run, or it must be read again.
    Lost(CommitError),
}

/// One run in this worker's memory.
pub struct Driver {
    services: Arc<Services>,
    definition: Arc<Definition>,
    run: RunId,
    state: State,
    signals_seen: i32,
    /// It has waited or has a key: its end must tidy up.
    is_untidy: bool,
    /// Bytes this run has in its journal.
    held: usize,
    lane: Option<i64>,
    /// Retries that were turned away and ask again.
    deferred: BTreeSet<StepPath>,
    unwritten: Unwritten,
    in_flight: BTreeMap<StepPath, Arc<Task>>,
    tasks: FuturesUnordered<BoxFuture<'static, (StepPath, Outcome)>>,
    note_to: mpsc::Sender<NoteRequest>,
    notes: mpsc::Receiver<NoteRequest>,
}

impl Driver {
    pub fn new(
        services: Arc<Services>,
        definition: Arc<Definition>,
        run: RunId,
        state: State,
        signals_seen: i32,
    ) -> Self {
        let (note_to, notes) = mpsc::channel(16);
        let unwritten = Unwritten::new(services.clone(), run);
        Self {
            services,
            definition: as_begun(definition, &state.start),
            run,
            state,
            signals_seen,
            is_untidy: true,
            held: 0,
            lane: None,
            deferred: BTreeSet::new(),
            unwritten,
            in_flight: BTreeMap::new(),
            tasks: FuturesUnordered::new(),
            note_to,
            notes,
        }
    }

    /// The run was let into this lane: its end frees the place.
    pub(super) fn in_lane(mut self, lane: Option<i64>) -> Self {
        self.lane = lane;
        self
    }

    /// A run that begins in this worker's hands: its start rides with its first commit, after which `began` is told.
    pub fn begin(
        services: Arc<Services>,
        definition: Arc<Definition>,
        run: NewRun,
        began: oneshot::Sender<Result<(), CommitError>>,
    ) -> Self {
        let (first, started) = first_record(&run, services.clock.now());
        let state = State::begin(started, first.at);
        let mut driver = Self::new(services, definition, run.id, state, 0);
        driver.is_untidy = run.key.is_some();
        driver.held = bytes_of_records(std::slice::from_ref(&first));
        driver.unwritten.begin(run, first, began);
        driver
    }

    /// Counts what the journal holds already against the run's cap, and knows which retries wait.
    pub fn holding(mut self, records: &[Record], deferred: BTreeSet<StepPath>) -> Self {
        self.held = bytes_of_records(records);
        self.deferred = deferred;
        self
    }

    /// Runs until there is nothing left to do in memory. `signals` are what came since the last time.
    pub async fn drive(mut self, signals: Vec<Signal>) -> Driven {
        self.services.brakes.heard(self.run);
        // A commit whose fate nobody learned may have ended the run after it was claimed again.
        if let Phase::Ended { outcome } = &self.state.phase {
            return Driven::Ended { outcome: outcome.clone() };
        }
        for signal in signals {
            self.hear(signal);
        }
        loop {
            let planned = self.plan_through().await;
            let next = match planned.finish {
                Some(finish) => return self.end(finish.outcome).await,
                None => self.start(planned).await,
            };
            match next {
                Ok(Next::Again) => {}
                Ok(Next::Parked) => return Driven::Parked,
                Err(error) => return Driven::Lost(self.unwritten.give_up(error).await),
            }
        }
    }

    /// Records every pure change that follows from what is known.
    async fn plan_through(&mut self) -> Plan {
        loop {
            if self.state.steps.len() >= LARGE {
                tokio::task::yield_now().await;
            }
            let busy: BTreeSet<StepPath> = self.in_flight.keys().cloned().collect();
            let now = self.services.clock.now();
            let mut planned = plan(&self.definition.workflow, &self.state, &self.services.site, &busy, now);
            self.state.pass(std::mem::take(&mut planned.passed));
            if planned.changes.is_empty() {
                return planned;
            }
            for (path, change) in planned.changes {
                match &change {
                    Change::SlaBreached { step, ladder } => self.tell_breach(step, ladder),
                    Change::RunFailing { step, failure } => {
                        self.unwritten
                            .intents
                            .push(Intent::NoteFailure { step: step.clone(), failure: failure.clone() });
                    }
                    _ => {}
                }
                let change = self.services.caps.bound_change(change, self.held);
                self.record(path, 0, change);
            }
        }
    }

    /// Executes what is ready; with nothing ready waits for an outcome; with nothing under way parks.
    async fn start(&mut self, planned: Plan) -> Result<Next, CommitError> {
        if planned.ready.is_empty() {
            if self.in_flight.is_empty() {
                return self.park(&planned).await;
            }
            return self.wait(planned.wake_at).await;
        }
        if self.services.brakes.is_asked(self.run) {
            // Somebody paused or cancelled it meanwhile: what is under way ends, then it is read again.
            if !self.in_flight.is_empty() {
                return self.wait(None).await;
            }
            return self.park(&Plan { wake_at: Some(self.services.clock.now()), ..Plan::default() }).await;
        }
        let ready = self.in_turn(planned.ready);
        for task in &ready {
            if task.new_attempt {
                self.record(Some(task.path.clone()), task.attempt, Change::Started);
            }
        }
        if !ready.iter().all(|task| self.runs_ahead(task)) {
            self.unwritten.flush(RowChange::Keep).await?;
        }
        for task in ready {
            self.spawn(task);
        }
        Ok(Next::Again)
    }

    fn runs_ahead(&self, task: &Task) -> bool {
        self.services.executors.get(task.leaf.kind()).is_some_and(|executor| executor.runs_ahead(task))
    }

    fn spawn(&mut self, task: Task) {
        let Some(executor) = self.services.executors.get(task.leaf.kind()).cloned() else {
            let failure = Failure::new("unsupported", format!("no executor for `{}`", task.leaf.kind()));
            self.record(Some(task.path.clone()), task.attempt, Change::Failed { failure });
            return;
        };
        let context = self.context(&task);
        if let (Leaf::Call(call), false) = (&task.leaf, context.repeats) {
            self.services.brakes.called(call.tool.system(), self.seconds());
        }
        let task = Arc::new(task);
        self.in_flight.insert(task.path.clone(), task.clone());
        let (span, lease) = (observe::step_span(&task), self.services.lease.clone());
        // In the driver's own task: a step needs no thread of its own, and ends with its driver.
        let executed = async move {
            if let Some(dropped) = fault::dropped(&task.path) {
                return (context.path, dropped);
            }
            let executed =
                AssertUnwindSafe(lease.guard(executor.execute(&task, &context))).catch_unwind().await;
            let outcome =
                executed.unwrap_or_else(|panic| Some(observe::panicked(context.run, panic.as_ref())));
            (context.path, outcome.unwrap_or(Outcome::Lost))
        };
        self.tasks.push(Box::pin(executed.instrument(span)));
    }

    fn context(&self, task: &Task) -> StepContext {
        let known = self.state.step(&task.path);
        StepContext {
            run: self.run,
            start: self.state.start.clone(),
            definition: self.definition.clone(),
            path: task.path.clone(),
            attempt: task.attempt,
            scope: task.scope.clone(),
            began_at: self.state.started_at,
            taken_events: match &task.leaf {
                Leaf::Wait(wait) if matches!(wait.until, WaitFor::Event(_)) => self.state.taken_events(),
                _ => BTreeSet::new(),
            },
            now: known.and_then(|step| step.started_at).unwrap_or_else(|| self.services.clock.now()),
            clock: self.services.clock.clone(),
            resumed: !task.new_attempt,
            notes: known.map(|step| step.notes.clone()).unwrap_or_default(),
            signals: known.map(|step| step.signals.clone()).unwrap_or_default(),
            approval: match task.leaf {
                Leaf::Call(_) | Leaf::Run(_) => {
                    approval_of(&self.definition.workflow, &self.state, &task.path)
                }
                _ => None,
            },
            generation: known.map_or(0, |step| step.generation),
            repeats: !task.new_attempt || task.attempt > task.keyed_from + 1,
            in_doubt: known.is_some_and(|step| step.in_doubt),
            sent: known.and_then(|step| step.sent.clone()),
            masking: match task.leaf {
                Leaf::Agent(_) => self.state.noted("masking").cloned(),
                _ => None,
            },
            lease: self.services.lease.clone(),
            note_to: self.note_to.clone(),
        }
    }

    /// Settles what has come to its end; false when nothing has.
    fn settle_ready(&mut self) -> Result<bool, CommitError> {
        let mut is_settled = false;
        // All of it goes into the same plan: one for each would look at all items each time.
        while let Some(Some((path, outcome))) = self.tasks.next().now_or_never() {
            self.settle(path, outcome)?;
            is_settled = true;
        }
        Ok(is_settled)
    }

    async fn wait(&mut self, wake_at: Option<DateTime<Utc>>) -> Result<Next, CommitError> {
        // Steps that need no waiting are written with what comes before them: a run of such steps is one commit.
        if self.unwritten.records.len() < UNWRITTEN_MAX && self.settle_ready()? {
            return Ok(Next::Again);
        }
        let pause = wake_at.and_then(|at| (at - self.services.clock.now()).to_std().ok());
        tokio::select! {
            // First, so that what is known is on its way before the steps go on.
            biased;
            written = self.unwritten.written() => written.map(|()| Next::Again),
            // A deadline of another step comes while this one is under way.
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => Ok(Next::Again),
            Some(request) = self.notes.recv() => {
                if let Some(failure) = self.services.caps.refuse("note", Size::of_note(&request.change), self.held) {
                    // The request goes unanswered, and with that the step stops.
                    let refused = Outcome::fail(&failure.class, failure.message);
                    return self.settle(request.path, refused).map(|()| Next::Again);
                }
                self.record(Some(request.path), 0, request.change);
                // Its subscription must go with the run.
                self.is_untidy |= !request.intents.is_empty();
                self.unwritten.intents.extend(request.intents);
                self.unwritten.flush(RowChange::Keep).await?;
                // A step that is gone needs no answer.
                let _ = request.durable.send(());
                Ok(Next::Again)
            }
            Some((path, outcome)) = self.tasks.next() => {
                self.settle(path, outcome)?;
                self.settle_ready()?;
                Ok(Next::Again)
            }
            else => Ok(Next::Again),
        }
    }

    fn settle(&mut self, path: StepPath, outcome: Outcome) -> Result<(), CommitError> {
        let Some(task) = self.in_flight.remove(&path) else { return Ok(()) };
        match self.services.caps.bound(outcome, self.held) {
            Outcome::Lost => return Err(CommitError::LeaseOver),
            Outcome::Done { output, intents } => {
                self.answered(&task, None);
                self.record(Some(path.clone()), task.attempt, Change::Done { output });
                self.intend(&path, intents);
            }
            Outcome::Park { wake_at, note, intents } => {
                self.is_untidy = true;
                if let Some(note) = note {
                    self.record(Some(path.clone()), task.attempt, Change::Noted { note });
                }
                self.record(Some(path.clone()), task.attempt, Change::Waiting { wake_at });
                self.intend(&path, intents);
            }
            Outcome::Fail(error) => {
                self.answered(&task, Some(&error.failure));
                self.intend(&path, error.intents);
                let change = self.after_failure(&task, error.failure, error.retry_after);
                observe::failed(&task, &change);
                self.record(Some(path), task.attempt, change);
            }
        }
        Ok(())
    }

    /// Messages of a step that is done anew are new messages.
    fn intend(&mut self, path: &StepPath, intents: Vec<Intent>) {
        let generation = self.state.step(path).map_or(0, |step| step.generation);
        self.unwritten.intents.extend(intents.into_iter().map(|mut intent| {
            if let Intent::Send(message) = &mut intent {
                message.ordinal += u64::from(generation) * ORDINALS_PER_GENERATION;
            }
            intent
        }));
    }

    async fn park(&mut self, planned: &Plan) -> Result<Next, CommitError> {
        self.unwritten.flush(RowChange::park(planned, self.signals_seen)).await?;
        Ok(Next::Parked)
    }

    async fn end(mut self, outcome: String) -> Driven {
        let output = self.state.result();
        let row = RowChange::End {
            outcome: outcome.clone(),
            is_untidy: self.is_untidy,
            lane: self.lane,
            parent: self.state.start.parent.clone(),
            output,
        };
        match self.unwritten.flush(row).await {
            Ok(()) => Driven::Ended { outcome },
            Err(error) => Driven::Lost(error),
        }
    }

    /// Appends to the run's history in memory; a change the machine refuses is a defect and is logged.
    fn record(&mut self, path: Option<StepPath>, attempt: u32, change: Change) {
        let record =
            Record { seq: self.state.next_seq, at: self.services.clock.now(), path, attempt, change };
        match self.state.apply(&record) {
            Ok(()) => {
                self.held += bytes_of_records(std::slice::from_ref(&record));
                self.unwritten.records.push(record);
            }
            Err(error) => tracing::error!(run.id = %self.run, %error, "refused a change"),
        }
    }

    /// News is kept in the journal where its step still listens, and dropped where it has settled.
    fn hear(&mut self, signal: Signal) {
        self.unwritten.heard.push(signal.id);
        if self.state.heard.contains(&signal.id) {
            return;
        }
        let word = |field: &str| signal.body[field].as_str().unwrap_or_default().to_owned();
        let (by, reason) = (word("by"), word("reason"));
        let is_paused = self.state.paused.is_some();
        match signal.kind {
            SignalKind::Cancel if self.state.phase == Phase::Main => {
                self.record(None, 0, Change::CancelRequested { by, reason });
            }
            // It is being undone already; whoever wants it to end wants that to go on.
            SignalKind::Cancel if is_paused => self.record(None, 0, Change::Resumed { by, reason }),
            SignalKind::Pause if !is_paused => self.record(None, 0, Change::Paused { by, reason }),
            SignalKind::Resume if is_paused => self.record(None, 0, Change::Resumed { by, reason }),
            _ => {}
        }
        let Some(path) = signal.path.clone() else { return };
        let change = Change::Signalled(signal);
        if self.state.status(&path).apply(&change).is_ok() {
            self.record(Some(path), 0, change);
        }
    }

    fn tell_breach(&mut self, step: &str, ladder: &str) {
        if self.definition.workflow.autonomy == Autonomy::Shadow {
            return;
        }
        let Some(rung) = self.services.ladders.rung(ladder, 0) else { return };
        let title = &self.definition.workflow.title;
        self.unwritten.intents.push(Intent::Send(Box::new(OutboxMessage {
            path: StepPath::root("sla").child(step),
            ordinal: 0,
            kind: MessageKind::Tell,
            gate: None,
            role: rung.role,
            person: rung.person,
            message: json!({
                "title": format!("{title}: `{step}` is late"),
                "body": format!("Nobody has answered `{step}` in the time agreed."),
            }),
        })));
    }
}

enum Next {
    Again,
    Parked,
}

impl State {
    /// What a parent run sees of a child: the outputs of its top-level steps.
    pub(super) fn result(&self) -> Value {
        let outputs = self
            .steps
            .iter()
            .filter(|(path, step)| step.status == Status::Done && !path.as_str().contains(['.', '[']))
            .map(|(path, step)| (path.to_string(), step.output.clone()));
        Value::Object(outputs.collect())
    }
}
