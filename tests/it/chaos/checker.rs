//! The judge of a run of chaos: a pure function over what the journal, the witness, the ledger and the people who
//! were told "yes" say. It knows what must hold, and nothing of how the engine does it.

use super::ledger::{Effect, Request};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use takt::run::{Change, Phase, Record, State, StepPath};
use uuid::Uuid;

/// Everything that is known afterwards.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub records: BTreeMap<Uuid, Vec<Record>>,
    pub runs: BTreeMap<Uuid, RunEntry>,
    /// Stored events by the sender's id, with their state.
    pub events: BTreeMap<String, String>,
    pub votes: BTreeMap<Uuid, Answered>,
    pub log: Vec<Entry>,
    pub requests: Vec<Request>,
    /// Events that start a run and were acknowledged.
    pub acknowledged_starts: BTreeSet<String>,
    pub acknowledged_events: BTreeSet<String>,
    /// Runs that a program was told had begun.
    pub acknowledged_runs: BTreeSet<Uuid>,
    pub acknowledged_answers: Vec<(Uuid, String, String)>,
    /// Outcomes that a workflow may have.
    pub outcomes: BTreeMap<String, Vec<String>>,
    /// Steps of a workflow that declare an undo.
    pub undoable: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, Clone)]
pub struct RunEntry {
    pub workflow: String,
    pub outcome: Option<String>,
    pub event: Option<String>,
    pub is_live: bool,
}

#[derive(Debug, Clone)]
pub struct Answered {
    pub run: Uuid,
    pub person: String,
    pub decision: String,
}

/// One line of the witness.
#[derive(Debug, Clone)]
pub struct Entry {
    pub at: DateTime<Utc>,
    pub transaction: String,
    pub process: String,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    Registered { worker: i64 },
    Fenced { worker: i64 },
    Owned { run: Uuid, worker: Option<i64> },
    Record { run: Uuid, seq: u32, kind: String, attempt: u32, path: Option<String> },
}

/// A sentence of the guarantees that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    JournalFolds,
    DoneOnce,
    EffectHappened,
    OneKey,
    EffectOnce,
    StartedBeforeEffect,
    NoEffectAfterFence,
    NoRecordAfterFence,
    OwnerWrites,
    StartKept,
    StartedOnce,
    EventKept,
    AnswerKept,
    RunEnds,
    Undone,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

pub fn check(history: &History) -> Vec<Violation> {
    let mut judge = Judge { history, found: Vec::new() };
    for (run, records) in &history.records {
        judge.journal(*run, records);
    }
    judge.effects();
    judge.fences();
    judge.started_once();
    judge.acknowledged();
    judge.found
}

struct Judge<'h> {
    history: &'h History,
    found: Vec<Violation>,
}

/// A run's step as the ledger names it.
type Place = (Uuid, String);

impl Judge<'_> {
    fn report(&mut self, rule: Rule, what: impl Into<String>) {
        self.found.push(Violation { rule, what: what.into() });
    }

    /// Gap-free, foldable, each step done once, ended as it may end, undone as it must be.
    fn journal(&mut self, run: Uuid, records: &[Record]) {
        let state = match State::fold(records) {
            Ok(state) => state,
            Err(error) => return self.report(Rule::JournalFolds, format!("run {run}: {error}")),
        };
        let mut done = BTreeSet::new();
        for record in records {
            if let (Change::Done { .. }, Some(path)) = (&record.change, &record.path)
                && !done.insert(path.clone())
            {
                self.report(Rule::DoneOnce, format!("run {run}: `{path}` was done twice"));
            }
        }
        let Some(entry) = self.history.runs.get(&run) else {
            return self.report(Rule::RunEnds, format!("run {run} is in the journal, but in no list"));
        };
        let Phase::Ended { outcome } = &state.phase else {
            let last = records.last().map(|record| record.change.kind()).unwrap_or_default();
            return self
                .report(Rule::RunEnds, format!("run {run} ({}) is stuck after `{last}`", entry.workflow));
        };
        let allowed = self.history.outcomes.get(&entry.workflow);
        if entry.is_live || entry.outcome.as_ref() != Some(outcome) {
            self.report(
                Rule::RunEnds,
                format!("run {run} ended as {outcome}, but is listed as {:?}", entry.outcome),
            );
        }
        if allowed.is_some_and(|allowed| !allowed.contains(outcome)) {
            self.report(
                Rule::RunEnds,
                format!("run {run} ({}) ended as {outcome}: {}", entry.workflow, why(records)),
            );
        }
        self.undone(run, &entry.workflow, records, outcome);
    }

    /// What was done and can be taken back was taken back, last first, once; and nothing else was.
    fn undone(&mut self, run: Uuid, workflow: &str, records: &[Record], outcome: &str) {
        let is_undo = |path: &StepPath| path.leaf() == "undo";
        let done = |record: &Record| match (&record.change, &record.path) {
            (Change::Done { .. }, Some(path)) => Some(path.clone()),
            _ => None,
        };
        let undone: Vec<StepPath> = records.iter().filter_map(done).filter(is_undo).collect();
        let declared = self.history.undoable.get(workflow);
        let can_undo = |path: &StepPath| declared.is_some_and(|steps| steps.contains(path.as_str()));
        let mut wanted: Vec<StepPath> = records.iter().filter_map(done).filter(can_undo).collect();
        wanted.reverse();
        let wanted: Vec<StepPath> = match outcome {
            "failed" | "cancelled" => wanted.iter().map(|path| path.child("undo")).collect(),
            _ => Vec::new(),
        };
        if undone != wanted {
            self.report(Rule::Undone, format!("run {run}: undone {undone:?}, not {wanted:?}"));
        }
    }

    /// Each step that is done was done outside: with one key, once where the key is known, never before its attempt
    /// was in the journal.
    fn effects(&mut self) {
        let mut by_place: BTreeMap<Place, Vec<&Request>> = BTreeMap::new();
        for request in &self.history.requests {
            by_place.entry((request.run, request.step.clone())).or_default().push(request);
        }
        for (run, records) in &self.history.records {
            for record in records {
                let (Change::Done { output }, Some(path)) = (&record.change, &record.path) else { continue };
                let is_undo = path.leaf() == "undo";
                if output.get("ledger").is_none() && !is_undo {
                    continue;
                }
                let requests = by_place.get(&(*run, path.to_string())).map(Vec::as_slice).unwrap_or_default();
                if !requests.iter().any(|request| matches!(request.effect, Effect::Applied | Effect::Read)) {
                    self.report(
                        Rule::EffectHappened,
                        format!("run {run}: `{path}` is done, and nothing happened"),
                    );
                }
            }
        }
        for ((run, step), requests) in &by_place {
            let writes: Vec<&&Request> = requests.iter().filter(|request| request.class != "read").collect();
            let keys: BTreeSet<&str> = writes.iter().map(|request| request.key.as_str()).collect();
            if keys.len() > 1 {
                self.report(Rule::OneKey, format!("run {run}: `{step}` used the keys {keys:?}"));
            }
            let applied = writes.iter().filter(|request| request.effect == Effect::Applied).count();
            if applied > 1 {
                self.report(Rule::EffectOnce, format!("run {run}: `{step}` took effect {applied} times"));
            }
        }
        self.started_before();
    }

    /// Reads run ahead of the journal; whatever changes something waits for it.
    fn started_before(&mut self) {
        let mut started: BTreeMap<(Uuid, &str, u32), DateTime<Utc>> = BTreeMap::new();
        for entry in &self.history.log {
            if let What::Record { run, kind, attempt, path: Some(path), .. } = &entry.what
                && kind == "started"
            {
                started.entry((*run, path, *attempt)).or_insert(entry.at);
            }
        }
        for request in self.history.requests.iter().filter(|request| request.class != "read") {
            let at = started.get(&(request.run, request.step.as_str(), request.attempt));
            if at.is_none_or(|at| *at > request.at) {
                let (run, step, attempt) = (request.run, &request.step, request.attempt);
                let text =
                    format!("run {run}: attempt {attempt} of `{step}` went out before the journal knew");
                self.report(Rule::StartedBeforeEffect, text);
            }
        }
    }

    /// A worker that was taken over changes nothing more, and only a run's owner writes its journal. A read that the
    /// worker had handed to its connection before it froze goes out when it wakes, and changes nothing.
    fn fences(&mut self) {
        let tenures = Tenures::of(&self.history.log);
        let mut owners: BTreeMap<Uuid, Owner> = BTreeMap::new();
        for entry in &self.history.log {
            match &entry.what {
                What::Owned { run, worker } => {
                    let owner = owners.entry(*run).or_default();
                    // A commit that parks or ends a run lets it go and writes its last records in one transaction.
                    if worker.is_none() {
                        owner.let_go_by = owner.worker.zip(Some(entry.transaction.clone()));
                    }
                    owner.worker = *worker;
                }
                What::Record { run, seq, kind, .. } if *seq > 0 => {
                    if !tenures.is_alive(&entry.process, entry.at) {
                        let text = format!(
                            "run {run}: record {seq} (`{kind}`) by {}, which was fenced",
                            entry.process
                        );
                        self.report(Rule::NoRecordAfterFence, text);
                    }
                    let owner = owners.entry(*run).or_default();
                    let now = owner.worker.filter(|worker| tenures.is_of(&entry.process, *worker));
                    let then = owner.let_go_by.as_ref().filter(|(worker, transaction)| {
                        *transaction == entry.transaction && tenures.is_of(&entry.process, *worker)
                    });
                    // A run that begins in its worker's hands is theirs with its first records.
                    let is_taken_with_it = || {
                        self.history.log.iter().any(|other| {
                            other.transaction == entry.transaction
                                && matches!(other.what, What::Owned { run: taken, worker: Some(worker) }
                                    if taken == *run && tenures.is_of(&entry.process, worker))
                        })
                    };
                    if now.is_none() && then.is_none() && !is_taken_with_it() {
                        let text = format!(
                            "run {run}: record {seq} (`{kind}`) by {}, whose run it was not",
                            entry.process
                        );
                        self.report(Rule::OwnerWrites, text);
                    }
                }
                _ => {}
            }
        }
        for request in self.history.requests.iter().filter(|request| request.class != "read") {
            if !tenures.is_alive(&request.process, request.at) {
                let text = format!(
                    "run {}: `{}` by {}, which was fenced",
                    request.run, request.step, request.process
                );
                self.report(Rule::NoEffectAfterFence, text);
            }
        }
    }

    /// One event, one start by hand, one step that starts a child: one run each, whether acknowledged or not.
    fn started_once(&mut self) {
        let mut begun: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
        for (run, entry) in &self.history.runs {
            let records = self.history.records.get(run).map(Vec::as_slice).unwrap_or_default();
            let start = records.first().and_then(|record| match &record.change {
                Change::RunStarted(start) => Some(start),
                _ => None,
            });
            let parent = start.and_then(|start| start.parent.as_ref());
            // A start by hand has no key; its case is of no other.
            let case = start.and_then(|start| start.inputs["case"].as_str());
            let cause = match (parent, &entry.event, case) {
                (Some(parent), _, _) => format!("`{}` of run {}", parent.path, parent.run),
                (None, Some(event), _) => format!("the event `{event}`"),
                (None, None, Some(case)) => format!("the start of `{case}` by hand"),
                (None, None, None) => continue,
            };
            begun.entry(cause).or_default().push(*run);
        }
        for (cause, runs) in begun.into_iter().filter(|(_, runs)| runs.len() > 1) {
            self.report(Rule::StartedOnce, format!("{cause} began {} runs: {runs:?}", runs.len()));
        }
    }

    fn acknowledged(&mut self) {
        let started: BTreeSet<&str> =
            self.history.runs.values().filter_map(|entry| entry.event.as_deref()).collect();
        for event in &self.history.acknowledged_starts {
            if !started.contains(event.as_str()) {
                self.report(Rule::StartKept, format!("`{event}` was acknowledged, and no run of it exists"));
            }
        }
        let history = self.history;
        for run in history.acknowledged_runs.iter().filter(|run| !history.runs.contains_key(*run)) {
            self.report(Rule::StartKept, format!("run {run} was acknowledged and is gone"));
        }
        for event in &self.history.acknowledged_events {
            match self.history.events.get(event).map(String::as_str) {
                None => self.report(Rule::EventKept, format!("`{event}` was acknowledged and is gone")),
                Some("new" | "failed") => self.report(Rule::EventKept, format!("`{event}` was never routed")),
                Some(_) => {}
            }
        }
        for (gate, person, decision) in &self.history.acknowledged_answers {
            let Some(vote) = self.history.votes.get(gate) else {
                self.report(Rule::AnswerKept, format!("the answer of {person} to {gate} is gone"));
                continue;
            };
            if (&vote.person, &vote.decision) != (person, decision) {
                let text = format!("{person} was told `{decision}` at {gate}, which says {vote:?}");
                self.report(Rule::AnswerKept, text);
            }
            let records = self.history.records.get(&vote.run).map(Vec::as_slice).unwrap_or_default();
            let heard = records.iter().filter(|record| {
                matches!(&record.change, Change::Signalled(signal) if signal.body["gate"] == serde_json::json!(gate))
            });
            if heard.count() != 1 {
                self.report(
                    Rule::AnswerKept,
                    format!("the answer to {gate} is not once in the journal of {}", vote.run),
                );
            }
        }
    }
}

fn why(records: &[Record]) -> String {
    let failure = records.iter().find_map(|record| match &record.change {
        Change::RunFailing { step, failure } => Some(format!("`{step}` failed: {failure}")),
        _ => None,
    });
    failure.unwrap_or_else(|| "nothing failed".into())
}

#[derive(Default)]
struct Owner {
    worker: Option<i64>,
    let_go_by: Option<(i64, String)>,
}

/// From when to when each worker held its lease, by the process behind it.
struct Tenures {
    by_worker: BTreeMap<i64, Tenure>,
}

struct Tenure {
    process: String,
    from: DateTime<Utc>,
    to: Option<DateTime<Utc>>,
}

impl Tenures {
    fn of(log: &[Entry]) -> Self {
        let mut by_worker: BTreeMap<i64, Tenure> = BTreeMap::new();
        for entry in log {
            match entry.what {
                What::Registered { worker } => {
                    let tenure = Tenure { process: entry.process.clone(), from: entry.at, to: None };
                    by_worker.insert(worker, tenure);
                }
                What::Fenced { worker } => {
                    if let Some(tenure) = by_worker.get_mut(&worker) {
                        tenure.to.get_or_insert(entry.at);
                    }
                }
                _ => {}
            }
        }
        Self { by_worker }
    }

    fn is_of(&self, process: &str, worker: i64) -> bool {
        self.by_worker.get(&worker).is_some_and(|tenure| tenure.process == process)
    }

    fn is_alive(&self, process: &str, at: DateTime<Utc>) -> bool {
        self.by_worker.values().any(|tenure| {
            tenure.process == process && tenure.from <= at && tenure.to.is_none_or(|to| at <= to)
        })
    }
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
