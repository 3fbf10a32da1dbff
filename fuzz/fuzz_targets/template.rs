//! Any text as a message template: it ends, and shows nothing that it was not given.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use std::{collections::BTreeMap, sync::LazyLock};
use takt::workflow::{Bundle, Definition};

const PATH: &str = "workflows/fuzzed.yaml";
const MESSAGE: &str = "messages/fuzzed.hbs";
const WORKFLOW: &str = "workflow: fuzzed
owner: me
trigger: manual
steps:
  - { id: tell, call: notify.role, with: { role: maintenance_on_call, message: messages/fuzzed.hbs } }
";
/// Stands in the environment, and in nothing that a template is given.
static SECRET: LazyLock<String> = LazyLock::new(|| {
    std::env::vars().map(|(_, value)| value).find(|value| value.len() > 24).unwrap_or_default()
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let files = BTreeMap::from([(PATH.to_owned(), WORKFLOW.to_owned()), (MESSAGE.to_owned(), text.to_owned())]);
    let Ok(definition) = Definition::compile(Bundle { path: PATH.to_owned(), files }) else { return };
    let given = json!({
        "trigger": { "work_center": "PRESS-4", "minutes": 17, "lines": ["a", "b"], "deep": { "er": [{ "x": 1 }] } },
        "now": "2026-11-23T12:10:00Z",
    });
    if let Ok(shown) = definition.render(MESSAGE, &given) {
        assert!(SECRET.is_empty() || text.contains(SECRET.as_str()) || !shown.contains(SECRET.as_str()));
    }
});
