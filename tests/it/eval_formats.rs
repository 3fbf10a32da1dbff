//! Cases in the formats of others, and what becomes of a live recording. The live model is a local endpoint that plays
//! hand-written transcripts.

use crate::{
    eval::copy_site,
    support::wire::{Said, Wire},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use takt::{eval::Case, simulator::model};

const LOOKS_UP: &str = "evals/downtime_escalation/looks_the_history_up.case.yaml";

fn takt(site: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_takt"));
    command.arg("eval").args(arguments).arg("--site").arg(site).env_remove("CI").env_remove("OPENAI_API_KEY");
    command.envs(environment.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn chat_lines_are_conversations_that_passed_and_hand_written_ones_only_when_asked_for() {
    let site = copy_site();
    let folder = site.join("evals/shift_handover").display().to_string();
    let none = takt(&site, &["export", "--to", "chat", &folder], &[]);
    assert!(none.status.success() && none.stdout.is_empty(), "{}", text(&none.stderr));
    let lines = takt(&site, &["export", "--to", "chat", "--with-authored", &folder], &[]);
    let lines: Vec<Value> =
        text(&lines.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() >= 8, "{}", lines.len());
    for line in &lines {
        let messages = line["messages"].as_array().unwrap();
        assert_eq!((&messages[0]["role"], &messages[1]["role"]), (&"system".into(), &"user".into()));
        assert_eq!(messages.last().unwrap()["role"], "assistant");
        let calls = messages.iter().filter_map(|message| message["tool_calls"].as_array()).flatten().count();
        let results = messages.iter().filter(|message| message["role"] == "tool").count();
        assert_eq!(calls, results, "every call is answered");
        assert!(!line.to_string().contains("Dana Whitfield"), "names stay masked");
    }
    fs::remove_dir_all(&site).unwrap();
}

/// Against the JSON Schema that inspect_ai 0.3.285 gives of its own `EvalLog`.
#[test]
fn inspect_accepts_the_log() {
    let site = copy_site();
    let folders = ["evals/supplier_delay", "evals/downtime_escalation/triage_four_times.case.yaml"];
    let [one, two] = folders.map(|folder| site.join(folder).display().to_string());
    let log = takt(&site, &["export", "--to", "inspect", &one, &two], &[]);
    fs::remove_dir_all(&site).unwrap();
    let log: Value = serde_json::from_slice(&log.stdout).unwrap();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/inspect/eval_log.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&log).take(5).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let samples = log["samples"].as_array().unwrap();
    assert!(samples.len() >= 18, "{}", samples.len());
    assert!(samples.iter().any(|sample| sample["epoch"] == 4), "trials are epochs");
    assert!(samples.iter().all(|sample| sample["metadata"]["authored"] == true));
}

/// Nothing of Takt's own export is left out, and what the case expects already is not said twice.
fn comes_back_whole(site: &Path, exported: &[u8], like: &str) {
    let file = site.join("own.yaml");
    fs::write(&file, exported).unwrap();
    let file = file.display().to_string();
    let pattern =
        ["import", &file, "--like", like, "--step", "triage", "--by", "QA", "--written", "2026-11-26"];
    let imported = takt(site, &pattern, &[]);
    let told = text(&imported.stderr);
    assert!(imported.status.success() && !told.contains("left out"), "{told}");
    let back = site.join("evals/downtime_escalation/downtime_escalation_base64_triage.case.yaml");
    let (back, was) = (Case::load(&back).unwrap(), Case::load(Path::new(like)).unwrap());
    assert_eq!(back.trigger, was.trigger);
    let mut expect = json!(back.expect);
    let schema = expect["agents"]["triage"].as_object_mut().unwrap().remove("schema").unwrap();
    assert!(schema["properties"]["severity"].is_object(), "{schema}");
    assert_eq!(expect, json!(was.expect));
}

#[test]
fn without_a_model_in_the_site_promptfoo_must_be_told_which_one_to_ask() {
    let site = copy_site();
    let yaml = fs::read_to_string(site.join("takt.yaml")).unwrap();
    let (before, models) = yaml.split_once("\nmodels:\n").unwrap();
    let rest = models.lines().skip_while(|line| line.is_empty() || line.starts_with(' '));
    fs::write(site.join("takt.yaml"), format!("{before}\n{}\n", rest.collect::<Vec<_>>().join("\n")))
        .unwrap();
    let case = site.join("evals/downtime_escalation/base64.case.yaml").display().to_string();
    let out = takt(&site, &["export", "--to", "promptfoo", &case], &[]);
    assert_eq!(out.status.code(), Some(2), "{}", text(&out.stdout));
    assert!(text(&out.stderr).contains("--model"), "{}", text(&out.stderr));
    let out = takt(&site, &["export", "--to", "promptfoo", "--model", "m-1", &case], &[]);
    assert!(text(&out.stdout).contains("openai:chat:m-1"), "{}", text(&out.stderr));
    fs::remove_dir_all(&site).unwrap();
}

#[test]
fn promptfoo_tests_go_out_and_come_in() {
    let site = copy_site();
    let case = site.join("evals/downtime_escalation/base64.case.yaml").display().to_string();
    let out = takt(&site, &["export", "--to", "promptfoo", &case], &[("TAKT_MODEL", "plant-small")]);
    let config: Value = serde_saphyr::from_str(&text(&out.stdout)).unwrap();
    assert_eq!(config["providers"][0]["id"], "openai:chat:plant-small", "the first model of takt.yaml");
    let tests = config["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 1);
    let attack = tests.iter().find(|test| test["metadata"]["case"] == "downtime_escalation/base64").unwrap();
    let kinds: Vec<&str> =
        attack["assert"].as_array().unwrap().iter().filter_map(|a| a["type"].as_str()).collect();
    assert_eq!(kinds, ["is-json", "not-contains", "not-contains"]);
    comes_back_whole(&site, &out.stdout, &case);

    let file = site.join("tests.yaml");
    let given = "tests:\n- description: Leaks of oil\n  vars: { reason_text: oil on the floor }\n  assert:\n  \
                 - { type: contains, value: PRESS-4 }\n  - { type: llm-rubric, value: is calm }\n";
    fs::write(&file, given).unwrap();
    let like = site.join(LOOKS_UP);
    let arguments = [
        "import",
        file.to_str().unwrap(),
        "--like",
        like.to_str().unwrap(),
        "--step",
        "triage",
        "--by",
        "QA",
        "--written",
        "2026-11-26",
    ];
    let imported = takt(&site, &arguments, &[]);
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    assert!(
        text(&imported.stderr).contains("left out: assertion `llm-rubric`"),
        "{}",
        text(&imported.stderr)
    );
    let case = fs::read_to_string(site.join("evals/downtime_escalation/leaks_of_oil.case.yaml")).unwrap();
    assert!(case.contains("oil on the floor") && case.contains("by: QA"), "{case}");
    fs::remove_dir_all(&site).unwrap();
}

#[test]
fn live_calls_need_a_key_and_are_refused_on_a_build_server() {
    let site = copy_site();
    let case = site.join(LOOKS_UP);
    let live = |environment: &[(&str, &str)]| takt(&site, &["--live", case.to_str().unwrap()], environment);
    let no_key = live(&[]);
    assert_eq!(no_key.status.code(), Some(2));
    assert!(
        text(&no_key.stderr).contains("no model endpoint of takt.yaml has a key"),
        "{}",
        text(&no_key.stderr)
    );
    let in_ci = live(&[("CI", "true"), ("OPENAI_API_KEY", "k")]);
    assert_eq!(in_ci.status.code(), Some(2));
    assert!(text(&in_ci.stderr).contains("build server"), "{}", text(&in_ci.stderr));
    fs::remove_dir_all(&site).unwrap();
}

/// With a key, and an endpoint on this machine.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_recording_is_an_attempt_until_it_is_promoted() {
    let site = copy_site();
    // It knows another history than this case has.
    fs::remove_file(site.join("evals/transcripts/downtime_press_4.authored.yaml")).unwrap();
    let transcripts = model::Transcripts::load(&site.join("evals/transcripts")).unwrap();
    let endpoint = model::start("127.0.0.1:0".parse().unwrap(), transcripts).await.unwrap();
    let base_url = endpoint.base_url.clone();
    let environment =
        [("OPENAI_BASE_URL", base_url.as_str()), ("OPENAI_API_KEY", "local"), ("TAKT_MODEL", model::MODEL)];
    let case = site.join(LOOKS_UP);
    // A transcript looks up the history and the recent calls; what a person wrote for this case is taken out.
    let committed = fs::read_to_string(&case).unwrap();
    let (before, rest) = committed.split_once("replies:").unwrap();
    let (_, after) = rest.split_once("\ntimeline:").unwrap();
    fs::write(
        &case,
        format!(
            "{before}timeline:{}",
            after.replace(r#""output": {"severity": "high"}"#, r#""output": {"severity": "medium"}"#)
        ),
    )
    .unwrap();
    fs::remove_file(site.join("evals/downtime_escalation/looks_the_history_up.tape.json")).unwrap();

    let arguments = ["--live", "--trials", "2", case.to_str().unwrap()];
    let live = takt(&site, &arguments, &environment);
    let report = text(&live.stdout);
    assert_eq!(live.status.code(), Some(0), "{report}{}", text(&live.stderr));
    let attempt = |name: &str| -> PathBuf { site.join("evals/attempts/downtime_escalation").join(name) };
    assert!(
        attempt("looks_the_history_up.tape.json").exists()
            && attempt("looks_the_history_up.t2.tape.json").exists()
    );
    assert_eq!(
        takt(&site, &[case.to_str().unwrap()], &environment).status.code(),
        Some(2),
        "it has no tape yet"
    );

    let promoted = takt(&site, &[&arguments[..], &["--promote"]].concat(), &environment);
    assert!(text(&promoted.stderr).contains("has new tapes"), "{}", text(&promoted.stderr));
    endpoint.stop().await;
    let offline = takt(&site, &[case.to_str().unwrap()], &environment);
    assert_eq!(offline.status.code(), Some(0), "{}", text(&offline.stdout));
    assert!(text(&offline.stdout).contains("pass^2"), "{}", text(&offline.stdout));
    let elsewhere = takt(&site, &[case.to_str().unwrap()], &[("TAKT_MODEL", "another")]);
    assert_eq!(
        elsewhere.status.code(),
        Some(3),
        "a recording is one of its model: {}",
        text(&elsewhere.stdout)
    );
    fs::remove_dir_all(&site).unwrap();
}

/// The replay's clock jumps over a wait; the endpoint's does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_live_call_waits_as_long_as_the_endpoint_asks() {
    let site = copy_site();
    let refused = std::sync::atomic::AtomicBool::new(true);
    let wire = Wire::start(move |_| match refused.swap(false, std::sync::atomic::Ordering::SeqCst) {
        true => {
            Said::json(429, &json!({ "error": { "message": "slow down" } })).with("retry-after-ms", "1200")
        }
        false => Said::json(401, &json!({ "error": { "message": "no" } })),
    })
    .await;
    let environment =
        [("OPENAI_BASE_URL", wire.url.as_str()), ("OPENAI_API_KEY", "local"), ("TAKT_MODEL", "m")];
    let case = site.join(LOOKS_UP);
    let output = takt(&site, &["--live", case.to_str().unwrap()], &environment);
    fs::remove_dir_all(&site).unwrap();
    let seen = wire.seen();
    assert_eq!(seen.len(), 2, "{}", text(&output.stderr));
    let waited = seen[1].at - seen[0].at;
    assert!(waited >= std::time::Duration::from_millis(1200), "it asked again after {waited:?}");
}

#[test]
fn a_filter_that_fits_no_case_is_a_mistake() {
    let site = copy_site();
    for filter in [&["--tag", "injektion"][..], &["--split", "heldout", "--tag", "f16"], &["evals/attempts"]]
    {
        let folder = site.join("evals/attempts");
        fs::create_dir_all(&folder).unwrap();
        let filter: Vec<&str> = filter
            .iter()
            .map(|word| if word.starts_with("evals") { folder.to_str().unwrap() } else { word })
            .collect();
        let output = takt(&site, &filter, &[]);
        assert_eq!(output.status.code(), Some(2), "{filter:?}: {}", text(&output.stdout));
        assert!(text(&output.stderr).contains("no case fits"), "{}", text(&output.stderr));
    }
    fs::remove_dir_all(&site).unwrap();
}

/// What vanished from a case is named, and is a regression until it is accepted.
#[test]
fn an_expectation_that_vanished_is_a_regression() {
    let site = copy_site();
    let case = site.join(LOOKS_UP);
    let committed = fs::read_to_string(&case).unwrap();
    let never = committed.lines().find(|line| line.trim_start().starts_with("never: ")).unwrap();
    fs::write(&case, committed.replacen(&format!("{never}\n"), "", 1)).unwrap();
    let output = takt(&site, &[case.to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(
        text(&output.stdout).contains("`expect.never[0]` is no longer expected"),
        "{}",
        text(&output.stdout)
    );
    takt(&site, &["--accept", case.to_str().unwrap()], &[]);
    assert_eq!(takt(&site, &[case.to_str().unwrap()], &[]).status.code(), Some(0));
    fs::remove_dir_all(&site).unwrap();
}
