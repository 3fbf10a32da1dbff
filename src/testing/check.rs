//! What is wrong with a test file before it is played: what `takt test` refuses, and `takt check` tells.

use super::world::{Contracts, stem};
use crate::{
    site::{Site, read_text},
    tool::{Registry, ToolName},
    workflow::{
        Library, Place,
        cases::{Mock, Placed, ReadTest, TestFile, read_test},
        problem::{Problem, Severity},
        test_files,
    },
};
use serde_json::Value;
use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};

/// What a test file is held against.
pub(super) struct Known<'k> {
    pub site: &'k Site,
    pub tools: &'k Registry,
    /// Tools that are algorithms: a test may let them work.
    pub built_in: &'k Registry,
    pub library: &'k Library,
    pub contracts: &'k Contracts,
}

/// A test file, as `takt test` would read it.
#[derive(Debug)]
pub struct CheckedTest {
    /// The workflow it names, as far as it is understood.
    pub workflow: Option<String>,
    pub problems: Vec<Problem>,
}

/// Path and findings of every test file of a site, as `takt test` would refuse it. A test whose workflow has mistakes
/// of its own is told these only.
pub fn test_problems(
    site: &Site,
    tools: &Registry,
    built_in: &Registry,
    library: &Library,
) -> io::Result<BTreeMap<String, CheckedTest>> {
    let contracts = Contracts::of(tools.specs());
    let known = Known { site, tools, built_in, library, contracts: &contracts };
    let files = test_files(&site.folder)?;
    // All tests of a site lie in one folder, and so do their fixtures.
    let Some(fixtures) = files.first().map(|path| Fixtures::beside(&site.folder, path)) else {
        return Ok(BTreeMap::new());
    };
    let of_file = |path: String| {
        let checked = match read_text(&site.folder, &path) {
            Ok(text) => {
                let read = read_alone(&known, &path, &text, &fixtures);
                CheckedTest { workflow: read.file.map(|file| file.workflow.it), problems: read.problems }
            }
            Err(cause) => CheckedTest { workflow: None, problems: vec![Problem::unreadable(&path, &cause)] },
        };
        (path, checked)
    };
    Ok(files.into_iter().map(of_file).collect())
}

/// Whether a test goes with a workflow file that was chosen: by the workflow it names, else by the name of its file.
pub fn goes_with(
    library: &Library,
    (test, workflow): (&str, Option<&str>),
    is_chosen: impl Fn(&str) -> bool,
) -> bool {
    let is_it = |path: &&str| workflow.is_some() && library.id_at(path) == workflow;
    let mut named = library.paths().filter(is_it).peekable();
    if named.peek().is_some() {
        return named.any(is_chosen);
    }
    test.strip_suffix(".test.yaml").is_some_and(|stem| is_chosen(&format!("{stem}.yaml")))
}

/// One test file; where it cannot be played, why.
pub(super) fn read(known: &Known<'_>, path: &str, text: &str, fixtures: &Fixtures) -> ReadTest {
    let mut read = read_alone(known, path, text, fixtures);
    if let (Some(file), true) = (&read.file, read.is_of_broken) {
        let (severity, path) = (Severity::Error, path.to_owned());
        let message = known.library.absence(&file.workflow.it);
        let fix = Some("a test plays a workflow that loads".to_owned());
        read.problems.push(Problem {
            code: "T006",
            severity,
            path,
            place: file.workflow.place,
            message,
            fix,
        });
    }
    read
}

/// Without what is told of its workflow anyway.
fn read_alone(known: &Known<'_>, path: &str, text: &str, fixtures: &Fixtures) -> ReadTest {
    let mut read = read_test(path, text, known.library, known.tools, known.site);
    if let (Some(file), Some(_)) = (&read.file, &read.definition) {
        let mut mocks = Mocks { known, path, fixtures, is_whole: read.is_whole, problems: Vec::new() };
        mocks.check(file);
        read.problems.extend(mocks.problems);
        read.problems.sort_by_key(|problem| problem.place);
    }
    read.problems.extend(fixtures.broken_in(text).cloned());
    read
}

/// `fixtures/*.json` beside a test.
pub(super) struct Fixtures {
    /// By name, without the ending.
    pub(super) values: Arc<BTreeMap<String, Value>>,
    /// Those that cannot be read, and why.
    broken: BTreeMap<String, Problem>,
}

impl Fixtures {
    /// Beside the test of this path in the site folder.
    pub(super) fn beside(site: &Path, test: &str) -> Self {
        let folder = Path::new(test).parent().unwrap_or(Path::new("")).join("fixtures");
        let (mut values, mut broken) = (BTreeMap::new(), BTreeMap::new());
        for entry in fs::read_dir(site.join(&folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            let path = path.to_string_lossy();
            let text = read_text(site, &*path).map_err(|cause| Problem::unreadable(&path, &cause));
            match text.and_then(|text| json_of(&path, &text)) {
                Ok(value) => drop(values.insert(stem(&path), value)),
                Err(problem) => drop(broken.insert(stem(&path), problem)),
            }
        }
        Self { values: Arc::new(values), broken }
    }

    /// What is wrong with those that a test speaks of, as a tool's answer or in an expression.
    fn broken_in(&self, test: &str) -> impl Iterator<Item = &Problem> {
        let is_named = move |name: &str| {
            ["/", "."].iter().any(|before| test.contains(&format!("fixtures{before}{name}")))
        };
        self.broken.iter().filter(move |(name, _)| is_named(name.as_str())).map(|(_, problem)| problem)
    }
}

fn json_of(path: &str, text: &str) -> Result<Value, Problem> {
    serde_json::from_str(text).map_err(|cause| Problem {
        code: "T001",
        severity: Severity::Error,
        path: path.to_owned(),
        place: Place { line: cause.line().max(1) as u32, column: cause.column().max(1) as u32 },
        message: format!("not valid JSON: {cause}"),
        fix: Some("write what the tool would answer, as JSON".to_owned()),
    })
}

/// Answers that are written out must be such as their tool gives.
struct Mocks<'m> {
    known: &'m Known<'m>,
    path: &'m str,
    fixtures: &'m Fixtures,
    /// All of the test was understood; else only names are looked at.
    is_whole: bool,
    problems: Vec<Problem>,
}

impl Mocks<'_> {
    fn check(&mut self, file: &TestFile) {
        let settings = std::iter::once(&file.defaults).chain(file.cases.iter().map(|case| &case.setting));
        for (tool, mock) in settings.flat_map(|setting| &setting.tools) {
            self.mock(tool, mock);
        }
    }

    fn mock(&mut self, tool: &ToolName, mock: &Placed<Mock>) {
        match &mock.it {
            Mock::Answer(answer) if answer.it.expressions().is_empty() && self.is_whole => {
                if let Some(misfit) = self.known.contracts.output_problem(tool, answer.it.raw()) {
                    self.no_answer(tool, answer.value_at(&misfit.at), &misfit.to_string());
                }
            }
            Mock::Fixture(name) => self.fixture(tool, name),
            Mock::BuiltIn if self.known.built_in.get(tool).is_none() => {
                self.no_answer(tool, mock.place, "it is not built into Takt");
            }
            Mock::InTurn(list) => list.iter().for_each(|mock| self.mock(tool, mock)),
            Mock::Answer(_) | Mock::Error(_) | Mock::BuiltIn => {}
        }
    }

    fn fixture(&mut self, tool: &ToolName, name: &Placed<String>) {
        let stem = stem(&name.it);
        let is_elsewhere = name.it.strip_prefix("fixtures/").is_none_or(|name| name.contains('/'));
        if is_elsewhere {
            let message = format!("{} is not looked at", name.it);
            let fix = "put it into `fixtures/` itself: only `fixtures/<name>.json` is looked at";
            self.error(name.place, message, fix);
        } else if let Some(value) = self.fixtures.values.get(&stem) {
            if let Some(misfit) = self.known.contracts.output_problem(tool, value).filter(|_| self.is_whole) {
                self.no_answer(tool, name.place, &misfit.to_string());
            }
        } else if !self.fixtures.broken.contains_key(&stem) {
            self.no_answer(tool, name.place, &format!("{} is not beside the test", name.it));
        }
    }

    fn no_answer(&mut self, tool: &ToolName, place: Place, why: &str) {
        let message = format!("this is no answer of {tool}: {why}");
        self.error(place, message, "write what the tool would answer");
    }

    fn error(&mut self, place: Place, message: String, fix: &str) {
        let (severity, path, fix) = (Severity::Error, self.path.to_owned(), Some(fix.to_owned()));
        self.problems.push(Problem { code: "T007", severity, path, place, message, fix });
    }
}
