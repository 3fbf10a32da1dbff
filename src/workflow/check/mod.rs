//! What the loader cannot see: names, types, tools, gates and roles, checked against the tools of the
//! site and its people. Pure; the same checks serve the command line, the server and the editor.

mod arguments;
mod calendars;
mod flow;
mod gates;
mod names;
mod outputs;
mod places;
mod rules;
mod scope;
mod templates;
mod writes;

use super::{
    Definition, Place,
    problem::{Problem, Severity},
};
use crate::{expr::Type, site::Site, tool::Registry};
use std::collections::BTreeSet;

/// Every finding, in the order of the file.
pub fn check(definition: &Definition, registry: &Registry, site: &Site) -> Vec<Problem> {
    let mut checker = Checker {
        definition,
        registry,
        site,
        site_type: scope::site_type(site),
        ids: BTreeSet::new(),
        problems: Vec::new(),
    };
    checker.names();
    checker.flow();
    checker.gates();
    checker.writes();
    checker.rules();
    let mut problems = checker.problems;
    problems.sort_by(|a, b| (&a.path, a.place, a.code).cmp(&(&b.path, b.place, b.code)));
    problems.dedup();
    problems
}

struct Checker<'c> {
    definition: &'c Definition,
    registry: &'c Registry,
    site: &'c Site,
    site_type: Type,
    /// Ids of all steps, wherever they stand: to tell a step that runs later from one that is not there.
    ids: BTreeSet<&'c str>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn error(
        &mut self,
        code: &'static str,
        place: Place,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.report(code, Severity::Error, place, message.into(), fix.into());
    }

    fn warn(&mut self, code: &'static str, place: Place, message: String, fix: String) {
        self.report(code, Severity::Warning, place, message, fix);
    }

    fn report(&mut self, code: &'static str, severity: Severity, place: Place, message: String, fix: String) {
        let path = self.definition.bundle.path.clone();
        self.problems.push(Problem { code, severity, path, place, message, fix: Some(fix) });
    }
}
