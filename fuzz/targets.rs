//! What is fuzzed: texts that authors write. Each function takes any text, and must return: without a panic, without end
//! or memory being asked for more than a text of that size deserves. Used by libFuzzer's targets here and by the test
//! that mutates for a minute.

use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path, sync::LazyLock};
use takt::{
    app::Plant,
    expr::{Expr, Scope, ValueTemplate},
    graph,
    site::{Environment, Overrides},
    workflow::{Bundle, Definition, cases::TestFile, report},
};

const PATH: &str = "workflows/fuzzed.yaml";
const MESSAGE: &str = "messages/fuzzed.hbs";
const WORKFLOW: &str = "workflow: fuzzed
owner: me
trigger: manual
steps:
  - { id: tell, call: notify.role, with: { role: maintenance_on_call, message: messages/fuzzed.hbs } }
";

static PLANT: LazyLock<Plant> = LazyLock::new(|| {
    let overrides = Overrides { without_secrets: true, ..Overrides::default() };
    let site = Path::new(env!("CARGO_MANIFEST_DIR"));
    let site = if site.ends_with("fuzz") { site.join("..") } else { site.to_owned() };
    Plant::load(&site, &Environment::of_process(), &overrides).expect("the sample site")
});

static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
    let names = json!({
        "trigger": { "work_center": "PRESS-4", "status": "DOWN", "planned": false, "minutes": 17, "time": "2026-11-23T12:10:00Z" },
        "inputs": { "limit": 4.5, "note": null, "names": ["a", "b", "c"] },
        "steps": { "plans": { "options": [{ "title": "one", "cost": 3 }, { "title": "two", "cost": 2.5 }] } },
        "site": {
            "name": "plant1", "time_zone": "America/Chicago", "values": { "frozen_minutes": 30 },
            "shifts": [{ "id": "A", "days": ["mon", "tue"], "from": "06:00", "to": "14:00" }],
        },
        "now": "2026-11-23T12:12:00Z",
    });
    match names {
        Value::Object(names) => names,
        _ => Scope::new(),
    }
});

/// Stands in the environment, and in nothing that a template is given.
static SECRET: LazyLock<String> = LazyLock::new(|| {
    std::env::vars().map(|(_, value)| value).find(|value| value.len() > 24).unwrap_or_default()
});

/// A workflow file of the sample site and a test of it: loaded, checked, told and drawn.
pub fn workflow(text: &str) {
    let plant = &*PLANT;
    for problem in plant.library.findings(PATH, text, &plant.tools, &plant.site) {
        assert!(problem.place.line >= 1 && problem.place.column >= 1, "{problem:?}");
        report(&problem, Some(text), false);
    }
    if let Ok(definition) = Definition::compile(Bundle::with(&plant.site.folder, PATH, text.to_owned())) {
        let picture = graph::picture(&definition.workflow, Some(&plant.tools));
        graph::svg(&picture);
        graph::mermaid(&picture);
    }
    let _ = TestFile::parse(PATH, text);
}

/// CEL, and a value with `${{ }}`, over names like those of a run.
pub fn expression(text: &str) {
    if let Ok(expression) = Expr::parse(text) {
        let _ = expression.eval(&SCOPE);
        let _ = expression.test(&SCOPE);
    }
    if let Ok(value) = ValueTemplate::parse(json!({ "a": text, "b": [text] })) {
        let _ = value.eval(&SCOPE);
    }
}

/// A message: it ends, and shows nothing that it was not given.
pub fn template(text: &str) {
    let files =
        BTreeMap::from([(PATH.to_owned(), WORKFLOW.to_owned()), (MESSAGE.to_owned(), text.to_owned())]);
    let Ok(definition) = Definition::compile(Bundle { path: PATH.to_owned(), files }) else { return };
    let given = json!({
        "trigger": { "work_center": "PRESS-4", "minutes": 17, "lines": ["a", "b"], "deep": { "er": [{ "x": 1 }] } },
        "now": "2026-11-23T12:10:00Z",
    });
    if let Ok(shown) = definition.render(MESSAGE, &given) {
        assert!(SECRET.is_empty() || text.contains(SECRET.as_str()) || !shown.contains(SECRET.as_str()));
    }
}
