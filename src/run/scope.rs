//! The names an expression sees at one place of a run.

use crate::expr::Scope;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

/// Collected while walking down a workflow: what is visible so far. Values are copied only where an expression
/// is about to see them, so that each item of a list can have names of its own.
#[derive(Debug, Clone)]
pub struct Names<'a> {
    base: Arc<Scope>,
    /// Laid over the base: a loop's item, `failure`, `cancelled`.
    variables: BTreeMap<&'a str, Seen<'a>>,
    steps: BTreeMap<&'a str, Seen<'a>>,
}

#[derive(Debug, Clone)]
enum Seen<'a> {
    Kept(&'a Value),
    Made(Arc<Value>),
}

impl<'a> From<Cow<'a, Value>> for Seen<'a> {
    fn from(value: Cow<'a, Value>) -> Self {
        match value {
            Cow::Borrowed(value) => Self::Kept(value),
            Cow::Owned(value) => Self::Made(Arc::new(value)),
        }
    }
}

impl Seen<'_> {
    fn value(&self) -> &Value {
        match self {
            Self::Kept(value) => value,
            Self::Made(value) => value,
        }
    }
}

impl<'a> Names<'a> {
    pub fn new(base: Arc<Scope>) -> Self {
        Self { base, variables: BTreeMap::new(), steps: BTreeMap::new() }
    }

    pub fn set_step(&mut self, id: &'a str, output: Cow<'a, Value>) {
        self.steps.insert(id, output.into());
    }

    pub fn set_variable(&mut self, name: &'a str, value: Cow<'a, Value>) {
        self.variables.insert(name, value.into());
    }

    pub fn step(&self, id: &str) -> Option<&Value> {
        self.steps.get(id).map(Seen::value)
    }

    pub fn at(&self, now: DateTime<Utc>) -> Scope {
        let mut scope = (*self.base).clone();
        for (name, value) in &self.variables {
            scope.insert((*name).to_owned(), value.value().clone());
        }
        let steps = self.steps.iter().map(|(id, output)| ((*id).to_owned(), output.value().clone()));
        scope.insert("steps".into(), Value::Object(steps.collect()));
        scope.insert("now".into(), scope_time(now));
        scope
    }
}

/// A time as expressions see `now`.
pub fn scope_time(at: DateTime<Utc>) -> Value {
    json!(at.to_rfc3339_opts(SecondsFormat::Millis, true))
}
