//! T027: schemas that a model is only told, and not held to. A server that enforces schemas enforces no shape that it cannot
//! express: the answer is checked all the same, and needs a repair more often.

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
            let message = format!("a model cannot be held to this schema, only told it: {why}");
            let problem = Problem {
                code: "T027",
                severity: Severity::Warning,
                path: agent.output.clone(),
                place: place.unwrap_or(Place { line: 1, column: 1 }),
                message,
                fix: Some("write fixed `properties`, and choices as `anyOf`".to_owned()),
            };
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        for (index, tool) in agent.tools.iter().enumerate() {
            if let Some(Err(why)) = self.registry.spec(tool).map(|spec| strict(&spec.input)) {
                let item = tools.and_then(|tools| tools.at(&format!("/{index}")));
                let place = item.map_or(Place::default(), |node| node.place);
                let message =
                    format!("a model cannot be held to the arguments of `{tool}`, only told them: {why}");
                let fix =
                    "give it fixed arguments in its connector, or leave it as it is: they are checked here";
                self.warn("T027", place, message, fix.to_owned());
            }
        }
    }
}

/// JSON is YAML, and here it is read with its places.
fn place_of(path: &str, text: &str, why: &NotStrict) -> Option<Place> {
    let document = Document::parse(path, text).ok()?;
    let node = document.root.at(&why.pointer)?;
    Some(why.keyword.and_then(|keyword| key_place(Some(node), keyword)).unwrap_or(node.place))
}
