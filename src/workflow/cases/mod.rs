//! `*.test.yaml`: what a test of a workflow says. How its cases are played is `testing`'s business.
//!
//! Every part that can be wrong keeps its place, so that a mistake in a test, and an expectation that fails, is told
//! at its line and column.

mod check;
mod events;
mod read;

use super::{
    PastAnswers, Place,
    decode::Decoder,
    problem::Problem,
    source::{Data, Document, Node},
};
use crate::{
    expr::{Expr, ValueTemplate},
    tool::ToolName,
};
use chrono::{DateTime, FixedOffset};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

pub use check::check_cases;
pub(super) use check::leaf;
pub use read::{ReadTest, read_test, workflow_named};

/// Something and where it is written.
#[derive(Debug, Clone)]
pub struct Placed<T> {
    pub place: Place,
    pub it: T,
}

impl<T> Placed<T> {
    pub(super) fn new(place: Place, it: T) -> Self {
        Self { place, it }
    }
}

/// Named values, and where each of them is written.
#[derive(Debug, Clone)]
pub struct NamedValues {
    pub it: ValueTemplate,
    pub(super) place: Place,
    /// Of each name, and of its value.
    names: BTreeMap<String, (Place, Place)>,
}

impl NamedValues {
    pub(super) fn written(node: &Node, it: ValueTemplate) -> Self {
        let entries = match &node.data {
            Data::Map(entries) => entries.as_slice(),
            Data::Scalar(_) | Data::List(_) => &[],
        };
        let names = entries.iter().map(|(key, value)| (key.name.clone(), (key.place, value.place))).collect();
        Self { it, place: node.place, names }
    }

    /// Values that stand in no file.
    pub fn literal(place: Place, value: Value) -> Self {
        Self { it: ValueTemplate::literal(value), place, names: BTreeMap::new() }
    }

    /// Where the outermost name of a JSON pointer is written; the place of all of them where it is not.
    pub(super) fn place_of(&self, pointer: &str) -> Place {
        self.written_at(pointer).map_or(self.place, |(name, _)| name)
    }

    /// The same of its value.
    pub fn value_at(&self, pointer: &str) -> Place {
        self.written_at(pointer).map_or(self.place, |(_, value)| value)
    }

    fn written_at(&self, pointer: &str) -> Option<(Place, Place)> {
        self.names.get(pointer.trim_start_matches('/').split('/').next()?).copied()
    }
}

#[derive(Debug, Clone)]
pub struct TestFile {
    /// In the site folder.
    pub path: String,
    pub workflow: Placed<String>,
    /// What holds for every case that does not say otherwise.
    pub defaults: Setting,
    pub cases: Vec<TestCase>,
}

/// The world around a run.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// When the event comes, the schedule fires or the person starts the run.
    pub start: Option<Placed<DateTime<FixedOffset>>>,
    pub tools: BTreeMap<ToolName, Placed<Mock>>,
    /// By the id of the agent step.
    pub agents: BTreeMap<String, Placed<Script>>,
    /// Child runs by the workflow that `run:` names.
    pub children: BTreeMap<String, Placed<Child>>,
    /// How people answered before, by the id of the gate.
    pub past: BTreeMap<String, Placed<PastAnswers>>,
}

#[derive(Debug, Clone)]
pub struct TestCase {
    pub name: String,
    pub place: Place,
    pub setting: Setting,
    /// The event's data, or more of what a schedule's run sees as `trigger`.
    pub trigger: Option<NamedValues>,
    /// The event type, where the workflow listens to several.
    pub event: Option<Placed<String>>,
    pub subject: Option<Placed<String>>,
    pub inputs: Option<NamedValues>,
    /// Who starts it by hand.
    pub by: Option<Placed<String>>,
    /// In the order of time.
    pub timeline: Vec<Moment>,
    pub crash: Option<Placed<Crash>>,
    pub stop_at: Option<Duration>,
    pub expect: Vec<Placed<Expectation>>,
}

/// What a tool answers.
#[derive(Debug, Clone)]
pub enum Mock {
    Answer(NamedValues),
    /// A file beside the test.
    Fixture(Placed<String>),
    Error(MockError),
    /// The algorithm itself: only tools that are built into Takt can.
    BuiltIn,
    /// One for each call in order; the last for all that follow.
    InTurn(Vec<Placed<Mock>>),
}

#[derive(Debug, Clone)]
pub struct MockError {
    /// A word of `ToolError::class`.
    pub class: String,
    pub message: Option<String>,
    /// The call was carried out all the same, with this output; only its answer is lost.
    pub took_effect: Option<ValueTemplate>,
}

/// What a scripted agent says.
#[derive(Debug, Clone)]
pub enum Script {
    Answer {
        calls: Vec<ScriptedCall>,
        output: NamedValues,
    },
    /// The model cannot be reached, or refuses: a word of `ModelErrorClass`.
    Error(String),
    /// The model says something that is no answer.
    Nonsense(String),
    InTurn(Vec<Placed<Script>>),
}

/// A tool that the agent reads before it answers.
#[derive(Debug, Clone)]
pub struct ScriptedCall {
    pub tool: Placed<ToolName>,
    pub with: ValueTemplate,
}

/// How a child run ends.
#[derive(Debug, Clone)]
pub struct Child {
    pub outcome: String,
    pub output: ValueTemplate,
    pub after: Duration,
}

#[derive(Debug, Clone)]
pub struct Moment {
    pub after: Duration,
    pub place: Place,
    pub happens: Happening,
}

#[derive(Debug, Clone)]
pub enum Happening {
    Answer(GivenAnswer),
    Event {
        event: Placed<String>,
        subject: Option<String>,
        data: NamedValues,
    },
    Cancel {
        by: Placed<String>,
        reason: String,
    },
    /// From now on these tools answer so.
    Tools(BTreeMap<ToolName, Placed<Mock>>),
}

#[derive(Debug, Clone)]
pub struct GivenAnswer {
    /// A gate's path, `.second` behind it for its second question.
    pub gate: Placed<String>,
    pub by: Placed<String>,
    pub says: Says,
    pub reason: Option<String>,
    /// One of the site's reasons; `other` when left out.
    pub reason_code: Option<String>,
    /// What the form is filled in with.
    pub fields: Option<ValueTemplate>,
    /// Why this person decides alone.
    pub overrides: Option<String>,
    /// Words for the items of an `acknowledge`; all are acknowledged when left out.
    pub items: Option<Vec<ItemSaid>>,
    /// The answer must not be taken; the text is part of why.
    pub refused: Option<Option<String>>,
}

#[derive(Debug, Clone)]
pub enum Says {
    /// Acknowledged or approved, as the question asks.
    Yes,
    /// Option number, from 1.
    Choose(usize),
    Edit(ValueTemplate),
    Reject,
}

#[derive(Debug, Clone)]
pub struct ItemSaid {
    pub acknowledged: bool,
    pub note: Option<String>,
}

/// Where the worker dies, once; another takes the run over at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Crash {
    BeforeCall(ToolName),
    AfterCall(ToolName),
    /// Around the commit that says that a step is done.
    BeforeCommit(String),
    AfterCommit(String),
    /// The case once without a crash, then once for each of these places at each write.
    EveryWrite,
}

#[derive(Debug, Clone)]
pub enum Expectation {
    /// The word the run ended with.
    Outcome(String),
    /// How many runs of the workflow began.
    Runs(usize),
    /// Steps or questions that are open at the end.
    WaitingFor(String),
    /// Part of what a step put out.
    Step {
        step: String,
        output: ValueTemplate,
    },
    Reached(String),
    NotReached(String),
    Calls {
        tool: ToolName,
        wanted: Calls,
    },
    Children {
        workflow: String,
        wanted: Calls,
    },
    Sla {
        step: String,
        is: SlaWord,
    },
    /// All of them, in order.
    Escalations(Vec<Placed<Escalation>>),
    /// Whole minutes from the start to the end of a step.
    Minutes {
        step: String,
        minutes: u64,
    },
    /// A message to a role with this in its title or text; `None`: nothing was said to it.
    Told {
        role: String,
        says: Option<String>,
    },
    /// What the run failed at.
    Failure {
        step: Option<String>,
        class: Option<String>,
        message: Option<String>,
    },
    Holds(Expr),
}

#[derive(Debug, Clone, Default)]
pub struct Calls {
    /// Calls that fit `with`; at least one when left out.
    pub times: Option<usize>,
    /// Part of the arguments.
    pub with: Option<ValueTemplate>,
    /// What happened outside, repeats of the same effect counted once.
    pub effects: Option<usize>,
    pub same_idempotency_key: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlaWord {
    Met,
    Breached,
    /// Neither yet.
    Open,
}

impl SlaWord {
    pub const WORDS: [(&str, Self); 3] =
        [("met", Self::Met), ("breached", Self::Breached), ("open", Self::Open)];

    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, word)| *word == self).map_or("", |(word, _)| word)
    }
}

/// `maintenance_ladder/1 @ +5m`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    pub ladder: String,
    /// From 1.
    pub rung: usize,
    pub at: Option<Duration>,
}

impl std::fmt::Display for Escalation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.ladder, self.rung)?;
        self.at.map_or(Ok(()), |at| write!(f, " @ +{}", super::duration::words(at)))
    }
}

/// `1h5m`, as a timeline writes it.
pub fn offset_words(offset: Duration) -> String {
    format!("+{}", super::duration::words(offset))
}

impl TestFile {
    /// The file and its warnings, or everything that is wrong with it.
    pub fn parse(path: &str, text: &str) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        match Self::draft(path, text) {
            (Some(file), problems) if !problems.iter().any(Problem::is_error) => Ok((file, problems)),
            (_, problems) => Err(problems),
        }
    }

    /// As [`TestFile::parse`], but what has no mistake is there even when something else has one.
    pub(super) fn draft(path: &str, text: &str) -> (Option<Self>, Vec<Problem>) {
        let document = match Document::parse(path, text) {
            Ok(document) => document,
            Err(problems) => return (None, problems),
        };
        let mut decoder = Decoder::new(path, &document);
        let file = decoder.test_file();
        let listed = document.root.get("cases");
        if let Some(Node { data: Data::List(cases), place }) = listed
            && cases.is_empty()
        {
            decoder.error("T002", *place, "there is no case", "write at least one, with `name` and `expect`");
        }
        let mut problems = decoder.problems;
        problems.sort_by_key(|problem| problem.place);
        (file, problems)
    }
}

impl Setting {
    /// This setting over another: what it says itself counts.
    pub fn over(&self, base: &Self) -> Self {
        let mut setting = base.clone();
        setting.start = self.start.clone().or(setting.start);
        setting.tools.extend(self.tools.clone());
        setting.agents.extend(self.agents.clone());
        setting.children.extend(self.children.clone());
        setting.past.extend(self.past.clone());
        setting
    }
}
