//! What an agent's masker is told beforehand: the confidential values that the run has read so far. Under a name of their
//! own, in a text or in another list they are found by what they are, where their fields do not say it any more.

use crate::{
    expr::Scope,
    tool::{DataClass, Registry},
    workflow::{Step, StepKind, Workflow, every_step},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Texts of classified fields in the outputs of calls, each by the classes of its own tool.
pub(super) fn values(tools: &Registry, workflow: &Workflow, scope: &Scope) -> Vec<(DataClass, String)> {
    let mut found = BTreeSet::new();
    let Some(outputs) = scope.get("steps") else { return Vec::new() };
    every_step(workflow, &mut |step| {
        if let Some(output) = outputs.get(&step.id) {
            of_step(step, output, tools, &mut found);
        }
    });
    found.into_iter().collect()
}

fn of_step(step: &Step, output: &Value, tools: &Registry, found: &mut BTreeSet<(DataClass, String)>) {
    match &step.kind {
        StepKind::Call(call) => {
            if let Some(spec) = tools.spec(&call.tool) {
                collect(output, None, &spec.classes, found);
            }
        }
        StepKind::Parallel(children) => {
            let inner = children.iter().filter_map(|child| Some((child, output.get(&child.id)?)));
            inner.for_each(|(child, output)| of_step(child, output, tools, found));
        }
        StepKind::Each(each) => {
            for item in output.as_array().into_iter().flatten() {
                let inner = each.steps.iter().filter_map(|step| Some((step, item.get(&step.id)?)));
                inner.for_each(|(step, output)| of_step(step, output, tools, found));
            }
        }
        _ => {}
    }
}

fn collect(
    value: &Value,
    class: Option<DataClass>,
    classes: &BTreeMap<String, DataClass>,
    found: &mut BTreeSet<(DataClass, String)>,
) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                collect(field, classes.get(name).copied().or(class), classes, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, class, classes, found)),
        Value::String(text) => {
            if let Some(class) = class.filter(|class| *class != DataClass::Public) {
                found.insert((class, text.clone()));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::tests::support::{compile, registry};
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
        let found = values(&registry(), &definition.workflow, &scope);
        let employee = |name: &str| (DataClass::Employee, name.to_owned());
        assert_eq!(found, [employee("Ann"), employee("Bea"), employee("Cid")]);
    }
}
