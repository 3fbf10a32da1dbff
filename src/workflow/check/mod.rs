//! What the loader cannot see: names, types, tools, gates and roles, checked against the tools of the
//! site and its people. Pure; the same checks serve the command line, the server and the editor.

mod arguments;
mod calendars;
mod children;
mod constraints;
mod events;
mod failures;
mod flow;
mod gates;
mod misfits;
mod names;
mod outputs;
mod places;
mod rules;
mod runs;
mod scope;
mod spot;
mod strictness;
mod taint;
mod templates;
mod times;
mod unused;
mod writes;

use super::{
    Definition, Events, Place, Step,
    problem::{Problem, Severity},
    source::Node,
};
use crate::{
    expr::{Origin, Type, Types},
    site::Site,
    tool::Registry,
};
use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};
use taint::Classes;

/// Every finding, in the order of the file.
pub fn check(definition: &Definition, registry: &Registry, site: &Site, events: &Events) -> Vec<Problem> {
    let mut checker = Checker::new(definition, registry, site, events);
    checker.names();
    checker.flow();
    checker.gates();
    checker.writes();
    checker.times();
    checker.failures();
    checker.unused();
    checker.rules();
    let mut problems = checker.problems;
    problems.sort_by(|a, b| (&a.path, a.place, a.code).cmp(&(&b.path, b.place, b.code)));
    problems.dedup();
    problems
}

pub(super) use children::Children;
pub use children::{Promised, promised};
pub(super) use runs::runs;
pub use spot::Spot;
pub(super) use spot::names_at;

struct Checker<'c> {
    definition: &'c Definition,
    registry: &'c Registry,
    site: &'c Site,
    events: &'c Events,
    site_type: Type,
    /// Ids of all steps, wherever they stand: to tell a step that runs later from one that is not there.
    ids: BTreeSet<&'c str>,
    /// What each step outside of loops puts out, and what that is made of.
    outputs: BTreeMap<&'c str, (Type, Origin)>,
    /// Steps that have an `if` with all its parts, by the first of these.
    only_if: BTreeMap<String, Vec<(&'c str, Vec<String>)>>,
    /// How many loops are around.
    loops: u32,
    /// The place whose names are asked for, and what they are.
    asked: Option<&'c Spot>,
    seen: Option<Types>,
    /// What each `run:` gives to another workflow, in the order they are written.
    given: Vec<Given<'c>>,
    /// What the inputs are made of that another workflow gives to this one.
    given_to_it: Origin,
    classes: OnceCell<Rc<Classes>>,
    /// The other workflows of the site, where those are looked at.
    children: Option<&'c Children>,
    problems: Vec<Problem>,
}

/// What a `run:` gives, and what that is made of.
struct Given<'c> {
    step: &'c Step,
    node: Option<&'c Node>,
    kind: Type,
    origin: Origin,
}

impl<'c> Checker<'c> {
    fn new(definition: &'c Definition, registry: &'c Registry, site: &'c Site, events: &'c Events) -> Self {
        Self {
            definition,
            registry,
            site,
            events,
            site_type: scope::site_type(site),
            ids: BTreeSet::new(),
            outputs: BTreeMap::new(),
            only_if: BTreeMap::new(),
            loops: 0,
            asked: None,
            seen: None,
            given: Vec::new(),
            given_to_it: Origin::default(),
            classes: OnceCell::new(),
            children: None,
            problems: Vec::new(),
        }
    }

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
