//! The names an expression sees at one place of a run.

use crate::expr::Scope;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

/// Collected while walking down a workflow: what is visible so far. Values are copied only where an expression
/// is about to see them.
#[derive(Debug, Clone)]
pub struct Names<'a> {
    base: Arc<Scope>,
    steps: BTreeMap<&'a str, Cow<'a, Value>>,
}

impl<'a> Names<'a> {
    pub fn new(base: Arc<Scope>) -> Self {
        Self { base, steps: BTreeMap::new() }
    }

    pub fn set_step(&mut self, id: &'a str, output: Cow<'a, Value>) {
        self.steps.insert(id, output);
    }

    pub fn set_variable(&mut self, name: &str, value: Value) {
        Arc::make_mut(&mut self.base).insert(name.to_owned(), value);
    }

    pub fn step(&self, id: &str) -> Option<&Value> {
        self.steps.get(id).map(Cow::as_ref)
    }

    pub fn at(&self, now: DateTime<Utc>) -> Scope {
        let mut scope = (*self.base).clone();
        let steps = self.steps.iter().map(|(id, output)| ((*id).to_owned(), output.as_ref().clone()));
        scope.insert("steps".into(), Value::Object(steps.collect()));
        scope.insert("now".into(), scope_time(now));
        scope
    }
}

/// A time as expressions see `now`.
pub fn scope_time(at: DateTime<Utc>) -> Value {
    json!(at.to_rfc3339_opts(SecondsFormat::Millis, true))
}
