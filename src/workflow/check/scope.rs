//! The names an expression may see at one place of a workflow, with their types.

use crate::{
    expr::{Field, Origin, Shape, Type, Types},
    site::Site,
    workflow::{Events, Gather, Input, Trigger, Workflow, events::any_event},
};

/// What is visible so far; grows step by step.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    types: Types,
    /// The confidential fields that their values are made of.
    origins: Origin,
}

impl Names {
    pub(super) fn new(workflow: &Workflow, site: &Type, events: &Events) -> Self {
        let inputs = workflow.inputs.iter().map(|(name, input)| (name.clone(), input_type(input)));
        let types = [
            ("trigger", trigger_type(workflow, events)),
            ("inputs", Type::object(inputs)),
            ("site", site.clone()),
            ("now", Type::Time),
            ("steps", Type::object::<String>([])),
        ];
        Self { types: types.map(|(name, kind)| (name.to_owned(), kind)).into(), origins: Origin::default() }
    }

    /// A step that has put this out. It may not have run where it is not `certain`.
    pub(super) fn set_step(&mut self, id: &str, kind: Type, certain: bool) {
        if let Some(Type::Object(steps)) = self.types.get_mut("steps") {
            steps.fields.insert(id.to_owned(), Field { kind, required: certain });
        }
        if let Some(steps) = self.origins.fields.get_mut("steps") {
            steps.fields.remove(id);
        }
    }

    /// What the output of a step is made of.
    pub(super) fn set_origin(&mut self, id: &str, origin: Origin) {
        if !origin.is_empty() {
            self.origins.fields.entry("steps".to_owned()).or_default().fields.insert(id.to_owned(), origin);
        }
    }

    pub(super) fn origin(&self, id: &str) -> Origin {
        let found = self.origins.fields.get("steps").and_then(|steps| steps.fields.get(id));
        found.cloned().unwrap_or_default()
    }

    /// With what a name is made of.
    pub(super) fn made_of(mut self, name: &str, origin: Origin) -> Self {
        self.origins.fields.remove(name);
        self.origins = self.origins.with(name, origin);
        self
    }

    pub(super) fn origins(&self) -> &Origin {
        &self.origins
    }

    /// What a step has put out, and whether it has for certain.
    pub(super) fn step(&self, id: &str) -> Option<&Field> {
        match self.types.get("steps") {
            Some(Type::Object(shape)) => shape.fields.get(id),
            _ => None,
        }
    }

    /// Where several paths come together: what is certain on all of them is certain, and what a condition said
    /// holds on one of them only.
    pub(super) fn meet(mut self, mut other: Self) -> Self {
        for name in ["trigger", "inputs", "steps"] {
            if let (Some(ours), Some(theirs)) = (self.types.get_mut(name), other.types.remove(name)) {
                *ours = std::mem::take(ours).join(theirs);
            }
        }
        self.origins = self.origins.join(other.origins);
        self
    }

    /// A step that has run after all.
    pub(super) fn make_certain(&mut self, id: &str) {
        if let Some(Type::Object(steps)) = self.types.get_mut("steps")
            && steps.fields.get(id).is_some_and(|field| !field.required)
            && let Some(field) = steps.fields.get_mut(id)
        {
            field.required = true;
        }
    }

    /// With one more name, such as a loop variable.
    pub(super) fn with(&self, name: &str, kind: Type) -> Self {
        let mut more = self.clone();
        more.types.insert(name.to_owned(), kind);
        more
    }

    pub(super) fn types(&self) -> &Types {
        &self.types
    }

    pub(super) fn types_mut(&mut self) -> &mut Types {
        &mut self.types
    }
}

/// What started the run: an event, or the newest of a batch with all of them beside.
fn trigger_type(workflow: &Workflow, events: &Events) -> Type {
    let mut event = pattern_type(workflow, events);
    if let (Some(Gather::Batch { .. }), Type::Object(shape)) = (&workflow.flow.gather, &mut event) {
        let all = Type::list(Type::Object(shape.clone()));
        shape.fields.insert("events".to_owned(), Field { kind: all, required: true });
    }
    event
}

/// An event that one of the trigger's patterns takes.
pub(super) fn pattern_type(workflow: &Workflow, events: &Events) -> Type {
    match &workflow.trigger {
        Trigger::Events(trigger) => {
            let kinds = trigger.patterns.iter().map(|pattern| events.type_of(&pattern.event));
            kinds.reduce(Type::join).unwrap_or_else(any_event)
        }
        // A run that another workflow starts has its event.
        Trigger::Manual => any_event(),
        Trigger::Cron(_) => match any_event() {
            Type::Object(shape) => Type::Object(Shape { rest: None, ..shape }),
            other => other,
        },
    }
}

pub(super) fn site_type(site: &Site) -> Type {
    let ids: Vec<String> = site.shifts.iter().map(|shift| shift.id.clone()).collect();
    let id = if ids.is_empty() { Type::String } else { Type::Word(ids) };
    let shift = [("id", id), ("starts", Type::String), ("ends", Type::String)];
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
        "time" => Type::Time,
        "number" => Type::Number,
        "integer" => Type::Int,
        "boolean" => Type::Bool,
        "list" => Type::list(Type::Any),
        _ => Type::Any,
    }
}
