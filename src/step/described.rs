//! What an agent is shown of the events of its run: no more than the site describes of them, whether they began the run,
//! were waited for, or are items of a list. What another step makes of an event is that step's output.

use crate::{
    expr::Scope,
    workflow::{CurrentEvents, EachStep, Step, StepKind, WaitFor, WaitStep, Workflow, every_step},
};
use serde_json::Value;

/// The scope with no more of each event than its type describes.
pub(super) fn shown(events: &CurrentEvents, workflow: &Workflow, scope: &Scope) -> Scope {
    let mut shown = scope.clone();
    if let Some(event) = shown.get_mut("trigger").filter(|event| event.get("type").is_some()) {
        *event = events.described(event);
    }
    let mut lists = Vec::new();
    every_step(workflow, &mut |step| {
        if let Some(output) = shown.get_mut("steps").and_then(|outputs| outputs.get_mut(&step.id)) {
            cut(events, step, output);
        }
        if let StepKind::Each(each) = &step.kind {
            lists.push(each);
        }
    });
    for each in lists {
        if let Some(item) = item(each, scope, &shown) {
            shown.insert(each.item.clone(), item);
        }
    }
    shown
}

/// The type of the event that a wait ended with; none where its time was over.
pub(super) fn event_type<'v>(wait: &'v WaitStep, output: &'v Value) -> Option<&'v str> {
    let WaitFor::Event(wait) = &wait.until else { return None };
    let came = output.is_object() && output.get("timed_out") != Some(&Value::Bool(true));
    let own = output.get("type").and_then(Value::as_str);
    came.then(|| own.unwrap_or(&wait.event))
}

fn cut(events: &CurrentEvents, step: &Step, output: &mut Value) {
    match &step.kind {
        StepKind::Wait(wait) => {
            let Some(kind) = event_type(wait, output).map(str::to_owned) else { return };
            if let Some(fields) = output.as_object_mut() {
                fields.insert("type".into(), kind.into());
            }
            let mut event = events.described(output);
            if let Some(fields) = event.as_object_mut() {
                fields.insert("timed_out".into(), false.into());
            }
            *output = event;
        }
        StepKind::Parallel(children) => cut_inside(events, children, output),
        StepKind::Each(each) => {
            let items = output.as_array_mut().into_iter().flatten();
            items.for_each(|item| cut_inside(events, &each.steps, item));
        }
        _ => {}
    }
}

fn cut_inside(events: &CurrentEvents, steps: &[Step], outputs: &mut Value) {
    for step in steps {
        if let Some(output) = outputs.get_mut(&step.id) {
            cut(events, step, output);
        }
    }
}

/// The item of a list that is a part of an event, as it is shown where it stands in there.
fn item(each: &EachStep, scope: &Scope, shown: &Scope) -> Option<Value> {
    let item = scope.get(&each.item)?;
    let mut found = Vec::new();
    for embedded in each.list.expressions() {
        for path in embedded.expr.paths() {
            if let Some(whole) = read(scope, &path) {
                places(whole, read(shown, &path), item, &mut found);
            }
        }
    }
    if found.is_empty() || found.contains(&Some(item)) {
        return None;
    }
    Some(found.into_iter().flatten().next().cloned().unwrap_or_default())
}

fn read<'s>(scope: &'s Scope, path: &[String]) -> Option<&'s Value> {
    let (name, fields) = path.split_first()?;
    fields.iter().try_fold(scope.get(name)?, |value, field| value.get(field))
}

/// How every place is shown that holds this value, and whether it is shown at all.
fn places<'v>(whole: &Value, shown: Option<&'v Value>, value: &Value, found: &mut Vec<Option<&'v Value>>) {
    if whole == value {
        return found.push(shown);
    }
    match whole {
        Value::Object(fields) => {
            for (name, field) in fields {
                places(field, shown.and_then(|shown| shown.get(name)), value, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, shown.and_then(|shown| shown.get(index)), value, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{
        Definition,
        tests::support::{compile, events},
    };
    use serde_json::json;

    /// Waits at the top and in a list, and a list of what came with an event.
    fn waits() -> Definition {
        let workflow = "workflow: w\nowner: me\ntrigger: manual\nsteps:\n  - { id: back, wait: plex.work_center_status }\n  - id: e\n    each: '${{ [1, 2] }}'\n    as: n\n    steps: [{ id: got, wait: erp.goods_receipt, timeout: 1h }]\n  - id: l\n    each: '${{ trigger.events }}'\n    as: one\n    steps: [{ id: s, call: hr.people }]\non_failure:\n  - { id: told, call: notify.role, with: { role: lead, message: messages/f.hbs } }\n";
        compile(workflow).expect("compiles")
    }

    fn scope(trigger: Value, steps: Value) -> Scope {
        Scope::from_iter([("trigger".to_owned(), trigger), ("steps".to_owned(), steps)])
    }

    fn status(id: &str) -> Value {
        json!({ "id": id, "type": "plex.work_center_status", "subject": "PRESS-4", "note": "Up.", "badge": "Zdenka" })
    }

    fn status_shown(id: &str) -> Value {
        json!({ "id": id, "type": "plex.work_center_status", "subject": "PRESS-4", "note": "Up." })
    }

    fn and(mut event: Value, name: &str, value: Value) -> Value {
        event[name] = value;
        event
    }

    #[test]
    fn of_an_event_that_was_waited_for_only_what_is_described_is_shown() {
        let receipt =
            json!({ "type": "erp.goods_receipt", "po": "PO-1", "driver": "Zdenka", "timed_out": false });
        let untyped = json!({ "po": "PO-2", "driver": "Zdenka", "timed_out": false });
        let steps = json!({
            "back": and(status("1"), "timed_out", json!(false)),
            "e": [{ "got": receipt }, { "got": { "timed_out": true } }, { "got": null }, { "got": untyped }],
            "other": { "driver": "Zoe" },
        });
        let scope = scope(json!({ "type": "manual" }), steps);
        let site = CurrentEvents::new(events());
        let shown = shown(&site, &waits().workflow, &scope);
        assert_eq!(shown["steps"]["back"], and(status_shown("1"), "timed_out", json!(false)));
        assert_eq!(
            shown["steps"]["e"],
            json!([
                { "got": { "type": "erp.goods_receipt", "po": "PO-1", "timed_out": false } },
                { "got": { "timed_out": true } },
                { "got": null },
                { "got": { "type": "erp.goods_receipt", "po": "PO-2", "timed_out": false } },
            ])
        );
        assert_eq!(shown["steps"]["other"], scope["steps"]["other"]);
        let silent = CurrentEvents::default();
        let all = super::shown(&silent, &waits().workflow, &scope);
        assert_eq!(all["steps"]["back"], scope["steps"]["back"]);
    }

    #[test]
    fn each_event_of_a_batch_is_shown_as_described_also_as_an_item_of_a_list() {
        let batch = and(status("2"), "events", json!([status("1"), status("2")]));
        let mut scope = scope(batch, json!({}));
        scope.insert("one".into(), status("1"));
        let site = CurrentEvents::new(events());
        let shown = shown(&site, &waits().workflow, &scope);
        let events = json!([status_shown("1"), status_shown("2")]);
        assert_eq!(shown["trigger"], and(status_shown("2"), "events", events));
        assert_eq!(shown["one"], status_shown("1"));
    }

    #[test]
    fn an_item_that_is_no_part_of_an_event_is_shown_as_it_is() {
        let mut scope = scope(and(status("2"), "events", json!([status("2")])), json!({}));
        scope.insert("one".into(), json!({ "badge": "B-1" }));
        let site = CurrentEvents::new(events());
        assert_eq!(shown(&site, &waits().workflow, &scope)["one"], scope["one"]);
        // A part of which nobody has said anything, also where it is no object.
        for part in [json!({ "badge": "B-1" }), json!("Zdenka")] {
            scope["one"] = part.clone();
            scope["trigger"]["events"][0]["extra"] = json!([part]);
            assert_eq!(shown(&site, &waits().workflow, &scope)["one"], Value::Null);
        }
    }
}
