//! T019: what a prompt or message names is there when it is rendered.

use super::Checker;
use crate::{
    expr::{Type, Types, ValueTemplate},
    workflow::{
        Place,
        problem::{Problem, Severity},
    },
};
use serde_json::Value;

impl Checker<'_> {
    pub(super) fn rendered(&mut self, path: &str, types: &Types) {
        for found in self.definition.template_problems(path, types) {
            self.problems.push(Problem {
                code: "T019",
                severity: Severity::Error,
                path: path.to_owned(),
                place: Place { line: found.line, column: found.column },
                message: found.message,
                fix: Some(found.fix),
            });
        }
    }

    /// A message that is sent: the run's own names, and what the call's `data` adds.
    pub(super) fn message(&mut self, with: &ValueTemplate, given: &Type, types: &Types) {
        let Some(Value::String(path)) = with.raw().get("message") else { return };
        let mut types = types.clone();
        let data = match given {
            Type::Object(shape) => shape.fields.get("data").map(|field| &field.kind),
            _ => None,
        };
        if let Some(Type::Object(data)) = data {
            types.extend(data.fields.iter().map(|(name, field)| (name.clone(), field.kind.clone())));
        }
        self.rendered(path, &types);
    }
}
