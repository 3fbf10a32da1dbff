//! The names an expression sees at one place of a run.

use crate::expr::Scope;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

/// Collected while walking down a workflow: what is visible so far.
#[derive(Debug, Clone)]
pub struct Names {
    base: Scope,
    steps: Map<String, Value>,
}

impl Names {
    pub fn new(trigger: &Value, inputs: &Value, site: &Value) -> Self {
        let mut base = Scope::new();
        base.insert("trigger".into(), trigger.clone());
        base.insert("inputs".into(), inputs.clone());
        base.insert("site".into(), site.clone());
        Self { base, steps: Map::new() }
    }

    pub fn set_step(&mut self, id: &str, output: Value) {
        self.steps.insert(id.to_owned(), output);
    }

    pub fn set_variable(&mut self, name: &str, value: Value) {
        self.base.insert(name.to_owned(), value);
    }

    pub fn steps(&self) -> &Map<String, Value> {
        &self.steps
    }

    pub fn at(&self, now: DateTime<Utc>) -> Scope {
        let mut scope = self.base.clone();
        scope.insert("steps".into(), Value::Object(self.steps.clone()));
        scope.insert("now".into(), json!(now.to_rfc3339_opts(SecondsFormat::Millis, true)));
        scope
    }
}
