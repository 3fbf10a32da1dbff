//! The sites and documents that the server has in hand: what is open, what is to be checked, what was told.

use super::{
    check::{Job, Outcome},
    context::{Context, FileKind},
    findings,
    plant::{Plant, SiteFinding},
    text::Text,
    uri,
};
use crate::workflow::{Definition, Unsaved, places_of, problem::Problem};
use gen_lsp_types::{Diagnostic, PublishDiagnosticsParams, Uri};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Folders whose files decide what is right in a workflow.
const FOLDERS: [&str; 8] =
    ["connectors", "events", "messages", "prompts", "rules", "schemas", "workflows", "workflows/fixtures"];

pub(super) struct Document {
    pub(super) uri: Uri,
    pub(super) version: i32,
    pub(super) text: Text,
    good: Option<Arc<Definition>>,
}

#[derive(Default)]
pub(super) struct Sites {
    documents: BTreeMap<PathBuf, Document>,
    sites: BTreeMap<PathBuf, State>,
}

#[derive(Default)]
struct State {
    plant: Option<Arc<Plant>>,
    /// A load has ended, well or not.
    is_settled: bool,
    to_load: bool,
    to_check: BTreeSet<String>,
    /// Why the site does not load.
    broken: Vec<SiteFinding>,
    /// By the file that leads to them, which need not be the one they stand in.
    problems: BTreeMap<String, Vec<Problem>>,
    told: BTreeMap<PathBuf, Vec<Diagnostic>>,
}

impl Sites {
    /// Takes in a site folder that a file or the editor's workspace names.
    pub(super) fn add_site(&mut self, folder: &Path) {
        if folder.join("takt.yaml").is_file() && !self.sites.contains_key(folder) {
            let state = State { to_load: true, ..State::default() };
            self.sites.insert(folder.to_owned(), state);
        }
    }

    /// The site a file belongs to, and its path there with `/`.
    fn locate(&mut self, path: &Path) -> Option<(PathBuf, String)> {
        let folder = path.ancestors().skip(1).find(|folder| folder.join("takt.yaml").is_file())?.to_owned();
        self.add_site(&folder);
        let inside = path.strip_prefix(&folder).ok()?;
        let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        Some((folder, parts.join("/")))
    }

    pub(super) fn open(&mut self, uri: Uri, version: i32, text: String) {
        let Some(path) = uri::path_of(&uri) else { return };
        self.documents.insert(path.clone(), Document { uri, version, text: Text::new(text), good: None });
        self.touch(&path);
    }

    pub(super) fn change(&mut self, uri: &Uri, version: i32, change: impl FnOnce(&mut Text)) {
        let Some(path) = uri::path_of(uri) else { return };
        let Some(document) = self.documents.get_mut(&path) else { return };
        document.version = version;
        change(&mut document.text);
        self.touch(&path);
    }

    pub(super) fn close(&mut self, uri: &Uri) {
        let Some(path) = uri::path_of(uri) else { return };
        if self.documents.remove(&path).is_some() {
            self.changed_on_disk(&path);
        }
    }

    /// What a changed text makes worth checking.
    fn touch(&mut self, path: &Path) {
        let Some((folder, inside)) = self.locate(path) else { return };
        let open: Vec<String> = self.open_in(&folder).keys().cloned().collect();
        let Some(state) = self.sites.get_mut(&folder) else { return };
        match FileKind::of(&inside) {
            FileKind::Workflow | FileKind::Test => drop(state.to_check.insert(inside)),
            FileKind::Site => state.to_load = true,
            FileKind::Template | FileKind::Rule | FileKind::Other => {
                let definitions = state.plant.iter().flat_map(|plant| plant.library.definitions());
                let users = definitions.filter(|definition| names(definition, &inside));
                state.to_check.extend(users.map(|definition| definition.bundle.path.clone()));
                // One that did not compile is in no library, and may name it too.
                state
                    .to_check
                    .extend(open.into_iter().filter(|path| FileKind::of(path) == FileKind::Workflow));
            }
        }
    }

    /// A file was saved, made or removed.
    pub(super) fn changed_on_disk(&mut self, path: &Path) {
        let Some((folder, inside)) = self.locate(path) else { return };
        let holder = inside.rsplit_once('/').map_or("", |(holder, _)| holder);
        let Some(state) = self.sites.get_mut(&folder) else { return };
        state.to_load |= inside == "takt.yaml" || FOLDERS.contains(&holder);
    }

    /// Texts that are open in a site, by their path in it.
    fn open_in(&self, folder: &Path) -> Unsaved {
        let inside =
            |path: &PathBuf| path.strip_prefix(folder).ok()?.to_str().map(|path| path.replace('\\', "/"));
        let all = self.documents.iter();
        all.filter_map(|(path, document)| Some((inside(path)?, document.text.as_str().to_owned()))).collect()
    }

    pub(super) fn has_work(&self) -> bool {
        self.sites.values().any(|state| state.to_load || !state.to_check.is_empty())
    }

    /// The next job, with the versions of the documents it looks at.
    pub(super) fn take_job(&mut self) -> Option<(Job, BTreeMap<PathBuf, i32>)> {
        let folder =
            self.sites.iter().find(|(_, state)| state.to_load || !state.to_check.is_empty())?.0.clone();
        let unsaved = self.open_in(&folder);
        let versions =
            self.documents.iter().map(|(path, document)| (path.clone(), document.version)).collect();
        let state = self.sites.get_mut(&folder)?;
        let plant = state.plant.clone().filter(|_| !state.to_load);
        state.to_load = false;
        let paths = std::mem::take(&mut state.to_check);
        Some((Job { plant, last: state.plant.clone(), unsaved, paths, folder }, versions))
    }

    /// Takes in what a job found, unless the document has changed since.
    pub(super) fn settle(&mut self, outcome: Outcome, versions: &BTreeMap<PathBuf, i32>) {
        let Outcome { folder, loaded, checked, rest, broke } = outcome;
        let Some(state) = self.sites.get_mut(&folder) else { return };
        state.is_settled = true;
        match loaded {
            Some(Ok(plant)) => {
                state.plant = Some(plant);
                state.broken.clear();
                // What was not looked at again keeps its findings until it is.
                state.problems.retain(|path, _| rest.contains(path));
            }
            Some(Err(found)) => state.broken = found,
            None => {}
        }
        state.to_check.extend(rest);
        if broke {
            return;
        }
        for one in checked {
            let path = folder.join(&one.path);
            if let Some(document) = self.documents.get_mut(&path) {
                document.good = one.definition.or(document.good.take());
                // A newer text is checked next; until then the older findings stay.
                if versions.get(&path) != Some(&document.version) && state.problems.contains_key(&one.path) {
                    continue;
                }
            }
            state.problems.insert(one.path, one.problems);
        }
    }

    /// What has to be told of a site since the last time.
    pub(super) fn news(&mut self) -> Vec<PublishDiagnosticsParams> {
        let mut news = Vec::new();
        for (folder, state) in &mut self.sites {
            let mut by_file: BTreeMap<PathBuf, Vec<&Problem>> = BTreeMap::new();
            for problem in state.problems.values().flatten() {
                let places = places_of("workflows/w.yaml", &problem.path).map(|place| folder.join(place));
                let path =
                    places.into_iter().find(|path| path.is_file() || self.documents.contains_key(path));
                let path = path.unwrap_or_else(|| folder.join(&problem.path));
                by_file.entry(path).or_default().push(problem);
            }
            let mut now: BTreeMap<PathBuf, Vec<Diagnostic>> = BTreeMap::new();
            for (path, mut problems) in by_file {
                // Several workflows may lead to the same finding in a file they share.
                problems.sort_by_key(|problem| (problem.place, problem.code, &problem.message));
                problems.dedup();
                let text = text_of(&self.documents, &path);
                now.insert(
                    path,
                    problems.iter().map(|problem| findings::of_problem(&text, problem)).collect(),
                );
            }
            for finding in &state.broken {
                let text = text_of(&self.documents, &finding.path);
                now.entry(finding.path.clone()).or_default().push(findings::of_site(&text, finding));
            }
            let gone = state.told.keys().filter(|path| !now.contains_key(*path)).cloned().collect::<Vec<_>>();
            now.extend(gone.into_iter().map(|path| (path, Vec::new())));
            // What is open is told once, also when it is fine.
            let open = self.documents.keys().filter(|path| path.starts_with(folder) && state.is_settled);
            for path in open {
                now.entry(path.clone()).or_default();
            }
            for (path, diagnostics) in &now {
                if state.told.get(path) != Some(diagnostics) {
                    let document = self.documents.get(path);
                    let uri = document.map_or_else(|| uri::uri_of(path), |document| document.uri.clone());
                    let version = document.map(|document| document.version);
                    news.push(PublishDiagnosticsParams { uri, version, diagnostics: diagnostics.clone() });
                }
            }
            state.told = now;
        }
        news
    }

    /// Whether the site of a document is still being read for the first time.
    pub(super) fn is_unsettled(&mut self, uri: &Uri) -> bool {
        let located = uri::path_of(uri).and_then(|path| self.locate(&path));
        located.is_some_and(|(folder, _)| self.sites.get(&folder).is_some_and(|state| !state.is_settled))
    }

    pub(super) fn text(&self, uri: &Uri) -> Option<&Text> {
        uri::path_of(uri).and_then(|path| self.documents.get(&path)).map(|document| &document.text)
    }

    /// Asks something of an open document in a site that has loaded.
    pub(super) fn ask<A>(&mut self, uri: &Uri, ask: impl FnOnce(&Context<'_>, &[Problem]) -> A) -> Option<A> {
        let path = uri::path_of(uri)?;
        let (folder, inside) = self.locate(&path)?;
        let unsaved = self.open_in(&folder);
        let document = self.documents.get(&path)?;
        let state = self.sites.get(&folder)?;
        let plant = state.plant.as_ref()?;
        let is_here = |problem: &&Problem| {
            problem.path == inside
                || places_of("workflows/w.yaml", &problem.path).any(|place| folder.join(place) == path)
        };
        let problems: Vec<Problem> = state.problems.values().flatten().filter(is_here).cloned().collect();
        let saved = plant.library.definitions().find(|definition| definition.bundle.path == inside);
        let good = document.good.as_ref().or(saved);
        let context = Context { plant, path: &inside, text: &document.text, good, unsaved: &unsaved };
        Some(ask(&context, &problems))
    }
}

/// Whether a workflow names this file.
fn names(definition: &Definition, path: &str) -> bool {
    let holder = &definition.bundle.path;
    let mut named = definition.bundle.files.keys();
    named.any(|named| places_of(holder, named).any(|place| place == Path::new(path)))
}

fn text_of(documents: &BTreeMap<PathBuf, Document>, path: &Path) -> Text {
    match documents.get(path) {
        Some(document) => document.text.clone(),
        None => Text::new(fs::read_to_string(path).unwrap_or_default()),
    }
}
