//! One test file from its text to what can be played: `takt check`, `takt test` and the editor find the same in it.

use super::{TestFile, check::check_names, check_cases};
use crate::{
    site::Site,
    tool::Registry,
    workflow::{
        Definition, Library,
        problem::{Problem, Severity},
        suggest,
    },
};
use std::sync::Arc;

/// A test file and what is wrong with it. With an error it cannot be played.
#[derive(Debug)]
pub struct ReadTest {
    /// As far as it is understood.
    pub file: Option<TestFile>,
    /// The workflow it names, where one is in force.
    pub definition: Option<Arc<Definition>>,
    pub problems: Vec<Problem>,
    /// The workflow it names is there and has mistakes of its own, which are told there.
    pub is_of_broken: bool,
    /// All of it was understood.
    pub is_whole: bool,
}

/// Reads a test file and holds it against its workflow, the tools and the people of the site.
pub fn read_test(path: &str, text: &str, library: &Library, tools: &Registry, site: &Site) -> ReadTest {
    let (file, mut problems) = TestFile::draft(path, text);
    let is_whole = !problems.iter().any(Problem::is_error);
    let (definition, is_of_broken) = (None, false);
    let mut read = ReadTest { file: None, definition, problems: Vec::new(), is_of_broken, is_whole };
    if let Some(file) = file {
        let id = file.workflow.it.as_str();
        read.definition = library.get(id).cloned();
        read.is_of_broken = read.definition.is_none() && !library.is_unknown(id);
        match &read.definition {
            Some(definition) => {
                // Others than those of names may follow from what was not understood.
                let check = if is_whole { check_cases } else { check_names };
                problems.extend(check(&file, definition, tools, site, library.events()));
            }
            None if read.is_of_broken => {}
            None => problems.push(no_workflow(&file, library)),
        }
        read.file = Some(file);
    }
    problems.sort_by_key(|problem| problem.place);
    read.problems = problems;
    read
}

/// The workflow that a test names, as far as it is understood.
pub fn workflow_named(path: &str, text: &str) -> Option<String> {
    TestFile::draft(path, text).0.map(|file| file.workflow.it)
}

fn no_workflow(file: &TestFile, library: &Library) -> Problem {
    let (id, known) = (&file.workflow.it, library.ids());
    let fix = match suggest::closest(id, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("this site has: {}", known.join(", ")),
    };
    Problem {
        code: "T006",
        severity: Severity::Error,
        path: file.path.clone(),
        place: file.workflow.place,
        message: format!("there is no workflow `{id}`"),
        fix: Some(fix),
    }
}
