//! What may happen in a schedule: each function is one event.

use super::{CASES, LEASE, Schedule};
use crate::simulation::{Mutation, outside::Request, store::Tenure};
use chrono::TimeDelta;
use rand::Rng;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use takt::{
    engine::{CommitError, Driven, Driver},
    run::{GateId, NewRun, RunId, State},
    tool::{ToolError, ToolErrorKind},
    workflow::Definition,
};
use tokio::sync::oneshot;
use uuid::Uuid;

impl Schedule<'_> {
    pub(super) fn awake(&mut self) -> Option<usize> {
        let at = self.random.random_range(0..self.workers.len());
        (!self.workers[at].is_frozen).then_some(at)
    }

    pub(super) fn claim(&mut self) {
        if let Some(at) = self.awake() {
            let limit = self.random.random_range(1..=2);
            self.claim_for(at, limit);
        }
    }

    pub(super) fn claim_for(&mut self, at: usize, limit: usize) {
        let mut world = self.world.lock();
        let now = world.now;
        world.store.wake_due(now);
        let claimed = world.store.claim(self.workers[at].tenure, limit);
        drop(world);
        self.note(format!("worker {at} claims {}", claimed.len()));
        self.workers[at].claimed.extend(claimed);
    }

    pub(super) fn load(&mut self) {
        if let Some(at) = self.awake() {
            self.load_of(at);
        }
    }

    /// Reads the journals of what was claimed and begins to drive.
    pub(super) fn load_of(&mut self, at: usize) {
        for (run, seen) in std::mem::take(&mut self.workers[at].claimed) {
            let (records, news, sha256) = {
                let mut world = self.world.lock();
                let records = world.store.journal.get(&run).cloned().unwrap_or_default();
                let news = world.store.signals.entry(run).or_default().clone();
                (records, news, world.store.folded[&run].start.sha256.clone())
            };
            let definition = self.plant.definitions.known(&sha256).expect("a published definition");
            let state = State::fold(&records).expect("a journal that was checked");
            let driver = Driver::new(self.workers[at].services.clone(), definition, run, state, seen);
            self.spawn(at, run, driver.drive(news));
        }
        self.note(format!("worker {at} loads"));
    }

    pub(super) fn heartbeat(&mut self) {
        if let Some(at) = self.awake() {
            self.heartbeat_of(at);
        }
    }

    /// Renews the lease, or begins a new tenure where it was taken over; then takes over the dead.
    pub(super) fn heartbeat_of(&mut self, at: usize) {
        let tenure = self.workers[at].tenure;
        let now = self.world.lock().now;
        if self.world.lock().store.is_valid(tenure) {
            if let Some(row) = self.world.lock().store.tenures.get_mut(&tenure) {
                row.lease_until = now + LEASE;
            }
            self.workers[at].lease_until = now + LEASE;
            self.keep_leases();
        } else {
            self.end_process(at);
        }
        let dead = |tenure: &Tenure| tenure.is_valid && tenure.lease_until < now;
        let dead: Vec<u64> =
            self.world.lock().store.tenures.iter().filter(|(_, row)| dead(row)).map(|(id, _)| *id).collect();
        for tenure in dead {
            self.world.lock().store.end_tenure(tenure);
            self.note(format!("worker {at} takes over tenure {tenure}"));
        }
        self.note(format!("worker {at} heartbeat"));
    }

    /// A worker's own view of its lease follows the virtual time.
    pub(super) fn keep_leases(&mut self) {
        let world = self.world.lock();
        let is_forever = world.store.mutation == Some(Mutation::NoLease);
        for worker in &self.workers {
            worker.clock.set(world.now);
            let holds = is_forever || world.now < worker.lease_until;
            let instant = Instant::now();
            worker.lease.renew(if holds { instant + Duration::from_secs(3600) } else { instant });
        }
    }

    pub(super) fn pass_time(&mut self) {
        let mut world = self.world.lock();
        let timers = world.store.rows.values().filter_map(|row| row.next_at);
        let next = timers.filter(|at| *at > world.now).min();
        let by = TimeDelta::milliseconds(self.random.random_range(1..2_500));
        // People and timers are slow beside workers, so most of the time is short.
        let to = match next {
            Some(at) if self.random.random_bool(0.3) => at.min(world.now + TimeDelta::seconds(30)),
            _ => world.now + by,
        };
        world.now = to;
        drop(world);
        self.note(format!("it is {to}"));
        self.keep_leases();
        self.give_up_requests();
    }

    pub(super) fn start(&mut self) {
        if self.cases == CASES {
            return;
        }
        self.cases += 1;
        let kinds = ["chain", "undoing", "fan", "part"];
        let kind = kinds[self.random.random_range(0..kinds.len())];
        let case = format!("case-{}", self.cases);
        let definition = self.plant.definitions.current(kind).expect("a workflow");
        let id = RunId(Uuid::from_u128(self.random.random()));
        let inputs = if kind == "part" { json!({ "case": case }) } else { json!({}) };
        let mut world = self.world.lock();
        let now = world.now;
        let run = NewRun {
            id,
            workflow: kind.into(),
            title: String::new(),
            subject: None,
            key: None,
            sha256: definition.sha256.clone(),
            trigger: json!({ "case": case, "kind": kind, "subject": case }),
            inputs,
            parent: None,
            approved: false,
            shadow: false,
            started_by: None,
            event: None,
            trace: None,
            turn: takt::run::Turn::default(),
        };
        let in_hands = self.random.random_bool(0.5);
        if !in_hands {
            world.store.start(&run, now);
        }
        drop(world);
        self.note(format!("{kind} {id} begins"));
        if in_hands {
            self.begin(run, definition);
        }
    }

    /// A run that begins in a worker's hands: nobody else knows of it before its first commit.
    fn begin(&mut self, run: NewRun, definition: Arc<Definition>) {
        let Some(at) = self.awake() else { return };
        let id = run.id;
        // Whoever wanted the start is not told here; what is not durable was not promised.
        let (began, _) = oneshot::channel();
        let driver = Driver::begin(self.workers[at].services.clone(), definition, run, began);
        self.spawn(at, id, driver.drive(Vec::new()));
        self.note(format!("worker {at} begins {id}"));
    }

    fn spawn(&mut self, at: usize, run: RunId, drive: impl Future<Output = Driven> + Send + 'static) {
        self.drives += 1;
        let worker = &mut self.workers[at];
        let (world, tenure, number) = (self.world.clone(), worker.tenure, self.drives);
        let drive = tokio::spawn(async move {
            let driven = drive.await;
            let mut world = world.lock();
            world.activity += 1;
            world.driven.push((tenure, number, run, driven));
        });
        worker.drives.insert(number, (run, drive));
    }

    pub(super) fn answer(&mut self) {
        let decision = if self.random.random_bool(0.2) { "reject" } else { "approve" };
        let mut world = self.world.lock();
        let open = world.store.gates.iter().find(|(_, gate)| gate.state == "open").map(|(id, _)| *id);
        let Some(gate): Option<GateId> = open else { return };
        let now = world.now;
        world.store.answer(gate, decision, now);
        drop(world);
        self.note(format!("{decision} at {gate}"));
    }

    pub(super) fn event(&mut self) {
        let id = Uuid::from_u128(self.random.random());
        let case = format!("case-{}", self.random.random_range(1..=CASES));
        self.world.lock().store.event(id, &json!({ "id": id, "type": "chaos.go", "case": case }));
        self.note(format!("go for {case}"));
    }

    pub(super) fn cancel(&mut self) {
        let mut world = self.world.lock();
        let runs: Vec<RunId> = world.store.rows.keys().copied().collect();
        if runs.is_empty() {
            return;
        }
        let run = runs[self.random.random_range(0..runs.len())];
        world.store.cancel(run);
        drop(world);
        self.note(format!("{run} is cancelled"));
    }

    pub(super) fn freeze_or_thaw(&mut self) {
        let at = self.random.random_range(0..self.workers.len());
        if self.workers[at].is_frozen {
            return self.thaw(at);
        }
        self.workers[at].is_frozen = true;
        self.note(format!("worker {at} freezes"));
    }

    pub(super) fn thaw(&mut self, at: usize) {
        self.workers[at].is_frozen = false;
        self.note(format!("worker {at} thaws"));
    }

    /// SIGKILL and a new process; its commits on the way may still arrive.
    pub(super) fn kill(&mut self) {
        let at = self.random.random_range(0..self.workers.len());
        self.note(format!("worker {at} is killed"));
        self.end_process(at);
    }

    pub(super) fn end_process(&mut self, at: usize) {
        let tenure = self.workers[at].tenure;
        for (_, drive) in self.workers[at].drives.values() {
            drive.abort();
        }
        for pending in self.world.lock().pending.iter_mut().filter(|pending| pending.tenure == tenure) {
            pending.done = None;
        }
        let worker = self.register();
        self.note(format!("worker {at} is tenure {} now", worker.tenure));
        self.workers[at] = worker;
        self.keep_leases();
    }

    /// SIGTERM: the runs are handed over at once.
    pub(super) fn stop_in_peace(&mut self) {
        let Some(at) = self.awake() else { return };
        let tenure = self.workers[at].tenure;
        self.end_process(at);
        // It waited for what it had sent to the database, or it would not have stopped in peace.
        let mut world = self.world.lock();
        world.pending.retain(|pending| pending.tenure != tenure);
        world.store.end_tenure(tenure);
        drop(world);
        self.note(format!("worker {at} stopped in peace"));
    }

    /// Requests whose time is over have reached the other side, or never will; whoever still waits learns neither.
    fn give_up_requests(&mut self) {
        let mut world = self.world.lock();
        let now = world.now;
        for at in 0..world.requests.len() {
            let request = &world.requests[at];
            if request.is_given_up || request.until > now {
                continue;
            }
            if !request.arrived && self.random.random_bool(0.7) {
                world.arrive(at);
            }
            world.requests[at].is_given_up = true;
        }
        let frozen: Vec<u64> =
            self.workers.iter().filter(|worker| worker.is_frozen).map(|worker| worker.tenure).collect();
        let (over, left): (Vec<Request>, Vec<Request>) = std::mem::take(&mut world.requests)
            .into_iter()
            .partition(|request| request.is_given_up && !frozen.contains(&request.tenure));
        world.requests = left;
        drop(world);
        for request in over {
            let Request { run, step, done, .. } = request;
            self.note(format!("{run} `{step}` is given up"));
            let _ = done.send(Err(ToolError::new(ToolErrorKind::OutcomeUnknown, "no answer in time")));
        }
    }

    pub(super) fn move_commit(&mut self) {
        let count = self.world.lock().pending.len();
        if count > 0 {
            let at = self.random.random_range(0..count);
            self.move_one_commit(at);
        }
    }

    /// A commit becomes durable, or the worker learns that it did.
    pub(super) fn move_one_commit(&mut self, at: usize) -> bool {
        let mut world = self.world.lock();
        let world = &mut *world;
        let Some(pending) = world.pending.get_mut(at) else { return false };
        let is_frozen = self.workers.iter().any(|worker| worker.tenure == pending.tenure && worker.is_frozen);
        if pending.result.is_none() {
            pending.result = Some(world.store.commit(pending.tenure, &pending.commit, world.now));
            let text =
                format!("commit of {} {:?}: {:?}", pending.commit.run, pending.commit.row, pending.result);
            self.trace.push(text);
            return true;
        }
        if is_frozen {
            return false;
        }
        let pending = world.pending.remove(at);
        self.trace.push(format!("acknowledged {}", pending.commit.run));
        if let (Some(done), Some(result)) = (pending.done, pending.result) {
            let _ = done.send(result);
        }
        true
    }

    /// The connection breaks: the worker learns nothing, and the commit may arrive later or never.
    pub(super) fn lose_commit(&mut self) {
        let mut world = self.world.lock();
        let count = world.pending.len();
        if count == 0 {
            return;
        }
        let at = self.random.random_range(0..count);
        let tenure = world.pending[at].tenure;
        if self.workers.iter().any(|worker| worker.tenure == tenure && worker.is_frozen) {
            return;
        }
        let run = world.pending[at].commit.run;
        if let Some(done) = world.pending[at].done.take() {
            let _ = done.send(Err(CommitError::Severed("the connection broke".into())));
        }
        let vanishes = world.pending[at].result.is_some() || self.random.random_bool(0.5);
        if vanishes {
            world.pending.remove(at);
        }
        drop(world);
        self.note(format!(
            "the connection of {run} breaks, its commit is {}",
            if vanishes { "settled" } else { "late" }
        ));
    }

    pub(super) fn move_request(&mut self) {
        let count = self.world.lock().requests.len();
        if count > 0 {
            let at = self.random.random_range(0..count);
            self.move_one_request(at);
        }
    }

    /// A request arrives, or its answer does.
    pub(super) fn move_one_request(&mut self, at: usize) -> bool {
        let mut world = self.world.lock();
        let Some(request) = world.requests.get(at) else { return false };
        let (tenure, run, step) = (request.tenure, request.run, request.step.clone());
        if request.is_given_up {
            return false;
        }
        if !request.arrived {
            world.arrive(at);
            drop(world);
            self.note(format!("{run} `{step}` arrives"));
            return true;
        }
        if self.workers.iter().any(|worker| worker.tenure == tenure && worker.is_frozen) {
            return false;
        }
        let request = world.requests.remove(at);
        drop(world);
        self.note(format!("{run} `{step}` is answered"));
        let answer: Result<Value, ToolError> = match request.is_refused {
            true => Err(ToolError::invalid("never")),
            false => Ok(json!({ "ledger": 1 })),
        };
        let _ = request.done.send(answer);
        true
    }

    /// The other side is busy, its answer gets lost, or the connection breaks and what was sent goes on without it.
    pub(super) fn spoil_request(&mut self) {
        let mut world = self.world.lock();
        let count = world.requests.len();
        if count == 0 {
            return;
        }
        let at = self.random.random_range(0..count);
        let tenure = world.requests[at].tenure;
        if self.workers.iter().any(|worker| worker.tenure == tenure && worker.is_frozen) {
            return;
        }
        let goes_on = !world.requests[at].arrived && self.random.random_bool(0.4);
        let arrived = world.requests[at].arrived;
        let (run, step) = (world.requests[at].run, world.requests[at].step.clone());
        let done = if goes_on {
            let (nobody, _) = oneshot::channel();
            std::mem::replace(&mut world.requests[at].done, nobody)
        } else {
            world.requests.remove(at).done
        };
        drop(world);
        let kind = if arrived || goes_on { ToolErrorKind::OutcomeUnknown } else { ToolErrorKind::Transient };
        self.note(format!("{run} `{step}` fails: {kind:?}"));
        let _ = done.send(Err(ToolError::new(kind, "spoilt")));
    }
}
