//! Drives one run from its start to its end: the real interpreter, a journal in memory, and a clock
//! that stands still while steps run and jumps to the next thing that happens.

use super::case::{AnswerMoment, Case, ChildMoment, CrashPoint, EventMoment, Moment};
use super::score::Replayed;
use crate::agent::sha256_text;
use crate::engine::{
    Caps, Clock, Commit, CommitError, Driven, Driver, Executors, Journal, Ladders, MemoryJournal, RowChange,
    Services,
};
use crate::run::{
    Change, GateId, Intent, NewGate, Record, RunId, Signal, SignalKind, StartedRun, State, StepPath,
    inputs_from,
};
use crate::workflow::{Definition, StepKind, every_step};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use uuid::Uuid;

/// Times that the clock may jump: a run that never comes to rest is a defect, not a long case.
const JUMPS_MAX: usize = 10_000;

/// What the composition root supplies: everything a worker would have, but for the database.
pub struct Stage {
    pub definition: Arc<Definition>,
    pub executors: Executors,
    pub ladders: Arc<dyn Ladders>,
    /// `site` as expressions see it.
    pub site: Value,
    pub caps: Caps,
}

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the timeline: {0}")]
    Timeline(String),
    #[error("the inputs do not fit the workflow: {0}")]
    Inputs(String),
    #[error("the replay's journal cannot be read: {0}")]
    Journal(String),
    #[error("the run was lost: {0}")]
    Lost(CommitError),
    #[error("the run does not come to rest after {JUMPS_MAX} jumps of the clock")]
    Restless,
}

/// Replays a case. Calls and staleness are for the caller to add: it made the tools and models.
pub async fn replay(case: &Case, stage: Stage) -> Result<Replayed, ReplayError> {
    let started = case.starts.with_timezone(&Utc);
    let clock = Arc::new(Clock::standing(started));
    let journal = Arc::new(Mortal::new(case.crash_after));
    let services = Arc::new(Services {
        journal: journal.clone(),
        clock: clock.clone(),
        lease: Arc::default(),
        executors: stage.executors,
        ladders: stage.ladders,
        site: stage.site,
        caps: stage.caps,
        brakes: Arc::default(),
    });
    let mut play = Play::begin(case, &stage.definition, started)?;
    let mut signals = Vec::new();
    for _ in 0..JUMPS_MAX {
        let state = State::fold(&play.records).map_err(|error| ReplayError::Journal(error.to_string()))?;
        let driver = Driver::new(services.clone(), stage.definition.clone(), RunId(case.run), state, 0);
        let sent = std::mem::take(&mut signals);
        let driven = driver.drive(sent.clone()).await;
        for commit in journal.kept.take() {
            play.keep(commit);
        }
        match driven {
            Driven::Lost(_) if journal.just_died() => {
                signals = play.unheard_of(&sent);
                continue;
            }
            Driven::Ended { .. } => return Ok(play.finish(&stage.definition, None)),
            Driven::Lost(error) => return Err(ReplayError::Lost(error)),
            Driven::Parked => {}
        }
        match play.next() {
            Next::Wake(at) => clock.set(at),
            Next::Moment(at, moment) => {
                clock.set(at);
                signals = play.happen(moment, clock.now());
            }
            Next::Nothing => {
                let waiting_for = play.waiting_for.take();
                return Ok(play.finish(&stage.definition, waiting_for));
            }
        }
    }
    Err(ReplayError::Restless)
}

/// A journal in memory whose process dies once, right after an entry is durable.
struct Mortal {
    kept: MemoryJournal,
    dies_after: Mutex<Option<CrashPoint>>,
    died: AtomicBool,
}

impl Mortal {
    fn new(dies_after: Option<CrashPoint>) -> Self {
        Self {
            kept: MemoryJournal::default(),
            dies_after: Mutex::new(dies_after),
            died: AtomicBool::new(false),
        }
    }

    /// Whether the process does not survive this commit.
    fn is_last(&self, commit: &Commit) -> bool {
        let mut dies_after = self.dies_after.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(point) = *dies_after else { return false };
        let is_last = commit.records.iter().any(|record| {
            matches!(&record.change, Change::Noted { note } if note.get("type") == Some(&json!(point.word())))
        });
        if is_last {
            *dies_after = None;
        }
        is_last
    }

    /// Asked once for each death.
    fn just_died(&self) -> bool {
        self.died.swap(false, Ordering::Relaxed)
    }
}

#[async_trait]
impl Journal for Mortal {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let is_last = self.is_last(&commit);
        self.kept.commit(commit).await?;
        if is_last {
            self.died.store(true, Ordering::Relaxed);
            return Err(CommitError::Severed("the process dies here, as the case says".to_owned()));
        }
        Ok(())
    }
}

/// The outside world of one run.
struct Play<'a> {
    run: RunId,
    started: DateTime<Utc>,
    timeline: std::iter::Peekable<std::vec::IntoIter<(DateTime<Utc>, &'a Moment)>>,
    records: Vec<Record>,
    gates: BTreeMap<GateId, NewGate>,
    /// Every question, answered or not.
    asked: Vec<NewGate>,
    waits: BTreeSet<(StepPath, String)>,
    starts: Vec<String>,
    unheard: Vec<String>,
    wake_at: Option<DateTime<Utc>>,
    waiting_for: Option<String>,
}

enum Next<'a> {
    Wake(DateTime<Utc>),
    Moment(DateTime<Utc>, &'a Moment),
    Nothing,
}

impl<'a> Play<'a> {
    fn begin(case: &'a Case, definition: &Definition, started: DateTime<Utc>) -> Result<Self, ReplayError> {
        let at = |moment: &'a Moment| {
            let offset = moment.offset().map_err(ReplayError::Timeline)?;
            Ok((started + offset, moment))
        };
        let timeline: Vec<(DateTime<Utc>, &Moment)> =
            case.timeline.iter().map(at).collect::<Result<_, ReplayError>>()?;
        let inputs = inputs_from(&definition.workflow, &Value::Object(case.inputs.clone()))
            .map_err(ReplayError::Inputs)?;
        let start = StartedRun {
            workflow: definition.workflow.id.clone(),
            sha256: definition.sha256.clone(),
            trigger: case.trigger.clone(),
            inputs,
            parent: None,
            approved: false,
            shadow: false,
            started_by: None,
            trace: None,
            rank: crate::run::Rank::default(),
        };
        let change = Change::RunStarted(Box::new(start));
        Ok(Self {
            run: RunId(case.run),
            started,
            timeline: timeline.into_iter().peekable(),
            records: vec![Record { seq: 0, at: started, path: None, attempt: 0, change }],
            gates: BTreeMap::new(),
            asked: Vec::new(),
            waits: BTreeSet::new(),
            starts: Vec::new(),
            unheard: Vec::new(),
            wake_at: None,
            waiting_for: None,
        })
    }

    fn keep(&mut self, commit: Commit) {
        self.records.extend(commit.records);
        for intent in commit.intents {
            match intent {
                Intent::OpenGate(gate) => {
                    self.asked.push((*gate).clone());
                    self.gates.insert(gate.id, *gate);
                }
                Intent::Reassign(to) => {
                    if let Some(gate) = self.gates.get_mut(&to.gate) {
                        gate.expires_at = to.expires_at;
                    }
                }
                Intent::CloseGate(gate) => {
                    self.gates.remove(&gate);
                }
                Intent::Subscribe { path, event, .. } => {
                    self.waits.insert((path, event));
                }
                Intent::Unsubscribe { path } => self.waits.retain(|(waiting, _)| *waiting != path),
                Intent::StartRun(run) => self.starts.push(run.workflow),
                Intent::NoteFailure { .. } | Intent::Send(_) | Intent::Audit(_) => {}
            }
        }
        if let RowChange::Park { wake_at, waiting_for, .. } = commit.row {
            (self.wake_at, self.waiting_for) = (wake_at, waiting_for);
        }
    }

    /// Signals that the process took with it when it died.
    fn unheard_of(&self, sent: &[Signal]) -> Vec<Signal> {
        let heard = |signal: &Signal| {
            self.records
                .iter()
                .any(|r| matches!(&r.change, Change::Signalled(heard) if heard.id == signal.id))
        };
        sent.iter().filter(|signal| !heard(signal)).cloned().collect()
    }

    fn next(&mut self) -> Next<'a> {
        let moment_at = self.timeline.peek().map(|(at, _)| *at);
        match (self.wake_at.take(), moment_at) {
            (Some(wake), Some(at)) if wake > at => self.next_moment(),
            (None, Some(_)) => self.next_moment(),
            (Some(wake), _) => Next::Wake(wake),
            (None, None) => Next::Nothing,
        }
    }

    fn next_moment(&mut self) -> Next<'a> {
        self.timeline.next().map_or(Next::Nothing, |(at, moment)| Next::Moment(at, moment))
    }

    /// The signals that a moment of the timeline sends.
    fn happen(&mut self, moment: &Moment, now: DateTime<Utc>) -> Vec<Signal> {
        let signals = if let Some(answer) = &moment.answer {
            match (self.answer(answer, now), answer.refused) {
                (Ok(_), true) => Err(format!("`{}` took an answer that must be refused", answer.gate)),
                (Err(_), true) => Ok(Vec::new()),
                (result, false) => result.map(|signal| vec![signal]),
            }
        } else if let Some(event) = &moment.event {
            self.event(event, &moment.after)
        } else if let Some(child) = &moment.child {
            Ok(vec![self.child(child)])
        } else {
            Ok(Vec::new())
        };
        signals.unwrap_or_else(|why| {
            self.unheard.push(format!("at {}: {why}", moment.after));
            Vec::new()
        })
    }

    /// As `gate::decide` leaves it; who holds which role is that room's business and its tests'.
    fn answer(&mut self, answer: &AnswerMoment, now: DateTime<Utc>) -> Result<Signal, String> {
        let asked = GateId::of(self.run, &StepPath::from(answer.gate.clone()));
        let Some(gate) = self.gates.get(&asked) else {
            return Err(format!("nobody is asked `{}`", answer.gate));
        };
        if gate.excluded.contains(&answer.by) {
            return Err(format!("{} may not answer `{}`", answer.by, answer.gate));
        }
        if gate.expires_at <= now {
            return Err(format!("`{}` has expired", answer.gate));
        }
        let options = gate.ask.get("options").and_then(Value::as_array).map_or(0, Vec::len);
        if answer.choice.is_some_and(|choice| choice == 0 || choice > options) {
            return Err(format!("`{}` has {options} options", answer.gate));
        }
        let signal = Signal {
            id: Uuid::new_v5(&asked.0, b"answer"),
            kind: SignalKind::Answer,
            path: Some(gate.path.clone()),
            body: json!({
                "gate": asked, "by": answer.by, "by_name": answer.by, "decision": answer.decision,
                "choice": answer.choice, "edited": answer.edited, "items": answer.items,
                "reason": answer.reason, "channel": "eval", "at": now,
                "proposal_hash": gate.proposal_hash,
            }),
        };
        self.gates.remove(&asked);
        Ok(signal)
    }

    fn event(&self, event: &EventMoment, after: &str) -> Result<Vec<Signal>, String> {
        let mut body = event.data.clone();
        body.entry("type").or_insert_with(|| json!(event.kind));
        let waiting = self.waits.iter().filter(|(_, wanted)| *wanted == event.kind);
        let signals: Vec<Signal> = waiting
            .map(|(path, _)| Signal {
                id: Uuid::new_v5(&self.run.0, format!("event:{path}:{after}").as_bytes()),
                kind: SignalKind::Event,
                path: Some(path.clone()),
                body: Value::Object(body.clone()),
            })
            .collect();
        if signals.is_empty() { Err(format!("nothing waits for {}", event.kind)) } else { Ok(signals) }
    }

    fn child(&self, child: &ChildMoment) -> Signal {
        let path = StepPath::from(child.step.clone());
        let run = RunId::child_of(self.run, &path);
        Signal {
            id: Uuid::new_v5(&run.0, b"ended"),
            kind: SignalKind::Child,
            path: Some(path),
            body: json!({ "run": run, "outcome": child.outcome, "output": child.output }),
        }
    }

    fn finish(mut self, definition: &Definition, waiting_for: Option<String>) -> Replayed {
        // Of a run that has ended nobody takes an answer: one that must be refused is.
        let is_refused = |moment: &Moment| moment.answer.as_ref().is_some_and(|answer| answer.refused);
        let left = self.timeline.by_ref().filter(|(_, moment)| !is_refused(moment));
        let left: Vec<String> = left.map(|(_, moment)| moment.after.clone()).collect();
        self.unheard.extend(left.into_iter().map(|after| format!("at {after}: the run had ended")));
        let (schemas, prompts) = (schemas(definition, &self.records), prompts(definition, &self.records));
        tracing::debug!(run.id = %self.run, started = %self.started, records = self.records.len(), "replayed");
        Replayed {
            records: self.records,
            starts: self.starts,
            asked: self.asked,
            unheard: self.unheard,
            waiting_for,
            schemas,
            prompts,
            ..Replayed::default()
        }
    }
}

/// The answer's schema of every agent step that the run came to.
fn schemas(definition: &Definition, records: &[Record]) -> BTreeMap<String, Value> {
    let mut by_id: BTreeMap<&str, &Value> = BTreeMap::new();
    every_step(&definition.workflow, &mut |step| {
        if let StepKind::Agent(agent) = &step.kind
            && let Some(schema) = definition.schemas.get(&agent.output)
        {
            by_id.insert(&step.id, schema);
        }
    });
    by_path(&by_id, records).map(|(path, schema)| (path, (*schema).clone())).collect()
}

/// The version of the prompt's file of every agent step that the run came to.
fn prompts(definition: &Definition, records: &[Record]) -> BTreeMap<String, String> {
    let mut by_id: BTreeMap<&str, String> = BTreeMap::new();
    every_step(&definition.workflow, &mut |step| {
        if let StepKind::Agent(agent) = &step.kind
            && let Some(prompt) = definition.bundle.files.get(&agent.prompt)
        {
            by_id.insert(&step.id, sha256_text(prompt));
        }
    });
    by_path(&by_id, records).map(|(path, sha)| (path, sha.clone())).collect()
}

fn by_path<'a, T>(
    by_id: &'a BTreeMap<&str, T>,
    records: &'a [Record],
) -> impl Iterator<Item = (String, &'a T)> {
    let paths = records.iter().filter_map(|record| record.path.as_ref());
    paths.filter_map(move |path| Some((path.to_string(), by_id.get(path.leaf())?)))
}
