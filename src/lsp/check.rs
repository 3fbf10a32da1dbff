//! The thread that checks: loads sites and inspects documents, while the other thread answers.

use super::{
    context::FileKind,
    plant::{Load, Plant, SiteFinding},
};
use crate::site::read_text;
use crate::workflow::{
    Bundle, Definition, Library, Unsaved,
    cases::read_test,
    problem::{Problem, Severity},
};
use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// What is to be done for one site.
pub(super) struct Job {
    pub(super) folder: PathBuf,
    /// Without one the site is loaded first, and all of it is checked.
    pub(super) plant: Option<Arc<Plant>>,
    /// Stands in when the site does not load any more.
    pub(super) last: Option<Arc<Plant>>,
    pub(super) unsaved: Unsaved,
    /// Files to check, by their path in the site folder.
    pub(super) paths: BTreeSet<String>,
}

#[derive(Default)]
pub(super) struct Outcome {
    pub(super) folder: PathBuf,
    pub(super) loaded: Option<Result<Arc<Plant>, Vec<SiteFinding>>>,
    pub(super) checked: Vec<Checked>,
    /// What was not begun because something newer came.
    pub(super) rest: BTreeSet<String>,
    /// The job broke in the middle; it is not repeated.
    pub(super) broke: bool,
}

/// What one file leads to, in it and in the files it names.
pub(super) struct Checked {
    pub(super) path: String,
    pub(super) definition: Option<Arc<Definition>>,
    pub(super) problems: Vec<Problem>,
}

/// Does a job; a defect of ours costs its findings and nothing else.
pub(super) fn perform(job: Job, load: &Load, is_over: &AtomicBool) -> Outcome {
    let folder = job.folder.clone();
    catch_unwind(AssertUnwindSafe(|| work(job, load, is_over))).unwrap_or_else(|_| {
        tracing::error!(site = %folder.display(), "checking broke; its findings are missing");
        Outcome { folder, broke: true, ..Outcome::default() }
    })
}

fn work(job: Job, load: &Load, is_over: &AtomicBool) -> Outcome {
    let mut outcome = Outcome { folder: job.folder.clone(), ..Outcome::default() };
    let mut paths = job.paths;
    let plant = match job.plant {
        Some(plant) => Some(plant),
        None => {
            let loaded = load(&job.folder, job.unsaved.get("takt.yaml").map(String::as_str)).map(Arc::new);
            if let Ok(plant) = &loaded {
                outcome.checked.extend(saved(plant, &job.unsaved));
            }
            // Everything that is open may read differently now.
            paths.extend(job.unsaved.keys().cloned());
            let plant = loaded.as_ref().ok().cloned().or(job.last);
            outcome.loaded = Some(loaded);
            plant
        }
    };
    let Some(plant) = plant else { return outcome };
    while let Some(path) = paths.pop_first() {
        if is_over.load(Ordering::Relaxed) {
            paths.insert(path);
            outcome.rest = paths;
            break;
        }
        outcome.checked.extend(inspect(&plant, &path, &job.unsaved));
    }
    outcome
}

/// What was found in files that no editor holds.
fn saved<'p>(plant: &'p Plant, unsaved: &'p Unsaved) -> impl Iterator<Item = Checked> + 'p {
    let untested = plant.library.untested(&plant.site);
    let files = plant.library.files().filter(|(path, _)| !unsaved.contains_key(*path));
    let around = Checked { path: String::new(), definition: None, problems: plant.library.around().to_vec() };
    let of_file = move |(path, problems): (&str, &[Problem])| Checked {
        path: path.to_owned(),
        definition: None,
        problems: problems.iter().chain(untested.get(path).into_iter().flatten()).cloned().collect(),
    };
    files.map(of_file).chain([around])
}

/// One file as it is now, by the editor or on the disk.
fn inspect(plant: &Plant, path: &str, unsaved: &Unsaved) -> Option<Checked> {
    let read = || read_text(&plant.site.folder, path).ok();
    let text = unsaved.get(path).cloned().or_else(read)?;
    let (definition, problems) = match FileKind::of(path) {
        FileKind::Workflow => {
            let bundle = Bundle::unsaved(&plant.site.folder, path, text, unsaved);
            let (definition, mut problems) = plant.library.inspect(bundle, &plant.tools, &plant.site);
            if let Some(definition) = &definition {
                problems.extend(Library::untested_in(definition, &plant.site));
            }
            (definition, problems)
        }
        FileKind::Test => (None, of_test(plant, path, &text)),
        _ => return None,
    };
    Some(Checked { path: path.to_owned(), definition, problems })
}

fn of_test(plant: &Plant, path: &str, text: &str) -> Vec<Problem> {
    let read = read_test(path, text, &plant.library, &plant.tools, &plant.site);
    let mut problems = read.problems;
    if let (Some(file), true) = (&read.file, read.is_of_broken) {
        problems.push(Problem {
            code: "T006",
            severity: Severity::Error,
            path: path.to_owned(),
            place: file.workflow.place,
            message: format!("there is no workflow `{}` without errors", file.workflow.it),
            fix: Some("correct what is wrong in it".to_owned()),
        });
    }
    problems
}
