//! One run of a case while it is played: its journal, its open questions, what it waits for and what is news to it.

use super::intake::Came;
use crate::{
    engine::{Commit, RowChange},
    run::{Change, Intent, NewGate, Record, RunId, Signal, SignalKind, StartedRun, StepPath},
    store::gates::{Gate, Vote},
    workflow::Definition,
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

pub(super) struct Live {
    pub(super) id: RunId,
    pub(super) key: Option<String>,
    pub(super) records: Vec<Record>,
    /// News that is not in the journal yet.
    pub(super) inbox: Vec<Signal>,
    /// Every question that was asked, as a test names it.
    pub(super) gates: BTreeMap<String, Gate>,
    /// Answers by gate.
    pub(super) votes: BTreeMap<Uuid, Vec<Vote>>,
    pub(super) seconds: Vec<String>,
    pub(super) has_ended: bool,
    /// Event type and subject by step.
    subscriptions: BTreeMap<StepPath, (String, Option<String>)>,
    wake_at: Option<DateTime<Utc>>,
    waits: Option<String>,
    /// It has not been driven since it began or its worker died.
    is_new: bool,
}

/// An intent of a commit, and when.
pub(super) struct Heard {
    pub(super) at: DateTime<Utc>,
    pub(super) intent: Intent,
}

impl Live {
    pub(super) fn begin(
        id: RunId,
        definition: &Definition,
        trigger: Value,
        inputs: Value,
        key: Option<String>,
        started_by: Option<String>,
        at: DateTime<Utc>,
    ) -> Self {
        let start = StartedRun {
            workflow: definition.workflow.id.clone(),
            sha256: definition.sha256.clone(),
            trigger,
            inputs,
            parent: None,
            approved: false,
            shadow: false,
            started_by,
            trace: None,
            rank: crate::run::Rank::default(),
        };
        let change = Change::RunStarted(Box::new(start));
        Self {
            id,
            key,
            records: vec![Record { seq: 0, at, path: None, attempt: 0, change }],
            inbox: Vec::new(),
            gates: BTreeMap::new(),
            votes: BTreeMap::new(),
            seconds: Vec::new(),
            has_ended: false,
            subscriptions: BTreeMap::new(),
            wake_at: None,
            waits: None,
            is_new: true,
        }
    }

    pub(super) fn is_ready(&self, now: DateTime<Utc>) -> bool {
        let due = self.wake_at.is_some_and(|at| at <= now);
        !self.has_ended && (self.is_new || due || !self.inbox.is_empty())
    }

    pub(super) fn wakes_at(&self) -> Option<DateTime<Utc>> {
        self.wake_at.filter(|_| !self.has_ended)
    }

    pub(super) fn driven(&mut self) {
        self.is_new = false;
        self.wake_at = None;
    }

    /// Its worker died.
    pub(super) fn again(&mut self) {
        self.is_new = true;
    }

    pub(super) fn keep(&mut self, commit: Commit) -> Vec<Heard> {
        let at = commit.records.last().map_or(DateTime::UNIX_EPOCH, |record| record.at);
        self.records.extend(commit.records);
        self.inbox.retain(|signal| !commit.heard.contains(&signal.id));
        let mut outside = Vec::new();
        for intent in commit.intents {
            match intent {
                Intent::OpenGate(gate) => self.open(*gate, at),
                Intent::Reassign(to) => {
                    if let Some(gate) = self.gates.values_mut().find(|gate| gate.id == to.gate.0) {
                        (gate.role, gate.person, gate.rung) = (to.role, to.person, to.rung);
                        (gate.asked_at, gate.expires_at) = (at, to.expires_at);
                        gate.people = serde_json::to_value(to.people).ok();
                    }
                }
                Intent::CloseGate(closed) => {
                    if let Some(gate) = self.gates.values_mut().find(|gate| gate.id == closed.0) {
                        gate.state = "closed".into();
                    }
                }
                Intent::Subscribe { path, event, subject } => {
                    self.subscriptions.insert(path, (event, subject));
                }
                Intent::Unsubscribe { path } => {
                    self.subscriptions.remove(&path);
                }
                intent @ (Intent::StartRun(_) | Intent::Send(_)) => outside.push(Heard { at, intent }),
                Intent::NoteFailure { .. } | Intent::Audit(_) => {}
            }
        }
        match commit.row {
            RowChange::Park { wake_at, waiting_for, .. } => {
                (self.wake_at, self.waits) = (wake_at, waiting_for)
            }
            RowChange::End { .. } => {
                self.has_ended = true;
                for gate in self.gates.values_mut().filter(|gate| gate.state == "open") {
                    gate.state = "closed".into();
                }
            }
            RowChange::Keep => {}
        }
        outside
    }

    fn open(&mut self, gate: NewGate, at: DateTime<Utc>) {
        let is_first = gate.ask.get("first").is_none();
        let name = if is_first { gate.path.to_string() } else { format!("{}.second", gate.path) };
        if !is_first {
            self.seconds.push(gate.path.to_string());
        }
        self.gates.insert(name, Gate::opened(gate, self.id, at));
    }

    /// How many steps an event wakes.
    pub(super) fn hear_event(&mut self, event: &Came) -> usize {
        if self.has_ended {
            return 0;
        }
        let is_about = |subject: &Option<String>| subject.is_none() || *subject == event.subject;
        let waiting: Vec<StepPath> = self
            .subscriptions
            .iter()
            .filter(|(_, (kind, subject))| *kind == event.kind && is_about(subject))
            .map(|(path, _)| path.clone())
            .collect();
        for path in &waiting {
            self.inbox.push(Signal::of_event(event.id, self.id, path.clone(), event.seen.clone()));
        }
        waiting.len()
    }

    pub(super) fn cancel(&mut self, by: &str, reason: &str) {
        let id = Uuid::new_v5(&self.id.0, b"cancel");
        let body = json!({ "by": by, "by_name": by, "reason": reason });
        self.inbox.push(Signal { id, kind: SignalKind::Cancel, path: None, body });
    }

    /// Open questions as a test names them, and other steps that wait.
    pub(super) fn waiting_for(&self) -> Vec<String> {
        if self.has_ended {
            return Vec::new();
        }
        let open = self.gates.iter().filter(|(_, gate)| gate.state == "open");
        let mut waiting: Vec<String> = open.map(|(name, _)| name.clone()).collect();
        let asked: Vec<&str> = self.gates.values().map(|gate| gate.path.as_str()).collect();
        let parked = self.waits.iter().flat_map(|waits| waits.split(", "));
        waiting.extend(parked.filter(|path| !asked.contains(path)).map(str::to_owned));
        waiting
    }
}
