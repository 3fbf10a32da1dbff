//! Makes a case of a finished run. The journal is driven once more through the real interpreter, with
//! tools and models that answer from it: what comes out is a world and a tape as a replay needs them,
//! and the proof that the run can be replayed at all.

use super::abridge::abridged;
use super::case::{
    AnswerMoment, Case, ChildMoment, EventMoment, Expect, ExpectedAgent, ExpectedWrite, Moment, Origin,
    RecordedModels, Split,
};
use super::score::{Replayed, entries, path};
use super::world::{World, WorldAnswer, WorldCall};
use crate::agent::{
    Entry, Exchange, MaskKey, Model, ModelError, ModelErrorClass, ModelProfile, ModelReply, Stale, Tape,
    Terms, request_key,
};
use crate::run::{Change, Failure, GateId, Record, RunId, Signal, SignalKind, StepPath};
use crate::tool::{Call, Effect, Lookup, Registry, RegistryError, Tool, ToolError, ToolErrorKind, ToolSpec};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("the run has not ended yet: a case needs its outcome")]
    NotEnded,
    #[error("the run was cancelled by a person; such runs cannot be recorded")]
    Cancelled,
    #[error("the run was reopened or moved to another version: a case tells one way through one version")]
    Reopened,
    #[error("the journal is empty or does not begin with the run's start")]
    NoStart,
    #[error("the run cannot be replayed from its journal: {0}")]
    Different(String),
}

/// A finished run, taken apart.
pub struct Recording {
    run: RunId,
    workflow: String,
    sha256: String,
    trigger: Value,
    inputs: Map<String, Value>,
    started: DateTime<Utc>,
    ended: DateTime<Utc>,
    outcome: String,
    path: Vec<String>,
    timeline: Vec<Moment>,
    steps: BTreeMap<String, VecDeque<WorldAnswer>>,
    agent_calls: BTreeMap<String, VecDeque<WorldAnswer>>,
    rule_reads: BTreeMap<String, VecDeque<WorldAnswer>>,
    tape: Tape,
}

impl Recording {
    pub fn read(run: RunId, records: &[Record]) -> Result<Self, RecordError> {
        let (first, last) = records.first().zip(records.last()).ok_or(RecordError::NoStart)?;
        let Change::RunStarted(start) = &first.change else { return Err(RecordError::NoStart) };
        let Change::RunEnded { outcome } = &last.change else { return Err(RecordError::NotEnded) };
        let mut recording = Self {
            run,
            workflow: start.workflow.clone(),
            sha256: start.sha256.clone(),
            trigger: start.trigger.clone(),
            inputs: start.inputs.as_object().cloned().unwrap_or_default(),
            started: first.at,
            ended: last.at,
            outcome: outcome.clone(),
            path: path(records),
            timeline: Vec::new(),
            steps: BTreeMap::new(),
            agent_calls: BTreeMap::new(),
            rule_reads: BTreeMap::new(),
            tape: tape(records),
        };
        for record in records {
            recording.take(record)?;
        }
        Ok(recording)
    }

    /// The definition that the run was pinned to.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Keys of the agent steps' tokens: what models answered is written in them.
    pub fn mask_keys(&self) -> BTreeMap<String, MaskKey> {
        self.tape.mask_keys.clone()
    }

    pub fn workflow(&self) -> &str {
        &self.workflow
    }

    fn take(&mut self, record: &Record) -> Result<(), RecordError> {
        let step = record.path.as_ref().map(ToString::to_string).unwrap_or_default();
        let error = |failure: &Failure| WorldAnswer::Error {
            class: failure.class.clone(),
            message: failure.message.clone(),
        };
        match &record.change {
            Change::CancelRequested { .. } => return Err(RecordError::Cancelled),
            Change::Reopened { .. } | Change::Migrated { .. } => return Err(RecordError::Reopened),
            Change::Signalled(signal) => self.timeline.extend(self.moment(record, signal)),
            Change::Done { output } => {
                self.steps.entry(step).or_default().push_back(WorldAnswer::Output(output.clone()));
            }
            Change::Failed { failure } | Change::Retrying { failure, .. } if was_called(failure) => {
                self.steps.entry(step).or_default().push_back(error(failure));
            }
            Change::Noted { note } => self.take_note(&step, note),
            _ => {}
        }
        Ok(())
    }

    fn take_note(&mut self, step: &str, note: &Value) {
        match serde_json::from_value::<Entry>(note.clone()) {
            Ok(Entry::ToolDone { call_key, output, .. }) => {
                let answers = self.agent_calls.entry(call_key.to_string()).or_default();
                answers.push_back(WorldAnswer::Output(output));
            }
            Ok(Entry::ToolFailed { call_key, class, message, .. }) => {
                let answers = self.agent_calls.entry(call_key.to_string()).or_default();
                answers.push_back(WorldAnswer::Error { class, message });
            }
            _ => {}
        }
        for verdict in note.get("rules").and_then(Value::as_array).into_iter().flatten() {
            let rule = verdict.get("rule").and_then(Value::as_str).unwrap_or_default();
            for (name, output) in verdict.get("reads").and_then(Value::as_object).into_iter().flatten() {
                let answers = self.rule_reads.entry(format!("{step}:{rule}:{name}")).or_default();
                answers.push_back(WorldAnswer::Output(output.clone()));
            }
        }
    }

    fn moment(&self, record: &Record, signal: &Signal) -> Option<Moment> {
        let path = record.path.clone()?;
        let mut moment =
            Moment { after: after(record.at - self.started), answer: None, event: None, child: None };
        let body = &signal.body;
        let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        match signal.kind {
            SignalKind::Answer => {
                let second = StepPath::from(format!("{path}.second"));
                let is_second =
                    body.get("gate") == serde_json::to_value(GateId::of(self.run, &second)).ok().as_ref();
                moment.answer = Some(AnswerMoment {
                    gate: if is_second { second.to_string() } else { path.to_string() },
                    by: text("by"),
                    decision: text("decision"),
                    choice: body.get("choice").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()),
                    edited: body.get("edited").filter(|edited| !edited.is_null()).cloned(),
                    items: body.get("items").and_then(Value::as_array).cloned().unwrap_or_default(),
                    reason: body.get("reason").and_then(Value::as_str).map(str::to_owned),
                    refused: false,
                });
            }
            SignalKind::Event => {
                let data = body.as_object().cloned().unwrap_or_default();
                moment.event = Some(EventMoment { kind: text("type"), data });
            }
            SignalKind::Child => {
                let output = body.get("output").cloned().unwrap_or_default();
                moment.child = Some(ChildMoment { step: path.to_string(), outcome: text("outcome"), output });
            }
            SignalKind::Cancel | SignalKind::Pause | SignalKind::Resume => return None,
        }
        Some(moment)
    }

    fn models(&self) -> RecordedModels {
        match self.tape.models.as_slice() {
            [] => RecordedModels::None,
            models if models.iter().any(|model| model.authored) => RecordedModels::Authored,
            _ => RecordedModels::Live,
        }
    }

    /// The case as far as it is known before it has been driven again.
    pub fn case(&self, name: &str) -> Case {
        Case {
            case: name.to_owned(),
            workflow: self.workflow.clone(),
            origin: Origin::Recorded { run: self.run.0, ended: self.ended, models: self.models() },
            starts: self.started.fixed_offset(),
            run: self.run.0,
            trigger: self.trigger.clone(),
            inputs: self.inputs.clone(),
            world: format!("{name}.world.json"),
            answers: Vec::new(),
            tapes: (!self.tape.models.is_empty()).then(|| format!("{name}.tape.json")).into_iter().collect(),
            replies: Vec::new(),
            model_chain: 1,
            crash_after: None,
            timeline: self.timeline.clone(),
            expect: Expect { outcome: self.outcome.clone(), path: self.path.clone(), ..Expect::default() },
            split: Split::Dev,
            judge: None,
            labels: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// Tools and models that answer from the journal and keep what they were asked.
    pub fn recorder(self) -> (Arc<Recorder>, Vec<Arc<dyn Model>>) {
        let (profiles, mask_keys) = (self.tape.models.clone(), self.tape.mask_keys.clone());
        let exchanges = self.tape.exchanges.iter().cloned().map(|exchange| (exchange, false)).collect();
        let recorder = Arc::new(Recorder {
            recording: Mutex::new(self),
            exchanges: Mutex::new(exchanges),
            calls: Mutex::default(),
            tape: Mutex::new(Tape { models: profiles.clone(), mask_keys, ..Tape::default() }),
            problems: Mutex::default(),
        });
        let model = |profile: ModelProfile| -> Arc<dyn Model> {
            Arc::new(JournalModel { profile, recorder: Arc::clone(&recorder) })
        };
        let models = profiles.into_iter().map(model).collect();
        (recorder, models)
    }
}

/// Answers from a journal while the run is driven once more.
pub struct Recorder {
    recording: Mutex<Recording>,
    exchanges: Mutex<Vec<(Exchange, bool)>>,
    calls: Mutex<Vec<(WorldCall, Effect)>>,
    tape: Mutex<Tape>,
    problems: Mutex<Vec<String>>,
}

impl Recorder {
    pub fn registry(self: &Arc<Self>, site: &Registry) -> Result<Registry, RegistryError> {
        let mut registry = Registry::default();
        for spec in site.specs() {
            registry.add(Arc::new(JournalTool { spec: spec.clone(), recorder: Arc::clone(self) }))?;
        }
        Ok(registry)
    }

    /// The finished case, if the run came out again as its journal says.
    pub fn finish(&self, mut case: Case, replayed: &Replayed) -> Result<(Case, World, Tape), RecordError> {
        let different = |what: String| Err(RecordError::Different(what));
        if let Some(problem) = lock(&self.problems).iter().chain(&replayed.unheard).next() {
            return different(problem.clone());
        }
        let outcome = replayed.records.last().and_then(|record| match &record.change {
            Change::RunEnded { outcome } => Some(outcome.as_str()),
            _ => None,
        });
        if outcome != Some(&case.expect.outcome) {
            return different(format!("it ended as {outcome:?} instead of `{}`", case.expect.outcome));
        }
        let again = path(&replayed.records);
        if again != case.expect.path {
            return different(format!("it went {again:?} instead of {:?}", case.expect.path));
        }
        let calls = lock(&self.calls).clone();
        case.expect.writes = calls
            .iter()
            .filter(|(_, effect)| *effect == Effect::Write)
            .map(|(call, _)| ExpectedWrite {
                tool: call.tool.clone(),
                with: call.args.clone().unwrap_or_default(),
            })
            .collect();
        case.expect.starts.clone_from(&replayed.starts);
        case.expect.gates = decisions(&replayed.records);
        case.expect.agents = expected_agents(&replayed.records);
        let world = World { calls: calls.into_iter().map(|(call, _)| call).collect() };
        let tape = Tape { terms: terms(&replayed.records), ..lock(&self.tape).clone() };
        Ok((case, world, tape))
    }

    fn answer(&self, spec: &ToolSpec, call: &Call, args: &Value) -> Result<Value, ToolError> {
        let answer = {
            let mut recording = lock(&self.recording);
            // A rule's reads are keyed `<step key>:<rule>:<name>`, an agent's calls by their call key.
            let rule = call.key.split_once(':').map(|(_, rest)| format!("{}:{rest}", call.step));
            let recording = &mut *recording;
            let answers = match &rule {
                Some(key) => recording.rule_reads.get_mut(key),
                None => match recording.agent_calls.get_mut(&call.key) {
                    Some(answers) => Some(answers),
                    None => recording.steps.get_mut(&call.step),
                },
            };
            answers.and_then(VecDeque::pop_front)
        };
        let Some(answer) = answer else {
            let problem = format!("the journal has no answer for {} in `{}`", spec.name, call.step);
            lock(&self.problems).push(problem.clone());
            return Err(ToolError::new(ToolErrorKind::Permanent, problem));
        };
        let kept = WorldCall { tool: spec.name.clone(), args: Some(abridged(args)), answer: answer.clone() };
        lock(&self.calls).push((kept, spec.effect));
        match answer {
            WorldAnswer::Output(output) => Ok(output),
            WorldAnswer::OutputOfBytes(bytes) => Ok(json!({ "text": "x".repeat(bytes) })),
            WorldAnswer::Error { class, message } => {
                Err(ToolError::new(ToolErrorKind::of_class(&class), message))
            }
        }
    }

    /// The recorded answer to this request; where time moved a request a little, the next one in order.
    fn reply(&self, request: &Value) -> Result<ModelReply, ModelError> {
        let key = request_key(request);
        let mut exchanges = lock(&self.exchanges);
        let exact = exchanges.iter().position(|(e, played)| !played && e.request_sha == key);
        let next = exact.or_else(|| exchanges.iter().position(|(_, played)| !played));
        let Some((exchange, played)) = next.and_then(|at| exchanges.get_mut(at)) else {
            let message = "the journal has no further answer of a model".to_owned();
            lock(&self.problems).push(message.clone());
            return Err(ModelError {
                class: ModelErrorClass::NotFound,
                status: None,
                retry_after: None,
                message,
            });
        };
        *played = true;
        let outcome = exchange.outcome.clone();
        lock(&self.tape).exchanges.push(Exchange::new(request, outcome.clone()));
        outcome.into_result()
    }
}

struct JournalTool {
    spec: ToolSpec,
    recorder: Arc<Recorder>,
}

#[async_trait]
impl Tool for JournalTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: &Call, input: Value) -> Result<Value, ToolError> {
        self.recorder.answer(&self.spec, call, &input)
    }

    /// A call that failed here had no effect: it may be made again.
    async fn look_up(&self, _call: &Call, _input: &Value) -> Result<Lookup, ToolError> {
        Ok(Lookup::Absent)
    }
}

struct JournalModel {
    profile: ModelProfile,
    recorder: Arc<Recorder>,
}

#[async_trait]
impl Model for JournalModel {
    fn profile(&self) -> &ModelProfile {
        &self.profile
    }

    async fn complete(&self, request: &Value, _timeout: Duration) -> Result<ModelReply, ModelError> {
        self.recorder.reply(request)
    }
}

/// Whether a failed attempt came as far as its tool.
fn was_called(failure: &Failure) -> bool {
    !matches!(failure.class.as_str(), "rule" | "not_approved" | "expression")
        && !failure.message.starts_with("rule `")
}

fn tape(records: &[Record]) -> Tape {
    let mut by_step: Vec<(String, Vec<Entry>)> = Vec::new();
    for (step, entry) in entries(records) {
        match by_step.iter_mut().find(|(known, _)| *known == step) {
            Some((_, list)) => list.push(entry),
            None => by_step.push((step, vec![entry])),
        }
    }
    let mut tape = Tape::default();
    for (step, list) in by_step {
        tape.extend(Tape::from_entries(&step, &list));
    }
    tape
}

/// What changed since a tape was made and stands in no request.
pub fn other_terms(tape: &Tape, records: &[Record]) -> Vec<Stale> {
    let started = entries(records).filter(|(_, entry)| matches!(entry, Entry::Started { .. }));
    started.flat_map(|(step, entry)| tape.other_terms(&step, &entry)).collect()
}

/// On what terms the agent steps of a run began.
pub fn terms(records: &[Record]) -> BTreeMap<String, Terms> {
    entries(records).filter_map(|(step, entry)| Some((step, Terms::of(&entry)?))).collect()
}

fn decisions(records: &[Record]) -> BTreeMap<String, String> {
    let answered: BTreeSet<String> = records
        .iter()
        .filter(|record| matches!(&record.change, Change::Signalled(s) if s.kind == SignalKind::Answer))
        .filter_map(|record| record.path.as_ref().map(ToString::to_string))
        .collect();
    let decided = records.iter().filter_map(|record| match (&record.path, &record.change) {
        (Some(path), Change::Done { output }) => {
            let decision = output.get("decision")?.as_str()?.to_owned();
            Some((path.to_string(), decision))
        }
        _ => None,
    });
    decided.filter(|(path, _)| answered.contains(path)).collect()
}

fn expected_agents(records: &[Record]) -> BTreeMap<String, ExpectedAgent> {
    let mut agents: BTreeMap<String, ExpectedAgent> = BTreeMap::new();
    for (step, entry) in entries(records) {
        let agent = agents.entry(step).or_default();
        match entry {
            Entry::Rejected { .. } => agent.rejections += 1,
            Entry::Finished { source, output, .. } => (agent.source, agent.output) = (Some(source), output),
            _ => {}
        }
    }
    agents
}

/// Rounded up, so that an answer never comes before its question.
fn after(passed: TimeDelta) -> String {
    let microseconds = passed.num_microseconds().unwrap_or(i64::MAX).max(0);
    let milliseconds = microseconds / 1_000 + i64::from(microseconds % 1_000 != 0);
    let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000);
    format!("{minutes}m{}.{:03}s", rest / 1_000, rest % 1_000)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
