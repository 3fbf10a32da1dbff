//! One conversation as a fold over its journal entries. Pure: `apply` takes what happened, `turns`
//! decides what comes next; a resumed step is the same fold over the past.

use super::body::Body;
use super::budget::{Budget, Charge};
use super::endpoints::retry_wait;
use super::guard::{Corpus, Masker, confidential_fields};
use super::ledger::{
    Barred, Entry, Hold, Limits, Offered, Reason, Rejection, RejectionKind, Reserve, Source, Why,
};
use super::mask_key::MaskKey;
use super::model::{ModelErrorClass, ModelProfile};
use super::reply::{Reply, WireCall, assistant_calls, own_id};
use super::task::{Answer, Task};
use super::{digest::sha256_json, prompt};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};
use uuid::Uuid;

pub(super) struct Session<'a> {
    pub(super) task: &'a Task,
    pub(super) phase: Phase,
    pub(super) masker: Masker,
    pub(super) corpus: Corpus,
    /// Field names whose values the model only sees as tokens.
    pub(super) confidential: BTreeSet<String>,
    pub(super) budget: Budget,
    /// The task's input as the model was given it.
    pub(super) shown: Value,
    pub(super) messages: Vec<Value>,
    pub(super) models: Vec<ModelProfile>,
    pub(super) tools: Vec<Offered>,
    pub(super) limits: Limits,
    pub(super) deadline: DateTime<Utc>,
    /// Index of the model in use.
    pub(super) model: usize,
    /// Answers taken so far.
    pub(super) turn: u32,
    /// Requests of the current turn.
    pub(super) attempt: u32,
    pub(super) repairs: u32,
    pub(super) truncations: u32,
    pub(super) tool_calls: u32,
    /// How often each (tool, arguments) was called.
    pub(super) seen: HashMap<String, u32>,
    failures: u32,
    reserve: Reserve,
    answered_by: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Phase {
    New,
    Ask {
        not_before: Option<DateTime<Utc>>,
        /// That time is this step's turn at its endpoint.
        has_turn: bool,
    },
    /// A request was sent; on resume its answer is lost.
    Asked,
    Judge(Reply),
    Calls(Calls),
    GiveUp(Why),
    Done(Answer),
}

#[derive(Debug, Clone)]
pub(super) struct Calls {
    pub(super) calls: Vec<WireCall>,
    /// Index of the call that is judged or running.
    pub(super) index: usize,
    pub(super) open: Option<OpenCall>,
}

/// A call that was written down and has no result yet.
#[derive(Debug, Clone)]
pub(super) struct OpenCall {
    pub(super) key: Uuid,
    pub(super) offered: usize,
    pub(super) args: Value,
}

impl<'a> Session<'a> {
    pub(super) fn new(task: &'a Task) -> Self {
        let mut corpus = Corpus::default();
        corpus.learn(&task.input);
        Self {
            task,
            phase: Phase::New,
            masker: Masker::new(task.mask_key.bytes(), &task.mask, &[]),
            corpus,
            confidential: confidential_fields(task),
            budget: Budget::default(),
            shown: Value::Null,
            messages: Vec::new(),
            models: Vec::new(),
            tools: Vec::new(),
            limits: task.limits,
            deadline: DateTime::<Utc>::MAX_UTC,
            model: 0,
            turn: 0,
            attempt: 0,
            repairs: 0,
            truncations: 0,
            tool_calls: 0,
            seen: HashMap::new(),
            failures: 0,
            reserve: Reserve::default(),
            answered_by: None,
        }
    }

    pub(super) fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Started { at, instructions, masking, models, barred, tools, limits, .. } => {
                let key =
                    masking.as_ref().map_or_else(|| MaskKey::of_run(self.task.run), |masking| masking.key);
                self.masker = Masker::new(key.bytes(), &self.task.mask, &self.task.known);
                self.models.clone_from(models);
                self.tools.clone_from(tools);
                self.limits = *limits;
                self.deadline = *at + TimeDelta::from_std(limits.time).unwrap_or(TimeDelta::days(1));
                self.open(instructions.as_deref(), barred);
            }
            Entry::Requested { attempt, reserve, .. } => {
                self.attempt = *attempt;
                self.reserve = *reserve;
                self.phase = Phase::Asked;
            }
            Entry::Held { model, until, by, .. } => self.held(*model, *until, *by),
            Entry::Responded { at, status, body, .. } => self.responded(*at, *status, body),
            Entry::Failed { at, class, status, retry_after_ms, message, .. } => {
                if let Some(charge) = Charge::of_failure(*class, *status, &self.reserve) {
                    self.budget.charge(&charge);
                }
                self.failed(*at, *class, *retry_after_ms, message);
            }
            Entry::Rejected { rejection, .. } => self.rejected(rejection),
            Entry::ToolRequested { call_key, tool, args, .. } => {
                self.tool_calls += 1;
                *self.seen.entry(sha256_json(&json!([tool, args]))).or_default() += 1;
                if let Phase::Calls(calls) = &mut self.phase
                    && let Some(offered) = self.tools.iter().position(|t| t.tool == *tool)
                {
                    calls.open = Some(OpenCall { key: *call_key, offered, args: args.clone() });
                }
            }
            Entry::ToolDone { output, .. } => self.tool_done(output),
            Entry::ToolFailed { class, message, .. } => {
                let message = self.masker.mask_text(message);
                self.close_call(|id| prompt::tool_error(id, class, &message));
            }
            Entry::Finished { source, output, why, .. } => {
                self.phase = Phase::Done(self.answer(*source, output.clone(), why.clone()));
            }
        }
    }

    /// Journals of earlier versions do not hold the prompt.
    fn open(&mut self, instructions: Option<&str>, barred: &[Barred]) {
        let input = self.masker.mask_input(&self.task.input, &self.task.classes, &self.task.public);
        let instructions = self.masker.mask_text(instructions.unwrap_or(&self.task.instructions));
        self.messages = prompt::opening(&instructions, &input);
        self.shown = input;
        self.phase = match (self.models.is_empty(), barred.first()) {
            (false, _) => ask_now(),
            (true, None) => give_up(Reason::NoModel, "no model is configured"),
            (true, Some(barred)) => {
                give_up(Reason::NoModel, &format!("`{}` may not be asked: {}", barred.endpoint, barred.why))
            }
        };
    }

    fn responded(&mut self, at: DateTime<Utc>, status: u16, body: &Body) {
        let read = body.read();
        let price = self.models.get(self.model);
        if let Some(charge) = price.and_then(|price| Charge::of_answer(&read, status, &self.reserve, price)) {
            self.budget.charge(&charge);
        }
        if let Some((class, message)) = read.failure() {
            return self.failed(at, class, None, &message);
        }
        if let Some(price) = price {
            self.answered_by = Some(read.model.unwrap_or_else(|| price.model.clone()));
        }
        self.turn += 1;
        self.attempt = 0;
        self.failures = 0;
        self.phase = match Reply::read(&read.json, read.finish, self.turn) {
            Reply::Calls(calls) => {
                let calls = self.said(calls);
                Phase::Calls(Calls { calls, index: 0, open: None })
            }
            other => Phase::Judge(other),
        };
    }

    /// What a model said is sent back to it, and to the next one: a name that it knows from elsewhere stays here, too.
    fn said(&mut self, mut calls: Vec<WireCall>) -> Vec<WireCall> {
        for (index, call) in calls.iter_mut().enumerate() {
            if self.masker.is_confidential(&call.id) {
                call.id = own_id(self.turn, index);
            }
        }
        let mut shown = calls.clone();
        for call in &mut shown {
            if self.tools.iter().all(|tool| tool.wire_name != call.name) {
                call.name = self.masker.mask_text(&call.name);
            }
            if let Ok(arguments) = &mut call.arguments {
                *arguments = self.masker.mask_words(arguments);
            }
        }
        self.messages.push(assistant_calls(&shown));
        calls
    }

    /// A turn is waited for, a closed endpoint is not: the next one of the list is asked instead.
    fn held(&mut self, model: usize, until: DateTime<Utc>, by: Hold) {
        self.model = model;
        if matches!(by, Hold::RateLimited | Hold::Paced) && until < self.deadline {
            self.phase = Phase::Ask { not_before: Some(until), has_turn: true };
            return;
        }
        let endpoint = self.models.get(model).map_or("", |profile| profile.endpoint.as_str());
        let until = until.format("%H:%M:%S UTC");
        self.next_model(match by {
            Hold::Quota => why(Reason::Quota, &format!("`{endpoint}` has no quota; not asked until {until}")),
            Hold::Circuit => why(
                Reason::ModelDown,
                &format!("`{endpoint}` failed again and again; not asked until {until}"),
            ),
            Hold::RateLimited | Hold::Paced => {
                why(Reason::ModelDown, &format!("`{endpoint}` has too many requests until {until}"))
            }
        });
    }

    fn failed(
        &mut self,
        at: DateTime<Utc>,
        class: ModelErrorClass,
        retry_after_ms: Option<u64>,
        message: &str,
    ) {
        if class == ModelErrorClass::Lost {
            self.phase = ask_now();
            return;
        }
        let wait = retry_after_ms.map_or_else(|| retry_wait(self.failures), Duration::from_millis);
        let again = TimeDelta::from_std(wait).ok().and_then(|wait| at.checked_add_signed(wait));
        self.failures += 1;
        match again {
            Some(again)
                if class.is_transient() && self.failures <= self.limits.retries && again < self.deadline =>
            {
                self.phase = Phase::Ask { not_before: Some(again), has_turn: false };
            }
            _ => self.next_model(match class {
                ModelErrorClass::Quota => why(Reason::Quota, message),
                ModelErrorClass::ContentFilter => why(Reason::Refused, message),
                _ => why(Reason::ModelDown, message),
            }),
        }
    }

    /// The next model of the list goes on with the same conversation; after the last one, `why` holds.
    fn next_model(&mut self, why: Why) {
        self.failures = 0;
        self.phase = if self.model + 1 < self.models.len() {
            self.model += 1;
            ask_now()
        } else {
            Phase::GiveUp(why)
        };
    }

    fn rejected(&mut self, rejection: &Rejection) {
        match rejection.kind {
            RejectionKind::Refused => return self.next_model(why(Reason::Refused, &rejection.message)),
            RejectionKind::Truncated => {
                self.truncations += 1;
                self.phase = match self.truncations {
                    1 => ask_now(),
                    _ => give_up(Reason::Truncated, &rejection.message),
                };
                return;
            }
            _ => self.repairs += 1,
        }
        // The message may quote a value that was put back a moment ago.
        let message = self.masker.mask_text(&rejection.message);
        if rejection.index.is_some() {
            let class = serde_json::to_value(rejection.kind).unwrap_or_default();
            let class = class.as_str().unwrap_or("rejected").to_owned();
            self.close_call(|id| prompt::tool_error(id, &class, &message));
        } else {
            if let Phase::Judge(Reply::Answer(text)) = &self.phase {
                let text = self.masker.mask_text(text);
                self.messages.push(json!({"role": "assistant", "content": text}));
            }
            self.messages.push(prompt::repair(&message));
            self.phase = ask_now();
        }
        if self.repairs > self.limits.repairs {
            self.phase = give_up(Reason::InvalidAnswer, &rejection.message);
        }
    }

    fn tool_done(&mut self, output: &Value) {
        self.corpus.learn(output);
        let open = match &self.phase {
            Phase::Calls(calls) => calls.open.as_ref().and_then(|open| self.tools.get(open.offered)),
            _ => None,
        };
        if let Some(offered) = open {
            let masked = self.masker.mask(output, &offered.classes);
            self.close_call(|id| prompt::tool_result(id, &masked));
        }
    }

    fn close_call(&mut self, message: impl FnOnce(&str) -> Value) {
        let Phase::Calls(calls) = &mut self.phase else { return };
        if let Some(call) = calls.calls.get(calls.index) {
            self.messages.push(message(&call.id));
        }
        calls.index += 1;
        calls.open = None;
        if calls.index >= calls.calls.len() {
            self.phase = ask_now();
        }
    }

    fn answer(&self, source: Source, output: Value, why_fallback: Option<Why>) -> Answer {
        let by_model = source != Source::Rules;
        let profile = self.models.get(self.model).filter(|_| by_model);
        Answer {
            output,
            source,
            model: self.answered_by.clone().filter(|_| by_model),
            authored: profile.is_some_and(|profile| profile.authored),
            why_fallback,
            usage: self.budget.usage(),
            cost_usd: self.budget.cost_usd(),
            turns: self.turn,
            tool_calls: self.tool_calls,
            repairs: self.repairs,
        }
    }
}

pub(super) fn why(reason: Reason, detail: &str) -> Why {
    Why { reason, detail: detail.to_owned() }
}

fn ask_now() -> Phase {
    Phase::Ask { not_before: None, has_turn: false }
}

fn give_up(reason: Reason, detail: &str) -> Phase {
    Phase::GiveUp(why(reason, detail))
}
