//! `takt schema`: one JSON Schema for the workflow files of a site, for editors that complete, explain and object.
//!
//! Tools, roles, ladders, rules, workflows and files are enumerated as this site has them; `with:` is typed by tool.
//! The descriptions are the manual that authors read, in the editor and in the language reference.
//! Whether a workflow is right is `takt check`'s to say.

mod arguments;
mod document;
mod reference;
mod steps;

use crate::{
    site::Site,
    tool::Registry,
    workflow::{Autonomy, Library},
};
use serde_json::{Map, Value, json};
use std::fs;

/// The schema of a workflow file of this site.
pub fn workflow_schema(site: &Site, tools: &Registry, library: &Library) -> Value {
    Known { site, tools, library }.schema()
}

/// The same as Markdown, for people: every key, every finding, every tool of this site.
pub fn language_reference(site: &Site, tools: &Registry, library: &Library) -> String {
    let known = Known { site, tools, library };
    reference::reference(&known, &known.schema())
}

/// What the schema enumerates.
struct Known<'k> {
    site: &'k Site,
    tools: &'k Registry,
    library: &'k Library,
}

impl Known<'_> {
    fn schema(&self) -> Value {
        let mut definitions = Map::new();
        self.shared(&mut definitions);
        self.steps(&mut definitions);
        let mut schema = self.document();
        schema["definitions"] = Value::Object(definitions);
        schema
    }

    /// Definitions that several places use.
    fn shared(&self, definitions: &mut Map<String, Value>) {
        let units = "ms|s|m|h|d|w";
        let mut add = |name: &str, schema: Value| definitions.insert(name.to_owned(), schema);
        add(
            "duration",
            json!({ "type": "string", "pattern": format!("^([0-9]+({units}) *)+$"),
            "examples": ["90s", "2m", "1h30m", "21d"] }),
        );
        add(
            "rate",
            json!({ "type": "string", "pattern": format!("^[0-9]+ per ([0-9]+({units}) *)+$"),
            "examples": ["10 per 10m"] }),
        );
        // YAML reads `if: true` as a bool.
        add("expression", json!({ "type": ["string", "boolean"], "not": { "pattern": r"\$\{\{" } }));
        add("template", json!({ "type": "string", "pattern": r"^\$\{\{" }));
        add(
            "role",
            self.named(self.site.roles.iter().map(|(id, role)| (id.clone(), role.title.clone())).collect()),
        );
        add(
            "ladder",
            self.named(
                self.site
                    .ladders
                    .iter()
                    .map(|(id, ladder)| {
                        (id.clone(), format!("A ladder of {} rungs in takt.yaml.", ladder.rungs.len()))
                    })
                    .collect(),
            ),
        );
        add(
            "message",
            self.files("messages", ".hbs", "A message template: Handlebars, its first line is the title."),
        );
        add("prompt", self.files("prompts", ".hbs", "A prompt template: Handlebars."));
        add("output_schema", self.files("schemas", ".json", "The JSON Schema of the agent's answer."));
        add(
            "rule",
            self.named(
                self.file_names("rules", ".yaml")
                    .into_iter()
                    .map(|name| {
                        let id = name.trim_end_matches(".yaml").to_owned();
                        let title = format!("rules/{name}, checked on live data right before the write.");
                        (id, title)
                    })
                    .collect(),
            ),
        );
        add(
            "workflow_id",
            self.named(
                self.library
                    .definitions()
                    .map(|definition| (definition.workflow.id.clone(), definition.workflow.title.clone()))
                    .collect(),
            ),
        );
    }

    /// Names with what they mean; any text where the site has none yet.
    fn named(&self, names: Vec<(String, String)>) -> Value {
        if names.is_empty() {
            return json!({ "type": "string" });
        }
        let (ids, titles): (Vec<String>, Vec<String>) = names.into_iter().unzip();
        json!({ "type": "string", "enum": ids, "enumDescriptions": titles, "markdownEnumDescriptions": titles })
    }

    /// Files of a folder are offered; others may be written too.
    fn files(&self, folder: &str, ending: &str, description: &str) -> Value {
        let names: Vec<String> =
            self.file_names(folder, ending).into_iter().map(|name| format!("{folder}/{name}")).collect();
        json!({ "type": "string", "pattern": format!("{}$", ending.replace('.', r"\.")), "examples": names,
            "description": description })
    }

    fn file_names(&self, folder: &str, ending: &str) -> Vec<String> {
        let entries = fs::read_dir(self.site.folder.join(folder)).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
        names.sort();
        names
    }
}

/// A reference with a description of its own.
fn refer(name: &str, description: &str) -> Value {
    json!({ "allOf": [{ "$ref": format!("#/definitions/{name}") }], "description": description,
        "markdownDescription": description })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": description, "markdownDescription": description })
}

fn word(words: &[&str], description: &str) -> Value {
    json!({ "enum": words, "description": description, "markdownDescription": description })
}

fn flag(description: &str) -> Value {
    json!({ "type": "boolean", "description": description, "markdownDescription": description })
}

fn whole(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description, "markdownDescription": description })
}

/// A map with these keys and no others.
fn keys(required: &[&str], properties: Value, description: &str) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false,
        "description": description, "markdownDescription": description })
}

fn autonomy() -> Value {
    let words = [Autonomy::Shadow, Autonomy::Assist, Autonomy::Auto].map(|word| json!(word));
    let description = "How much it may do alone. `shadow`: it writes nothing and asks nobody; what it would have \
        done is kept. `assist` (the default): it writes after a person has answered. `auto`: it writes without a \
        click, but only where a gate's `auto_if` says so.";
    json!({ "enum": words, "description": description, "markdownDescription": description })
}
