//! No silent pass: whatever is changed in a question, by one byte, its recording says `stale` and names what changed.

use crate::eval::{copy_site, plant, plant_at, replay_offline, stage};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};
use takt::{
    agent::{Entry, Model, ModelError, ModelProfile, ModelReply, Part, Tape, TapePlayer},
    app::Plant,
    eval::{Case, Replayed, WorldTools, other_terms, replay},
    run::Change,
    step::MaskKeys,
    workflow::{StepKind, every_step},
};
use tokio::sync::Notify;

const EVALS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/evals");

pub fn requests(replayed: &Replayed) -> Vec<Value> {
    let notes = replayed.records.iter().filter_map(|record| match &record.change {
        Change::Noted { note } => Entry::deserialize(note).ok(),
        _ => None,
    });
    notes
        .filter_map(|entry| match entry {
            Entry::Requested { request, .. } => Some(request),
            _ => None,
        })
        .collect()
}

/// Every place of a value that can be changed, as a JSON pointer.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(k, v)| leaves(v, &format!("{at}/{}", escaped(k)), found))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, v)| leaves(v, &format!("{at}/{i}"), found))
        }
        _ => found.push(at.to_owned()),
    }
}

/// Changes one byte of a text, or the smallest thing there is of anything else.
fn changed(value: &Value, seed: usize) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::from("x"),
        Value::String(text) => {
            let starts: Vec<usize> =
                text.char_indices().filter(|(_, c)| c.is_ascii()).map(|(i, _)| i).collect();
            let mut bytes = text.clone().into_bytes();
            match starts.get(seed % starts.len().max(1)) {
                // The lowest bit of an ASCII byte: `a` becomes `` ` ``, and stays one byte.
                Some(at) => bytes[*at] ^= 1,
                None => bytes.push(b'x'),
            }
            Value::from(String::from_utf8(bytes).unwrap())
        }
        Value::Number(number) => Value::from(number.as_f64().unwrap() + 1.0),
        Value::Bool(is) => Value::from(!is),
        _ => Value::from(0),
    }
}

fn part_of(pointer: &str) -> Part {
    let mut steps = pointer.split('/').skip(1);
    match (steps.next(), steps.next()) {
        (Some("model"), _) => Part::Model,
        (Some("tools"), _) => Part::Tool,
        (Some("response_format"), _) => Part::Schema,
        (Some("messages"), Some("0")) => Part::Prompt,
        (Some("messages"), Some("1")) => Part::Input,
        (Some("messages"), _) => Part::Message,
        _ => Part::Settings,
    }
}

/// Plays the requests before, then one that differs in one byte.
async fn stale_parts(tape: &Tape, before: &[Value], request: &Value) -> Vec<Part> {
    let player = TapePlayer::new(tape.clone());
    let models = player.models();
    for request in before {
        // A recorded failure is an answer, too.
        drop(models[0].complete(request, Duration::from_secs(1)).await);
    }
    assert!(player.stale().iter().all(|stale| stale.part == Part::Unplayed), "{:?}", player.stale());
    assert!(
        models[0].complete(request, Duration::from_secs(1)).await.is_err(),
        "a changed request was answered"
    );
    player.stale().into_iter().map(|stale| stale.part).filter(|part| *part != Part::Unplayed).collect()
}

/// One byte in every value of every request of the good cases, and in every tenth value of all others.
#[tokio::test]
async fn one_byte_of_any_request_makes_its_tape_stale_and_is_named() {
    let plant = plant(None);
    let (mut tapes, mut tried) = (0, 0);
    for path in Case::find(&[EVALS.into()]).unwrap() {
        let case = Case::load(&path).unwrap();
        if !case.expect.stale.is_empty() || case.crash_after.is_some() {
            continue;
        }
        let step = if case.tags.iter().any(|tag| tag == "good") { 1 } else { 10 };
        for tape in case.load_tapes(&path).unwrap() {
            let replayed = replay_offline(&plant, &case, case.load_world(&path).unwrap(), tape.clone()).await;
            assert_eq!(replayed.stale, [], "{}", case.id());
            let requests = requests(&replayed);
            tapes += usize::from(!requests.is_empty());
            for (n, request) in requests.iter().enumerate() {
                let mut found = Vec::new();
                leaves(request, "", &mut found);
                for (i, pointer) in found.iter().enumerate().skip(n % step).step_by(step) {
                    let mut other = request.clone();
                    let value = other.pointer_mut(pointer).unwrap();
                    *value = changed(value, i * 7919 + n);
                    let parts = stale_parts(&tape, &requests[..n], &other).await;
                    assert!(parts.contains(&part_of(pointer)), "{}: {pointer}: {parts:?}", case.id());
                    tried += 1;
                }
            }
        }
    }
    assert!(tapes >= 60 && tried >= 2_500, "{tapes} tapes, {tried} changes");
}

/// Every byte of one whole request.
#[tokio::test]
async fn every_byte_of_a_prompt_and_its_data_counts() {
    let plant = plant(None);
    let path = Path::new(EVALS).join("downtime_escalation/looks_the_history_up.case.yaml");
    let case = Case::load(&path).unwrap();
    let tape = case.load_tapes(&path).unwrap().remove(0);
    let replayed = replay_offline(&plant, &case, case.load_world(&path).unwrap(), tape.clone()).await;
    let request = &requests(&replayed)[0];
    for (pointer, part) in [("/messages/0/content", Part::Prompt), ("/messages/1/content", Part::Input)] {
        let text = request.pointer(pointer).unwrap().as_str().unwrap();
        for at in 0..text.chars().filter(char::is_ascii).count() {
            let mut other = request.clone();
            let value = other.pointer_mut(pointer).unwrap();
            *value = changed(value, at);
            assert_eq!(stale_parts(&tape, &[], &other).await, [part], "byte {at} of {pointer}");
        }
    }
}

/// Stale parts by case, from the report of the real binary on a site in which one file was changed.
fn stale_after(file: &str, change: impl Fn(&str) -> String) -> (Option<i32>, BTreeMap<String, Vec<String>>) {
    let site = copy_site();
    let path = site.join(file);
    let text = fs::read_to_string(&path).unwrap();
    let other = change(&text);
    assert_ne!(text, other, "{file} was not changed");
    fs::write(&path, other).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_takt"))
        .args(["eval", "--json", "--tag", "good", "--site"])
        .arg(&site)
        .output()
        .unwrap();
    fs::remove_dir_all(&site).unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{file}: {e}: {}", String::from_utf8_lossy(&output.stderr)));
    let stale =
        report["cases"].as_array().unwrap().iter().filter(|case| case["verdict"] == "stale").map(|case| {
            let parts = case["stale"]
                .as_array()
                .unwrap()
                .iter()
                .map(|stale| stale["part"].as_str().unwrap().to_owned());
            (case["case"].as_str().unwrap().to_owned(), parts.collect())
        });
    (output.status.code(), stale.collect())
}

/// Good cases of a workflow that have a tape.
fn with_tape(workflow: &str) -> Vec<String> {
    let cases = tapes_of(workflow).into_iter().map(|(case, _)| case);
    cases.filter(|case| case.tags.iter().any(|tag| tag == "good")).map(|case| case.id()).collect()
}

/// Cases of a workflow that have a tape, and their paths. A canary is stale before anything is changed.
fn tapes_of(workflow: &str) -> Vec<(Case, PathBuf)> {
    let paths = Case::find(&[Path::new(EVALS).join(workflow)]).unwrap();
    let cases = paths.into_iter().map(|path| (Case::load(&path).unwrap(), path));
    cases.filter(|(case, _)| !case.tapes.is_empty() && case.expect.stale.is_empty()).collect()
}

/// Exactly one byte that is not what it was.
struct Edit {
    file: String,
    at: usize,
    /// Affected are the cases of these workflows.
    workflows: BTreeSet<String>,
    part: Part,
}

/// One of each prompt and schema of an agent step, and of each connector that describes a tool of one.
fn edits(plant: &Plant) -> Vec<Edit> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let connectors: Vec<(String, String)> = fs::read_dir(root.join("connectors"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    let mut places: BTreeMap<String, (usize, Part, BTreeSet<String>)> = BTreeMap::new();
    for definition in plant.library.definitions() {
        every_step(&definition.workflow, &mut |step| {
            let StepKind::Agent(agent) = &step.kind else { return };
            let mut add = |file: String, at: usize, part: Part| {
                let (.., workflows) = places.entry(file).or_insert((at, part, BTreeSet::new()));
                workflows.insert(definition.workflow.id.clone());
            };
            let prompt = fs::read_to_string(root.join(&agent.prompt)).unwrap();
            add(agent.prompt.clone(), letter_in(&prompt, 0, prompt.len()), Part::Prompt);
            let schema = fs::read_to_string(root.join(&agent.output)).unwrap();
            let bound = schema.find("\"maxLength\": ").unwrap() + "\"maxLength\": ".len();
            add(agent.output.clone(), bound, Part::Schema);
            for tool in &agent.tools {
                let described = format!("\n  {tool}:\n    description: ");
                for (name, text) in &connectors {
                    if let Some(from) = text.find(&described).map(|at| at + described.len()) {
                        let to = from + text[from..].find('\n').unwrap();
                        add(format!("connectors/{name}"), letter_in(text, from, to), Part::Tool);
                    }
                }
            }
        });
    }
    places.into_iter().map(|(file, (at, part, workflows))| Edit { file, at, workflows, part }).collect()
}

/// The first letter after the middle.
fn letter_in(text: &str, from: usize, to: usize) -> usize {
    let middle = from + (to - from) / 2;
    middle + text.as_bytes()[middle..to].iter().position(u8::is_ascii_lowercase).unwrap()
}

impl Edit {
    /// A letter or a digit becomes another one, and nothing else changes.
    fn apply(&self, site: &Path) {
        let mut bytes = fs::read(site.join(&self.file)).unwrap();
        let byte = &mut bytes[self.at];
        *byte = match *byte {
            b'x' => b'y',
            b'a'..=b'z' => b'x',
            b'9' => b'8',
            digit if digit.is_ascii_digit() => digit + 1,
            other => panic!("{}: {other} is no letter and no digit", self.file),
        };
        fs::write(site.join(&self.file), bytes).unwrap();
    }
}

/// Plays a tape until a request is not on it: what comes after says nothing more.
struct UntilStale {
    model: Arc<dyn Model>,
    player: Arc<TapePlayer>,
    is_stale: Arc<Notify>,
}

#[async_trait::async_trait]
impl Model for UntilStale {
    fn profile(&self) -> &ModelProfile {
        self.model.profile()
    }

    async fn complete(&self, request: &Value, timeout: Duration) -> Result<ModelReply, ModelError> {
        let reply = self.model.complete(request, timeout).await;
        if self.player.stale().iter().any(|stale| stale.part != Part::Unplayed) {
            self.is_stale.notify_one();
            std::future::pending::<()>().await;
        }
        reply
    }
}

async fn stale_in(plant: &Plant, case: &Case, path: &Path, tape: &Tape) -> Vec<Part> {
    let (tools, player) = (WorldTools::new(case.load_world(path).unwrap()), TapePlayer::new(tape.clone()));
    let registry = tools.registry(&plant.tools).unwrap();
    let is_stale = Arc::new(Notify::new());
    let until = |model: Arc<dyn Model>| -> Arc<dyn Model> {
        Arc::new(UntilStale { model, player: player.clone(), is_stale: is_stale.clone() })
    };
    let models = player.models().into_iter().map(until).collect();
    let keys = MaskKeys::Fixed(Arc::new(tape.mask_keys.clone()));
    let replayed = replay(case, stage(plant, &case.workflow, &registry, models, keys));
    let terms = tokio::select! {
        () = is_stale.notified() => Vec::new(),
        replayed = replayed => other_terms(tape, &replayed.unwrap().records),
    };
    player.stale().into_iter().chain(terms).map(|stale| stale.part).collect()
}

#[tokio::test]
async fn one_byte_of_a_file_makes_every_affected_tape_stale_and_names_the_part() {
    let edits = edits(&plant(None));
    let of = |part: Part| edits.iter().filter(|edit| edit.part == part).count();
    assert_eq!((of(Part::Prompt), of(Part::Schema), of(Part::Tool)), (3, 3, 4));
    let mut tapes = 0;
    for edit in &edits {
        let site = copy_site();
        edit.apply(&site);
        let plant = plant_at(&site, None);
        for (case, path) in edit.workflows.iter().flat_map(|workflow| tapes_of(workflow)) {
            for tape in case.load_tapes(&path).unwrap() {
                let parts = stale_in(&plant, &case, &path, &tape).await;
                let is_told = parts.contains(&edit.part);
                assert!(is_told, "{}: {} passed silently: {parts:?}", edit.file, case.id());
                tapes += 1;
            }
        }
        fs::remove_dir_all(&site).unwrap();
    }
    assert!(tapes >= 300, "{tapes} tapes");
}

/// In one run of the real binary for each: what is told, of which cases, and the exit code.
#[test]
fn an_edited_file_makes_every_good_case_of_its_workflow_stale_and_no_other() {
    for (file, from, to, workflow, part) in [
        ("prompts/downtime_triage.hbs", "two\n", "two \n", "downtime_escalation", "prompt"),
        // What stands in no request: guards of a schema, what a tool declares, limits and masks of the step.
        ("schemas/supplier_plan.json", "\"x-takt-entity\": true, ", "", "supplier_delay", "schema"),
        (
            "schemas/triage.json",
            "\"x-takt-grounded\": true",
            "\"x-takt-grounded\": false",
            "downtime_escalation",
            "schema",
        ),
        (
            "connectors/cmms.yaml",
            "  tool: proprietary",
            "  tool: proprietary\n  feedback: proprietary",
            "downtime_escalation",
            "tool",
        ),
        ("connectors/cmms.yaml", "timeout: 20s", "timeout: 21s", "downtime_escalation", "tool"),
        (
            "workflows/downtime_escalation.yaml",
            "turns: 8, time: 90s",
            "turns: 9, time: 90s",
            "downtime_escalation",
            "settings",
        ),
        (
            "workflows/supplier_delay.yaml",
            "turns: 10, time: 2m",
            "turns: 9, time: 2m",
            "supplier_delay",
            "settings",
        ),
    ] {
        let (code, stale) = stale_after(file, |text| text.replacen(from, to, 1));
        let expected = with_tape(workflow);
        let missing: Vec<&String> = expected.iter().filter(|case| !stale.contains_key(*case)).collect();
        assert_eq!(missing, Vec::<&String>::new(), "{file}: these passed silently");
        for case in &expected {
            assert!(stale[case].iter().any(|found| found == part), "{file}: {case}: {:?}", stale[case]);
        }
        let others: Vec<&String> = stale.keys().filter(|case| !case.starts_with(workflow)).collect();
        assert_eq!(others, Vec::<&String>::new(), "{file}");
        assert_eq!(code, Some(3), "{file}");
    }
}

/// `takt check` replays nothing, and tells it all the same.
#[test]
fn what_was_edited_in_place_is_an_error_of_the_check() {
    let site = copy_site();
    let check = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_takt"));
        let output = command.args(["check", "--site"]).arg(&site).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, found) = check();
    assert_eq!(code, Some(0), "{found}");
    for (file, from, to, told) in [
        ("prompts/downtime_triage.hbs", "two\n", "two \n", "this prompt was edited in place"),
        ("schemas/triage.json", "4320", "4321", "this schema was edited in place"),
        ("connectors/cmms.yaml", "newest first", "oldest first", "the tool cmms."),
    ] {
        let path = site.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let (code, found) = check();
        assert_eq!(code, Some(1), "{file}: {found}");
        assert!(found.contains(told) && found.contains("takt eval author evals/downtime"), "{file}: {found}");
        fs::write(&path, text).unwrap();
    }
    fs::remove_dir_all(&site).unwrap();
}

/// A recording of a language model is one of that model: the site uses another one now.
#[test]
fn another_model_in_the_site_makes_its_recordings_stale() {
    let site = copy_site();
    let tape = site.join("evals/downtime_escalation/near_miss.tape.json");
    let text = fs::read_to_string(&tape).unwrap();
    let recorded = text.replacen(r#""endpoint": "authored""#, r#""endpoint": "openai""#, 1).replacen(
        r#""authored": true"#,
        r#""authored": false"#,
        1,
    );
    assert_ne!(text, recorded);
    // As takt.yaml says it of its endpoint.
    let recorded = recorded
        .replacen("\"usd_per_million_input\": 0.0", "\"usd_per_million_input\": 0.4", 1)
        .replacen("\"usd_per_million_output\": 0.0", "\"usd_per_million_output\": 1.6", 1);
    fs::write(&tape, recorded).unwrap();
    let takt = |model: &str| {
        let case = site.join("evals/downtime_escalation/near_miss.case.yaml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_takt"));
        let output =
            command.args(["eval", "--site"]).arg(&site).arg(case).env("TAKT_MODEL", model).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, report) = takt("authored");
    assert_eq!(code, Some(0), "{report}");
    let (code, report) = takt("authorex");
    assert_eq!(code, Some(3), "{report}");
    assert!(report.contains("the model: authored → authorex"), "{report}");
    let yaml = fs::read_to_string(site.join("takt.yaml")).unwrap();
    for (from, to, named) in [
        ("usd_per_million_output: 1.60", "usd_per_million_output: 1.70", "the price of `openai`"),
        (
            "usd_per_million_output: 1.60",
            "usd_per_million_output: 1.60\n    data: [employee]",
            "classes of data",
        ),
        (
            "usd_per_million_output: 1.60",
            "usd_per_million_output: 1.60\n    can: { strict: false }",
            "what the server of",
        ),
    ] {
        assert!(yaml.contains(from), "{from}");
        fs::write(site.join("takt.yaml"), yaml.replacen(from, to, 1)).unwrap();
        let (code, report) = takt("authored");
        assert_eq!(code, Some(3), "{to}: {report}");
        assert!(report.contains(named), "{named}: {report}");
    }
    fs::remove_dir_all(&site).unwrap();
}
