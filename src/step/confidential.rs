//! What an agent's masker is told beforehand: the confidential values that the run has read so far, and the public ones.
//! Under a name of their own, in a text or in another list they are known by what they are, where their fields do not
//! say it any more, or say it of something else.

use super::described;
use crate::{
    agent::ToolClasses,
    expr::Scope,
    tool::{DataClass, Registry},
    workflow::{CurrentEvents, Step, StepKind, Workflow, every_step},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a run has read, by what the one who gave it says of its fields.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Texts of confidential fields.
    pub confidential: BTreeSet<(DataClass, String)>,
    /// Texts and numbers of confidential fields.
    closed: BTreeSet<String>,
    open: BTreeSet<String>,
}

impl Seen {
    /// What calls have read so far, each by the classes of its own tool, and what events told, by their descriptions.
    pub(super) fn of(
        tools: &ToolClasses,
        workflow: &Workflow,
        scope: &Scope,
        events: &CurrentEvents,
    ) -> Self {
        let mut seen = Self::default();
        let trigger = scope.get("trigger");
        for event in trigger.into_iter().chain(trigger.map(CurrentEvents::batch).unwrap_or_default()) {
            seen.event(event, event.get("type").and_then(Value::as_str), events);
        }
        let outputs = scope.get("steps");
        every_step(workflow, &mut |step| {
            if let Some(output) = outputs.and_then(|outputs| outputs.get(&step.id)) {
                seen.step(step, output, tools, events);
            }
        });
        seen
    }

    /// Values that stood only where their giver calls them public.
    pub(super) fn public(&self) -> BTreeSet<String> {
        self.open.difference(&self.closed).cloned().collect()
    }

    fn step(&mut self, step: &Step, output: &Value, tools: &ToolClasses, events: &CurrentEvents) {
        match &step.kind {
            StepKind::Wait(wait) => self.event(output, described::event_type(wait, output), events),
            StepKind::Call(call) => {
                self.collect(output, None, tools.get(&call.tool).unwrap_or(&BTreeMap::new()));
            }
            StepKind::Parallel(children) => {
                let inner = children.iter().filter_map(|child| Some((child, output.get(&child.id)?)));
                inner.for_each(|(child, output)| self.step(child, output, tools, events));
            }
            StepKind::Each(each) => {
                for item in output.as_array().into_iter().flatten() {
                    let inner = each.steps.iter().filter_map(|step| Some((step, item.get(&step.id)?)));
                    inner.for_each(|(step, output)| self.step(step, output, tools, events));
                }
            }
            _ => {}
        }
    }

    fn event(&mut self, event: &Value, kind: Option<&str>, events: &CurrentEvents) {
        let Some(classes) = kind.and_then(|kind| events.classes(kind)) else { return };
        let mut whole = Self::default();
        whole.collect(event, None, &classes);
        self.confidential.append(&mut whole.confidential);
        self.closed.append(&mut whole.closed);
        // Nobody has called the rest of it public.
        self.collect(&events.described(event), None, &classes);
    }

    fn collect(&mut self, value: &Value, class: Option<DataClass>, classes: &BTreeMap<String, DataClass>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let own = classes.get(name).copied().filter(|class| *class != DataClass::Public);
                    self.collect(field, own.or(class), classes);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, class, classes)),
            Value::String(_) | Value::Number(_) => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                match class {
                    None => {
                        self.open.insert(text);
                    }
                    Some(class) => {
                        self.closed.insert(text.clone());
                        if value.is_string() {
                            self.confidential.insert((class, text));
                        }
                    }
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

/// What the tools say of their fields; those that say nothing are left out.
pub(super) fn declared(tools: &Registry) -> ToolClasses {
    let specs = tools.specs().filter(|spec| !spec.classes.is_empty());
    specs.map(|spec| (spec.name.clone(), spec.classes.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::strictest;
    use crate::workflow::tests::support::{compile, events, registry};
    use serde_json::json;

    #[test]
    fn what_calls_read_is_confidential_under_any_name() {
        let workflow = "workflow: w\nowner: me\ntrigger: manual\nsteps:\n  - { id: p, call: hr.people }\n  - id: both\n    parallel: { q: { call: hr.people }, r: { call: plex.inventory, with: { work_center: P } } }\n  - { id: e, each: '${{ steps.p.people }}', as: one, steps: [{ id: s, call: hr.people }] }\non_failure:\n  - { id: told, call: notify.role, with: { role: lead, message: messages/f.hbs } }\n";
        let definition = compile(workflow).expect("compiles");
        let people = |name: &str| json!({ "people": [{ "name": name, "shift": "A" }] });
        let steps = json!({
            "p": people("Ann"),
            "both": { "q": people("Bea"), "r": { "name": "PRESS-4" } },
            "e": [{ "s": people("Cid") }],
            "gone": people("Dan"),
        });
        let scope = Scope::from_iter([("steps".to_owned(), steps)]);
        let seen = Seen::of(&declared(&registry()), &definition.workflow, &scope, &CurrentEvents::default());
        let employee = |name: &str| (DataClass::Employee, name.to_owned());
        assert_eq!(seen.confidential, [employee("Ann"), employee("Bea"), employee("Cid")].into());
        // A machine's name is no person's name, though both are called `name`.
        assert_eq!(seen.public(), ["A".to_owned(), "PRESS-4".to_owned()].into());
    }

    #[test]
    fn what_events_told_has_the_classes_of_their_descriptions() {
        let workflow = "workflow: w\nowner: me\ntrigger: manual\nsteps:\n  - { id: back, wait: plex.work_center_status, timeout: 1h }\n  - id: e\n    each: '${{ [1] }}'\n    as: n\n    steps: [{ id: again, wait: plex.work_center_status }]\non_failure:\n  - { id: told, call: notify.role, with: { role: lead, message: messages/f.hbs } }\n";
        let definition = compile(workflow).expect("compiles");
        let told = |id: &str, operator: &str| {
            let kind = "plex.work_center_status";
            json!({ "id": id, "type": kind, "work_center": "PRESS-4", "operator": operator, "badge": "Zoe" })
        };
        let mut trigger = told("2", "Bea");
        trigger["events"] = json!([told("1", "Ann"), told("2", "Bea")]);
        let steps = json!({ "back": told("3", "Cid"), "e": [{ "again": told("4", "Dan") }] });
        let scope = Scope::from_iter([("trigger".to_owned(), trigger), ("steps".to_owned(), steps)]);
        let seen =
            Seen::of(&declared(&registry()), &definition.workflow, &scope, &CurrentEvents::new(events()));
        let employees = ["Ann", "Bea", "Cid", "Dan"].map(|name| (DataClass::Employee, name.to_owned()));
        assert_eq!(seen.confidential, employees.into());
        let public = seen.public();
        assert!(public.contains("PRESS-4"), "{public:?}");
        // Nobody has described it, so nobody has called it public.
        assert!(!public.contains("Zoe"), "{public:?}");
    }

    #[test]
    fn one_system_cannot_unmask_the_fields_of_another() {
        let mut tools = declared(&registry());
        for name in ["a.a", "z.z"] {
            let public = [("name".to_owned(), DataClass::Public)].into();
            tools.insert(name.parse().unwrap(), public);
        }
        assert_eq!(strictest(&tools)["name"], DataClass::Employee);
    }
}
