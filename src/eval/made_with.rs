//! What the answers of evals were given to, as far as it stands in the site's own files: prompts, schemas and tools. The
//! baseline keeps their hashes, so that `takt check` need not replay anything to see that one was edited in place.

use crate::agent::{Part, sha256_json, sha256_text};
use crate::tool::{Registry, ToolSpec};
use crate::workflow::{Definition, Place, StepKind, every_step};
use serde_json::json;

/// One thing that an agent step is asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub part: Part,
    /// Path of a file as the workflow writes it, or name of a tool.
    pub name: String,
    pub sha256: String,
    /// Of the step.
    pub place: Place,
}

/// What the agent steps of a workflow ask with now.
pub fn asked_with(definition: &Definition, tools: &Registry) -> Vec<Asked> {
    let mut found = Vec::new();
    every_step(&definition.workflow, &mut |step| {
        let StepKind::Agent(agent) = &step.kind else { return };
        let mut add = |part: Part, name: &str, sha256: String| {
            found.push(Asked { part, name: name.to_owned(), sha256, place: step.place });
        };
        if let Some(prompt) = definition.bundle.files.get(&agent.prompt) {
            add(Part::Prompt, &agent.prompt, sha256_text(prompt));
        }
        if let Some(schema) = definition.schemas.get(&agent.output) {
            add(Part::Schema, &agent.output, sha256_json(schema));
        }
        for spec in agent.tools.iter().filter_map(|name| tools.spec(name)) {
            add(Part::Tool, spec.name.as_str(), tool_sha(spec));
        }
    });
    found
}

fn tool_sha(spec: &ToolSpec) -> String {
    sha256_json(&json!([spec.description, spec.version, spec.effect, spec.input, spec.classes]))
}
