//! Bundles made from a few lines of YAML, and findings drawn for snapshots.

use crate::workflow::{Bundle, Definition, problem::Problem, report};
use std::collections::BTreeMap;

/// A bundle of one workflow and the files its tests name.
pub(super) fn bundle(yaml: &str) -> Bundle {
    let schema = r#"{ "type": "object", "properties": { "severity": { "type": "string" }, "minutes": { "type": "integer" } }, "required": ["severity"] }"#;
    let rule = "rule: staged\nversion: 1\ntitle: Parts are staged\nreads:\n  stock: { call: plex.inventory, with: { work_center: '${{ write.work_center }}' } }\ncheck: reads.stock.free > 0\nbecause: Only ${{ reads.stock.free }} are staged.\n";
    let files = [
        ("workflows/w.yaml", yaml),
        ("prompts/p.hbs", "Judge {{trigger.work_center}}."),
        ("messages/m.hbs", "{{trigger.work_center}} is down since {{time trigger.time}}."),
        ("schemas/s.json", schema),
        ("rules/staged.yaml", rule),
    ];
    Bundle {
        path: "workflows/w.yaml".to_owned(),
        files: BTreeMap::from(files.map(|(path, text)| (path.to_owned(), text.to_owned()))),
    }
}

/// A workflow around these steps, which stand in lines 5 and after.
pub(super) fn with_steps(steps: &str) -> String {
    format!("workflow: w\nowner: me\ntrigger: manual\nsteps:\n{steps}")
}

pub(super) fn compile(yaml: &str) -> Result<Definition, Vec<Problem>> {
    Definition::compile(bundle(yaml))
}

/// What `takt check` prints for a file that only has to load.
pub(super) fn findings_of_loading(yaml: &str) -> String {
    let bundle = bundle(yaml);
    let problems = match Definition::compile(bundle.clone()) {
        Ok(definition) => definition.warnings,
        Err(problems) => problems,
    };
    draw(&problems, &bundle)
}

pub(super) fn draw(problems: &[Problem], bundle: &Bundle) -> String {
    let drawn = problems.iter().map(|p| report(p, bundle.files.get(&p.path).map(String::as_str), false));
    let drawn: Vec<String> = drawn.collect();
    if drawn.is_empty() { "no findings".to_owned() } else { drawn.join("\n\n") }
}
