//! T009: tools and their arguments. T011: what an agent is offered. T017: the fallback.

use super::{Checker, misfits::fix_for};
use crate::{
    expr::{Shape, Type, Types, ValueTemplate},
    tool::{Effect, ToolName},
    workflow::{
        AgentStep, Place,
        source::{Data, Node},
        suggest,
    },
};

impl<'c> Checker<'c> {
    pub(super) fn arguments(
        &mut self,
        tool: &ToolName,
        tool_node: Option<&'c Node>,
        with: &ValueTemplate,
        with_node: Option<&'c Node>,
        types: &Types,
    ) {
        let given = self.template(with, with_node, types);
        self.message(tool, with, &given, with_node, types);
        let place = tool_node.map_or(Place::default(), |node| node.place);
        let Some(spec) = self.registry.spec(tool) else {
            self.unknown_tool(tool, place);
            return;
        };
        self.within_bounds("T009", with.raw(), &spec.input, with_node);
        let (Type::Object(given), Type::Object(wanted)) = (given, Type::from_schema(&spec.input)) else {
            return;
        };
        let mut strangers = Vec::new();
        for (name, field) in &given.fields {
            let key = key_place(with_node, name).unwrap_or(place);
            match wanted.fields.get(name) {
                None if wanted.rest.is_none() => {
                    strangers.push(name.as_str());
                    self.extra_argument(tool, name, key, &wanted);
                }
                None => {}
                Some(known) => {
                    for misfit in field.kind.misfits(&known.kind) {
                        let node = with_node.and_then(|node| node.get(name));
                        let value = node.map_or(key, |node| self.place_of_misfit(node, &misfit));
                        let path = [std::slice::from_ref(name), misfit.path.as_slice()].concat().join(".");
                        let message = format!("argument `{path}` of {tool}: {}", misfit.message);
                        self.error("T009", value, message, fix_for(&misfit, "give it what the tool takes"));
                    }
                }
            }
        }
        let missing =
            wanted.fields.iter().filter(|(name, field)| field.required && !given.fields.contains_key(*name));
        let missing: Vec<String> = missing
            // The stranger beside it says it better.
            .filter(|(name, _)| suggest::closest(name, strangers.iter().copied()).is_none())
            .map(|(name, field)| format!("`{name}` ({})", field.kind))
            .collect();
        if !missing.is_empty() {
            let message = format!("{tool} needs {}", missing.join(" and "));
            self.error("T009", place, message, "add it to `with`");
        }
    }

    fn extra_argument(&mut self, tool: &ToolName, name: &str, place: Place, wanted: &Shape) {
        let known: Vec<&str> = wanted.fields.keys().map(String::as_str).collect();
        let fix = match suggest::closest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "it takes no arguments".to_owned(),
            None => format!("it takes {}", known.join(", ")),
        };
        self.error("T009", place, format!("{tool} takes no `{name}`"), fix);
    }

    pub(super) fn unknown_tool(&mut self, tool: &ToolName, place: Place) {
        let names: Vec<&str> = self.registry.specs().map(|spec| spec.name.as_str()).collect();
        let of_system: Vec<&str> =
            names.iter().copied().filter(|name| name.split('.').next() == Some(tool.system())).collect();
        let fix = match suggest::closest(tool.as_str(), names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if of_system.is_empty() => format!("no connector declares a system `{}`", tool.system()),
            None => format!("`{}` has: {}", tool.system(), of_system.join(", ")),
        };
        self.error("T009", place, format!("there is no tool `{tool}`"), fix);
    }

    pub(super) fn agent_tools(&mut self, agent: &AgentStep, node: Option<&'c Node>) {
        for (index, tool) in agent.tools.iter().enumerate() {
            let item = node.and_then(|node| node.at(&format!("/{index}")));
            let place = item.map_or(Place::default(), |node| node.place);
            match self.registry.spec(tool).map(|spec| spec.effect) {
                None => self.unknown_tool(tool, place),
                Some(Effect::Write) => {
                    let fix = "let it propose, and write in a `call` after a gate";
                    self.error(
                        "T011",
                        place,
                        format!("`{tool}` writes: an agent may only read and propose"),
                        fix,
                    );
                }
                Some(Effect::Read | Effect::Propose) => {}
            }
        }
    }

    /// The fallback stands in for the model's answer, so it must be one. `step` is the node of the agent.
    pub(super) fn fallback(&mut self, fallback: &Type, schema: &Type, step: Option<&'c Node>) {
        let Some(node) = step.and_then(|step| step.get("fallback")) else { return };
        let mut strangers = Vec::new();
        if let (Type::Object(given), Type::Object(Shape { fields, rest: None, .. })) = (fallback, schema) {
            let known: Vec<&str> = fields.keys().map(String::as_str).collect();
            for name in given.fields.keys().filter(|name| !fields.contains_key(*name)) {
                strangers.push(name.as_str());
                let place = key_place(Some(node), name).unwrap_or(node.place);
                let fix = match suggest::closest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it has: {}", known.join(", ")),
                };
                self.error("T017", place, format!("the output schema has no `{name}`"), fix);
            }
        }
        for misfit in fallback.misfits(schema) {
            let is_told = |name: &String| {
                strangers.contains(&name.as_str())
                    || suggest::closest(name, strangers.iter().copied()).is_some()
            };
            if misfit.path.first().is_some_and(is_told) {
                continue;
            }
            let place = match key_place(step, "fallback").filter(|_| lacks(node, &misfit.path)) {
                Some(key) => key,
                None => self.place_of_misfit(node, &misfit),
            };
            let at =
                if misfit.path.is_empty() { String::new() } else { format!("`{}`: ", misfit.path.join(".")) };
            let message = format!("the fallback does not fit the output schema: {at}{}", misfit.message);
            self.error("T017", place, message, fix_for(&misfit, "make it an answer that the schema allows"));
        }
    }
}

/// Whether a group of keys has no field of this name, nor one that could be a slip of it.
fn lacks(node: &Node, path: &[String]) -> bool {
    let (Data::Map(entries), [name]) = (&node.data, path) else { return false };
    let names = entries.iter().map(|(key, _)| key.name.as_str());
    node.get(name).is_none() && suggest::closest(name, names).is_none()
}

pub(super) fn key_place(node: Option<&Node>, name: &str) -> Option<Place> {
    let Data::Map(entries) = &node?.data else { return None };
    entries.iter().find(|(key, _)| key.name == name).map(|(key, _)| key.place)
}
