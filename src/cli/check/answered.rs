//! Answers in evals that were given to something else: a prompt, a schema or a tool that was edited in place since the
//! baseline was accepted. Hashes only; what became of each case is for `takt eval` to say.

use crate::{
    agent::Part,
    eval::{Asked, Baseline, BaselineError, asked_with},
    site::Site,
    tool::Registry,
    workflow::{
        Definition, Library, Place, places_of,
        problem::{Problem, Severity},
    },
};
use std::collections::BTreeMap;

/// By the path of each workflow.
pub(super) fn edited(
    site: &Site,
    library: &Library,
    tools: &Registry,
) -> Result<BTreeMap<String, Vec<Problem>>, BaselineError> {
    let made_with = Baseline::load(&site.folder.join("evals/baseline.json"))?.made_with;
    if made_with.is_empty() {
        return Ok(BTreeMap::new());
    }
    let of = |definition: &Definition| {
        let other = |asked: &Asked| made_with.get(&asked.name).is_some_and(|was| *was != asked.sha256);
        let asked = asked_with(definition, tools).into_iter().filter(other);
        let found: Vec<Problem> = asked.map(|asked| finding(site, definition, &asked)).collect();
        (definition.bundle.path.clone(), found)
    };
    Ok(library.definitions().map(|definition| of(definition)).collect())
}

fn finding(site: &Site, definition: &Definition, asked: &Asked) -> Problem {
    let (name, workflow) = (&asked.name, &definition.workflow.id);
    let (path, place) = match asked.part {
        Part::Tool => (definition.bundle.path.clone(), asked.place),
        _ => (path_of(site, definition, name), Place { line: 1, column: 1 }),
    };
    let what = match asked.part {
        Part::Tool => format!("the tool {name}"),
        part => format!("this {}", part.word()),
    };
    let message =
        format!("{what} was edited in place: the evals of `{workflow}` hold answers to what it was");
    let fix = format!(
        "make the answers again: `takt eval author evals/{workflow}`, or record the run again, then `takt eval \
         --accept`; or restore {name}"
    );
    Problem { code: "T028", severity: Severity::Error, path, place, message, fix: Some(fix) }
}

/// Where a file lies that a workflow names.
fn path_of(site: &Site, definition: &Definition, name: &str) -> String {
    let mut places = places_of(&definition.bundle.path, name);
    let place = places.find(|place| site.folder.join(place).is_file());
    place.map_or_else(|| name.to_owned(), |place| place.to_string_lossy().into_owned())
}
