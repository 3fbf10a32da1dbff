//! What an expression of a connector file may name at its place: found out when the file is read, not by the first call.
//!
//! Only names are checked. What another system answers is not known beforehand.

use crate::expr::{Expr, Type, TypeProblem, TypeProblemKind, Types, ValueTemplate};
use serde_json::Value;

const RESPONSES: &str = "responses";
const VALUES: &str = "values";

/// Without any, nothing is checked.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Types);

impl Names {
    /// Before the first request of a call.
    pub(super) fn of_call(input: Option<&Value>) -> Self {
        let mut names = Self::default();
        names.0.insert("input".to_owned(), input.map_or(Type::Any, fields_of));
        let about = ["run", "step", "key", "attempt", "now"].map(|field| (field, Type::Any));
        names.0.insert("call".to_owned(), Type::object(about));
        names.add("site");
        names.0.insert(RESPONSES.to_owned(), nothing());
        names.0.insert(VALUES.to_owned(), nothing());
        names
    }

    /// Where a call fails: all of it may be there, with the item of any request, and the answer is.
    pub(super) fn of_errors<'i>(of_call: &Self, items: impl IntoIterator<Item = &'i str>) -> Self {
        let mut names = Self(of_call.0.keys().map(|name| (name.clone(), Type::Any)).collect());
        items.into_iter().for_each(|item| names.add(item));
        names.add_answer();
        names
    }

    pub(super) fn add(&mut self, name: &str) {
        self.0.insert(name.to_owned(), Type::Any);
    }

    pub(super) fn add_answer(&mut self) {
        self.add("status");
        self.add("body");
    }

    pub(super) fn add_response(&mut self, id: &str) {
        self.add_field(RESPONSES, id);
    }

    pub(super) fn add_value(&mut self, name: &str) {
        self.add_field(VALUES, name);
    }

    fn add_field(&mut self, group: &str, name: &str) {
        if let Some(Type::Object(shape)) = self.0.remove(group) {
            let known = shape.fields.keys().map(String::as_str).chain([name]);
            self.0.insert(group.to_owned(), Type::object(known.map(|known| (known, Type::Any))));
        }
    }

    pub(super) fn unknown(&self, expr: &Expr) -> Vec<TypeProblem> {
        if self.0.is_empty() {
            return Vec::new();
        }
        expr.infer(&self.0).1.into_iter().filter(is_unknown).collect()
    }

    /// With the JSON pointer of the text each stands in.
    pub(super) fn unknown_in(&self, template: &ValueTemplate) -> Vec<(String, TypeProblem)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let found = template.infer(&self.0).1.into_iter();
        found.filter(|found| is_unknown(&found.problem)).map(|found| (found.pointer, found.problem)).collect()
    }
}

fn is_unknown(problem: &TypeProblem) -> bool {
    matches!(problem.kind, TypeProblemKind::Unknown { .. })
}

fn nothing() -> Type {
    Type::object::<String>([])
}

/// The fields of an input that takes no others.
fn fields_of(schema: &Value) -> Type {
    let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    match schema.get("properties").and_then(Value::as_object) {
        Some(properties) if is_closed => {
            Type::object(properties.keys().map(|name| (name.clone(), Type::Any)))
        }
        _ => Type::Any,
    }
}
