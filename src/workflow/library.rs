//! Every workflow of a site folder, by id. A file that broke keeps its last good version.

use super::{
    Bundle, Definition, Place, StepKind,
    check::check,
    problem::{Problem, Severity},
    walk,
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
    /// Of the file as it is now.
    problems: Vec<Problem>,
}

impl Library {
    pub fn load(registry: &Registry, site: &Site) -> io::Result<Self> {
        let mut library = Self::default();
        library.reload(registry, site)?;
        Ok(library)
    }

    /// Reads the folder again. What does not check is reported and its last good version stays.
    pub fn reload(&mut self, registry: &Registry, site: &Site) -> io::Result<()> {
        let paths = workflow_files(&site.folder)?;
        self.files.retain(|path, _| paths.contains(path));
        for path in paths {
            let (definition, problems) = read(&site.folder, &path, registry, site);
            let file = self.files.entry(path).or_default();
            file.definition = definition.map(Arc::new).or(file.definition.take());
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

    /// Every `run:` must name a workflow of this site.
    fn check_runs(&mut self) {
        let ids: BTreeSet<String> = self.definitions().map(|d| d.workflow.id.clone()).collect();
        for (path, file) in &mut self.files {
            let Some(definition) = file.definition.clone() else { continue };
            walk::every_step(&definition.workflow, &mut |step| {
                let StepKind::Run(run) = &step.kind else { return };
                if !ids.contains(&run.workflow) {
                    let message = format!("there is no workflow `{}`", run.workflow);
                    let known: Vec<&str> = ids.iter().map(String::as_str).collect();
                    let fix = format!("the site has: {}", known.join(", "));
                    file.problems.push(error("T006", path, step.place, message, &fix));
                }
            });
        }
    }
}

/// Collects, compiles and checks one file. Without an error there is a definition; problems may be there
/// either way.
pub fn read(
    folder: &Path,
    path: &str,
    registry: &Registry,
    site: &Site,
) -> (Option<Definition>, Vec<Problem>) {
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
            let sound = problems.iter().all(|problem| problem.severity == Severity::Warning);
            (sound.then_some(definition), problems)
        }
        Err(problems) => (None, problems),
    }
}

/// Paths of the workflow files of a site, tests left out.
pub fn workflow_files(folder: &Path) -> io::Result<BTreeSet<String>> {
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
