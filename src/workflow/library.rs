//! Every workflow of a site folder, by id. A file that broke keeps its last good version.

use super::{
    Bundle, Definition, Place, RunStep, StepKind, Workflow,
    check::check,
    problem::{Problem, Severity},
    suggest, walk,
};
use crate::{site::Site, tool::Registry};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
    sync::Arc,
};

/// The folder, below the site folder, that holds the workflow files.
const FOLDER: &str = "workflows";

#[derive(Debug, Default)]
pub struct Library {
    /// By path in the site folder.
    files: BTreeMap<String, File>,
}

#[derive(Debug, Default)]
struct File {
    /// The last version without an error.
    definition: Option<Arc<Definition>>,
    /// Of the file as it is now, as far as it compiles.
    id: Option<String>,
    /// Of the file as it is now.
    problems: Vec<Problem>,
}

impl File {
    fn is_settled(&self, folder: &Path) -> bool {
        let current = |definition: &Arc<Definition>| definition.bundle.is_current(folder);
        self.problems.is_empty() && self.definition.as_ref().is_some_and(current)
    }
}

impl Library {
    pub fn load(registry: &Registry, site: &Site) -> io::Result<Self> {
        let mut library = Self::default();
        library.reload(registry, site)?;
        Ok(library)
    }

    /// Reads the folder again. What does not check is reported and its last good version stays; a file
    /// without findings that is as it was is not compiled again.
    pub fn reload(&mut self, registry: &Registry, site: &Site) -> io::Result<()> {
        let paths = workflow_files(&site.folder)?;
        self.files.retain(|path, _| paths.contains(path));
        for path in paths {
            if self.files.get(&path).is_some_and(|file| file.is_settled(&site.folder)) {
                continue;
            }
            let (compiled, problems) = read(&site.folder, &path, registry, site);
            let file = self.files.entry(path).or_default();
            file.id = compiled.as_ref().map(|definition| definition.workflow.id.clone());
            let sound = compiled.filter(|_| is_sound(&problems));
            file.definition = sound.map(Arc::new).or(file.definition.take());
            file.problems = problems;
        }
        self.check_ids();
        self.check_runs();
        Ok(())
    }

    pub fn get(&self, id: &str) -> Option<&Arc<Definition>> {
        self.definitions().find(|definition| definition.workflow.id == id)
    }

    pub fn definitions(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.files.values().filter_map(|file| file.definition.as_ref())
    }

    /// Path and findings of every workflow file, as it is now.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[Problem])> {
        self.files.iter().map(|(path, file)| (path.as_str(), file.problems.as_slice()))
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.files.values().flat_map(|file| &file.problems)
    }

    fn check_ids(&mut self) {
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        for (path, file) in &mut self.files {
            let Some(definition) = &file.definition else { continue };
            let id = &definition.workflow.id;
            if let Some(owner) = owners.get(id) {
                let message = format!("the workflow `{id}` is also in {owner}");
                file.problems.push(error(
                    "T003",
                    path,
                    Place { line: 1, column: 1 },
                    message,
                    "rename one of them",
                ));
                file.definition = None;
            } else {
                owners.insert(id.clone(), path.clone());
            }
        }
    }

    /// Every `run:` must name a workflow of this site and give it the inputs it takes. One that is only
    /// broken has its own findings.
    fn check_runs(&mut self) {
        let good: BTreeMap<String, Arc<Definition>> =
            self.definitions().map(|d| (d.workflow.id.clone(), Arc::clone(d))).collect();
        let broken: BTreeSet<String> = self.files.values().filter_map(|file| file.id.clone()).collect();
        for (path, file) in &mut self.files {
            let Some(definition) = file.definition.clone() else { continue };
            walk::every_step(&definition.workflow, &mut |step| {
                let StepKind::Run(run) = &step.kind else { return };
                let place = definition.place_of_run(step);
                let found = match good.get(&run.workflow) {
                    Some(child) => inputs_problem(run, &child.workflow),
                    None if broken.contains(&run.workflow) => None,
                    None => {
                        let known: Vec<&str> = good.keys().map(String::as_str).collect();
                        let fix = format!("the site has: {}", known.join(", "));
                        Some(("T006", format!("there is no workflow `{}`", run.workflow), fix))
                    }
                };
                if let Some((code, message, fix)) = found {
                    file.problems.push(error(code, path, place, message, &fix));
                }
            });
        }
    }
}

/// What is wrong with the inputs that a `run:` gives: code, message and fix.
fn inputs_problem(run: &RunStep, child: &Workflow) -> Option<(&'static str, String, String)> {
    let given = run.with.raw().as_object()?;
    let takes: Vec<&str> = child.inputs.keys().map(String::as_str).collect();
    if let Some(stranger) = given.keys().find(|name| !child.inputs.contains_key(*name)) {
        let fix = match suggest::closest(stranger, takes.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if takes.is_empty() => "it takes no inputs".to_owned(),
            None => format!("it takes {}", takes.join(", ")),
        };
        return Some(("T009", format!("the workflow `{}` takes no `{stranger}`", child.id), fix));
    }
    let missing =
        child.inputs.iter().find(|(name, input)| input.default.is_none() && !given.contains_key(*name))?;
    let message = format!("the workflow `{}` needs `{}`", child.id, missing.0);
    Some(("T009", message, "add it to `with`, or give the input a default".to_owned()))
}

fn is_sound(problems: &[Problem]) -> bool {
    problems.iter().all(|problem| problem.severity == Severity::Warning)
}

/// Collects, compiles and checks one file. What compiles is there even when a check failed.
fn read(folder: &Path, path: &str, registry: &Registry, site: &Site) -> (Option<Definition>, Vec<Problem>) {
    let bundle = match Bundle::collect(folder, path) {
        Ok(bundle) => bundle,
        Err(cause) => {
            let message = format!("the file cannot be read: {cause}");
            let problem = error("T001", path, Place { line: 1, column: 1 }, message, "check its permissions");
            return (None, vec![problem]);
        }
    };
    match Definition::compile(bundle) {
        Ok(definition) => {
            let mut problems = definition.warnings.clone();
            problems.extend(check(&definition, registry, site));
            problems.sort_by_key(|problem| problem.place);
            (Some(definition), problems)
        }
        Err(problems) => (None, problems),
    }
}

/// Paths of the workflow files of a site, tests left out.
fn workflow_files(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder.join(FOLDER))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".yaml") && !name.ends_with(".test.yaml") {
            found.insert(format!("{FOLDER}/{name}"));
        }
    }
    Ok(found)
}

fn error(code: &'static str, path: &str, place: Place, message: String, fix: &str) -> Problem {
    let (path, fix) = (path.to_owned(), Some(fix.to_owned()));
    Problem { code, severity: Severity::Error, path, place, message, fix }
}

#[cfg(test)]
mod tests;
