//! Whether a trigger wants an event, and under which key. Pure: the router and tests of workflows ask the same.

use crate::{
    expr::{Expr, Scope},
    run::misfit_of_key,
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
    let key = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match misfit_of_key(&key) {
        None => Ok(key),
        Some(found) => Err(format!("`key` gives {found}")),
    }
}

fn test(condition: &Option<Expr>, scope: &Scope) -> Result<bool, String> {
    condition.as_ref().map_or(Ok(true), |condition| condition.test(scope).map_err(|error| error.to_string()))
}
