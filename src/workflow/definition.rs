//! A workflow with everything it refers to, compiled and pinned by its SHA-256.

use super::{
    Autonomy, Bundle, FormFields, GateStep, Place, Rule, Step, Workflow,
    bundle::{ReferenceKind, places_of, references, stays_inside},
    decode, json_schema,
    problem::{Problem, Severity},
    render::{TemplateProblem, Templates, Written},
    source::{Data, Document, Node},
    suggest,
};
use crate::{
    expr::{Origin, Types},
    site::is_link_outside,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

pub use super::render::RenderError;

/// What is understood of a bundle, mistakes and all.
pub(super) struct Draft {
    pub(super) definition: Option<Definition>,
    pub(super) problems: Vec<Problem>,
    /// Ids of steps that are not in the definition, because they have mistakes of their own.
    pub(super) lost: Vec<String>,
}

/// A compiled bundle.
#[derive(Debug, Clone)]
pub struct Definition {
    pub bundle: Bundle,
    pub sha256: String,
    pub workflow: Workflow,
    pub rules: BTreeMap<String, Rule>,
    /// JSON Schemas by path.
    pub schemas: BTreeMap<String, Value>,
    /// Of the loader; errors would have kept the bundle from compiling.
    pub warnings: Vec<Problem>,
    templates: Templates,
    document: Document,
}

impl Definition {
    /// Parses a bundle; does not need the tools or the site, so a pinned one compiles for ever.
    pub fn compile(bundle: Bundle) -> Result<Self, Vec<Problem>> {
        match Self::draft(bundle) {
            Draft { definition: Some(definition), .. } if is_sound(&definition.warnings) => Ok(definition),
            Draft { problems, .. } => Err(problems),
        }
    }

    /// As [`Definition::compile`], but what has no mistake is there even when something else has one.
    pub(super) fn draft(bundle: Bundle) -> Draft {
        let nothing = |problems| Draft { definition: None, problems, lost: Vec::new() };
        let path = bundle.path.clone();
        let Some(text) = bundle.files.get(&path) else {
            let place = Place { line: 1, column: 1 };
            return nothing(vec![error("T001", &path, place, "the file is not there", "check its path")]);
        };
        let document = match Document::parse(&path, text) {
            Ok(document) => document,
            Err(problems) => return nothing(problems),
        };
        let decode::Decoded { workflow, mut problems, lost } = decode::workflow(&path, &document);
        let Some(workflow) = workflow else { return Draft { definition: None, problems, lost } };
        let mut named = Named::default();
        for reference in references(&workflow) {
            let place = place_of_text(&document, reference.step, &reference.path);
            match bundle.files.get(&reference.path) {
                Some(text) => named.add(reference.kind, &reference.path, text, &mut problems),
                None => problems.push(missing(&path, place, reference.kind, &reference.path)),
            }
        }
        let Named { templates, schemas, rules } = named;
        let (sha256, warnings) = (bundle.sha256(), problems.clone());
        let definition = Self { sha256, workflow, rules, schemas, warnings, templates, document, bundle };
        Draft { definition: Some(definition), problems, lost }
    }

    /// Says of named files that are not there why they are not read, or which one was probably meant.
    pub(super) fn tell_of_files(&self, folder: &Path, problems: &mut [Problem]) {
        let path = &self.bundle.path;
        for reference in references(&self.workflow) {
            if self.bundle.files.contains_key(&reference.path) || !stays_inside(&reference.path) {
                continue;
            }
            let place = place_of_text(&self.document, reference.step, &reference.path);
            let not_there = missing(path, place, reference.kind, &reference.path);
            let is_link = places_of(path, &reference.path).any(|place| is_link_outside(folder, place));
            let near = near_file(folder, reference.kind, &reference.path).filter(|_| !is_link);
            for problem in problems.iter_mut().filter(|problem| **problem == not_there) {
                if is_link {
                    problem.message = format!("`{}` is a link that leaves the site folder", reference.path);
                    problem.fix = Some("put the file itself into the site folder".to_owned());
                } else if let Some(near) = &near {
                    problem.fix = Some(format!("did you mean `{near}`?"));
                }
            }
        }
    }

    /// The same workflow as it would be with this autonomy.
    pub fn with_autonomy(&self, autonomy: Autonomy) -> Self {
        let mut other = self.clone();
        other.workflow.autonomy = autonomy;
        other
    }

    /// Renders a prompt or message (Handlebars, strict, no HTML escaping) with this data.
    pub fn render(&self, path: &str, data: &Value) -> Result<String, RenderError> {
        self.templates.render(path, data)
    }

    pub(super) fn template_problems(&self, path: &str, types: &Types) -> Vec<TemplateProblem> {
        self.templates.check(path, types, &Origin::default()).0
    }

    /// The JSON Schema that a form is filled in by.
    pub fn form_schema<'d>(&'d self, gate: &'d GateStep) -> Option<&'d Value> {
        match gate.fields.as_ref()? {
            FormFields::File(path) => self.schemas.get(path),
            FormFields::Inline(schema) => Some(schema),
        }
    }

    /// Every name that a template reads, as a path; an empty one is everything.
    pub(super) fn template_names(&self, path: &str) -> Vec<Vec<String>> {
        self.templates.names(path)
    }

    /// The values that come out of a template, each with the names of the fields inside.
    pub(super) fn template_written(&self, path: &str, types: &Types, origins: &Origin) -> Vec<Written> {
        self.templates.check(path, types, origins).1
    }

    /// The part of the file that holds a step, to find the places of what is in it.
    pub(super) fn node_of(&self, step: Place) -> Option<&Node> {
        map_at(&self.document.root, step)
    }

    /// Where a step writes the workflow it runs.
    pub(super) fn place_of_run(&self, step: &Step) -> Place {
        let node = self.node_of(step.place).and_then(|node| node.get("run"));
        node.map_or(step.place, |node| node.place)
    }

    pub(super) fn document(&self) -> &Document {
        &self.document
    }
}

/// Nothing that was found keeps a file from being used.
pub(super) fn is_sound(problems: &[Problem]) -> bool {
    !problems.iter().any(Problem::is_error)
}

#[derive(Default)]
struct Named {
    templates: Templates,
    schemas: BTreeMap<String, Value>,
    rules: BTreeMap<String, Rule>,
}

impl Named {
    fn add(&mut self, kind: ReferenceKind, path: &str, text: &str, problems: &mut Vec<Problem>) {
        match kind {
            ReferenceKind::Template => problems.extend(self.templates.add(path, text).err()),
            ReferenceKind::Schema => match schema(path, text) {
                Ok(schema) => drop(self.schemas.insert(path.to_owned(), schema)),
                Err(problem) => problems.push(problem),
            },
            ReferenceKind::Rule => match Rule::parse(path, text) {
                Ok(rule) if Rule::path_of(&rule.id) == path => drop(self.rules.insert(rule.id.clone(), rule)),
                Ok(rule) => {
                    let message = format!("this file holds the rule `{}`", rule.id);
                    let fix = format!("name the file {}", Rule::path_of(&rule.id));
                    problems.push(error("T003", path, Place { line: 1, column: 1 }, &message, &fix));
                }
                Err(found) => problems.extend(found),
            },
        }
    }
}

fn schema(path: &str, text: &str) -> Result<Value, Problem> {
    let read = json_schema::read(text).map_err(|mistake| {
        let usual = "write a JSON Schema, with `\"type\": \"object\"` and its `properties`";
        let fix = mistake.fix.as_deref().unwrap_or(usual);
        error("T017", path, mistake.place, &mistake.message, fix)
    });
    read.map(|(schema, _)| schema)
}

fn missing(path: &str, place: Place, kind: ReferenceKind, named: &str) -> Problem {
    if !stays_inside(named) {
        let fix = "write a path inside the site folder, like messages/ask.hbs";
        return error("T019", path, place, &format!("`{named}` leaves the site folder"), fix);
    }
    let (code, what) = match kind {
        ReferenceKind::Template => ("T019", "template"),
        ReferenceKind::Schema => ("T017", "schema"),
        ReferenceKind::Rule => ("T006", "rule"),
    };
    let message = format!("the {what} `{named}` is not there");
    error(code, path, place, &message, "write the file, or correct the name")
}

/// The file of the site that was probably meant, as a workflow names it: a rule by its id.
fn near_file(site: &Path, kind: ReferenceKind, wrong: &str) -> Option<String> {
    let (folders, ending): (&[&str], &str) = match kind {
        ReferenceKind::Template => (&["messages", "prompts"][..], ".hbs"),
        ReferenceKind::Schema => (&["schemas"][..], ".json"),
        ReferenceKind::Rule => (&["rules"][..], ".yaml"),
    };
    // A site that stands in no folder has no files.
    if site.as_os_str().is_empty() {
        return None;
    }
    let (holder, name) = wrong.rsplit_once('/').map_or((None, wrong), |(holder, name)| (Some(holder), name));
    let name = name.strip_suffix(ending).unwrap_or(name);
    folders.iter().filter(|folder| holder.is_none_or(|holder| holder == **folder)).find_map(|folder| {
        let entries = fs::read_dir(site.join(folder)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| {
            entry.file_name().to_str().and_then(|name| name.strip_suffix(ending)).map(str::to_owned)
        });
        let names: BTreeSet<String> = names.collect();
        let near = suggest::closest(name, names.iter().map(String::as_str))?;
        Some(match kind {
            ReferenceKind::Rule => near.to_owned(),
            ReferenceKind::Template | ReferenceKind::Schema => format!("{folder}/{near}{ending}"),
        })
    })
}

fn error(code: &'static str, path: &str, place: Place, message: &str, fix: &str) -> Problem {
    Problem {
        code,
        severity: Severity::Error,
        path: path.to_owned(),
        place,
        message: message.to_owned(),
        fix: Some(fix.to_owned()),
    }
}

/// Nodes stand in the order of the text: only the last one that begins before the place can hold it.
fn map_at(node: &Node, place: Place) -> Option<&Node> {
    match &node.data {
        Data::Map(_) if node.place == place => Some(node),
        Data::Map(entries) => {
            let after = entries.partition_point(|(_, value)| value.place <= place);
            map_at(&entries.get(after.checked_sub(1)?)?.1, place)
        }
        Data::List(items) => {
            let after = items.partition_point(|item| item.place <= place);
            map_at(items.get(after.checked_sub(1)?)?, place)
        }
        Data::Scalar(_) => None,
    }
}

/// Where a step writes this path; the rule's id stands for its file.
fn place_of_text(document: &Document, step: Place, path: &str) -> Place {
    let rule = path.strip_prefix("rules/").and_then(|rest| rest.strip_suffix(".yaml"));
    let found = map_at(&document.root, step)
        .and_then(|node| scalar_with(node, &|text| text == path || Some(text) == rule));
    found.unwrap_or(step)
}

fn scalar_with(node: &Node, matches: &dyn Fn(&str) -> bool) -> Option<Place> {
    match &node.data {
        Data::Scalar(scalar) => matches(&scalar.text).then_some(node.place),
        Data::Map(entries) => entries.iter().find_map(|(_, value)| scalar_with(value, matches)),
        Data::List(items) => items.iter().find_map(|item| scalar_with(item, matches)),
    }
}
