//! Runs recorded and replayed: sample workflows on the simulated plant, with authored models, no database.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};
use takt::{
    agent::{Model, Part, Source, Tape, TapePlayer},
    app::{Plant, SiteLadders, executors},
    connector::openai::OpenAi,
    engine::{Definitions, Ladders, NoPast},
    eval::{Case, RecordError, Recording, Replayed, Stage, World, WorldTools, other_terms, replay, score},
    run::RunId,
    simulator::{Handle, Simulator, SimulatorConfig, model},
    site::{EndpointOptions, Environment, ModelEndpoint, Overrides},
    step::{AgentSettings, MaskKeys},
    tool::Registry,
    workflow::CurrentEvents,
};
use uuid::Uuid;

pub fn plant(simulator: Option<String>) -> Plant {
    plant_at(Path::new(env!("CARGO_MANIFEST_DIR")), simulator)
}

pub fn plant_at(folder: &Path, simulator: Option<String>) -> Plant {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let overrides = Overrides { simulator, without_secrets: true, ..Overrides::default() };
    Plant::load(folder, &Environment::default(), &overrides).unwrap_or_else(|e| panic!("{e}"))
}

pub fn stage(
    plant: &Plant,
    workflow: &str,
    tools: &Registry,
    models: Vec<Arc<dyn Model>>,
    mask_keys: MaskKeys,
) -> Stage {
    let definitions = Arc::new(Definitions::default());
    definitions.publish_in_memory(plant.library.definitions().cloned().collect());
    let ladders: Arc<dyn Ladders> = Arc::new(SiteLadders(plant.site.clone()));
    let settings = AgentSettings {
        models,
        known: plant.site.known_names(),
        events: CurrentEvents::new(plant.library.events().clone()),
        mask_keys,
        ..AgentSettings::default()
    };
    Stage {
        definition: plant.library.get(workflow).unwrap_or_else(|| panic!("no {workflow}")).clone(),
        executors: executors(tools, &definitions, &ladders, settings, Arc::new(NoPast)),
        ladders,
        site: plant.site.scope(),
        caps: takt::app::caps_of(&plant.site),
    }
}

const RUN: Uuid = Uuid::from_u128(0x01939d4e_0000_7000_8000_000000000001);

/// A sample workflow on the simulated plant, with a model that plays transcripts over HTTP.
async fn live(plant: &Plant, case: &Case) -> Replayed {
    let transcripts = model::Transcripts::load(&plant.site.folder.join("evals/transcripts")).unwrap();
    let endpoint = model::start("127.0.0.1:0".parse().unwrap(), transcripts).await.unwrap();
    let authored = ModelEndpoint {
        name: "authored".into(),
        base_url: endpoint.base_url.clone(),
        model: model::MODEL.into(),
        api_key: "authored".to_owned().into(),
        authored: true,
        usd_per_million_input: 0.0,
        usd_per_million_output: 0.0,
        options: EndpointOptions::default(),
    };
    let models: Vec<Arc<dyn Model>> = vec![Arc::new(OpenAi::new(&authored).unwrap())];
    let replayed =
        replay(case, stage(plant, &case.workflow, &plant.tools, models, MaskKeys::Random)).await.unwrap();
    endpoint.stop().await;
    replayed
}

fn case(workflow: &str, trigger: &Value, timeline: Value) -> Case {
    serde_json::from_value(json!({
        "case": "live", "workflow": workflow,
        "origin": {"authored": {"by": "tests", "written": "2026-11-22"}},
        "starts": "2026-11-23T06:10:00-06:00", "run": RUN,
        "trigger": trigger, "inputs": {}, "world": "none.json", "timeline": timeline,
        "expect": {"outcome": "done"},
    }))
    .unwrap()
}

fn trigger(event: &Value) -> Value {
    let mut trigger = event["data"].clone();
    for field in ["id", "type", "subject", "time"] {
        trigger[field] = event[field].clone();
    }
    trigger
}

async fn fire(simulator: &str, event: Value) -> Value {
    let response = reqwest::Client::new().post(format!("{simulator}/sim/fire")).json(&event).send().await;
    response.unwrap().json::<Value>().await.unwrap()["event"].clone()
}

async fn start() -> (Handle, Plant) {
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    let plant = plant(Some(simulator.base_url.clone()));
    (simulator, plant)
}

/// Ana takes the first option; the goods come two days later.
async fn supplier_delay(simulator: &Handle) -> Case {
    let event = fire(&simulator.base_url, json!({"event": "supplier_delay"})).await;
    let received = json!({"po_number": event["data"]["po_number"], "qty": 6000});
    let timeline = json!([
        {"after": "10m", "answer": {"gate": "decide", "by": "ana", "decision": "choose", "choice": 1}},
        {"after": "2d", "event": {"type": "erp.goods_receipt", "data": received}},
    ]);
    case("supplier_delay", &trigger(&event), timeline)
}

/// Makes a case of a run that was driven on live tools.
async fn record(plant: &Plant, live: &Replayed) -> (Case, World, Tape) {
    let recording = Recording::read(RunId(RUN), &live.records).unwrap();
    let case = recording.case("recorded");
    let keys = MaskKeys::Fixed(Arc::new(recording.mask_keys()));
    let (recorder, models) = recording.recorder();
    let tools = recorder.registry(&plant.tools).unwrap();
    let again = replay(&case, stage(plant, &case.workflow, &tools, models, keys)).await.unwrap();
    recorder.finish(case, &again).unwrap()
}

pub async fn replay_offline(plant: &Plant, case: &Case, world: World, tape: Tape) -> Replayed {
    let keys = MaskKeys::Fixed(Arc::new(tape.mask_keys.clone()));
    let (tools, player) = (WorldTools::new(world), TapePlayer::new(tape.clone()));
    let registry = tools.registry(&plant.tools).unwrap();
    let mut replayed =
        replay(case, stage(plant, &case.workflow, &registry, player.models(), keys)).await.unwrap();
    replayed.calls = tools.made();
    replayed.stale = [tools.stale(), player.stale(), other_terms(&tape, &replayed.records)].concat();
    replayed
}

fn failing(replayed: &Replayed, case: &Case) -> Vec<String> {
    let checks = score(replayed, &case.expect).checks;
    let failing = checks.into_iter().filter(|(_, check)| !check.holds);
    failing.map(|(name, check)| format!("{name}: {}", check.detail)).collect()
}

#[tokio::test]
async fn a_run_becomes_a_case_that_replays_exactly() {
    let (simulator, plant) = start().await;
    let live = live(&plant, &supplier_delay(&simulator).await).await;
    assert_eq!(live.unheard, Vec::<String>::new());
    simulator.stop().await;

    let (case, world, tape) = record(&plant, &live).await;
    assert_eq!(case.expect.outcome, "done");
    assert_eq!(case.expect.gates["decide"], "choose");
    assert_eq!(case.expect.agents["plan"].source, Some(Source::Model));
    assert!(case.expect.writes.iter().any(|write| write.tool.as_str() == "erp.create_requisition"));
    assert!(tape.models[0].authored, "the tape says that nobody but a transcript answered");

    let first = replay_offline(&plant, &case, world.clone(), tape.clone()).await;
    assert_eq!((&first.stale, failing(&first, &case)), (&vec![], vec![]));
    let second = replay_offline(&plant, &case, world, tape).await;
    assert_eq!(first.records, second.records, "a replay is the same every time");
}

#[tokio::test]
async fn a_changed_workflow_is_a_regression_and_a_changed_question_is_stale() {
    let (simulator, plant) = start().await;
    let live = live(&plant, &supplier_delay(&simulator).await).await;
    simulator.stop().await;
    let (case, world, tape) = record(&plant, &live).await;

    let mut other_choice = case.clone();
    if let Some(answer) = &mut other_choice.timeline[0].answer {
        answer.choice = Some(2);
    }
    let replayed = replay_offline(&plant, &other_choice, world.clone(), tape.clone()).await;
    assert!(
        failing(&replayed, &other_choice).iter().any(|f| f.starts_with("writes: ")),
        "{:?}",
        replayed.calls
    );

    let mut excluded = case.clone();
    if let Some(answer) = &mut excluded.timeline[0].answer {
        answer.gate = "approve".into();
    }
    let replayed = replay_offline(&plant, &excluded, world.clone(), tape.clone()).await;
    assert!(failing(&replayed, &excluded).iter().any(|f| f.contains("nobody is asked `approve`")));

    let mut poorer = world.clone();
    poorer.calls.retain(|call| call.tool.as_str() != "erp.approved_sources");
    let replayed = replay_offline(&plant, &case, poorer, tape.clone()).await;
    assert!(
        replayed.stale.iter().any(|s| s.part == Part::World && s.detail.contains("erp.approved_sources")),
        "{:?}",
        replayed.stale
    );

    let mut late = case.clone();
    late.trigger["days_late"] = json!(7);
    let replayed = replay_offline(&plant, &late, world, tape).await;
    assert!(replayed.stale.iter().any(|s| s.part == Part::Input), "{:?}", replayed.stale);
}

#[tokio::test]
async fn an_unfinished_run_is_no_case() {
    let (simulator, plant) = start().await;
    let mut live = live(&plant, &supplier_delay(&simulator).await).await;
    simulator.stop().await;
    live.records.pop();
    assert!(matches!(Recording::read(RunId(RUN), &live.records), Err(RecordError::NotEnded)));
}

/// A copy of the sample site, for the caller to change and to remove.
pub fn copy_site() -> PathBuf {
    let site = std::env::temp_dir().join(format!("takt-eval-{}", Uuid::now_v7()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in
        ["connectors", "workflows", "prompts", "schemas", "messages", "rules", "evals", "events", "docs"]
    {
        copy(&source.join(folder), &site.join(folder));
    }
    fs::copy(source.join("takt.yaml"), site.join("takt.yaml")).unwrap();
    site
}

/// Runs `takt eval` on a copy of the sample site in which one file was changed.
fn takt_eval(change: Option<(&str, &str, &str)>, folder: &str) -> (Option<i32>, String) {
    let site = copy_site();
    if let Some((file, from, to)) = change {
        let text = fs::read_to_string(site.join(file)).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        fs::write(site.join(file), text.replace(from, to)).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_takt"));
    let output = command.arg("eval").arg(site.join(folder)).arg("--site").arg(&site).output().unwrap();
    fs::remove_dir_all(&site).unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { fs::copy(&path, &target).map(drop).unwrap() }
    }
}

#[test]
fn the_cases_of_the_sample_site_hold() {
    let (code, report) = takt_eval(None, "evals");
    assert_eq!(code, Some(0), "{report}");
    for workflow in ["downtime_escalation", "shift_handover", "supplier_delay"] {
        let cases = report.lines().filter(|line| line.starts_with(&format!("{workflow}/")));
        assert!(cases.count() >= 2, "{workflow} needs two cases:\n{report}");
    }
}

#[test]
fn exit_codes_tell_a_regression_from_a_stale_or_a_broken_case() {
    let prompt = ("prompts/supplier_delay_plan.hbs", "late delivery", "late  delivery");
    let (code, report) = takt_eval(Some(prompt), "evals/supplier_delay");
    assert_eq!(code, Some(3), "{report}");
    assert!(report.contains("a request changed: the prompt"), "{report}");

    let decision = ("evals/supplier_delay/planner_rejects.case.yaml", "decide: reject", "decide: choose");
    let (code, report) = takt_eval(Some(decision), "evals/supplier_delay");
    assert_eq!(code, Some(1), "{report}");

    let world = ("evals/supplier_delay/planner_rejects.case.yaml", "world: ", "world: gone_");
    assert_eq!(takt_eval(Some(world), "evals/supplier_delay").0, Some(2));
}
