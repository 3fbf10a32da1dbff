//! The schema of a site in the hands of others: check-jsonschema judges files by it, and the language server behind
//! VS Code's YAML extension completes, explains and objects.

use crate::support::{
    node::yaml_language_server,
    python::{ask, interpreter},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use takt::{
    app::tools_of,
    schema::workflow_schema,
    site::{Environment, Overrides, Site},
    workflow::Library,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The sample site's schema, written by the real binary.
fn schema(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("takt-{name}-{}.schema.json", std::process::id()));
    let written = Command::new(env!("CARGO_BIN_EXE_takt"))
        .args(["schema", "--output", path.to_str().expect("UTF-8"), "--site"])
        .arg(root())
        .env_clear()
        .output()
        .expect("takt runs");
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    path
}

fn check_jsonschema(args: &[&str]) -> (bool, String) {
    let tool = interpreter().with_file_name("check-jsonschema");
    let ran = Command::new(tool).args(args).current_dir(root()).output().expect("check-jsonschema runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ran.status.success(), text(&ran.stdout) + &text(&ran.stderr))
}

#[test]
fn check_jsonschema_takes_the_workflows_and_refuses_a_typo() {
    let schema = schema("judged");
    let path = schema.to_str().expect("UTF-8");
    let (is_right, said) = check_jsonschema(&["--check-metaschema", path]);
    assert!(is_right, "{said}");
    let mut args = vec!["--schemafile", path];
    let entries = fs::read_dir(root().join("workflows")).expect("workflows");
    let names: Vec<String> =
        entries.map(|entry| entry.expect("entry").path().to_string_lossy().into_owned()).collect();
    args.extend(
        names.iter().map(String::as_str).filter(|name| name.ends_with(".yaml") && !name.contains(".test.")),
    );
    assert!(args.len() > 6, "the workflows are there: {args:?}");
    let (is_right, said) = check_jsonschema(&args);
    assert!(is_right, "{said}");

    let text = fs::read_to_string(root().join("workflows/downtime_escalation.yaml")).expect("there");
    let wrong = std::env::temp_dir().join(format!("takt-typo-{}.yaml", std::process::id()));
    fs::write(&wrong, text.replace("call: tickets.create", "call: tickets.creat")).expect("written");
    let (is_right, said) = check_jsonschema(&["--schemafile", path, wrong.to_str().expect("UTF-8")]);
    assert!(!is_right && said.contains("tickets.creat"), "{said}");
    fs::remove_file(wrong).expect("removed");
    fs::remove_file(schema).expect("removed");
}

const HEAD: &str = "workflow: w\nowner: me\ntrigger: manual\nsteps:\n";

#[test]
fn an_editor_completes_explains_and_objects() {
    let schema = schema("edited");
    let question = |ask: &str, steps: &str, line: u32, character: u32| json!({ "ask": ask, "text": format!("{HEAD}{steps}"), "line": line, "character": character });
    let questions = json!([
        question("completion", "  - id: a\n    call: tickets.c", 5, 19),
        question("completion", "  - id: a\n    call: tickets.close\n    with:\n      \n", 7, 6),
        question("hover", "  - id: a\n    call: plex.update_sequence\n", 5, 14),
        question(
            "hover",
            "  - id: a\n    gate: approve\n    ask: plant_manager\n    expires: 5m\n    on_expire: fail\n",
            8,
            7
        ),
        question("diagnostics", "  - id: a\n    call: tickets.clos\n", 0, 0),
        question(
            "diagnostics",
            "  - id: a\n    call: tickets.close\n    with: { number: INC-1, minutes_down: long }\n",
            0,
            0
        ),
        question(
            "diagnostics",
            "  - id: a\n    call: tickets.close\n    with: { number: INC-1, minutes_down: \"${{ inputs.m }}\" }\n",
            0,
            0
        ),
    ]);
    let answers = ask(
        "yaml_editor.py",
        &json!({ "server": yaml_language_server(), "schema": schema, "questions": questions }),
    );
    let labels = |answer: &Value| -> Vec<String> {
        let items = answer.as_array().expect("a list").iter();
        items.filter_map(|item| item["label"].as_str().map(str::to_owned)).collect()
    };
    let offered = labels(&answers[0]);
    assert!(offered.contains(&"tickets.create".to_owned()), "a tool's name is completed: {offered:?}");
    let arguments = labels(&answers[1]);
    assert!(arguments.contains(&"number".to_owned()), "the tool's arguments are completed: {arguments:?}");
    let hover = answers[2].as_str().expect("a text");
    assert!(
        hover.contains("Schedules operations on their new work centers"),
        "the tool is explained: {hover}"
    );
    let hover = answers[3].as_str().expect("a text");
    assert!(hover.contains("What silence means"), "the key is explained: {hover}");
    let typo = &answers[4][0];
    assert_eq!((&typo["line"], &typo["character"]), (&json!(5), &json!(10)), "{}", answers[4]);
    assert!(typo["message"].as_str().is_some_and(|said| said.contains("tickets.close")), "{typo}");
    assert!(
        !answers[5].as_array().expect("a list").is_empty(),
        "an argument of the wrong type is objected to"
    );
    assert_eq!(answers[6], json!([]), "an expression is an argument of any type");
    fs::remove_file(schema).expect("removed");
}

fn schema_of_site() -> Value {
    let folder = root();
    let overrides = Overrides { without_secrets: true, ..Overrides::default() };
    let site = Site::load(folder, &Environment::default(), &overrides).unwrap();
    let tools = tools_of(&site).unwrap();
    let library = Library::load(&tools, &site).unwrap();
    workflow_schema(&site, &tools, &library)
}

/// Plain YAML as JSON: the schema judges the file as an editor reads it.
fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn problems(schema: &Value, text: &str) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    let value = yaml(text);
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn every_workflow_of_the_site_fits() {
    let schema = schema_of_site();
    for entry in fs::read_dir(root().join("workflows")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if name.ends_with(".yaml") && !name.ends_with(".test.yaml") {
            let found = problems(&schema, &fs::read_to_string(&path).unwrap());
            assert!(found.is_empty(), "{name}: {found:#?}");
        }
    }
}

const FINE: &str = "workflow: w\nowner: me\ntrigger: manual\nsteps:\n  - id: close\n    call: tickets.close\n    with: { number: \"${{ inputs.n }}\", minutes_down: 5 }\n";

#[test]
fn what_is_mistyped_does_not_fit() {
    let schema = schema_of_site();
    assert_eq!(problems(&schema, FINE), Vec::<String>::new());
    for (from, to) in [
        ("tickets.close", "tickets.closed"),
        ("owner", "ownr"),
        ("number:", "nummer:"),
        ("minutes_down: 5", "minutes_down: long"),
        ("call:", "cal:"),
        ("trigger: manual", "trigger: by hand"),
        ("with:", "expires: 5m\n    with:"),
    ] {
        let wrong = FINE.replace(from, to);
        assert_ne!(wrong, FINE, "{from}");
        assert!(!problems(&schema, &wrong).is_empty(), "{to} fits");
    }
}

#[test]
fn everything_that_is_offered_is_explained() {
    let schema = schema_of_site();
    let step = &schema["definitions"]["step"]["properties"];
    for (name, property) in step.as_object().unwrap() {
        let words = property["description"].as_str().unwrap_or_default();
        assert!(words.len() > 15, "`{name}` teaches nothing");
    }
    let tools = &schema["definitions"]["tool"];
    assert_eq!(tools["enum"].as_array().unwrap().len(), tools["enumDescriptions"].as_array().unwrap().len());
}
