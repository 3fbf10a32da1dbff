//! Whether a trigger wants an event, and under which key. Pure: the router and tests of workflows ask the same.

use crate::{
    expr::{Expr, Scope},
    run::key_text,
    workflow::EventTrigger,
};
use serde_json::Value;

/// What a trigger makes of an event of a type it listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    pub key: Option<String>,
    /// The conditions are true; an event for which they are not ends a `hold` under its key.
    pub holds: bool,
}

/// Whether a trigger listens to events of this type.
pub fn listens(trigger: &EventTrigger, kind: &str) -> bool {
    trigger.patterns.iter().any(|pattern| pattern.event == kind)
}

/// The error is the workflow's: an expression failed.
pub fn fit(
    trigger: &EventTrigger,
    kind: &str,
    event: &Value,
    site: &Value,
    now: Value,
) -> Result<Fit, String> {
    let mut scope = Scope::new();
    scope.insert("event".into(), event.clone());
    scope.insert("site".into(), site.clone());
    scope.insert("now".into(), now);
    let key = trigger.key.as_ref().map(|key| key.eval(&scope)).transpose();
    let key = key.map_err(|error| error.to_string())?;
    let key = key.map(key_of).transpose()?;
    let mut holds = false;
    for pattern in trigger.patterns.iter().filter(|pattern| pattern.event == kind) {
        let (own, common) = (test(&pattern.condition, &scope)?, test(&trigger.condition, &scope)?);
        holds |= own && common;
    }
    Ok(Fit { key, holds })
}

/// The key of a run or a hold, from what `key` gave.
pub(super) fn key_of(value: Value) -> Result<String, String> {
    key_text(value).map_err(|found| format!("`key` gives {found}: a text is needed"))
}

fn test(condition: &Option<Expr>, scope: &Scope) -> Result<bool, String> {
    condition.as_ref().map_or(Ok(true), |condition| condition.test(scope).map_err(|error| error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Bundle, Definition, Trigger};
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn events_without_a_key_do_not_share_one() {
        let yaml =
            "workflow: w\nowner: me\ntrigger: { event: a.b, key: event.order }\nsteps: [{ id: a, end: x }]";
        let files = BTreeMap::from([("workflows/w.yaml".to_owned(), yaml.to_owned())]);
        let definition = Definition::compile(Bundle { path: "workflows/w.yaml".to_owned(), files });
        let workflow = definition.expect("it loads").workflow;
        let Trigger::Events(trigger) = &workflow.trigger else { panic!("a trigger by event") };
        let key = |order: Value| {
            let event = json!({ "order": order });
            fit(trigger, "a.b", &event, &Value::Null, json!("2026-11-24T12:00:00Z")).map(|fit| fit.key)
        };
        assert_eq!(key(json!("SO-1")), Ok(Some("SO-1".to_owned())));
        assert_eq!(key(json!(7)), Ok(Some("7".to_owned())));
        assert_eq!(key(Value::Null), Err("`key` gives null: a text is needed".to_owned()));
        assert_eq!(key(json!({ "id": 1 })), Err(r#"`key` gives {"id":1}: a text is needed"#.to_owned()));
    }
}
