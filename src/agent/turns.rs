//! What comes next in a conversation. Pure: the same entries and the same time give the same action.

use super::guard::as_tokens;
use super::ledger::{Barred, Entry, Hold, Masking, Reason, Rejection, RejectionKind, Reserve, Source, Why};
use super::model::{ModelErrorClass, ModelProfile};
use super::reply::{Reply, WireCall};
use super::session::{Calls, OpenCall, Phase, Session, why};
use super::task::Answer;
use super::text::storable_text;
use super::{accept, digest, prompt};
use crate::tool::{DataClass, Registry};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use uuid::Uuid;

/// So late it may be taken up again and still have its turn.
const TURN_KEPT: TimeDelta = TimeDelta::seconds(3);

pub(super) enum Action {
    /// Something was decided: write it down.
    Record(Entry),
    /// Nothing is to be done before this time.
    Wait(DateTime<Utc>),
    /// Once the endpoint has room for it, write the request down, then send it.
    Ask {
        ask: Box<Ask>,
        /// The time now was given to this step as its turn.
        has_turn: bool,
        timeout: Duration,
    },
    /// Write the call down unless it is already, then make it.
    Use {
        entry: Option<Entry>,
        call: OpenCall,
        timeout: Duration,
    },
    Done(Answer),
}

/// One attempt of one turn.
pub(super) struct Ask {
    pub(super) turn: u32,
    pub(super) attempt: u32,
    /// Index in the session's models.
    pub(super) model: usize,
    pub(super) request: Value,
    pub(super) reserve: Reserve,
}

impl Ask {
    pub(super) fn entry(&self, at: DateTime<Utc>) -> Entry {
        Entry::Requested {
            at,
            turn: self.turn,
            attempt: self.attempt,
            model: self.model,
            request_sha: digest::sha256_json(&self.request),
            request: self.request.clone(),
            reserve: self.reserve,
        }
    }

    pub(super) fn held(&self, at: DateTime<Utc>, until: DateTime<Utc>, by: Hold) -> Entry {
        Entry::Held { at, turn: self.turn, model: self.model, until, by }
    }
}

impl Session<'_> {
    pub(super) fn next(
        &mut self,
        now: DateTime<Utc>,
        registry: &Registry,
        models: &[ModelProfile],
    ) -> Action {
        match self.phase.clone() {
            Phase::New => Action::Record(self.started(now, registry, models)),
            Phase::Ask { not_before, has_turn } => self.ask(now, not_before, has_turn),
            Phase::Asked => Action::Record(self.lost(now)),
            Phase::Judge(reply) => Action::Record(self.judge(now, reply)),
            Phase::Calls(calls) => self.call(now, &calls),
            Phase::GiveUp(why) => Action::Record(self.fallback(now, why)),
            Phase::Done(answer) => Action::Done(answer),
        }
    }

    fn started(&self, at: DateTime<Utc>, registry: &Registry, models: &[ModelProfile]) -> Entry {
        let (tools, withheld) = prompt::offer(registry, &self.task.tools, &self.confidential);
        let data = self.task.data_classes(&tools);
        let (models, barred) = allowed(models, &data);
        let policy = json!([models, self.task.limits, self.task.mask, data]);
        Entry::Started {
            at,
            prompt_sha: digest::sha256_text(&self.task.instructions),
            toolset_sha: prompt::toolset_sha(&tools),
            schema_sha: digest::sha256_json(&self.task.output),
            policy_sha: digest::sha256_json(&policy),
            instructions: Some(storable_text(&self.task.instructions)),
            masking: Some(Box::new(Masking {
                key: self.task.mask_key,
                fields: self.task.mask.clone(),
                classes: self.task.declared.clone(),
            })),
            models,
            barred,
            tools,
            withheld,
            limits: self.task.limits,
        }
    }

    fn ask(&self, now: DateTime<Utc>, not_before: Option<DateTime<Utc>>, has_turn: bool) -> Action {
        if now >= self.deadline {
            return Action::Record(self.out_of_time(now));
        }
        if let Some(until) = not_before.filter(|at| *at > now) {
            return Action::Wait(until);
        }
        if self.turn >= self.limits.turns {
            let why = why(Reason::Turns, &format!("no answer after {} turns", self.turn));
            return Action::Record(self.fallback(now, why));
        }
        // A turn that was missed long ago is none: others have theirs by now.
        let has_turn = has_turn && not_before.is_some_and(|at| now - at <= TURN_KEPT);
        let Some(profile) = self.models.get(self.model) else {
            return Action::Record(self.fallback(now, why(Reason::NoModel, "no model is left")));
        };
        let may_call = self.turn + 1 < self.limits.turns && self.tool_calls < self.limits.tool_calls;
        let schema = as_tokens(&self.task.output, &self.confidential);
        let mut request = prompt::body(profile, &self.messages, &self.tools, &schema, may_call);
        let wanted = self.limits.answer_tokens.saturating_mul(1 << self.truncations.min(4));
        match self.budget.reserve(&self.limits, profile, request.to_string().len(), wanted) {
            Err(why) => Action::Record(self.fallback(now, why)),
            Ok(reserve) => {
                request[prompt::answer_limit(profile)] = json!(reserve.output_tokens);
                let (turn, attempt) = (self.turn + 1, self.attempt + 1);
                let ask = Box::new(Ask { turn, attempt, model: self.model, request, reserve });
                Action::Ask { ask, has_turn, timeout: self.limits.call_time.min(self.time_left(now)) }
            }
        }
    }

    fn lost(&self, at: DateTime<Utc>) -> Entry {
        Entry::Failed {
            at,
            turn: self.turn + 1,
            attempt: self.attempt,
            class: ModelErrorClass::Lost,
            status: None,
            retry_after_ms: None,
            message: "the process ended before the answer was written down".to_owned(),
        }
    }

    fn judge(&self, at: DateTime<Utc>, reply: Reply) -> Entry {
        let rejected = |kind, message: String| Entry::Rejected {
            turn: self.turn,
            rejection: Rejection { kind, index: None, message },
        };
        match reply {
            Reply::Refused(message) => rejected(RejectionKind::Refused, message),
            Reply::Truncated(message) => rejected(RejectionKind::Truncated, message),
            Reply::Empty | Reply::Calls(_) => {
                rejected(RejectionKind::Empty, "it has neither an answer nor a tool call".to_owned())
            }
            Reply::Answer(text) => {
                let task = self.task;
                match accept::answer(&text, &task.output, &self.facts(), &task.check) {
                    Err(rejection) => Entry::Rejected { turn: self.turn, rejection },
                    Ok(output) => {
                        let source = if self.model == 0 { Source::Model } else { Source::FallbackModel };
                        let output_sha = digest::sha256_json(&output);
                        Entry::Finished { at, source, output, output_sha, why: None }
                    }
                }
            }
        }
    }

    fn call(&self, now: DateTime<Utc>, calls: &Calls) -> Action {
        if now >= self.deadline {
            return Action::Record(self.out_of_time(now));
        }
        if let Some(open) = &calls.open {
            return self.use_tool(now, None, open.clone());
        }
        let Some(call) = calls.calls.get(calls.index) else {
            return Action::Record(self.fallback(now, why(Reason::InvalidAnswer, "no call is left")));
        };
        let index = u32::try_from(calls.index).unwrap_or(u32::MAX);
        let (offered, args) = match self.permitted(call) {
            Ok(permitted) => permitted,
            Err((kind, message)) => {
                let rejection = Rejection { kind, index: Some(index), message };
                return Action::Record(Entry::Rejected { turn: self.turn, rejection });
            }
        };
        let Some(tool) = self.tools.get(offered) else {
            return Action::Record(self.fallback(now, why(Reason::InvalidAnswer, "the tool is gone")));
        };
        if self.tool_calls >= self.limits.tool_calls {
            let why = why(Reason::ToolCalls, &format!("{} tool calls were made", self.tool_calls));
            return Action::Record(self.fallback(now, why));
        }
        let same = self.seen.get(&digest::sha256_json(&json!([tool.tool, args]))).copied().unwrap_or(0);
        if same >= self.limits.same_call {
            let detail = format!("{} was called {same} times with the same arguments", tool.tool);
            return Action::Record(self.fallback(now, why(Reason::Loop, &detail)));
        }
        let key = self.call_key(index);
        let entry = Entry::ToolRequested {
            turn: self.turn,
            index,
            call_key: key,
            tool: tool.tool.clone(),
            version: tool.version,
            args: args.clone(),
        };
        self.use_tool(now, Some(entry), OpenCall { key, offered, args })
    }

    fn use_tool(&self, now: DateTime<Utc>, entry: Option<Entry>, call: OpenCall) -> Action {
        let declared = self.tools.get(call.offered).map_or(Duration::ZERO, |tool| tool.timeout);
        let timeout = declared.min(self.time_left(now));
        Action::Use { entry, call, timeout }
    }

    fn facts(&self) -> accept::Facts<'_> {
        let system = self.messages.first().and_then(|message| message.get("content"));
        accept::Facts {
            masker: &self.masker,
            corpus: &self.corpus,
            confidential: &self.confidential,
            instructions: system.and_then(Value::as_str).unwrap_or_default(),
            data: &self.shown,
        }
    }

    /// Which offered tool a call means, and its arguments; anything else is refused and never made.
    fn permitted(&self, call: &WireCall) -> Result<(usize, Value), (RejectionKind, String)> {
        let Some(offered) = self.tools.iter().position(|tool| tool.wire_name == call.name) else {
            let names: Vec<&str> = self.tools.iter().map(|tool| tool.wire_name.as_str()).collect();
            let message = format!("there is no tool `{}`; you have: {}", call.name, names.join(", "));
            let listed = self.task.tools.iter().any(|t| t.as_str().replace('.', "__") == call.name);
            let kind = if listed { RejectionKind::NotPermitted } else { RejectionKind::UnknownTool };
            return Err((kind, message));
        };
        let args = accept::arguments(call.arguments.clone(), &self.tools[offered].input, &self.facts())?;
        Ok((offered, args))
    }

    /// Does not depend on the id the model gave: those are missing or repeated on some servers.
    fn call_key(&self, index: u32) -> Uuid {
        let name = format!("{}/{}/{index}", self.task.step, self.turn);
        Uuid::new_v5(&self.task.run, name.as_bytes())
    }

    fn out_of_time(&self, now: DateTime<Utc>) -> Entry {
        let detail = format!("no answer within {} s", self.limits.time.as_secs());
        self.fallback(now, why(Reason::Time, &detail))
    }

    fn fallback(&self, at: DateTime<Utc>, why: Why) -> Entry {
        let output = self.task.fallback.clone();
        let output_sha = digest::sha256_json(&output);
        let why = Why { reason: why.reason, detail: storable_text(&why.detail) };
        Entry::Finished { at, source: Source::Rules, output, output_sha, why: Some(why) }
    }

    pub(super) fn time_left(&self, now: DateTime<Utc>) -> Duration {
        (self.deadline - now).max(TimeDelta::zero()).to_std().unwrap_or(Duration::ZERO)
    }
}

/// The models that data of these classes may be sent to, in order, and those that it may not.
fn allowed(models: &[ModelProfile], data: &BTreeSet<DataClass>) -> (Vec<ModelProfile>, Vec<Barred>) {
    let (mut kept, mut barred) = (Vec::new(), Vec::new());
    for profile in models {
        let may = &profile.capabilities.data;
        match data.iter().find(|class| !may.is_empty() && !may.contains(class)) {
            None => kept.push(profile.clone()),
            Some(class) => barred.push(Barred {
                endpoint: profile.endpoint.clone(),
                model: profile.model.clone(),
                why: format!("this step has {} data", class.word()),
            }),
        }
    }
    (kept, barred)
}
