//! The names an expression may see at one place of a workflow, with their types.

use crate::{
    expr::{Type, Types},
    site::Site,
    workflow::{Gather, Input, Workflow},
};
use std::collections::BTreeMap;

/// What is visible so far; grows step by step.
#[derive(Debug, Clone)]
pub(super) struct Names {
    base: Types,
    steps: BTreeMap<String, Type>,
}

impl Names {
    pub(super) fn new(workflow: &Workflow, site: &Type) -> Self {
        let inputs = workflow.inputs.iter().map(|(name, input)| (name.clone(), input_type(input)));
        let base = [
            ("trigger", trigger_type(workflow)),
            ("inputs", Type::object(inputs)),
            ("site", site.clone()),
            ("now", Type::String),
        ];
        Self { base: base.map(|(name, kind)| (name.to_owned(), kind)).into(), steps: BTreeMap::new() }
    }

    pub(super) fn set_step(&mut self, id: &str, output: Type) {
        self.steps.insert(id.to_owned(), output);
    }

    /// Takes over the outputs of steps that others have seen.
    pub(super) fn absorb(&mut self, other: Self) {
        self.steps.extend(other.steps);
    }

    /// With one more name, such as a loop variable.
    pub(super) fn with(&self, name: &str, kind: Type) -> Self {
        let mut more = self.clone();
        more.base.insert(name.to_owned(), kind);
        more
    }

    pub(super) fn types(&self) -> Types {
        let mut types = self.base.clone();
        types.insert("steps".to_owned(), Type::object(self.steps.clone()));
        types
    }
}

/// What started the run: an event, or the newest of a batch with all of them beside.
fn trigger_type(workflow: &Workflow) -> Type {
    let mut event = event_type();
    if let (Some(Gather::Batch { .. }), Type::Object(shape)) = (&workflow.flow.gather, &mut event) {
        let Type::Object(batch) = Type::open([("events", Type::list(event_type()))]) else { return event };
        shape.fields.extend(batch.fields);
    }
    event
}

/// An event: its data fields are the sender's, the rest is known.
pub(super) fn event_type() -> Type {
    Type::open([
        ("id", Type::String),
        ("type", Type::String),
        ("subject", Type::String),
        ("time", Type::String),
        ("plant", Type::String),
    ])
}

pub(super) fn site_type(site: &Site) -> Type {
    let shift = [("id", Type::String), ("starts", Type::String), ("ends", Type::String)];
    let values = site.values.iter().map(|(name, value)| (name.clone(), Type::of(value).widened()));
    Type::object([
        ("name", Type::String),
        ("time_zone", Type::String),
        ("shifts", Type::list(Type::object(shift))),
        ("values", Type::object(values)),
    ])
}

pub(super) fn input_type(input: &Input) -> Type {
    match input.kind.as_str() {
        "string" => Type::String,
        "number" => Type::Number,
        "integer" => Type::Int,
        "boolean" => Type::Bool,
        "list" => Type::list(Type::Any),
        _ => Type::Any,
    }
}
