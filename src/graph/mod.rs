//! `takt graph`: a workflow as a picture. What is drawn is decided here, once; `svg` and `mermaid` only draw it.

mod mermaid;
mod svg;

use crate::{
    tool::{Effect, Registry},
    workflow::{OnError, Rate, Step, StepKind, Trigger, WaitFor, Workflow},
};

pub use mermaid::mermaid;
pub use svg::svg;

/// Longest text in a box.
const LABEL_MAX: usize = 34;

/// A list of steps as it is drawn, from top to bottom.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub title: String,
    pub trigger: String,
    pub steps: Vec<Shape>,
    pub on_failure: Vec<Shape>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Where the step stands in a run: `context.orders`.
    pub path: String,
    pub kind: Kind,
    pub title: String,
    pub detail: String,
    /// The step's own `if`.
    pub condition: Option<String>,
    pub inside: Inside,
    /// What is done instead of going on: its name and its steps.
    pub aside: Vec<(&'static str, Vec<Shape>)>,
}

/// Decides colour and form; the words say it as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Call,
    Write,
    Agent,
    Gate,
    Wait,
    Run,
    Group,
    Choice,
    End,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Write => "write",
            Self::Agent => "agent",
            Self::Gate => "gate",
            Self::Wait => "wait",
            Self::Run => "run",
            Self::Group => "group",
            Self::Choice => "choice",
            Self::End => "end",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Inside {
    Nothing,
    /// At once, side by side.
    Parallel(Vec<Shape>),
    /// For each item.
    Each(Vec<Shape>),
    /// One of them: its condition and its steps.
    Branches(Vec<(String, Vec<Shape>)>),
}

/// The picture of a workflow; without `tools` nothing is known to write but what has rules or an undo.
pub fn picture(workflow: &Workflow, tools: Option<&Registry>) -> Picture {
    let drawer = Drawer { tools };
    Picture {
        title: workflow.title.clone(),
        trigger: trigger_words(&workflow.trigger),
        steps: drawer.list(&workflow.steps, ""),
        on_failure: drawer.list(&workflow.on_failure, "on_failure"),
    }
}

struct Drawer<'d> {
    tools: Option<&'d Registry>,
}

impl Drawer<'_> {
    fn list(&self, steps: &[Step], parent: &str) -> Vec<Shape> {
        steps.iter().map(|step| self.step(step, parent)).collect()
    }

    fn step(&self, step: &Step, parent: &str) -> Shape {
        let path = if parent.is_empty() { step.id.clone() } else { format!("{parent}.{}", step.id) };
        let (kind, detail) = self.kind(step);
        let inside = match &step.kind {
            StepKind::Parallel(children) => Inside::Parallel(self.list(children, &path)),
            StepKind::Each(each) => Inside::Each(self.list(&each.steps, &path)),
            StepKind::Choose(branches) => Inside::Branches(
                branches
                    .iter()
                    .map(|branch| {
                        let condition =
                            branch.condition.as_ref().map_or("else", |condition| condition.source());
                        (shortened(condition), self.list(&branch.steps, &path))
                    })
                    .collect(),
            ),
            _ => Inside::Nothing,
        };
        let mut aside = Vec::new();
        if let StepKind::Wait(wait) = &step.kind
            && !wait.on_timeout.is_empty()
        {
            aside.push(("on timeout", self.list(&wait.on_timeout, &format!("{path}.on_timeout"))));
        }
        if let OnError::Steps(steps) = &step.on_error {
            aside.push(("on error", self.list(steps, &format!("{path}.on_error"))));
        }
        let title = if kind == Kind::End { detail.clone() } else { step.id.clone() };
        let detail = if kind == Kind::End { String::new() } else { shortened(&detail) };
        let condition = step.condition.as_ref().map(|condition| shortened(condition.source()));
        Shape { path, kind, title, detail, condition, inside, aside }
    }

    fn kind(&self, step: &Step) -> (Kind, String) {
        match &step.kind {
            StepKind::Call(call) => {
                let spec = self.tools.and_then(|tools| tools.spec(&call.tool));
                let writes = match spec {
                    Some(spec) => spec.effect == Effect::Write && spec.ungated.is_none(),
                    None => !call.rules.is_empty() || call.undo.is_some(),
                };
                (if writes { Kind::Write } else { Kind::Call }, call.tool.to_string())
            }
            StepKind::Agent(agent) => {
                let name = agent.prompt.rsplit('/').next().unwrap_or(&agent.prompt);
                (Kind::Agent, format!("agent {}", name.trim_end_matches(".hbs")))
            }
            StepKind::Gate(gate) => {
                let second =
                    gate.second.as_ref().map_or(String::new(), |second| format!(" + {}", second.ask));
                (Kind::Gate, format!("asks {}{second}", gate.ask))
            }
            StepKind::Wait(wait) => {
                let what = match &wait.until {
                    WaitFor::Event(event) => event.event.clone(),
                    WaitFor::Duration(pause) => time_words(*pause),
                    WaitFor::Until(time) => time.source().to_owned(),
                };
                (Kind::Wait, format!("waits for {what}"))
            }
            StepKind::Run(run) => (Kind::Run, format!("runs {}", run.workflow)),
            StepKind::Parallel(_) => (Kind::Group, "at once".to_owned()),
            StepKind::Each(each) => (Kind::Group, format!("for each {}", each.item)),
            StepKind::Choose(_) => (Kind::Choice, String::new()),
            StepKind::End(outcome) => (Kind::End, outcome.clone()),
        }
    }
}

/// What starts a workflow, in a few words.
pub fn trigger_words(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Events(events) => {
            let names: Vec<&str> = events.patterns.iter().map(|pattern| pattern.event.as_str()).collect();
            let hold = events.hold.map_or(String::new(), |hold| format!(", held {}", time_words(hold)));
            let flood =
                events.flood.map_or(String::new(), |Rate { count, .. }| format!(", flood above {count}"));
            format!("{}{hold}{flood}", names.join(" or "))
        }
        Trigger::Cron(cron) => format!("{} {}", cron.cron, cron.time_zone),
        Trigger::Manual => "started by hand".to_owned(),
    }
}

fn time_words(time: std::time::Duration) -> String {
    crate::workflow::cases::offset_words(time).trim_start_matches('+').to_owned()
}

/// One line that fits into a box.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LABEL_MAX {
        return line;
    }
    let mut short: String = line.chars().take(LABEL_MAX - 1).collect();
    short.push('…');
    short
}
