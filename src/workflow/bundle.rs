//! The text of a workflow and of everything it names: what a run is pinned to.

use super::{
    FormFields, StepKind, Workflow,
    decode::{self, messages_in},
    rule::Rule,
    source::Document,
    walk,
};
use crate::{expr::ValueTemplate, site::read_text};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// The text of a workflow and of every prompt, message, schema and rule it names: what a run keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Path of the workflow file in the site folder.
    pub path: String,
    /// Content by path as the workflow writes it, the workflow file included.
    pub files: BTreeMap<String, String>,
}

/// What an editor holds and no file does yet, by path in the site folder.
pub type Unsaved = BTreeMap<String, String>;

impl Bundle {
    /// Lower-case hex SHA-256 over the canonical JSON of the bundle: no spaces, keys sorted.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        // Strings and maps of strings always have a JSON form.
        hash.update(serde_json::to_vec(self).unwrap_or_default());
        hex::encode(hash.finalize())
    }

    /// Reads a workflow file and what it names. A named file that is not there is left out: compiling
    /// the bundle says so at the place that names it.
    pub fn collect(folder: &Path, path: &str) -> io::Result<Self> {
        Ok(Self::with(folder, path, read_text(folder, path)?))
    }

    /// As [`Bundle::collect`], with a text that need not stand in the file yet.
    pub fn with(folder: &Path, path: &str, text: String) -> Self {
        Self::unsaved(folder, path, text, &Unsaved::new())
    }

    /// As [`Bundle::with`], where what it names need not stand in its file yet, either.
    pub fn unsaved(folder: &Path, path: &str, text: String, unsaved: &Unsaved) -> Self {
        let named =
            Document::parse(path, &text).ok().and_then(|document| decode::workflow(path, &document).workflow);
        let mut files = BTreeMap::from([(path.to_owned(), text)]);
        for reference in named.iter().flat_map(references).filter(|reference| stays_inside(&reference.path)) {
            if let Some(text) = read(folder, path, &reference.path, unsaved) {
                files.insert(reference.path, text);
            }
        }
        Self { path: path.to_owned(), files }
    }

    /// Whether the folder still holds exactly this.
    pub(super) fn is_current(&self, folder: &Path) -> bool {
        let saved = Unsaved::new();
        self.files.iter().all(|(path, text)| read(folder, &self.path, path, &saved).as_ref() == Some(text))
    }
}

/// A path stands for itself, or is relative to the workflow or to `prompts/`.
fn read(folder: &Path, workflow: &str, path: &str, unsaved: &Unsaved) -> Option<String> {
    places_of(workflow, path).find_map(|place| {
        let held = place.to_str().and_then(|place| unsaved.get(place)).cloned();
        held.or_else(|| read_text(folder, place).ok())
    })
}

/// Where, in the site folder, a file may lie that this workflow names.
pub fn places_of<'p>(workflow: &'p str, path: &'p str) -> impl Iterator<Item = PathBuf> + 'p {
    let own_folder = Path::new(workflow).parent().unwrap_or(Path::new(""));
    [Path::new(""), own_folder, Path::new("prompts")].into_iter().map(move |place| place.join(path))
}

/// Whether a path that a workflow writes stays in the site folder.
pub(super) fn stays_inside(path: &str) -> bool {
    !path.starts_with('/') && path.split(['/', '\\']).all(|part| part != "..")
}

/// A file that a workflow names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub kind: ReferenceKind,
    pub path: String,
    /// The step that names it.
    pub step: super::Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReferenceKind {
    Template,
    Schema,
    Rule,
}

pub(super) fn references(workflow: &Workflow) -> Vec<Reference> {
    use ReferenceKind::{Rule as RuleFile, Schema, Template};
    let mut found = Vec::new();
    walk::every_step(workflow, &mut |step| {
        let mut add =
            |kind, path: &str| found.push(Reference { kind, path: path.to_owned(), step: step.place });
        let messages = |with: &ValueTemplate| {
            let mut paths = Vec::new();
            messages_in(with.raw(), &mut paths);
            paths
        };
        match &step.kind {
            StepKind::Call(call) => {
                messages(&call.with).iter().for_each(|path| add(Template, path));
                call.rules.iter().for_each(|rule| add(RuleFile, &Rule::path_of(rule)));
                let undo = call.undo.iter().flat_map(|undo| messages(&undo.with));
                undo.for_each(|path| add(Template, &path));
            }
            StepKind::Agent(agent) => {
                add(Template, &agent.prompt);
                add(Schema, &agent.output);
            }
            StepKind::Gate(gate) => {
                gate.message.iter().for_each(|path| add(Template, path));
                if let Some(FormFields::File(path)) = &gate.fields {
                    add(Schema, path);
                }
            }
            StepKind::Run(_)
            | StepKind::Wait(_)
            | StepKind::Parallel(_)
            | StepKind::Each(_)
            | StepKind::Choose(_)
            | StepKind::End(_) => {}
        }
    });
    found
}
