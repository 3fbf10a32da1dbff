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
use std::{collections::BTreeMap, fs, io, path::Path};

/// What a test file is held against.
pub(super) struct Known<'k> {
    pub site: &'k Site,
    pub tools: &'k Registry,
    /// Tools that are algorithms: a test may let them work.
    pub built_in: &'k Registry,
    pub library: &'k Library,
    pub contracts: &'k Contracts,
}

/// Path and findings of every test file of a site, as `takt test` would refuse it. A test whose workflow has mistakes
/// of its own is told these only.
pub fn test_problems(
    site: &Site,
    tools: &Registry,
    built_in: &Registry,
    library: &Library,
) -> io::Result<BTreeMap<String, Vec<Problem>>> {
    let contracts = Contracts::of(tools.specs());
    let known = Known { site, tools, built_in, library, contracts: &contracts };
    let of_file = |path: String| {
        let found = match read_text(&site.folder, &path) {
            Ok(text) => read_alone(&known, &path, &text, &fixtures(&site.folder.join(&path))).problems,
            Err(cause) => vec![unreadable(&path, &cause)],
        };
        (path, found)
    };
    Ok(test_files(&site.folder)?.into_iter().map(of_file).collect())
}

/// One test file; where it cannot be played, why.
pub(super) fn read(
    known: &Known<'_>,
    path: &str,
    text: &str,
    fixtures: &BTreeMap<String, Value>,
) -> ReadTest {
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
fn read_alone(known: &Known<'_>, path: &str, text: &str, fixtures: &BTreeMap<String, Value>) -> ReadTest {
    let mut read = read_test(path, text, known.library, known.tools, known.site);
    if let (Some(file), Some(_)) = (&read.file, &read.definition) {
        let found = check_mocks(known, file, fixtures);
        read.problems.extend(found);
        read.problems.sort_by_key(|problem| problem.place);
    }
    read
}

fn unreadable(path: &str, cause: &io::Error) -> Problem {
    Problem {
        code: "T001",
        severity: Severity::Error,
        path: path.to_owned(),
        place: Place { line: 1, column: 1 },
        message: format!("the file cannot be read: {cause}"),
        fix: Some("check its permissions, and that it is UTF-8".to_owned()),
    }
}

/// `fixtures/*.json` beside the test, by name. One that is not JSON is missing: whoever uses it is told.
pub(super) fn fixtures(test: &Path) -> BTreeMap<String, Value> {
    let folder = test.parent().unwrap_or(Path::new("")).join("fixtures");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == "json")
            && let Some(value) = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
        {
            found.insert(stem(&path.to_string_lossy()), value);
        }
    }
    found
}

/// Answers that are written out must be such as their tool gives.
fn check_mocks(known: &Known<'_>, file: &TestFile, fixtures: &BTreeMap<String, Value>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let settings = std::iter::once(&file.defaults).chain(file.cases.iter().map(|case| &case.setting));
    for (tool, mock) in settings.flat_map(|setting| &setting.tools) {
        check_mock(known, &file.path, tool, mock, fixtures, &mut problems);
    }
    problems
}

fn check_mock(
    known: &Known<'_>,
    path: &str,
    tool: &ToolName,
    mock: &Placed<Mock>,
    fixtures: &BTreeMap<String, Value>,
    problems: &mut Vec<Problem>,
) {
    let found = match &mock.it {
        Mock::Answer(answer) if answer.it.expressions().is_empty() => {
            let misfit = known.contracts.output_problem(tool, answer.it.raw());
            misfit.map(|misfit| (answer.value_at(&misfit.at), misfit.to_string()))
        }
        Mock::Fixture(name) => {
            let misfit = match fixtures.get(&stem(&name.it)) {
                Some(value) => known.contracts.output_problem(tool, value).map(|misfit| misfit.to_string()),
                None => Some(format!("{} is not beside the test, or is not JSON", name.it)),
            };
            misfit.map(|misfit| (name.place, misfit))
        }
        Mock::BuiltIn if known.built_in.get(tool).is_none() => {
            Some((mock.place, "it is not built into Takt".to_owned()))
        }
        Mock::InTurn(list) => {
            for mock in list {
                check_mock(known, path, tool, mock, fixtures, problems);
            }
            None
        }
        Mock::Answer(_) | Mock::Error(_) | Mock::BuiltIn => None,
    };
    if let Some((place, found)) = found {
        let message = format!("this is no answer of {tool}: {found}");
        let (severity, path) = (Severity::Error, path.to_owned());
        let fix = Some("write what the tool would answer".to_owned());
        problems.push(Problem { code: "T007", severity, path, place, message, fix });
    }
}
