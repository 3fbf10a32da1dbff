//! Bundles made from a few lines of YAML, and findings drawn for snapshots.

use crate::{
    site::{Environment, Overrides, Site},
    tool::{Call, Idempotency, Registry, Tool, ToolError, ToolSpec},
    workflow::{Bundle, Definition, Events, library, problem::Problem, report},
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A bundle of one workflow and the files its tests name.
pub(super) fn bundle(yaml: &str) -> Bundle {
    let schema = r#"{ "type": "object", "properties": { "severity": { "type": "string" }, "minutes": { "type": "integer", "maximum": 480 } }, "required": ["severity"] }"#;
    let rule = "rule: staged\nversion: 1\ntitle: Parts are staged\nreads:\n  stock: { call: plex.inventory, with: { work_center: '${{ write.work_center }}' } }\ncheck: reads.stock.free > 0\nbecause: Only ${{ reads.stock.free }} are staged.\n";
    let files = [
        ("workflows/w.yaml", yaml),
        ("prompts/p.hbs", "Judge {{trigger.work_center}}."),
        ("messages/m.hbs", "{{trigger.work_center}} is down since {{time trigger.time}}."),
        ("prompts/names.hbs", "Judge.\n{{steps.p.people.[0].name}} works there."),
        ("prompts/lookup.hbs", "{{#each steps.p.people}}{{lookup this \"name\"}}{{/each}}"),
        ("prompts/root.hbs", "{{#each steps.p.people}}{{json @root.steps.p}}{{/each}}"),
        ("prompts/each.hbs", "{{#each steps.p.people}}{{#each this}}{{@key}}: {{this}}{{/each}}{{/each}}"),
        (
            "prompts/shifts.hbs",
            "{{#each steps.p.people as |one|}}{{one.shift}} {{#if name}}x{{/if}}{{lookup this \"shift\"}}{{/each}}{{len steps.p.people}}",
        ),
        ("messages/people.hbs", "There are {{steps.p.people.length}} people."),
        ("prompts/one.hbs", "Judge {{one}}."),
        ("messages/why.hbs", "{{why}}"),
        ("messages/empty.hbs", "{{!-- what is asked? --}}\n{{! later }}\n\n"),
        ("messages/until.hbs", "It waits until {{time inputs.until}}"),
        (
            "messages/long.hbs",
            "A title goes on and on and on and on and on and on and on and on and on and on and on and on and on and on and on and on and on and on and on and on and on and on.",
        ),
        ("messages/f.hbs", "It failed: {{failure.message}}"),
        ("schemas/s.json", schema),
        (
            "schemas/loose.json",
            "{\n  \"type\": \"object\",\n  \"required\": [\"severity\"],\n  \"properties\": {\n    \"severity\": { \"type\": \"string\" },\n    \"facts\": { \"type\": \"object\", \"additionalProperties\": { \"type\": \"string\" } }\n  }\n}",
        ),
        ("rules/staged.yaml", rule),
    ];
    Bundle {
        path: "workflows/w.yaml".to_owned(),
        files: BTreeMap::from(files.map(|(path, text)| (path.to_owned(), text.to_owned()))),
    }
}

/// A workflow around these steps, which stand in lines 5 and after. Somebody is told when one fails.
pub(super) fn with_steps(steps: &str) -> String {
    let told =
        "on_failure:\n  - { id: told, call: notify.role, with: { role: lead, message: messages/f.hbs } }\n";
    let told = if steps.contains("on_failure:") { "" } else { told };
    format!("workflow: w\nowner: me\ntrigger: manual\nsteps:\n{}\n{told}", steps.trim_end())
}

pub(crate) fn compile(yaml: &str) -> Result<Definition, Vec<Problem>> {
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

/// What `takt check` prints for a file: loading, and checking against the tools and people below. The site
/// describes no events.
pub(super) fn findings(yaml: &str) -> (Vec<Problem>, String) {
    findings_with(yaml, &Events::default())
}

/// Two events: a machine that says again and again what it does, and a receipt.
pub(crate) fn events() -> Events {
    let status = r#"{ "type": "object", "x-takt-repeats": true, "properties": { "work_center": { "type": "string" }, "status": { "enum": ["DOWN", "RUNNING"] },
        "planned": { "type": "boolean" }, "minutes": { "type": "integer" }, "operator": { "type": "string", "x-takt-class": "employee" },
        "note": { "type": ["string", "null"] } }, "required": ["work_center", "status", "planned", "minutes", "operator", "note"] }"#;
    let receipt = r#"{ "type": "object", "properties": { "po": { "type": "string" }, "qty": { "type": "number" } }, "required": ["po"] }"#;
    let mut events = Events::default();
    events.add("plex.work_center_status", status).expect("a schema");
    events.add("erp.goods_receipt", receipt).expect("a schema");
    events
}

pub(super) fn findings_with(yaml: &str, events: &Events) -> (Vec<Problem>, String) {
    let bundle = bundle(yaml);
    let problems = library::findings_of(bundle.clone(), &registry(), &site(), events).1;
    let drawn = draw(&problems, &bundle);
    (problems, drawn)
}

struct Declared(ToolSpec);

#[async_trait::async_trait]
impl Tool for Declared {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    async fn call(&self, _: &Call, _: Value) -> Result<Value, ToolError> {
        Err(ToolError::invalid("declared for the checker only"))
    }
}

pub(crate) fn registry() -> Registry {
    let tools: Vec<Value> = serde_json::from_str(include_str!("tools.json")).expect("JSON");
    let mut registry = Registry::default();
    for tool in tools {
        let spec = ToolSpec {
            name: serde_json::from_value(tool["name"].clone()).expect("a name"),
            version: 1,
            description: String::new(),
            input: tool["input"].clone(),
            output: tool["output"].clone(),
            effect: serde_json::from_value(tool["effect"].clone()).expect("an effect"),
            idempotency: tool["idempotency"].as_str().map_or(Idempotency::Keyed, |_| Idempotency::Unsafe),
            ungated: tool["ungated"].as_str().map(str::to_owned),
            timeout: Duration::from_secs(10),
            scopes: serde_json::from_value(tool["scopes"].clone()).unwrap_or_default(),
            classes: serde_json::from_value(tool["classes"].clone()).unwrap_or_default(),
            result_bytes_max: 1 << 20,
        };
        registry.add(Arc::new(Declared(spec))).expect("names differ");
    }
    registry
}

/// Roles: `supervisor` (sam, shift A; ladder to gus), `lead` (lee, always; no ladder), `empty` (nobody).
pub(in crate::workflow) fn site() -> Site {
    let yaml = r#"
name: Plant 1
time_zone: America/Chicago
shifts:
  - { id: A, starts: "06:00", ends: "14:00" }
  - { id: B, starts: "14:00", ends: "06:00" }
calendars:
  production_days: { holidays: [2026-11-26] }
  early: { shifts: [A] }
roles:
  supervisor: { title: Supervisor, ladder: good }
  lead: { title: Lead }
  empty: { title: Nobody, ladder: good }
people:
  - { id: sam, name: Sam, roles: [supervisor], shifts: [A] }
  - { id: lee, name: Lee, roles: [lead] }
  - { id: gus, name: Gus, roles: [] }
ladders:
  good: [{ ask: lead, within: 10m }, { person: gus, within: 30m }]
values: { frozen_minutes: 30 }
"#;
    Site::parse("takt.yaml", yaml, &Environment::default(), &Overrides::default()).expect("a site")
}
