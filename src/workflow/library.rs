//! Every workflow of a site folder, by id. A file that broke keeps its last good version.

mod files;
mod mentions;
mod untested;

use super::{
    Bundle, Definition, Events, Place, Spot,
    cases::TestFile,
    check,
    definition::{Draft, is_sound},
    problem::{Problem, Severity},
    suggest::closest,
};
use crate::{
    expr::Types,
    site::{Site, read_text},
    tool::Registry,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    panic::resume_unwind,
    path::Path,
    sync::Arc,
};

/// The folder, below the site folder, that holds the workflow files.
const FOLDER: &str = "workflows";
const TEST_ENDING: &str = ".test.yaml";

/// What became of one file: its definition, when it compiles, its findings, and its id as far as it has one.
type Read = (Option<Definition>, Vec<Problem>, Option<String>);

#[derive(Debug, Default)]
pub struct Library {
    /// By path in the site folder.
    files: BTreeMap<String, File>,
    events: Events,
    /// Of files beside the workflows.
    around: Vec<Problem>,
}

#[derive(Debug, Default)]
struct File {
    /// The last version without an error, alone and with the others: the one in force.
    definition: Option<Arc<Definition>>,
    /// The file as it is now, where it has no error of its own.
    compiled: Option<Arc<Definition>>,
    /// Of the file as it is now, as far as it is understood.
    id: Option<String>,
    /// Of the file as it is now, by itself.
    own: Vec<Problem>,
    /// With what others have to do with it.
    problems: Vec<Problem>,
}

impl File {
    fn is_settled(&self, folder: &Path) -> bool {
        let current = |definition: &Arc<Definition>| definition.bundle.is_current(folder);
        is_sound(&self.own) && self.compiled.as_ref().is_some_and(current)
    }

    /// What others of the site have to do with: the file as it is now, or the version in force.
    fn candidate(&self) -> Option<&Arc<Definition>> {
        self.compiled.as_ref().or(self.definition.as_ref())
    }
}

impl Library {
    pub fn load(registry: &Registry, site: &Site) -> io::Result<Self> {
        let mut library = Self::default();
        library.reload(registry, site)?;
        Ok(library)
    }

    /// Reads the folder again. What does not check is reported and its last good version stays; a file
    /// without an error that is as it was is not compiled again.
    pub fn reload(&mut self, registry: &Registry, site: &Site) -> io::Result<()> {
        let (events, problems) = Events::load(&site.folder)?;
        // First, or events that no workflow was checked against would count as known when this fails.
        let paths = workflow_files(&site.folder)?;
        // A workflow is checked against the events, so with other ones each is read again.
        let same_events = events.are_those_of(&self.events);
        (self.events, self.around) = (events, problems);
        let known = self.files.len();
        self.files.retain(|path, _| paths.contains(path));
        let is_settled = |path: &String| {
            same_events && self.files.get(path).is_some_and(|file| file.is_settled(&site.folder))
        };
        let changed: Vec<String> = paths.into_iter().filter(|path| !is_settled(path)).collect();
        if !same_events || !changed.is_empty() || self.files.len() != known {
            self.take_in(changed, registry, site);
        }
        self.look_around(registry, site)
    }

    /// Reads what changed, and looks at all of them together.
    fn take_in(&mut self, changed: Vec<String>, registry: &Registry, site: &Site) {
        for (path, (compiled, problems, id)) in self.read_all(changed, registry, site) {
            let file = self.files.entry(path).or_default();
            file.id = id;
            file.compiled = compiled.filter(|_| is_sound(&problems)).map(Arc::new);
            file.own = problems;
        }
        self.files.values_mut().for_each(|file| file.problems.clone_from(&file.own));
        self.check_ids();
        self.check_runs(registry, site);
        for file in self.files.values_mut().filter(|file| is_sound(&file.problems)) {
            file.definition.clone_from(&file.compiled);
        }
    }

    /// What is to say of the files beside the workflows.
    fn look_around(&mut self, registry: &Registry, site: &Site) -> io::Result<()> {
        self.around.extend(files::unread(&site.folder)?);
        self.around.extend(files::surprises(&site.folder));
        // What a broken workflow names is not known, so nothing is told to be of no use.
        if self.files.values().all(|file| is_sound(&file.own)) {
            self.around.extend(files::unused(&site.folder, self.candidates().map(AsRef::as_ref))?);
            let ids = self.candidates().map(|definition| definition.workflow.id.as_str()).collect();
            let dangling = mentions::dangling(site, &ids, registry);
            self.around.extend(dangling);
        }
        Ok(())
    }

    /// What would be found if this text stood in the file: for editors, and for tests of the checks.
    pub fn findings(&self, path: &str, text: &str, registry: &Registry, site: &Site) -> Vec<Problem> {
        self.inspect(Bundle::with(&site.folder, path, text.to_owned()), registry, site).1
    }

    /// As [`Library::findings`], with the definition when there is one: it may still hold errors.
    pub fn inspect(
        &self,
        bundle: Bundle,
        registry: &Registry,
        site: &Site,
    ) -> (Option<Arc<Definition>>, Vec<Problem>) {
        let path = bundle.path.clone();
        let (compiled, mut problems, _) = self.read(bundle, registry, site);
        let Some(compiled) = compiled.map(Arc::new) else { return (None, problems) };
        let mut good = self.good();
        good.retain(|_, definition| definition.bundle.path != path);
        if let Some(owner) = good.get(&compiled.workflow.id) {
            problems.push(taken(&path, &compiled.workflow.id, &owner.bundle.path));
        }
        good.insert(compiled.workflow.id.clone(), Arc::clone(&compiled));
        let children = check::Children::of(good).with_broken(self.all_ids());
        problems.extend(check::runs(&compiled, registry, site, &self.events, &children, &problems));
        problems.sort_by_key(|problem| problem.place);
        (Some(compiled), problems)
    }

    /// The names an expression may see at one place of a workflow: what an editor completes.
    pub fn names_at(
        &self,
        definition: &Definition,
        spot: &Spot,
        registry: &Registry,
        site: &Site,
    ) -> Option<Types> {
        check::names_at(definition, registry, site, &self.events, &check::Children::of(self.good()), spot)
    }

    /// As [`Library::names_at`], in a text that may have mistakes elsewhere.
    pub fn names_in(&self, bundle: Bundle, spot: &Spot, registry: &Registry, site: &Site) -> Option<Types> {
        self.names_at(&Definition::draft(bundle).definition?, spot, registry, site)
    }

    pub fn events(&self) -> &Events {
        &self.events
    }

    fn read(&self, bundle: Bundle, registry: &Registry, site: &Site) -> Read {
        findings_of(bundle, registry, site, &self.events)
    }

    /// On all cores: files have nothing to do with one another until each is read.
    fn read_all(&self, paths: Vec<String>, registry: &Registry, site: &Site) -> Vec<(String, Read)> {
        let read = |path: &String| match Bundle::collect(&site.folder, path) {
            Ok(bundle) => self.read(bundle, registry, site),
            Err(cause) => (None, vec![Problem::unreadable(path, &cause)], None),
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = paths.len().div_ceil(threads).max(1);
        let read_share = |paths: &[String]| paths.iter().map(read).collect::<Vec<Read>>();
        let found: Vec<Read> = std::thread::scope(|scope| {
            let shares: Vec<_> = paths.chunks(share).map(|paths| scope.spawn(|| read_share(paths))).collect();
            shares
                .into_iter()
                .flat_map(|share| share.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        paths.into_iter().zip(found).collect()
    }

    fn candidates(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.files.values().filter_map(File::candidate)
    }

    /// By id; where two files have the same, the one that has it in force, or else the first.
    fn good(&self) -> BTreeMap<String, Arc<Definition>> {
        let id = |definition: &Arc<Definition>| definition.workflow.id.clone();
        let mut files: Vec<&File> = self.files.values().collect();
        files.sort_by_key(|file| file.definition.as_ref().map(id) != file.candidate().map(id));
        let mut good = BTreeMap::new();
        for candidate in files.into_iter().filter_map(File::candidate) {
            good.entry(id(candidate)).or_insert_with(|| Arc::clone(candidate));
        }
        good
    }

    pub fn get(&self, id: &str) -> Option<&Arc<Definition>> {
        self.definitions().find(|definition| definition.workflow.id == id)
    }

    /// Why [`Library::get`] has no workflow for `wanted`, for whoever asked for it.
    pub fn absence(&self, wanted: &str) -> String {
        let own_path = format!("{FOLDER}/{wanted}.yaml");
        let mut unsound = self.files.iter().filter(|(_, file)| !is_sound(&file.problems));
        let broken = unsound.find(|(path, file)| file.id.as_deref() == Some(wanted) || **path == own_path);
        if let Some((path, _)) = broken {
            return format!("{path} has a mistake, see `takt check`");
        }
        let known = self.ids();
        let nameless = self.files.iter().find(|(_, file)| file.id.is_none() && !is_sound(&file.problems));
        let hint = nameless.map(|(path, _)| format!(" ({path} has a mistake, see `takt check`)"));
        let hint = hint.unwrap_or_default();
        match closest(wanted, known.iter().copied()) {
            Some(near) => format!(
                "there is no workflow `{wanted}`: did you mean `{near}`? (this site has: {}){hint}",
                known.join(", ")
            ),
            None => format!("there is no workflow `{wanted}`; this site has: {}{hint}", known.join(", ")),
        }
    }

    /// Whether no file of the site is this workflow, with mistakes or without.
    pub(super) fn is_unknown(&self, wanted: &str) -> bool {
        let own_path = format!("{FOLDER}/{wanted}.yaml");
        let is_it = |definition: &Arc<Definition>| definition.workflow.id == wanted;
        let is_here = |(path, file): (&String, &File)| {
            let is_lost = file.id.is_none() && *path == own_path;
            is_lost || file.id.as_deref() == Some(wanted) || file.definition.as_ref().is_some_and(is_it)
        };
        !self.files.iter().any(is_here)
    }

    /// Of the workflows in force.
    pub(super) fn ids(&self) -> Vec<&str> {
        self.definitions().map(|known| known.workflow.id.as_str()).collect()
    }

    /// The file of a workflow or of a test that was probably meant by a path that leads nowhere.
    pub fn near_path(folder: &Path, wrong: &Path) -> Option<String> {
        let (name, ending) = wrong.file_name()?.to_str()?.split_once('.')?;
        let all = files_of(folder, |name| name.ends_with(".yaml")).unwrap_or_default();
        let paths = all.iter().map(String::as_str);
        let alike = paths.filter_map(|path| {
            let (known, other) = path.strip_prefix(FOLDER)?.trim_start_matches('/').split_once('.')?;
            (other == ending).then_some((known, path))
        });
        let alike: BTreeMap<&str, &str> = alike.collect();
        let near = closest(name, alike.keys().copied())?;
        alike.get(near).map(|path| (*path).to_owned())
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
        self.files.values().flat_map(|file| &file.problems).chain(&self.around)
    }

    /// Path of each workflow and what no test covers of it.
    pub fn untested(&self, site: &Site) -> BTreeMap<String, Vec<Problem>> {
        let tests = untested::tests(&site.folder, |_, _| true);
        let of = |definition: &Arc<Definition>| {
            (definition.bundle.path.clone(), untested::untested(&tests, definition))
        };
        self.candidates().map(of).collect()
    }

    /// What no test covers of one workflow.
    pub fn untested_in(definition: &Definition, site: &Site) -> Vec<Problem> {
        let own = untested::own_test(definition);
        let may_be = |path: &str, text: &str| path == own || text.contains(&definition.workflow.id);
        untested::untested(&untested::tests(&site.folder, may_be), definition)
    }

    /// What is wrong in the form of the site's events, workflows and tests, whatever its tools and people are: all that
    /// can be told while these are not known.
    pub fn shapes(folder: &Path) -> io::Result<Vec<Problem>> {
        let (_, mut problems) = Events::load(folder)?;
        for path in workflow_files(folder)? {
            let bundle = match Bundle::collect(folder, &path) {
                Ok(bundle) => bundle,
                Err(cause) => {
                    problems.push(Problem::unreadable(&path, &cause));
                    continue;
                }
            };
            let Draft { definition, problems: mut found, .. } = Definition::draft(bundle);
            if let Some(definition) = definition {
                definition.tell_of_files(folder, &mut found);
            }
            problems.extend(found);
        }
        for path in test_files(folder)? {
            if let Ok(text) = read_text(folder, &path) {
                problems.extend(TestFile::draft(&path, &text).1);
            }
        }
        Ok(problems)
    }

    /// Findings in files beside the workflows.
    pub fn around(&self) -> &[Problem] {
        &self.around
    }

    /// The id of the workflow in this file as it is now, with mistakes or without; one that is not understood goes by its
    /// name.
    pub fn id_at<'l>(&'l self, path: &'l str) -> Option<&'l str> {
        let by_name = || path.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".yaml");
        self.files.get(path)?.id.as_deref().or_else(by_name)
    }

    fn all_ids(&self) -> BTreeSet<String> {
        self.paths().filter_map(|path| self.id_at(path)).map(str::to_owned).collect()
    }

    /// Either may be the copy, so both are told, and whichever was in force stays.
    fn check_ids(&mut self) {
        let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (path, file) in &self.files {
            if let Some(definition) = file.candidate() {
                owners.entry(definition.workflow.id.clone()).or_default().push(path.clone());
            }
        }
        for (id, paths) in owners {
            for path in &paths {
                let others = paths.iter().filter(|other| *other != path);
                let file = self.files.entry(path.clone()).or_default();
                file.problems.extend(others.map(|other| taken(path, &id, other)));
            }
        }
    }

    /// Every `run:` must name a workflow of this site and give it the inputs it takes. One that is only
    /// broken has its own findings.
    fn check_runs(&mut self, registry: &Registry, site: &Site) {
        let children = check::Children::of(self.good()).with_broken(self.all_ids());
        let events = std::mem::take(&mut self.events);
        for file in self.files.values_mut() {
            let Some(definition) = file.candidate().cloned() else { continue };
            let found = check::runs(&definition, registry, site, &events, &children, &file.own);
            file.problems.extend(found);
        }
        self.events = events;
    }
}

/// Compiles and checks one file. What compiles is there even when a check failed; where the form has a mistake, what can
/// be understood is checked all the same, so that everything is told at once.
pub(super) fn findings_of(bundle: Bundle, registry: &Registry, site: &Site, events: &Events) -> Read {
    let Draft { definition, mut problems, lost } = Definition::draft(bundle);
    let Some(definition) = definition else { return (None, problems, None) };
    definition.tell_of_files(&site.folder, &mut problems);
    let compiles = is_sound(&problems);
    let found = check::check(&definition, registry, site, events);
    problems.extend(found.into_iter().filter(|problem| compiles || !may_follow(problem, &lost)));
    problems.sort_by_key(|problem| problem.place);
    let id = definition.workflow.id.clone();
    (Some(definition).filter(|_| compiles), problems, Some(id))
}

/// Whether a finding may be there only because another mistake left something out: what is said of the whole
/// workflow, or of a step that was lost.
fn may_follow(problem: &Problem, lost: &[String]) -> bool {
    const OF_THE_WHOLE: [&str; 6] = ["T010", "T014", "T016", "T021", "T022", "T024"];
    OF_THE_WHOLE.contains(&problem.code)
        || lost.iter().any(|id| {
            problem.message.contains(&format!("`{id}`")) || problem.message.contains(&format!("steps.{id}"))
        })
}

fn taken(path: &str, id: &str, owner: &str) -> Problem {
    let message = format!("the workflow `{id}` is also in {owner}");
    error("T003", path, Place { line: 1, column: 1 }, message, "rename one of them")
}

/// Paths of the workflow files of a site, tests left out.
fn workflow_files(folder: &Path) -> io::Result<BTreeSet<String>> {
    files_of(folder, |name| name.ends_with(".yaml") && !name.ends_with(TEST_ENDING))
}

/// Paths of the test files of a site.
pub fn test_files(folder: &Path) -> io::Result<BTreeSet<String>> {
    files_of(folder, |name| name.ends_with(TEST_ENDING))
}

fn files_of(folder: &Path, is_one: impl Fn(&str) -> bool) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder.join(FOLDER))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if is_one(&name) {
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
