//! The language reference in Markdown, written from the schema that editors read, so that the two cannot differ.
//!
//! `docs/reference.md` is this for the sample site; any site can have its own, with its own tools.

use super::{
    Known,
    steps::{ALWAYS, KINDS, described},
};
use crate::{
    tool::{DataClass, Effect, Idempotency, ToolSpec},
    workflow::CODES,
};
use serde_json::Value;
use std::fmt::Write as _;

/// What a named definition is called in a table.
const NOUNS: [(&str, &str); 14] = [
    ("duration", "duration, like `90s` or `1h30m`"),
    ("rate", "rate, like `10 per 10m`"),
    ("expression", "CEL"),
    ("template", "`${{ CEL }}`"),
    ("role", "role of `takt.yaml`"),
    ("ladder", "ladder of `takt.yaml`"),
    ("message", "file in `messages/`"),
    ("prompt", "file in `prompts/`"),
    ("output_schema", "file in `schemas/`"),
    ("rule", "name of a file in `rules/`"),
    ("workflow_id", "id of a workflow"),
    ("tool", "tool"),
    ("agent_tool", "tool that reads or proposes"),
    ("retry", "[retry policy](#retry)"),
];

const HEAD: &str = "# Language reference

Every key of a workflow file, every finding of `takt check` and every tool of the site, written by `takt schema --format
markdown` from the schema that editors read. [Workflows](workflows.md) explains; this is for looking things up. A key in
**bold** must be there.
";

/// The reference for a site: the language, then the site's own tools.
pub(super) fn reference(known: &Known<'_>, schema: &Value) -> String {
    let mut page = HEAD.to_owned();
    document(&mut page, schema);
    steps(&mut page, schema);
    let mut section = |title: &str, schema: &Value| {
        let _ = write!(page, "\n## {title}\n{}\n", described_by(schema));
        table(&mut page, schema, None);
    };
    section("retry", &schema["definitions"]["retry"]);
    findings(&mut page);
    tools(&mut page, known);
    page
}

fn document(page: &mut String, schema: &Value) {
    let _ = writeln!(page, "\n## Document\n{}", described_by(schema));
    table(page, schema, None);
    let trigger = &schema["properties"]["trigger"];
    let _ = writeln!(page, "\n## trigger\n{}", described_by(trigger));
    for (title, part) in [("An event", &trigger["else"]["then"]), ("A schedule", &trigger["then"])] {
        let _ = writeln!(page, "\n### {title}\n{}", described_by(part));
        table(page, part, None);
    }
    let properties = &schema["properties"];
    let parts = [
        ("flow", &properties["flow"]),
        ("inputs", &properties["inputs"]["additionalProperties"]),
        ("sla", &properties["sla"]["items"]),
    ];
    for (title, part) in parts {
        let _ = writeln!(page, "\n## {title}\n{}", described_by(part));
        table(page, part, None);
    }
}

fn steps(page: &mut String, schema: &Value) {
    let step = &schema["definitions"]["step"];
    let _ = writeln!(page, "\n## Steps\n{} All steps have these keys:", described_by(step));
    table(page, step, Some(&ALWAYS));
    for (kind, words, own) in KINDS {
        let _ = writeln!(page, "\n### {kind}\n{words}");
        let names: Vec<&str> = [kind].into_iter().chain(own.iter().copied()).collect();
        table(page, step, Some(&names));
    }
    let _ = writeln!(page, "\n### Branches of `choose`\nThe first whose `if` holds is taken.");
    table(page, &step["properties"]["choose"]["items"], None);
}

fn findings(page: &mut String) {
    page.push_str("\n## Findings\n`takt check` tells them all at once, each with its line and column.\n\n");
    page.push_str("| code | finds |\n|---|---|\n");
    for (code, words) in CODES {
        let _ = writeln!(page, "| {code} | {} |", cell(words));
    }
}

fn tools(page: &mut String, known: &Known<'_>) {
    let _ = writeln!(page, "\n## Tools\nThe tools of {}.", known.site.name);
    for spec in known.tools.specs() {
        let _ = writeln!(page, "\n### {}\n{}{}", spec.name, described(spec), repeated(spec));
        let arguments = &spec.input;
        if arguments["properties"].as_object().is_some_and(|all| !all.is_empty()) {
            table(page, arguments, None);
        }
        let classes: Vec<String> = spec
            .classes
            .iter()
            .filter(|(_, class)| **class != DataClass::Public)
            .map(|(field, class)| format!("`{field}` ({})", word_of(class)))
            .collect();
        if !classes.is_empty() {
            let _ = writeln!(page, "\nMasked for models: {}.", classes.join(", "));
        }
    }
}

/// What a retry of a write does.
fn repeated(spec: &ToolSpec) -> &'static str {
    match (spec.effect, spec.idempotency) {
        (Effect::Write, Idempotency::Keyed) => " Repeated with its idempotency key, it takes effect once.",
        (Effect::Write, Idempotency::Idempotent) => " Repeated, it leaves the same state.",
        (Effect::Write, Idempotency::Unsafe) => {
            " A repeat is a second effect: it is read back, or a person decides."
        }
        _ => "",
    }
}

/// A row for each of the properties, or for those that are `wanted`, in their order; a map's own keys follow it.
fn table(page: &mut String, schema: &Value, wanted: Option<&[&str]>) {
    page.push_str("\n| key | value | meaning |\n|---|---|---|\n");
    rows(page, schema, wanted, "");
}

fn rows(page: &mut String, schema: &Value, wanted: Option<&[&str]>, parent: &str) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let is_required = |name: &str| {
        schema["required"].as_array().is_some_and(|required| required.iter().any(|given| given == name))
    };
    let names: Vec<&str> = match wanted {
        Some(wanted) => wanted.to_vec(),
        None => properties.keys().map(String::as_str).collect(),
    };
    for name in names {
        let Some(property) = properties.get(name) else { continue };
        let path = format!("{parent}{name}");
        let key = if is_required(name) { format!("**`{path}`**") } else { format!("`{path}`") };
        let _ =
            writeln!(page, "| {key} | {} | {} |", cell(&value_of(property)), cell(described_by(property)));
        // `flow` has a section of its own.
        if parent.is_empty() && name != "flow" {
            rows(page, property, None, &format!("{path}."));
        }
    }
}

fn described_by(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default().trim()
}

/// What may stand there, in a few words.
fn value_of(schema: &Value) -> String {
    if let Some(named) = schema["$ref"].as_str() {
        let name = named.rsplit('/').next().unwrap_or(named);
        return match name {
            "step" | "inner_step" | "parallel_call" => "step".to_owned(),
            name => NOUNS.iter().find(|(known, _)| *known == name).map_or(name, |(_, noun)| noun).to_owned(),
        };
    }
    if let [only] = schema["allOf"].as_array().map_or(&[][..], Vec::as_slice) {
        return value_of(only);
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{}`", plain(word))).collect();
        return words.join(", ");
    }
    let several = ["anyOf", "oneOf"].iter().find_map(|key| schema[*key].as_array());
    if let Some(several) = several {
        let mut words: Vec<String> = several.iter().map(value_of).filter(|word| word != "null").collect();
        words.dedup();
        return words.join(" or ");
    }
    match kind_of(schema) {
        Some("array") => format!("list of {}", value_of(&schema["items"])),
        Some("object") => "map".to_owned(),
        Some("string") if schema["pattern"].as_str().is_some_and(|pattern| pattern.contains(r"\.[a-z]")) => {
            "event type".to_owned()
        }
        Some("string") => "text".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some("number") => "number".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        _ => "value".to_owned(),
    }
}

/// The type, `null` beside another left out.
fn kind_of(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ => None,
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn word_of(class: &DataClass) -> String {
    serde_json::to_value(class).ok().as_ref().map(plain).unwrap_or_default()
}

/// Text that does not end a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
