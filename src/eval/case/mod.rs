//! A case: one run of one workflow as a file, with what came from outside and what must come of it.

mod expect;
mod judge;
mod replies;

pub use expect::{
    Attack, Budget, EndState, Expect, ExpectedAgent, ExpectedKpi, ExpectedWrite, Forbidden, KpiBaseline,
    StepValue,
};
pub use judge::{Judge, Vote};
pub use replies::{FailedReply, Reply, ReplyCall};

use crate::agent::{Part, Stale, Tape, sha256_json};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use uuid::Uuid;

use super::world::{World, WorldCall, WorldError};

const SUFFIX: &str = ".case.yaml";

/// `evals/<workflow>/<case>.case.yaml`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique within its workflow; the file is called so.
    pub case: String,
    pub workflow: String,
    /// Where the case comes from. Never left out: a hand-written case proves less than a recorded one.
    pub origin: Origin,
    /// When the run starts. Its clock stands still but for jumps to the next thing that happens.
    pub starts: DateTime<FixedOffset>,
    /// The run's id: call keys follow from it, and masked names where the tape has no key for them.
    pub run: Uuid,
    #[serde(default)]
    pub trigger: Value,
    #[serde(default)]
    pub inputs: Map<String, Value>,
    /// File beside this one with what the tools answer.
    pub world: String,
    /// What differs in this case: a tool that is answered here is not answered by the world's file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<WorldCall>,
    /// Files beside this one with what the models answered, one for each trial. Without them every agent step has no
    /// model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tapes: Vec<String>,
    /// Hand-written answers of the model, one list for each tape; `takt eval author` makes the tapes of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replies: Vec<Vec<Reply>>,
    /// Hand-written models in their order of preference; where one gives up, the replies go on with the next.
    #[serde(default = "one_model", skip_serializing_if = "is_one_model")]
    pub model_chain: usize,
    /// The process dies once, right after the first entry of this kind is in the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_after: Option<CrashPoint>,
    /// What people and other systems do, in order.
    #[serde(default)]
    pub timeline: Vec<Moment>,
    pub expect: Expect,
    /// What a model thinks of an answer. It is told beside the checks and never gates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<Judge>,
    /// `heldout` cases are not looked at while a prompt is being changed.
    #[serde(default, skip_serializing_if = "Split::is_dev")]
    pub split: Split,
    /// What people said of this case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// Words to choose cases by: `--tag injection`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    #[default]
    Dev,
    Heldout,
}

impl Split {
    fn is_dev(&self) -> bool {
        *self == Self::Dev
    }
}

fn one_model() -> usize {
    1
}

fn is_one_model(chain: &usize) -> bool {
    *chain == 1
}

/// Entries of an agent step's journal, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CrashPoint {
    Requested,
    Responded,
    ToolRequested,
    ToolDone,
    Finished,
}

impl CrashPoint {
    pub fn word(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Responded => "responded",
            Self::ToolRequested => "tool_requested",
            Self::ToolDone => "tool_done",
            Self::Finished => "finished",
        }
    }
}

/// A person's word on what the run proposed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Label {
    pub by: String,
    /// `good`, `bad`, `overridden`.
    pub verdict: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// Made by `takt eval record` from a finished run.
    Recorded { run: Uuid, ended: DateTime<Utc>, models: RecordedModels },
    /// Written by hand.
    Authored { by: String, written: NaiveDate },
}

/// Who answered the agent steps of a recorded run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordedModels {
    /// Nobody: the run has no agent step, or none had a model.
    None,
    /// Hand-written transcripts.
    Authored,
    /// A language model.
    Live,
}

impl Origin {
    /// When the run had ended, or the day on which it was written began.
    pub fn made_at(&self) -> DateTime<Utc> {
        match self {
            Self::Recorded { ended, .. } => *ended,
            Self::Authored { written, .. } => written.and_time(NaiveTime::MIN).and_utc(),
        }
    }

    /// As reports show it.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Authored { .. } => "authored",
            Self::Recorded { models: RecordedModels::Authored, .. } => "recorded, authored model",
            Self::Recorded { .. } => "recorded",
        }
    }
}

/// Exactly one of `answer`, `event` and `child`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    /// Time since the run's start: `9m`, `1h30m`, `12.5s`.
    pub after: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerMoment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventMoment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<ChildMoment>,
}

/// A person answers a question.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerMoment {
    /// Path of the gate's step; a second person's question is `<gate>.second`.
    pub gate: String,
    pub by: String,
    /// `acknowledge`, `approve`, `choose`, `edit`, `reject`.
    pub decision: String,
    /// Option number, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// This answer must not be accepted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// An event that a `wait` may be waiting for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventMoment {
    #[serde(rename = "type")]
    pub kind: String,
    /// The event as expressions see it.
    pub data: Map<String, Value>,
}

/// A child run ends; children are not replayed with their parent.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChildMoment {
    pub step: String,
    pub outcome: String,
    #[serde(default)]
    pub output: Value,
}

#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path}: {message}")]
    Parse { path: String, message: String },
    #[error("{path}: {message}")]
    Invalid { path: String, message: String },
    #[error(transparent)]
    World(#[from] WorldError),
}

impl Case {
    /// `evals/<workflow>/<case>`: how reports and the baseline call it.
    pub fn id(&self) -> String {
        format!("{}/{}", self.workflow, self.case)
    }

    pub fn load(path: &Path) -> Result<Self, CaseError> {
        let shown = path.display().to_string();
        let text =
            fs::read_to_string(path).map_err(|source| CaseError::Read { path: shown.clone(), source })?;
        let case: Self = serde_saphyr::from_str(&text)
            .map_err(|e| CaseError::Parse { path: shown.clone(), message: e.to_string() })?;
        let invalid = |message: String| CaseError::Invalid { path: shown.clone(), message };
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if file != format!("{}{SUFFIX}", case.case) {
            return Err(invalid(format!("the case `{}` must be in a file of that name", case.case)));
        }
        for name in std::iter::once(&case.world).chain(&case.tapes) {
            if name.contains(['/', '\\']) {
                return Err(invalid(format!("`{name}` must be a file beside the case")));
            }
        }
        if !case.replies.is_empty() && case.replies.len() != case.tapes.len() {
            let (replies, tapes) = (case.replies.len(), case.tapes.len());
            return Err(invalid(format!("it has replies for {replies} trials, and {tapes} tapes")));
        }
        if case.replies.iter().flatten().any(|reply| reply.forms() != 1) {
            return Err(invalid("a reply needs one of calls, answer, text, message, fails".to_owned()));
        }
        if let Some(mistake) = case.judge.as_ref().and_then(|judge| judge.mistake(&case)) {
            return Err(invalid(mistake));
        }
        let mut last = TimeDelta::zero();
        for moment in &case.timeline {
            let at = moment.offset().map_err(&invalid)?;
            if at < last {
                return Err(invalid(format!("the timeline goes back at `after: {}`", moment.after)));
            }
            last = at;
            let kinds = [moment.answer.is_some(), moment.event.is_some(), moment.child.is_some()];
            if kinds.iter().filter(|given| **given).count() != 1 {
                let message = format!("`after: {}` needs one of answer, event, child", moment.after);
                return Err(invalid(message));
            }
        }
        Ok(case)
    }

    /// Every case below these files and folders, in the order of their paths.
    pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CaseError> {
        let mut found = Vec::new();
        for path in paths {
            if path.is_dir() { walk(path, &mut found)? } else { found.push(path.clone()) }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    pub fn load_world(&self, case_path: &Path) -> Result<World, CaseError> {
        let mut world = World::load(&case_path.with_file_name(&self.world))?;
        world.calls.retain(|call| self.answers.iter().all(|own| own.tool != call.tool));
        world.calls.splice(0..0, self.answers.iter().cloned());
        Ok(world)
    }

    /// How the tape of a live trial is called, counted from 0.
    pub fn tape_name(&self, trial: u8) -> String {
        match trial {
            0 => format!("{}.tape.json", self.case),
            n => format!("{}.t{}.tape.json", self.case, n + 1),
        }
    }

    /// One tape for each trial; a case without tapes has one trial, in which no model is configured.
    pub fn load_tapes(&self, case_path: &Path) -> Result<Vec<Tape>, CaseError> {
        if self.tapes.is_empty() {
            return Ok(vec![Tape::default()]);
        }
        let load = |name: &String| read_tape(&case_path.with_file_name(name), !self.replies.is_empty());
        self.tapes.iter().map(load).collect()
    }

    /// What hand-written replies of a trial are known by.
    pub fn replies_sha(&self, trial: usize) -> Option<String> {
        self.replies.get(trial).map(|replies| sha256_json(&json!(replies)))
    }

    /// A tape that was not made of the replies that the case holds now.
    pub fn other_replies(&self, trial: usize, tape: &Tape) -> Option<Stale> {
        let fits = self.replies_sha(trial) == tape.replies_sha;
        (!fits).then(|| Stale::new(Part::Replies, "the replies changed: run `takt eval author`"))
    }
}

impl Moment {
    /// Time since the run's start.
    pub fn offset(&self) -> Result<TimeDelta, String> {
        let wrong = || format!("`after: {}` is no time: write it like 9m, 1h30m or 12.5s", self.after);
        let mut rest = self.after.trim();
        let mut milliseconds = 0.0;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let (number, unit) = rest.split_at(digits);
            let number: f64 = number.parse().map_err(|_| wrong())?;
            let (unit_ms, width) = match unit {
                u if u.starts_with("ms") => (1.0, 2),
                u if u.starts_with('s') => (1e3, 1),
                u if u.starts_with('m') => (60e3, 1),
                u if u.starts_with('h') => (3_600e3, 1),
                u if u.starts_with('d') => (86_400e3, 1),
                _ => return Err(wrong()),
            };
            milliseconds += number * unit_ms;
            rest = &unit[width..];
        }
        TimeDelta::try_milliseconds(milliseconds.round() as i64).ok_or_else(wrong)
    }
}

/// One that is hand-written in its case may not have been made yet.
fn read_tape(path: &Path, is_authored: bool) -> Result<Tape, CaseError> {
    let shown = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_authored => {
            let message = "it is made of what the case holds by `takt eval author`".to_owned();
            return Err(CaseError::Invalid { path: shown, message });
        }
        Err(source) => return Err(CaseError::Read { path: shown, source }),
    };
    serde_json::from_str(&text)
        .map_err(|e| CaseError::Parse { path: shown, message: format!("not a tape: {e}") })
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), CaseError> {
    let unreadable = |source| CaseError::Read { path: folder.display().to_string(), source };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else if path.to_string_lossy().ends_with(SUFFIX) {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
