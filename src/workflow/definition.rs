//! A workflow with everything it refers to, pinned by its SHA-256.

use super::{Workflow, problem::Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The text of a workflow and of every prompt, message, schema and rule it names: what a run keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Path of the workflow file in the site folder.
    pub path: String,
    /// Content by path, the workflow file included.
    pub files: BTreeMap<String, String>,
}

impl Bundle {
    /// Lower-case hex SHA-256 over the canonical JSON of the bundle.
    pub fn sha256(&self) -> String {
        unimplemented!()
    }
}

/// A compiled bundle.
#[derive(Debug)]
pub struct Definition {
    pub bundle: Bundle,
    pub sha256: String,
    pub workflow: Workflow,
    pub rules: BTreeMap<String, super::Rule>,
    /// JSON Schemas by path.
    pub schemas: BTreeMap<String, Value>,
    // templates: handlebars registry, private
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("{path}: {message}")]
pub struct RenderError {
    pub path: String,
    pub message: String,
}

impl Definition {
    /// Parses a bundle; does not need the tools or the site, so a pinned one compiles for ever.
    pub fn compile(_bundle: Bundle) -> Result<Self, Vec<Problem>> {
        unimplemented!()
    }

    /// Renders a prompt or message (Handlebars, strict, no HTML escaping) with this data.
    pub fn render(&self, _path: &str, _data: &Value) -> Result<String, RenderError> {
        unimplemented!()
    }
}
