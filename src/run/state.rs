//! A run's state: the fold of its journal, and nothing that is not in it.

use super::{
    Failure, Record, Sent, Signal, SignalKind, StartedRun, StepPath,
    machine::{Illegal, Status},
    record::Change,
};
use crate::expr::Scope;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

/// Which list of steps the run is working through.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    Main,
    /// A step failed for good: undo, then `on_failure`.
    Failing {
        step: StepPath,
        failure: Failure,
        at: DateTime<Utc>,
    },
    /// A person stopped it: undo, then end.
    Cancelling {
        by: String,
        reason: String,
        at: DateTime<Utc>,
    },
    Ended {
        outcome: String,
    },
}

#[derive(Debug, Clone)]
pub struct State {
    pub start: Arc<StartedRun>,
    pub started_at: DateTime<Utc>,
    pub phase: Phase,
    pub steps: BTreeMap<StepPath, StepState>,
    /// Paths in the order in which they were done: undo walks it backwards.
    pub done: Vec<StepPath>,
    pub breached: BTreeSet<String>,
    pub next_seq: u32,
    /// Signals already in the journal.
    pub heard: BTreeSet<uuid::Uuid>,
    /// The version it is pinned to now.
    pub sha256: String,
    /// Who holds it, and why.
    pub paused: Option<Pause>,
    /// What it failed at, also after it has ended.
    pub failing: Option<(StepPath, Failure)>,
    /// It has just been reopened: only now may steps be reset.
    reopening: bool,
    /// Items in all lists of the run.
    items_listed: usize,
    /// Items of lists with nothing left to do, as plans have found.
    passed: BTreeMap<StepPath, BTreeSet<usize>>,
    /// `trigger`, `inputs` and `site` as expressions see them, made once.
    base: OnceLock<Arc<Scope>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    pub by: String,
    pub reason: String,
}

#[derive(Debug, Clone, Default)]
pub struct StepState {
    pub status: Status,
    pub attempt: u32,
    pub started_at: Option<DateTime<Utc>>,
    pub settled_at: Option<DateTime<Utc>>,
    pub wake_at: Option<DateTime<Utc>>,
    pub output: Value,
    pub failure: Option<Failure>,
    pub notes: Vec<Value>,
    pub signals: Vec<Signal>,
    /// News has come since the step last looked.
    pub fresh: bool,
    pub branch: Option<usize>,
    pub items: Vec<Value>,
    /// How often its effect was undone and asked for anew; part of its idempotency key.
    pub generation: u32,
    /// Attempts made under an earlier key, or that ended before anything was sent.
    pub keyed_from: u32,
    /// Attempts made before the run was last reopened: `retry:` counts from here.
    pub retried_from: u32,
    /// What was sent under its key and may stand.
    pub sent: Option<Sent>,
    /// What this attempt is about to send.
    sending: Option<Sent>,
    /// An attempt under its key ended, and nobody knows whether it took effect.
    pub in_doubt: bool,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum FoldError {
    #[error("the journal is empty or does not begin with `run_started`")]
    NoStart,
    #[error("journal record {seq} stands where {expected} was expected")]
    Gap { seq: u32, expected: u32 },
    #[error("journal record {seq} on `{path}`: {illegal}")]
    Illegal { seq: u32, path: StepPath, illegal: Illegal },
    #[error("journal record {seq} (`{kind}`) has no step")]
    NoPath { seq: u32, kind: &'static str },
    #[error("journal record {seq} resets a step of a run that was not reopened")]
    NotReopened { seq: u32 },
}

impl State {
    pub fn fold(records: &[Record]) -> Result<Self, FoldError> {
        let Some((first, rest)) = records.split_first() else { return Err(FoldError::NoStart) };
        let Change::RunStarted(start) = &first.change else { return Err(FoldError::NoStart) };
        let mut state = Self::begin((**start).clone(), first.at);
        for record in rest {
            state.apply(record)?;
        }
        Ok(state)
    }

    /// The state after a run's first record.
    pub fn begin(start: StartedRun, started_at: DateTime<Utc>) -> Self {
        Self {
            sha256: start.sha256.clone(),
            paused: None,
            failing: None,
            reopening: false,
            start: Arc::new(start),
            started_at,
            phase: Phase::Main,
            steps: BTreeMap::new(),
            done: Vec::new(),
            breached: BTreeSet::new(),
            next_seq: 1,
            heard: BTreeSet::new(),
            items_listed: 0,
            passed: BTreeMap::new(),
            base: OnceLock::new(),
        }
    }

    /// What every expression of the run sees, whatever its steps put out.
    pub(super) fn base(&self, site: &Value) -> Arc<Scope> {
        let make = || {
            let named = [("trigger", &self.start.trigger), ("inputs", &self.start.inputs), ("site", site)];
            Arc::new(named.map(|(name, value)| (name.to_owned(), value.clone())).into_iter().collect())
        };
        self.base.get_or_init(make).clone()
    }

    pub fn step(&self, path: &StepPath) -> Option<&StepState> {
        self.steps.get(path)
    }

    pub fn status(&self, path: &StepPath) -> Status {
        self.steps.get(path).map_or(Status::Pending, |step| step.status)
    }

    pub(super) fn items_listed(&self) -> usize {
        self.items_listed
    }

    pub(super) fn passed(&self, list: &StepPath) -> Option<&BTreeSet<usize>> {
        self.passed.get(list)
    }

    /// Takes note of the items that a plan has found with nothing left to do. Only saves time; not in the journal.
    pub fn pass(&mut self, passed: Vec<(StepPath, Vec<usize>)>) {
        for (list, items) in passed {
            self.passed.entry(list).or_default().extend(items);
        }
    }

    /// Ids of the events that waits have ended with.
    pub fn taken_events(&self) -> BTreeSet<String> {
        let heard_by = |step: &StepState| step.signals.iter().any(|signal| signal.kind == SignalKind::Event);
        let done = self.steps.values().filter(|step| step.status == Status::Done && heard_by(step));
        done.filter_map(|step| step.output.get("id")?.as_str().map(str::to_owned)).collect()
    }

    /// What one of the steps has noted under this name: the first of those that have, as steps are sorted.
    pub fn noted(&self, name: &str) -> Option<&Value> {
        self.steps.values().flat_map(|step| &step.notes).find_map(|note| note.get(name))
    }

    pub fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    pub fn apply(&mut self, record: &Record) -> Result<(), FoldError> {
        if record.seq != self.next_seq {
            return Err(FoldError::Gap { seq: record.seq, expected: self.next_seq });
        }
        match &record.change {
            Change::RunStarted(_) => return Err(FoldError::Gap { seq: record.seq, expected: 0 }),
            Change::SlaBreached { step, .. } => {
                self.breached.insert(step.clone());
            }
            Change::RunFailing { step, failure } => {
                self.failing = Some((step.clone(), failure.clone()));
                self.phase = Phase::Failing { step: step.clone(), failure: failure.clone(), at: record.at };
            }
            Change::CancelRequested { by, reason } => {
                self.paused = None;
                self.phase = Phase::Cancelling { by: by.clone(), reason: reason.clone(), at: record.at };
            }
            Change::Paused { by, reason } => {
                self.paused = Some(Pause { by: by.clone(), reason: reason.clone() });
            }
            Change::Resumed { .. } => self.paused = None,
            Change::Reopened { .. } => {
                self.phase = Phase::Main;
                self.failing = None;
                self.paused = None;
            }
            Change::Migrated { to, .. } => self.sha256.clone_from(to),
            Change::Released { .. } => {}
            Change::RunEnded { outcome } => self.phase = Phase::Ended { outcome: outcome.clone() },
            change => {
                let path =
                    record.path.clone().ok_or(FoldError::NoPath { seq: record.seq, kind: change.kind() })?;
                if matches!(change, Change::Reset { .. }) && !self.reopening {
                    return Err(FoldError::NotReopened { seq: record.seq });
                }
                self.apply_step(path, record)?;
            }
        }
        self.reopening = match &record.change {
            Change::Reopened { .. } => true,
            Change::Reset { .. } | Change::Migrated { .. } => self.reopening,
            _ => false,
        };
        self.next_seq += 1;
        Ok(())
    }

    fn apply_step(&mut self, path: StepPath, record: &Record) -> Result<(), FoldError> {
        let step = self.steps.entry(path.clone()).or_default();
        step.status = step.status.apply(&record.change).map_err(|illegal| FoldError::Illegal {
            seq: record.seq,
            path: path.clone(),
            illegal,
        })?;
        match &record.change {
            Change::Started => {
                step.attempt = record.attempt;
                step.started_at = Some(record.at);
                step.wake_at = None;
            }
            Change::Noted { note } => {
                step.sending = Sent::of_note(note).or_else(|| step.sending.take());
                step.in_doubt = note.get(IN_DOUBT).and_then(Value::as_bool).unwrap_or(step.in_doubt);
                step.notes.push(note.clone());
            }
            Change::Waiting { wake_at } => {
                step.wake_at = *wake_at;
                step.fresh = false;
            }
            Change::Retrying { failure, wake_at } => {
                step.fail(failure);
                step.wake_at = Some(*wake_at);
            }
            Change::Signalled(signal) => {
                self.heard.insert(signal.id);
                step.signals.push(signal.clone());
                step.fresh = true;
            }
            Change::Deferred { wake_at, .. } => step.wake_at = Some(*wake_at),
            Change::Reset { renewed } => {
                self.items_listed -= step.items.len();
                self.passed.clear();
                *step = step.reset(*renewed);
                self.done.retain(|done| *done != path);
            }
            Change::BranchTaken { index } => step.branch = *index,
            Change::ItemsListed { items } => {
                self.items_listed += items.len();
                step.items.clone_from(items);
            }
            Change::Failed { failure } => step.fail(failure),
            Change::Done { output } => {
                step.output = output.clone();
                step.sent = step.sending.take().or_else(|| step.sent.take());
                step.in_doubt = false;
                self.done.push(path);
            }
            _ => {}
        }
        if step.status.is_settled() {
            step.settled_at = Some(record.at);
            step.wake_at = None;
        }
        Ok(())
    }
}

/// In a note: whether what went out before may still take effect, whatever comes of what goes out now.
pub const IN_DOUBT: &str = "in_doubt";
/// Classes of failures of a call that was not made.
const NOT_SENT: [&str; 3] = ["rule", "not_approved", "expression"];
/// Classes of failures of a call that was refused.
const REFUSED: [&str; 3] = ["invalid", "not_found", "denied"];
/// What was under way when the run was stopped, and did not take effect.
pub const STOPPED: &str = "cancelled";
/// Classes of failures after which nobody knows whether the effect is there.
pub(super) const UNKNOWN: [&str; 5] = ["outcome_unknown", "needs_person", "timeout", "panic", "lost"];

impl StepState {
    /// Sent, perhaps, and not ended.
    fn is_under_way(&self) -> bool {
        matches!(self.status, Status::Running | Status::Waiting) && self.attempt > self.keyed_from
    }

    fn fail(&mut self, failure: &Failure) {
        let is_first = self.attempt == self.keyed_from + 1 && !self.in_doubt;
        if NOT_SENT.contains(&failure.class.as_str()) && is_first {
            self.keyed_from = self.attempt;
        }
        let class = failure.class.as_str();
        match self.sending.take() {
            Some(_) if NOT_SENT.contains(&class) || REFUSED.contains(&class) => {}
            Some(sent) => self.sent = Some(sent),
            None => {}
        }
        self.in_doubt |= UNKNOWN.contains(&class);
        if class == STOPPED {
            (self.sent, self.in_doubt) = (None, false);
        }
        self.failure = Some(failure.clone());
    }

    /// As before its first attempt, but for what its key and its attempts are counted from.
    fn reset(&self, renewed: bool) -> Self {
        Self {
            attempt: self.attempt,
            retried_from: self.attempt,
            generation: self.generation + u32::from(renewed),
            keyed_from: if renewed { self.attempt } else { self.keyed_from },
            in_doubt: (self.in_doubt || self.is_under_way()) && !renewed,
            sent: self.sending.clone().or_else(|| self.sent.clone()).filter(|_| !renewed),
            ..Self::default()
        }
    }
}
