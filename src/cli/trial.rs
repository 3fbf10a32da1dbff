//! `takt try`: one run of a workflow in shadow, over a simulated plant of its own, told as a story.

use super::{output::out, run::start::name_and_value, test::stage_of};
use crate::{
    app::{AppError, Plant},
    connector::http,
    run::inputs_from_text,
    simulator::{Simulator, SimulatorConfig, StartError},
    site::{Environment, Overrides},
    testing::{self, PlayError, Trial, Tried},
    tool::{Call, Lookup, Registry, RegistryError, Tool, ToolError, ToolSpec},
    workflow::{Trigger, Workflow},
};
use async_trait::async_trait;
use chrono::{DateTime, FixedOffset};
use serde_json::{Value, json};
use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

/// What happens in the simulated plant when nothing else is asked for, by the type of the event it makes.
const FIRINGS: [(&str, &str); 5] = [
    (
        "plex.work_center_status",
        r#"{"event":"machine_down","work_center":"PRESS-4","reason_text":"hydraulic pressure lost"}"#,
    ),
    ("supplier.asn_delayed", r#"{"event":"supplier_delay"}"#),
    ("erp.goods_receipt", r#"{"event":"goods_receipt"}"#),
    (
        "andon.call",
        r#"{"event":"andon_call","work_center":"WELD-1","category":"quality","text":"weld spatter on the flange"}"#,
    ),
    ("plex.shift_end", r#"{"event":"shift_end"}"#),
];

/// Run one workflow in shadow against a simulated plant, and tell what it would do; nothing is written or asked
#[derive(Debug, clap::Args)]
pub struct TryArgs {
    /// Id of the workflow
    pub workflow: String,

    /// What happens in the plant, as the simulator is told it: '{"event":"machine_down","work_center":"WELD-2"}'
    #[arg(long, value_name = "JSON", conflicts_with = "event")]
    pub fire: Option<String>,

    /// A file with the event that starts it: a CloudEvent in JSON, or its data alone
    #[arg(long, value_name = "FILE")]
    pub event: Option<PathBuf>,

    /// A value for one of its inputs, such as `order=SO-4001-1`; lists and objects as JSON. May be given several times
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub inputs: Vec<(String, String)>,

    /// When it starts; the plant's clock jumps to whatever happens next
    #[arg(long, value_name = "TIME", default_value_t = SimulatorConfig::demo_start().fixed_offset())]
    pub start: DateTime<FixedOffset>,

    /// Who starts a workflow that is started by hand
    #[arg(long, env = "USER", default_value = "cli", value_name = "PERSON")]
    pub by: String,

    /// Folder that holds takt.yaml, workflows/, connectors/ and the rest
    #[arg(long, env = "TAKT_SITE", default_value = ".", value_name = "DIR")]
    pub site: PathBuf,

    /// The story as one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum TryError {
    #[error(transparent)]
    Site(#[from] AppError),
    #[error(transparent)]
    Tools(#[from] RegistryError),
    #[error(transparent)]
    Simulator(#[from] StartError),
    #[error("the plant simulator did not answer: {0}")]
    Plant(#[from] reqwest::Error),
    #[error(transparent)]
    Play(#[from] PlayError),
    #[error("{0}")]
    Inputs(String),
    #[error("--fire is not JSON: {0}")]
    Firing(serde_json::Error),
    #[error("{0}")]
    Refused(String),
    #[error("{path} cannot be read: {cause}", path = .path.display())]
    Event { path: PathBuf, cause: io::Error },
    #[error("{path} is not JSON: {cause}", path = .path.display())]
    EventForm { path: PathBuf, cause: serde_json::Error },
    #[error(
        "the simulated plant makes no `{0}` by itself: give the event with --event FILE (`takt new` wrote one into workflows/fixtures/), or say what happens with --fire"
    )]
    NoFiring(String),
    #[error("the story cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Exit code 0 when the run came to its end, 1 when it failed, never began or still waits.
pub async fn run(args: &TryArgs) -> Result<ExitCode, TryError> {
    let config = SimulatorConfig { start: args.start.to_utc(), ..SimulatorConfig::default() };
    let simulator = Simulator::start(config).await?;
    let tried = attempt(args, &simulator.base_url).await;
    simulator.stop().await;
    let tried = tried?;
    let mut out = out();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &tried).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        tell(&tried, &mut out)?;
    }
    Ok(if tried.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn attempt(args: &TryArgs, simulator: &str) -> Result<Tried, TryError> {
    let overrides =
        Overrides { simulator: Some(simulator.to_owned()), without_secrets: true, ..Overrides::default() };
    let plant = Plant::load(&args.site, &Environment::of_process(), &overrides)?;
    let clock = PlantClock { client: http::client()?, url: format!("{simulator}/sim/clock") };
    let mut answering = Registry::default();
    for spec in plant.tools.specs() {
        if let Some(inner) = plant.tools.get(&spec.name) {
            answering.add(Arc::new(InStep { inner: inner.clone(), clock: clock.clone() }))?;
        }
    }
    let stage = stage_of(plant, answering);
    let found = stage.library.get(&args.workflow).cloned();
    let mut trial = Trial {
        start: args.start,
        event: None,
        subject: None,
        data: json!({}),
        inputs: Value::Null,
        by: args.by.clone(),
    };
    // An unknown workflow is told by the trial itself.
    if let Some(definition) = &found {
        let workflow = &definition.workflow;
        trial.inputs = inputs_from_text(workflow, &args.inputs).map_err(TryError::Inputs)?;
        if let Some(event) = event(args, workflow, &clock.client, simulator).await? {
            let text = |field: &str| event[field].as_str().map(str::to_owned);
            (trial.event, trial.subject, trial.data) = (text("type"), text("subject"), event["data"].clone());
        }
    }
    Ok(testing::attempt(&stage, &args.workflow, trial).await?)
}

/// The event that begins it, as a CloudEvent; `None` where a schedule or a person does.
async fn event(
    args: &TryArgs,
    workflow: &Workflow,
    client: &reqwest::Client,
    simulator: &str,
) -> Result<Option<Value>, TryError> {
    if let Some(path) = &args.event {
        let text = fs::read_to_string(path).map_err(|cause| TryError::Event { path: path.clone(), cause })?;
        let given: Value =
            serde_json::from_str(&text).map_err(|cause| TryError::EventForm { path: path.clone(), cause })?;
        let is_whole = given["data"].is_object() && given["type"].is_string();
        return Ok(Some(if is_whole { given } else { json!({ "data": given }) }));
    }
    let firing = match (&args.fire, &workflow.trigger) {
        (Some(firing), _) => firing.as_str(),
        (None, Trigger::Events(trigger)) => {
            let kinds: Vec<&str> = trigger.patterns.iter().map(|pattern| pattern.event.as_str()).collect();
            let known = FIRINGS.iter().find(|(kind, _)| kinds.contains(kind));
            known.map(|(_, firing)| *firing).ok_or_else(|| TryError::NoFiring(kinds.join("`, `")))?
        }
        (None, _) => return Ok(None),
    };
    let firing: Value = serde_json::from_str(firing).map_err(TryError::Firing)?;
    let answer = client.post(format!("{simulator}/sim/fire")).json(&firing).send().await?;
    let is_fired = answer.status().is_success();
    let text = answer.text().await?;
    let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if !is_fired {
        let why = body["error"].as_str().map_or(text.trim(), |why| why);
        return Err(TryError::Refused(format!("the plant cannot do that: {why}")));
    }
    Ok(Some(body["event"].clone()))
}

fn tell(tried: &Tried, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{} in shadow, over a simulated plant: nothing is written, nobody is asked.\n",
        tried.workflow
    )?;
    for line in &tried.timeline {
        writeln!(out, "  {:>8}  {}", line.after, line.text)?;
    }
    writeln!(out)?;
    if !tried.not_written.is_empty() {
        writeln!(out, "It would have written:")?;
    }
    for write in &tried.not_written {
        writeln!(out, "  {}", write.step)?;
        let arguments = serde_json::to_string_pretty(&write.arguments)?;
        for line in arguments.lines() {
            writeln!(out, "    {line}")?;
        }
        if let Some(why) = &write.refused {
            writeln!(out, "    but a rule would not let it through: {why}")?;
        }
    }
    for trouble in &tried.troubles {
        writeln!(out, "Trouble: {trouble}")?;
    }
    match &tried.outcome {
        Some(outcome) => writeln!(out, "Ended: {}", outcome.replace('_', " ")),
        None if tried.waiting_for.is_empty() => writeln!(out, "No run began."),
        None => writeln!(out, "It still waits for: {}", tried.waiting_for.join(", ")),
    }
}

#[derive(Clone)]
struct PlantClock {
    client: reqwest::Client,
    url: String,
}

/// A tool over a plant whose clock is moved on to the run's time before it is asked.
struct InStep {
    inner: Arc<dyn Tool>,
    clock: PlantClock,
}

#[async_trait]
impl Tool for InStep {
    fn spec(&self) -> &ToolSpec {
        self.inner.spec()
    }

    async fn call(&self, call: &Call, input: Value) -> Result<Value, ToolError> {
        // It runs forward by itself as well, and refuses to go back: then it is at that time already.
        let moved = self.clock.client.post(&self.clock.url).json(&json!({ "now": call.now })).send().await;
        if let Err(error) = moved {
            tracing::warn!(%error, "the simulated plant's clock could not be moved");
        }
        self.inner.call(call, input).await
    }

    fn can_look_up(&self) -> bool {
        self.inner.can_look_up()
    }

    async fn look_up(&self, call: &Call, input: &Value) -> Result<Lookup, ToolError> {
        self.inner.look_up(call, input).await
    }
}
