//! The database of the simulation: what the tables of runs, journal, signals, gates, subscriptions and workers
//! promise, without SQL. It checks each change against what must always hold.

use super::Mutation;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use takt::{
    engine::{Commit, CommitError, RowChange},
    run::{Change, GateId, Intent, NewRun, Record, RunId, Signal, SignalKind, StartedRun, State, StepPath},
};
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    Ready,
    Running,
    Parked,
}

/// A live run's row.
#[derive(Debug, Clone)]
pub struct Row {
    pub ready: RowState,
    pub owner: Option<u64>,
    pub next_at: Option<DateTime<Utc>>,
    pub signals: i32,
}

#[derive(Debug, Clone)]
pub struct Gate {
    pub run: RunId,
    pub path: StepPath,
    /// `open`, `answered`, `closed`.
    pub state: &'static str,
}

/// A tenure: from registering until it is taken over, given up or over.
#[derive(Debug, Clone)]
pub struct Tenure {
    pub lease_until: DateTime<Utc>,
    pub is_valid: bool,
}

#[derive(Default)]
pub struct Store {
    pub mutation: Option<Mutation>,
    pub rows: BTreeMap<RunId, Row>,
    pub journal: BTreeMap<RunId, Vec<Record>>,
    pub folded: BTreeMap<RunId, State>,
    pub signals: BTreeMap<RunId, Vec<Signal>>,
    pub gates: BTreeMap<GateId, Gate>,
    pub votes: BTreeMap<GateId, String>,
    pub subscriptions: BTreeSet<(RunId, StepPath, String)>,
    pub tenures: BTreeMap<u64, Tenure>,
    pub ended: BTreeMap<RunId, String>,
    pub cancelled: BTreeSet<RunId>,
    pub violations: Vec<String>,
    done: BTreeSet<(RunId, StepPath)>,
    known_signals: BTreeSet<Uuid>,
}

impl Store {
    pub fn new(mutation: Option<Mutation>) -> Self {
        Self { mutation, ..Self::default() }
    }

    pub fn report(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    pub fn is_valid(&self, tenure: u64) -> bool {
        self.tenures.get(&tenure).is_some_and(|tenure| tenure.is_valid)
    }

    /// A run's first record and its row; nothing when it exists.
    pub fn start(&mut self, run: &NewRun, now: DateTime<Utc>) {
        if self.journal.contains_key(&run.id) {
            return;
        }
        let start = StartedRun {
            workflow: run.workflow.clone(),
            sha256: run.sha256.clone(),
            trigger: run.trigger.clone(),
            inputs: run.inputs.clone(),
            parent: run.parent.clone(),
            approved: run.approved,
            shadow: run.shadow,
            started_by: run.started_by.clone(),
            trace: None,
            rank: takt::run::Rank::default(),
        };
        let record =
            Record { seq: 0, at: now, path: None, attempt: 0, change: Change::RunStarted(Box::new(start)) };
        match State::fold(std::slice::from_ref(&record)) {
            Ok(state) => drop(self.folded.insert(run.id, state)),
            Err(error) => self.report(format!("{}: {error}", run.id)),
        }
        self.journal.insert(run.id, vec![record]);
        self.rows.insert(run.id, Row { ready: RowState::Ready, owner: None, next_at: None, signals: 0 });
    }

    /// One commit, all or nothing, as the committer writes it.
    pub fn commit(&mut self, tenure: u64, commit: &Commit, now: DateTime<Utc>) -> Result<(), CommitError> {
        if !self.is_valid(tenure) {
            if self.mutation != Some(Mutation::SkipFence) {
                return Err(CommitError::Fenced);
            }
            self.report(format!("{}: a commit of a worker that was taken over", commit.run));
        }
        if let Some(run) = &commit.start {
            if self.journal.contains_key(&run.id) {
                return Err(CommitError::NotStarted);
            }
            self.journal.insert(run.id, Vec::new());
            self.rows.insert(
                run.id,
                Row { ready: RowState::Running, owner: Some(tenure), next_at: None, signals: 0 },
            );
        }
        let needs_open = |intent: &Intent| match intent {
            Intent::Reassign(to) => Some(to.gate),
            Intent::CloseGate(gate) => Some(*gate),
            _ => None,
        };
        let is_open = |gate: GateId| self.gates.get(&gate).is_some_and(|gate| gate.state == "open");
        if commit.intents.iter().filter_map(needs_open).any(|gate| !is_open(gate)) {
            return Err(CommitError::Conflict);
        }
        // The journal's primary key: a run has one record of a number.
        let next = self.journal.get(&commit.run).map_or(0, Vec::len);
        let is_taken = commit.records.first().is_some_and(|record| (record.seq as usize) < next);
        if is_taken {
            return Err(CommitError::Unknown("the record's number is taken".into()));
        }
        if self.rows.get(&commit.run).is_some_and(|row| row.owner != Some(tenure)) {
            self.report(format!("{}: a commit of a worker whose run it is not", commit.run));
        }
        self.append(commit);
        for intent in &commit.intents {
            self.intend(commit.run, intent, now);
        }
        self.signals.entry(commit.run).or_default().retain(|signal| !commit.heard.contains(&signal.id));
        self.change_row(commit);
        Ok(())
    }

    fn append(&mut self, commit: &Commit) {
        let run = commit.run;
        for record in &commit.records {
            if let (Change::Done { .. }, Some(path)) = (&record.change, &record.path)
                && !self.done.insert((run, path.clone()))
            {
                self.violations.push(format!("{run}: `{path}` was done twice"));
            }
            let folded = match self.folded.get_mut(&run) {
                Some(state) => state.apply(record),
                None => State::fold(std::slice::from_ref(record))
                    .map(|state| drop(self.folded.insert(run, state))),
            };
            if let Err(error) = folded {
                self.violations.push(format!("{run}: {error}"));
            }
            self.journal.entry(run).or_default().push(record.clone());
        }
    }

    fn intend(&mut self, run: RunId, intent: &Intent, now: DateTime<Utc>) {
        match intent {
            Intent::OpenGate(gate) => {
                let opened = Gate { run, path: gate.path.clone(), state: "open" };
                self.gates.entry(gate.id).or_insert(opened);
            }
            Intent::CloseGate(gate) => self.close(|id, _| id == *gate),
            Intent::Subscribe { path, event, .. } => {
                self.subscriptions.insert((run, path.clone(), event.clone()));
            }
            Intent::Unsubscribe { path } => self.subscriptions.retain(|(of, at, _)| (*of, at) != (run, path)),
            Intent::StartRun(child) => self.start(child, now),
            Intent::Reassign(_) | Intent::Send(_) | Intent::NoteFailure { .. } | Intent::Audit(_) => {}
        }
    }

    fn close(&mut self, which: impl Fn(GateId, &Gate) -> bool) {
        for (id, gate) in &mut self.gates {
            if gate.state == "open" && which(*id, gate) {
                gate.state = "closed";
            }
        }
    }

    fn change_row(&mut self, commit: &Commit) {
        let run = commit.run;
        match &commit.row {
            RowChange::Keep => {}
            RowChange::Park { wake_at, signals, .. } => {
                let forgets = self.mutation == Some(Mutation::ParkForgetsNews);
                let Some(row) = self.rows.get_mut(&run) else { return };
                let has_news = row.signals > *signals && !forgets;
                row.ready = if has_news { RowState::Ready } else { RowState::Parked };
                row.next_at = if has_news { None } else { *wake_at };
                row.owner = None;
            }
            RowChange::End { outcome, parent, output, .. } => {
                self.rows.remove(&run);
                self.close(|_, gate| gate.run == run);
                self.subscriptions.retain(|(of, _, _)| *of != run);
                self.signals.remove(&run);
                if self.ended.insert(run, outcome.clone()).is_some() {
                    self.report(format!("{run} ended twice"));
                }
                if let Some(parent) = parent {
                    let body = json!({ "run": run, "outcome": outcome, "output": output });
                    let id = Uuid::new_v5(&run.0, b"ended");
                    let signal =
                        Signal { id, kind: SignalKind::Child, path: Some(parent.path.clone()), body };
                    self.send(parent.run, signal);
                }
            }
        }
    }

    /// Leaves news for a run and wakes it if it is parked.
    pub fn send(&mut self, run: RunId, signal: Signal) -> bool {
        let Some(row) = self.rows.get_mut(&run) else { return false };
        row.signals += 1;
        if row.ready == RowState::Parked {
            (row.ready, row.next_at) = (RowState::Ready, None);
        }
        if !self.known_signals.insert(signal.id) {
            return false;
        }
        self.signals.entry(run).or_default().push(signal);
        true
    }

    /// A person's answer, as the one transaction behind every button takes it.
    pub fn answer(&mut self, id: GateId, decision: &str, now: DateTime<Utc>) {
        let Some(gate) = self.gates.get_mut(&id).filter(|gate| gate.state == "open") else { return };
        gate.state = "answered";
        let (run, path) = (gate.run, gate.path.clone());
        if self.votes.insert(id, decision.to_owned()).is_some() {
            self.report(format!("gate {id} was decided twice"));
        }
        let body = json!({ "gate": id, "by": "ada", "by_name": "Ada", "decision": decision, "choice": null,
            "edited": null, "items": [], "reason": null, "channel": "test", "at": now });
        let signal =
            Signal { id: Uuid::new_v5(&id.0, b"answer"), kind: SignalKind::Answer, path: Some(path), body };
        self.send(run, signal);
    }

    /// An event for whoever waits for it.
    pub fn event(&mut self, id: Uuid, body: &Value) {
        for (run, path, _) in self.subscriptions.clone() {
            let id = Uuid::new_v5(&id, format!("{run}:{path}").as_bytes());
            self.send(run, Signal { id, kind: SignalKind::Event, path: Some(path), body: body.clone() });
        }
    }

    pub fn cancel(&mut self, run: RunId) {
        let id = Uuid::new_v5(&run.0, b"cancel");
        let body = json!({ "by": "ada", "reason": "enough" });
        if self.send(run, Signal { id, kind: SignalKind::Cancel, path: None, body }) {
            self.cancelled.insert(run);
        }
    }

    pub fn wake_due(&mut self, now: DateTime<Utc>) {
        for row in self.rows.values_mut() {
            if row.ready == RowState::Parked && row.next_at.is_some_and(|at| at <= now) {
                (row.ready, row.next_at) = (RowState::Ready, None);
            }
        }
    }

    pub fn claim(&mut self, tenure: u64, limit: usize) -> Vec<(RunId, i32)> {
        if !self.is_valid(tenure) {
            return Vec::new();
        }
        let ready = self.rows.iter_mut().filter(|(_, row)| row.ready == RowState::Ready).take(limit);
        let claimed = ready.map(|(run, row)| {
            (row.ready, row.owner, row.next_at) = (RowState::Running, Some(tenure), None);
            (*run, row.signals)
        });
        claimed.collect()
    }

    pub fn give_back(&mut self, run: RunId, tenure: u64) {
        if let Some(row) = self.rows.get_mut(&run).filter(|row| row.owner == Some(tenure)) {
            (row.ready, row.owner) = (RowState::Ready, None);
        }
    }

    /// Ends a tenure and makes its runs ready: a takeover, or a worker that stops in peace.
    pub fn end_tenure(&mut self, tenure: u64) {
        if let Some(tenure) = self.tenures.get_mut(&tenure) {
            tenure.is_valid = false;
        }
        for row in
            self.rows.values_mut().filter(|row| row.owner == Some(tenure) && row.ready == RowState::Running)
        {
            (row.ready, row.owner, row.next_at) = (RowState::Ready, None, None);
        }
    }

    /// What must be true of every row at every moment.
    pub fn look_at_rows(&mut self) {
        let mut found = Vec::new();
        for (run, row) in &self.rows {
            let of_run = |gate: &&Gate| gate.run == *run && gate.state == "open";
            let waits = row.next_at.is_some()
                || self.gates.values().any(|gate| of_run(&gate))
                || self.subscriptions.iter().any(|(of, _, _)| of == run)
                || self.has_live_child(*run);
            if row.ready == RowState::Parked && !waits {
                found.push(format!("{run} is parked and waits for nothing"));
            }
            if row.ready == RowState::Parked && self.signals.get(run).is_some_and(|news| !news.is_empty()) {
                found.push(format!("{run} is parked over news"));
            }
            if row.ready == RowState::Running && !row.owner.is_some_and(|owner| self.is_valid(owner)) {
                found.push(format!("{run} is running and nobody has it"));
            }
        }
        self.violations.extend(found);
    }

    fn has_live_child(&self, run: RunId) -> bool {
        self.rows.keys().any(|child| {
            let parent = self.folded.get(child).and_then(|state| state.start.parent.as_ref());
            parent.is_some_and(|parent| parent.run == run)
        })
    }
}
