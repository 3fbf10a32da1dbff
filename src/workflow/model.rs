//! The checked model of a workflow file: what the interpreter in `run` walks.

use super::flow::Flow;
use crate::expr::{Expr, ValueTemplate};
use crate::tool::ToolName;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// A place in a workflow file, 1-based; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

#[derive(Debug, Clone)]
pub struct Workflow {
    pub id: String,
    pub title: String,
    pub owner: String,
    /// The person who wrote this version, as the file says.
    pub author: Option<String>,
    pub autonomy: Autonomy,
    pub trigger: Trigger,
    pub flow: Flow,
    pub inputs: BTreeMap<String, Input>,
    pub sla: Vec<Sla>,
    pub steps: Vec<Step>,
    pub on_failure: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Autonomy {
    Shadow,
    Assist,
    Auto,
}

#[derive(Debug, Clone)]
pub enum Trigger {
    Events(EventTrigger),
    Cron(CronTrigger),
    Manual,
}

#[derive(Debug, Clone)]
pub struct EventTrigger {
    /// At least one; `any:` gives several.
    pub patterns: Vec<EventPattern>,
    /// Holds for all patterns, beside each pattern's own `where`.
    pub condition: Option<Expr>,
    /// The condition must still hold this long after the event.
    pub hold: Option<Duration>,
    /// One open run per key; later events with the same key join it.
    pub key: Option<Expr>,
    pub flood: Option<Rate>,
}

#[derive(Debug, Clone)]
pub struct EventPattern {
    pub event: String,
    pub condition: Option<Expr>,
}

/// So many in any span of so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub count: u32,
    pub within: Duration,
}

#[derive(Debug, Clone)]
pub struct CronTrigger {
    /// Five-field cron expression as written.
    pub cron: String,
    pub time_zone: chrono_tz::Tz,
    pub catch_up: CatchUp,
    pub overlap: Overlap,
    /// Each firing is late by a part of it that is always the same for its nominal time.
    pub jitter: Option<Duration>,
    pub calendar: Option<OnCalendar>,
}

/// What becomes of firings that were missed; those older than `within` are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CatchUp {
    /// Missed firings are dropped.
    #[default]
    None,
    /// Only the last missed firing runs.
    Last { within: Option<Duration> },
    /// Every missed firing runs, in order.
    All { within: Option<Duration> },
}

/// What becomes of a firing while a run of the schedule is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    #[default]
    Skip,
    /// One firing waits for the end of the open run; later ones are skipped.
    BufferOne,
    /// Firings wait and start one after the other, in order.
    BufferAll,
    /// The open run is cancelled; the firing starts when it has ended.
    CancelOther,
    AllowAll,
}

/// The calendar of takt.yaml that a schedule follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnCalendar {
    pub name: String,
    pub on_closed: OnClosed,
}

/// What becomes of a firing on a closed day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnClosed {
    #[default]
    Skip,
    /// The same time of day on the next working day.
    Next,
    /// The same time of day on the last working day before.
    Previous,
}

impl std::fmt::Display for CatchUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (word, within) = match self {
            Self::None => return f.write_str("none"),
            Self::Last { within } => ("last", within),
            Self::All { within } => ("all", within),
        };
        f.write_str(word)?;
        within.map_or(Ok(()), |within| write!(f, " within {}", super::duration::words(within)))
    }
}

impl std::fmt::Display for Overlap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Skip => "skip",
            Self::BufferOne => "buffer_one",
            Self::BufferAll => "buffer_all",
            Self::CancelOther => "cancel_other",
            Self::AllowAll => "allow_all",
        })
    }
}

#[derive(Debug, Clone)]
pub struct Input {
    /// `string`, `number`, `integer`, `boolean`, `list`, `object`.
    pub kind: String,
    pub default: Option<serde_json::Value>,
    pub unit: Option<String>,
    pub title: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Sla {
    pub step: String,
    pub within: Duration,
    /// Ladder that is climbed on a breach.
    pub escalate: String,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub id: String,
    pub place: Place,
    pub condition: Option<Expr>,
    pub timeout: Option<Duration>,
    /// The first that fits the error's class counts; none means the engine's own policy.
    pub retry: Vec<Retry>,
    pub on_error: OnError,
    pub kind: StepKind,
}

#[derive(Debug, Clone, Default)]
pub enum OnError {
    #[default]
    Fail,
    /// The step's output becomes `null` and the run goes on.
    Continue,
    Steps(Vec<Step>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Attempts after the first.
    pub times: u32,
    pub wait: Duration,
    pub backoff: f64,
    pub max: Option<Duration>,
    /// Error classes (`ToolError::class`) that are retried; empty means every transient one.
    pub on: Vec<String>,
}

#[derive(Debug, Clone)]
pub enum StepKind {
    Call(CallStep),
    Agent(AgentStep),
    Gate(GateStep),
    Wait(WaitStep),
    /// Named calls; their ids are the names, their step paths `parent.name`.
    Parallel(Vec<Step>),
    Each(EachStep),
    Choose(Vec<Branch>),
    Run(RunStep),
    End(String),
}

#[derive(Debug, Clone)]
pub struct CallStep {
    pub tool: ToolName,
    pub with: ValueTemplate,
    /// Names of rules in `rules/`, checked immediately before a write.
    pub rules: Vec<String>,
    pub undo: Option<Undo>,
}

#[derive(Debug, Clone)]
pub struct Undo {
    pub tool: ToolName,
    pub with: ValueTemplate,
}

#[derive(Debug, Clone)]
pub struct AgentStep {
    /// Path of the prompt in the site folder.
    pub prompt: String,
    pub tools: Vec<ToolName>,
    pub with: ValueTemplate,
    /// Path of the output's JSON Schema.
    pub output: String,
    pub limits: AgentLimits,
    /// Field names masked besides those the tools' data classes name.
    pub mask: Vec<String>,
    pub check: Vec<Expr>,
    pub fallback: ValueTemplate,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AgentLimits {
    pub turns: u32,
    pub time: Duration,
    pub cost_usd: f64,
    pub tool_calls: u32,
    pub tokens: u64,
    /// Of one call of a model; `None` leaves it to the endpoint and to what is left of `time`.
    pub llm_call: Option<Duration>,
    /// Rejected answers that may be repaired.
    pub repairs: u32,
    /// Times the same tool may be called with the same arguments.
    pub same_call: u32,
    /// Attempts of one turn at one endpoint, after the first.
    pub retries: u32,
    /// Of one answer.
    pub answer_tokens: u64,
}

impl AgentLimits {
    /// The agent loop asks for no shorter answer.
    pub const ANSWER_TOKENS_MIN: u64 = 256;
}

#[derive(Debug, Clone)]
pub struct GateStep {
    pub form: GateForm,
    /// The role that is asked.
    pub ask: String,
    /// Path of the message template.
    pub message: Option<String>,
    /// Evaluates to the list of options of a `choose` gate.
    pub options: Option<ValueTemplate>,
    /// Evaluates to the list of items of an `acknowledge` or `form` gate that are answered one by one.
    pub items: Option<ValueTemplate>,
    /// Evaluates to the text or object that an `edit` starts from.
    pub draft: Option<ValueTemplate>,
    /// The JSON Schema of what a `form` gate is filled in with.
    pub fields: Option<FormFields>,
    pub allow: Vec<Allow>,
    /// How many people have to give the same answer.
    pub quorum: u16,
    /// Gives the person who wants what is decided here, and may not decide it: an id or a mail address.
    pub requested_by: Option<Expr>,
    /// Who wrote the workflow may not answer.
    pub not_author: bool,
    pub second: Option<Second>,
    pub auto_if: Option<Expr>,
    /// The meaning of a signature: answered on the web with re-authentication.
    pub sign: Option<String>,
    pub recheck: Option<Duration>,
    pub remind: Option<Duration>,
    pub expires: Duration,
    pub on_expire: OnExpire,
    /// Ladder; without it the role's own.
    pub escalate: Option<String>,
    /// The run goes on while the gate is open.
    pub background: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FormFields {
    /// Path of a JSON Schema.
    File(String),
    Inline(serde_json::Value),
}

/// How people answered a gate of this workflow lately: `past` in its `auto_if`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PastAnswers {
    pub answers: u32,
    /// Of these, the ones that took the first option, or the proposal as it was.
    pub accepted: u32,
}

impl PastAnswers {
    /// As expressions see it. Without answers the share is 0: nothing speaks for going on alone.
    pub fn seen(self) -> serde_json::Value {
        let share = f64::from(self.accepted) / f64::from(self.answers.max(1));
        serde_json::json!({ "answers": self.answers, "accepted": self.accepted, "share": share })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateForm {
    Acknowledge,
    Approve,
    Choose,
    Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allow {
    Acknowledge,
    Approve,
    Choose,
    Edit,
    Reject,
}

impl Allow {
    /// The word in a workflow's file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Approve => "approve",
            Self::Choose => "choose",
            Self::Edit => "edit",
            Self::Reject => "reject",
        }
    }
}

/// Words of `ToolError::class` and of the engine that `retry: { on: … }` may name.
pub const RETRY_CLASSES: [&str; 9] = [
    "transient",
    "rate_limited",
    "outcome_unknown",
    "timeout",
    "not_found",
    "denied",
    "invalid",
    "too_large",
    "permanent",
];

#[derive(Debug, Clone)]
pub struct Second {
    /// Without a condition every answer needs a second person.
    pub condition: Option<Expr>,
    pub ask: String,
}

/// Silence never approves, so there is no `approve` here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpire {
    Escalate,
    Reject,
    Fail,
}

#[derive(Debug, Clone)]
pub struct WaitStep {
    pub until: WaitFor,
    pub timeout: Option<Duration>,
    /// Steps run when the time is over; the run then goes on.
    pub on_timeout: Vec<Step>,
}

#[derive(Debug, Clone)]
pub enum WaitFor {
    Event(EventWait),
    Duration(Duration),
    Until(Expr),
}

#[derive(Debug, Clone)]
pub struct EventWait {
    pub event: String,
    /// What the event must be about; evaluates to a text.
    pub subject: Option<Expr>,
    pub condition: Option<Expr>,
    pub look_back: LookBack,
}

/// How far before the wait an event may have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LookBack {
    /// To the event that triggered the run, or the run's own start.
    #[default]
    ToStart,
    /// So long before the wait began; zero is not at all.
    Within(Duration),
}

#[derive(Debug, Clone)]
pub struct EachStep {
    pub list: ValueTemplate,
    /// Name of the loop variable.
    pub item: String,
    pub at_once: usize,
    /// `run:` on an `each` is one inner step of kind `Run` with id `run`.
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub struct Branch {
    /// `None` is `else`.
    pub condition: Option<Expr>,
    pub steps: Vec<Step>,
    pub place: Place,
}

#[derive(Debug, Clone)]
pub struct RunStep {
    pub workflow: String,
    pub with: ValueTemplate,
    pub detach: bool,
}
