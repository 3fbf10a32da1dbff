//! T018: confidential fields on their way to a model of somebody else.
//!
//! At run time a field is masked by its name: what a tool classifies, and what the agent's `mask` names. So a
//! confidential value must reach the model as a field of that name: not under another one, not inside a text,
//! and not in the prompt, which is never masked. Where a value comes from goes with it through loops, gates, other
//! workflows and what an agent falls back to: `scope` keeps it beside the types.

use super::{Checker, arguments::key_place, scope::Names};
use crate::{
    expr::{Leak, Origin, Type, ValueTemplate},
    tool::DataClass,
    workflow::{
        AgentStep, GateStep, Place, StepKind, Trigger, WaitFor,
        problem::{Problem, Severity},
        source::Node,
        suggest, walk,
    },
};
use std::{collections::BTreeMap, rc::Rc};

/// What Takt says of an agent's answer.
const OWN: [&str; 5] = ["source", "model", "authored", "used_fallback", "why_fallback"];
/// How deep a text is looked for.
const SAID_DEPTH_MAX: usize = 8;

pub(super) struct Classes {
    /// Masked by every agent.
    tools: BTreeMap<String, DataClass>,
    /// Masked only by an agent that says so.
    events: BTreeMap<String, DataClass>,
}

impl Classes {
    fn of(&self, field: &str) -> Option<DataClass> {
        self.tools.get(field).or_else(|| self.events.get(field)).copied()
    }
}

impl<'c> Checker<'c> {
    fn classes(&self) -> Rc<Classes> {
        Rc::clone(self.classes.get_or_init(|| Rc::new(self.read_classes())))
    }

    fn read_classes(&self) -> Classes {
        let confidential = |(_, class): &(String, DataClass)| *class != DataClass::Public;
        let tools =
            self.registry.specs().flat_map(|spec| spec.classes.clone()).filter(confidential).collect();
        let mut kinds = Vec::new();
        if let Trigger::Events(trigger) = &self.definition.workflow.trigger {
            kinds.extend(trigger.patterns.iter().map(|pattern| pattern.event.clone()));
        }
        walk::every_step(&self.definition.workflow, &mut |step| {
            if let StepKind::Wait(wait) = &step.kind
                && let WaitFor::Event(event) = &wait.until
            {
                kinds.push(event.event.clone());
            }
        });
        let known = kinds.iter().filter_map(|kind| self.events.get(kind));
        let events = known.flat_map(|kind| kind.classes.clone()).filter(confidential).collect();
        Classes { tools, events }
    }

    /// The confidential fields that a value is made of, but for those that stand under their own names.
    pub(super) fn origin(&self, value: &ValueTemplate, names: &Names) -> Origin {
        let classes = self.classes();
        value.origin(names.types(), names.origins(), &|field| classes.of(field).is_some())
    }

    /// Of what a gate puts out: people choose, edit and judge what they are shown.
    pub(super) fn answered_of(&self, gate: &GateStep, names: &Names) -> Origin {
        let shown = [("chosen", &gate.options), ("edited", &gate.draft), ("items", &gate.items)];
        let shown = shown.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        shown.fold(Origin::default(), |all, (name, value)| all.with(name, self.origin(value, names)))
    }

    /// `given` is the type of the agent's `with`.
    pub(super) fn taint(&mut self, agent: &AgentStep, given: &Type, node: Option<&'c Node>, names: &Names) {
        let classes = self.classes();
        let is_classified = |field: &str| classes.of(field).is_some();
        let masked =
            |field: &str| classes.tools.contains_key(field) || agent.mask.iter().any(|name| name == field);
        let with = node.and_then(|node| node.get("with"));
        for embedded in agent.with.expressions() {
            let mut parts = embedded.pointer.split('/').filter(|part| part.parse::<usize>().is_err());
            let key = embedded.pointer.rsplit('/').find(|part| part.parse::<usize>().is_err());
            let key = key.unwrap_or_default();
            let scalar = with.and_then(|with| with.at(&embedded.pointer));
            let whole = scalar.and_then(Node::scalar).is_some_and(|scalar| {
                let text = scalar.text.trim();
                text.starts_with("${{") && text.matches("${{").count() == 1 && text.ends_with("}}")
            });
            // What is masked is masked with everything inside.
            if whole && parts.any(masked) {
                continue;
            }
            let origin = embedded.expr.origin(names.types(), names.origins(), &is_classified);
            let mut leaks = origin.leaks(&|field| masked(field) || is_classified(field));
            if !whole {
                leaks.extend(spelled_out(&embedded.expr.infer(names.types()).0, &classes));
            }
            leaks.dedup();
            for leak in leaks {
                let source = embedded.expr.source();
                let place = self.place_in_source(scalar, embedded.offset, source, leak.line, leak.column);
                self.leaks_as(key, whole, &leak.field, place);
            }
        }
        self.said_by_agents(agent, &classes, &masked, (with, names));
        let open = self.unmasked_fields(&classes, &masked, given, with);
        self.mask_names(agent, given, node, open);
        self.prompt_taint(agent, &classes, names);
    }

    /// What an earlier agent says may name what only its own tools have read: its names come back unmasked, and whoever
    /// masks for this one has never seen them.
    fn said_by_agents(
        &mut self,
        agent: &AgentStep,
        classes: &Classes,
        masked: &dyn Fn(&str) -> bool,
        (with, names): (Option<&'c Node>, &Names),
    ) {
        for embedded in agent.with.expressions() {
            let key = embedded.pointer.split('/').find(|part| !part.is_empty()).unwrap_or_default();
            if masked(key)
                || classes.of(key).is_some()
                || !may_be_said(&embedded.expr.infer(names.types()).0, 0)
            {
                continue;
            }
            let paths = embedded.expr.paths();
            let read = paths.iter().filter_map(|path| match path.as_slice() {
                [_, _, field, ..] if OWN.contains(&field.as_str()) => None,
                [steps, id, ..] if steps == "steps" => self.read_alone(id).map(|field| (id.clone(), field)),
                _ => None,
            });
            let Some((id, field)) = read.into_iter().next() else { continue };
            let class = class_word(classes.of(&field));
            let message =
                format!("what `{id}` says may name a `{field}` ({class}) that only its own tools have read");
            let fix = format!("read it in a `call` before, so that it is known, or add `mask: [{key}]`");
            self.warn("T018", key_place(with, key).unwrap_or_default(), message, fix);
        }
    }

    /// A confidential field that this agent's tools give and no call of the workflow reads.
    fn read_alone(&self, id: &str) -> Option<String> {
        let (mut tools, mut called) = (Vec::new(), Vec::new());
        walk::every_step(&self.definition.workflow, &mut |step| match &step.kind {
            StepKind::Agent(agent) if step.id == id => tools.extend(&agent.tools),
            StepKind::Call(call) => called.push(&call.tool),
            _ => {}
        });
        tools.retain(|tool| !called.contains(tool));
        tools.into_iter().find_map(|tool| {
            let spec = self.registry.spec(tool)?;
            let mut given = Vec::new();
            Type::of_output(&spec.output).fields_below(&mut given);
            let confidential = spec.classes.iter().filter(|(_, class)| **class != DataClass::Public);
            confidential.map(|(field, _)| field).find(|field| given.contains(field)).cloned()
        })
    }

    fn leaks_as(&mut self, key: &str, whole: bool, field: &str, place: Place) {
        let class = class_word(self.classes().of(field));
        let (how, fix) = match whole {
            true => (format!("as `{key}`"), format!("pass it under its own name, or add `mask: [{key}]`")),
            false => ("inside a text".to_owned(), format!("pass it as a field `{field}` of its own")),
        };
        let message = format!("`{field}` ({class}) would reach the model unmasked, {how}");
        self.error("T018", place, message, fix);
    }

    /// Confidential fields inside of what is passed, that nothing masks. Whether all of it is known.
    fn unmasked_fields(
        &mut self,
        classes: &Classes,
        masked: &dyn Fn(&str) -> bool,
        given: &Type,
        with: Option<&'c Node>,
    ) -> bool {
        let Type::Object(given) = given else { return true };
        let mut open = false;
        for (argument, field) in &given.fields {
            let mut names = Vec::new();
            open |= field.kind.fields_below(&mut names);
            names.retain(|name| classes.of(name).is_some() && !masked(name));
            names.sort();
            names.dedup();
            for name in names {
                let place = key_place(with, argument).unwrap_or_default();
                let class = class_word(classes.of(&name));
                let message = format!("`{name}` ({class}) in `{argument}` would reach the model unmasked");
                self.error("T018", place, message, format!("add `mask: [{name}]` to the agent"));
            }
        }
        open
    }

    /// A name under `mask` that masks nothing is a slip of the hand.
    fn mask_names(&mut self, agent: &AgentStep, given: &Type, node: Option<&'c Node>, mut open: bool) {
        let mut known = Vec::new();
        open |= given.fields_below(&mut known);
        for tool in &agent.tools {
            open |= self.tool_output(tool).fields_below(&mut known);
        }
        for (index, name) in agent.mask.iter().enumerate() {
            let Some(item) = node.and_then(|node| node.at(&format!("/mask/{index}"))) else { continue };
            let near = suggest::closest(name, known.iter().map(String::as_str));
            if known.contains(name) || (open && near.is_none()) {
                continue;
            }
            let fix = near.map_or("name a field of `with` or of its tools".to_owned(), |near| {
                format!("did you mean `{near}`?")
            });
            self.error("T018", item.place, format!("nothing that this agent sees is called `{name}`"), fix);
        }
    }

    fn prompt_taint(&mut self, agent: &AgentStep, classes: &Classes, names: &Names) {
        let mut told = Vec::new();
        for found in self.definition.template_written(&agent.prompt, names.types(), names.origins()) {
            let Some(name) = found.fields.into_iter().find(|name| classes.of(name).is_some()) else {
                continue;
            };
            let place = Place { line: found.line, column: found.column };
            if told.contains(&(place, name.clone())) {
                continue;
            }
            let class = class_word(classes.of(&name));
            self.problems.push(Problem {
                code: "T018",
                severity: Severity::Error,
                path: agent.prompt.clone(),
                place,
                message: format!("`{name}` ({class}) stands in a prompt, which is never masked"),
                fix: Some("pass it in the agent's `with`, where its field is masked".to_owned()),
            });
            told.push((place, name));
        }
    }
}

/// The confidential fields of an object or list that stands in the middle of a text.
fn spelled_out(kind: &Type, classes: &Classes) -> Vec<Leak> {
    let mut inside = Vec::new();
    kind.fields_below(&mut inside);
    inside.retain(|name| classes.of(name).is_some());
    inside.sort();
    inside.dedup();
    inside.into_iter().map(|field| Leak { field, line: 1, column: 1 }).collect()
}

/// Whether there is a text in it that somebody may have written freely.
fn may_be_said(kind: &Type, depth: usize) -> bool {
    match kind {
        _ if depth > SAID_DEPTH_MAX => true,
        Type::String | Type::Any => true,
        Type::List(inner) | Type::Optional(inner) | Type::Nullable(inner) => may_be_said(inner, depth + 1),
        Type::Object(shape) => {
            shape.rest.is_some() || shape.fields.values().any(|field| may_be_said(&field.kind, depth + 1))
        }
        _ => false,
    }
}

fn class_word(class: Option<DataClass>) -> &'static str {
    match class {
        Some(DataClass::Employee) => "employee",
        Some(DataClass::Customer) => "customer",
        Some(DataClass::Proprietary) => "proprietary",
        Some(DataClass::Secret) => "secret",
        Some(DataClass::Public) | None => "public",
    }
}
