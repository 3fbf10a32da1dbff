//! T027: schemas that a model would only be told, and not held to, because they have no strict form. For an answer that is
//! a mistake: what a server does not enforce needs a repair more often. Arguments are often somebody else's to declare, and
//! Takt checks them before a call.

use super::{Checker, arguments::key_place};
use crate::{
    tool::{NotStrict, strict},
    workflow::{
        AgentStep, Place,
        problem::{Problem, Severity},
        source::{Document, Node},
    },
};

impl<'c> Checker<'c> {
    pub(super) fn strictness(&mut self, agent: &AgentStep, tools: Option<&'c Node>) {
        if let Some(Err(why)) = self.definition.schemas.get(&agent.output).map(strict) {
            let text = self.definition.bundle.files.get(&agent.output);
            let place = text.and_then(|text| place_of(&agent.output, text, &why));
            let message = format!("a model cannot be held to this schema: {why}");
            let problem = Problem {
                code: "T027",
                severity: Severity::Error,
                path: agent.output.clone(),
                place: place.unwrap_or(Place { line: 1, column: 1 }),
                message,
                fix: Some(
                    "write fixed `properties`, choices as `anyOf`, and what else must hold as the step's `check:`"
                        .to_owned(),
                ),
            };
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        for (index, tool) in agent.tools.iter().enumerate() {
            if let Some(Err(why)) = self.registry.spec(tool).map(|spec| strict(&spec.input)) {
                let item = tools.and_then(|tools| tools.at(&format!("/{index}")));
                let place = item.map_or(Place::default(), |node| node.place);
                let message = format!("a model cannot be held to the arguments of `{tool}`: {why}");
                let fix = "give it fixed arguments in its connector, or leave it as it is: it is offered without \
                           `strict`, and Takt checks all arguments before a call";
                self.warn("T027", place, message, fix.to_owned());
            }
        }
    }
}

/// JSON is YAML, and here it is read with its places.
fn place_of(path: &str, text: &str, why: &NotStrict) -> Option<Place> {
    let document = Document::parse(path, text).ok()?;
    let node = nearest(&document.root, &why.pointer);
    let key = why.keyword.as_deref().and_then(|keyword| key_place(Some(node), keyword));
    Some(key.unwrap_or(node.place))
}

/// The strict form has places that the file has not.
fn nearest<'n>(root: &'n Node, pointer: &str) -> &'n Node {
    match (root.at(pointer), pointer.rsplit_once('/')) {
        (Some(node), _) => node,
        (None, Some((around, _))) => nearest(root, around),
        (None, None) => root,
    }
}
