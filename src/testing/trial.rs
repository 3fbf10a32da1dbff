//! One run of a workflow in shadow, with tools that answer for themselves and no model: what `takt try` tells.

use super::{
    Stage, TimelineLine, play,
    played::{PlayError, Played},
    timeline::retold,
};
use crate::{
    agent::ModelErrorClass,
    expr::{Type, ValueTemplate},
    run::{
        Change, Phase,
        story::{self, Mark},
    },
    workflow::{
        Autonomy, Definition, Place, Promised, Step, StepKind, Trigger, Workflow,
        cases::{Child, Mock, NamedValues, Placed, Script, Setting, TestCase},
        every_step, promised,
    },
};
use chrono::{DateTime, FixedOffset};
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How a run ends of which nothing is known.
const DONE: &str = "done";
/// What a text is that no step has given.
const TEXT: &str = "shadow";

/// How child runs are taken to have ended, by workflow.
type Children = BTreeMap<String, Placed<Child>>;

/// What begins the run.
#[derive(Debug, Clone)]
pub struct Trial {
    pub start: DateTime<FixedOffset>,
    /// Type of the event; the trigger's first when left out.
    pub event: Option<String>,
    pub subject: Option<String>,
    /// The event's data.
    pub data: Value,
    pub inputs: Value,
    /// Who starts a workflow that is started by hand.
    pub by: String,
}

/// A workflow that was tried.
#[derive(Debug, Serialize)]
pub struct Tried {
    pub workflow: String,
    pub timeline: Vec<TimelineLine>,
    /// How the run ended; `None` when none began, or when it still waits.
    pub outcome: Option<String>,
    pub has_failed: bool,
    pub waiting_for: Vec<String>,
    pub not_written: Vec<NotWritten>,
    /// What no run may do: a tool that answered otherwise than it declares, and the like.
    pub troubles: Vec<String>,
}

/// A write that was not made.
#[derive(Debug, Serialize)]
pub struct NotWritten {
    pub step: String,
    pub arguments: Value,
    /// Why a rule would not have let it through.
    pub refused: Option<String>,
}

impl Tried {
    /// The run came to its end, and not through `on_failure`.
    pub fn is_ok(&self) -> bool {
        self.outcome.is_some() && !self.has_failed && self.troubles.is_empty()
    }
}

/// Plays one run of `workflow` in shadow; `stage.built_in` answers for every tool.
pub async fn attempt(stage: &Stage, workflow: &str, trial: Trial) -> Result<Tried, PlayError> {
    let definition = in_shadow(stage, workflow)?;
    fits(stage, &definition, &trial)?;
    let case = case(stage, &definition, trial);
    let played = play::play(stage, &definition, &case, &case.setting, &Arc::default(), None).await?;
    Ok(told(stage, &definition, &case.setting.children, &played))
}

/// An event that could not come tries nothing.
fn fits(stage: &Stage, definition: &Definition, trial: &Trial) -> Result<(), PlayError> {
    let Trigger::Events(trigger) = &definition.workflow.trigger else { return Ok(()) };
    let first = trigger.patterns.first().map(|pattern| pattern.event.as_str());
    let Some(kind) = trial.event.as_deref().or(first) else { return Ok(()) };
    match stage.library.events().misfit(kind, &trial.data) {
        Some(misfit) => {
            Err(PlayError::Case(format!("this is no `{kind}` as events/{kind}.json describes it: {misfit}")))
        }
        None => Ok(()),
    }
}

fn in_shadow(stage: &Stage, workflow: &str) -> Result<Arc<Definition>, PlayError> {
    let written =
        stage.library.get(workflow).ok_or_else(|| PlayError::Case(stage.library.absence(workflow)))?;
    Ok(Arc::new(written.with_autonomy(Autonomy::Shadow)))
}

fn case(stage: &Stage, definition: &Definition, trial: Trial) -> TestCase {
    let place = Place { line: 1, column: 1 };
    let tools = stage.tools.specs().map(|spec| (spec.name.clone(), Placed { place, it: Mock::BuiltIn }));
    let (mut agents, mut children) = (BTreeMap::new(), BTreeMap::new());
    every_step(&definition.workflow, &mut |step: &Step| match &step.kind {
        StepKind::Agent(_) => {
            let down = Script::Error(ModelErrorClass::Network.word().to_owned());
            agents.insert(step.id.clone(), Placed { place, it: down });
        }
        StepKind::Run(run) => {
            let child = assumed(stage, &run.workflow, trial.start);
            children.insert(run.workflow.clone(), Placed { place, it: child });
        }
        _ => {}
    });
    TestCase {
        name: "trial".to_owned(),
        place,
        setting: Setting {
            start: Some(Placed { place, it: trial.start }),
            tools: tools.collect(),
            agents,
            children,
            past: BTreeMap::new(),
        },
        trigger: Some(NamedValues::literal(place, trial.data)),
        event: trial.event.map(|it| Placed { place, it }),
        subject: trial.subject.map(|it| Placed { place, it }),
        inputs: Some(NamedValues::literal(place, trial.inputs)),
        by: Some(Placed { place, it: trial.by }),
        timeline: Vec::new(),
        crash: None,
        stop_at: None,
        expect: Vec::new(),
    }
}

/// A child is a workflow of its own, to be tried on its own: here it puts out what it promises.
fn assumed(stage: &Stage, workflow: &str, start: DateTime<FixedOffset>) -> Child {
    let definitions = stage.library.definitions();
    let found = promised(definitions, workflow, &stage.tools, &stage.site, stage.library.events());
    let (outcome, output) = match found {
        Some(Promised { outcome, output }) => (outcome, stand_in(&output, start)),
        None => (DONE.to_owned(), json!({})),
    };
    Child { outcome, output: ValueTemplate::literal(output), after: Duration::ZERO }
}

/// The least that is of this type: what may be left out or null is.
fn stand_in(kind: &Type, start: DateTime<FixedOffset>) -> Value {
    match kind {
        Type::Any | Type::Unset | Type::Null | Type::Nullable(_) => Value::Null,
        Type::Bool => json!(false),
        Type::Int | Type::Double | Type::Number => json!(0),
        Type::String => json!(TEXT),
        Type::Word(words) => json!(words.first()),
        Type::Time | Type::Timestamp => json!(start.to_utc()),
        Type::Duration => json!("0s"),
        Type::List(_) => json!([]),
        Type::Object(shape) => {
            let there = shape.fields.iter().filter(|(_, field)| field.required);
            there.map(|(name, field)| (name.clone(), stand_in(&field.kind, start))).collect()
        }
        Type::Optional(inner) => stand_in(inner, start),
    }
}

/// What is said of a child run, which never began.
fn of_child(workflow: &Workflow, children: &Children, line: &story::Line) -> Option<String> {
    let step = story::find(workflow, line.path.as_ref()?)?;
    let StepKind::Run(run) = &step.kind else { return None };
    // That it could not begin is told as it is.
    if line.mark != Mark::Fact {
        return None;
    }
    let started = format!("{} would be started", run.workflow);
    let child = children.get(&run.workflow).filter(|_| !run.detach);
    Some(child.map_or(started.clone(), |child| {
        format!("{started}; its outcome is taken to be `{}`", child.it.outcome)
    }))
}

fn told(stage: &Stage, definition: &Definition, children: &Children, played: &Played) -> Tried {
    let run = played.runs.first();
    let records = run.map_or(&[][..], |run| run.records.as_slice());
    let not_written = records.iter().filter_map(|record| {
        let Change::Done { output } = &record.change else { return None };
        let arguments = output.get("not_written")?.clone();
        let step = record.path.as_ref()?.to_string();
        Some(NotWritten { step, arguments, refused: output["refused"].as_str().map(str::to_owned) })
    });
    Tried {
        workflow: definition.workflow.id.clone(),
        timeline: retold(&definition.workflow, played, stage.site.time_zone, &|line| {
            of_child(&definition.workflow, children, line)
        }),
        outcome: run.and_then(|run| match &run.state.phase {
            Phase::Ended { outcome } => Some(outcome.clone()),
            _ => None,
        }),
        has_failed: records.iter().any(|record| matches!(record.change, Change::RunFailing { .. })),
        waiting_for: run.map(|run| run.waiting_for.clone()).unwrap_or_default(),
        not_written: not_written.collect(),
        troubles: played.broken.clone(),
    }
}
