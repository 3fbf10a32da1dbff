//! What may stand at a place of a workflow file: the site's JSON Schema, walked along the outline.
//!
//! The schema is the one of `takt schema`; only the keywords it uses are understood.

use super::{
    MARKER,
    outline::{At, Data, Node, Outline, Way},
};
use serde_json::Value;

const DEPTH_MAX: usize = 16;

/// Every schema that speaks of one place.
pub(super) struct Place<'s> {
    root: &'s Value,
    schemas: Vec<&'s Value>,
}

/// A key that may be written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key<'s> {
    pub(super) name: &'s str,
    pub(super) about: &'s str,
    /// Its value is a map or a list, below it.
    pub(super) is_group: bool,
    pub(super) required: bool,
}

/// A word that may be written as a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word<'s> {
    pub(super) text: String,
    pub(super) about: &'s str,
}

impl<'s> Place<'s> {
    /// The place that a way through the outline leads to: of its last value, or of the map that holds it.
    pub(super) fn of(root: &'s Value, outline: &Outline<'_>, at: &At<'_>) -> Self {
        let mut place = Self::expanded(root, vec![root], outline.source, &outline.root);
        for (_, way) in &at.way {
            place = place.below(outline.source, way);
        }
        place
    }

    /// The map around the last step.
    pub(super) fn around(root: &'s Value, outline: &Outline<'_>, at: &At<'_>) -> Self {
        let mut holder = at.clone();
        holder.way.pop();
        Self::of(root, outline, &holder)
    }

    fn expanded(root: &'s Value, schemas: Vec<&'s Value>, source: &str, node: &Node) -> Self {
        let mut place = Self { root, schemas: Vec::new() };
        schemas.into_iter().for_each(|schema| place.add(schema, source, node, 0));
        place
    }

    /// An item of the list that may stand here.
    pub(super) fn item(&self, source: &str, node: &Node) -> Self {
        self.below(source, &Way::Item(node))
    }

    fn below(&self, source: &str, way: &Way<'_>) -> Self {
        let (mut schemas, node) = (
            Vec::new(),
            match way {
                Way::Key(entry) => &entry.value,
                Way::Item(node) => node,
            },
        );
        for schema in &self.schemas {
            match way {
                Way::Key(entry) => match schema.get("properties").and_then(|all| all.get(&entry.key)) {
                    Some(known) => schemas.push(known),
                    None => {
                        schemas.extend(schema.get("additionalProperties").filter(|rest| rest.is_object()))
                    }
                },
                Way::Item(..) => schemas.extend(schema.get("items")),
            }
        }
        Self::expanded(self.root, schemas, source, node)
    }

    /// With everything it refers to and that holds for this node.
    fn add(&mut self, schema: &'s Value, source: &str, node: &Node, depth: usize) {
        if depth > DEPTH_MAX || self.schemas.iter().any(|known| std::ptr::eq(*known, schema)) {
            return;
        }
        self.schemas.push(schema);
        if let Some(pointer) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
            self.root
                .pointer(pointer)
                .into_iter()
                .for_each(|target| self.add(target, source, node, depth + 1));
        }
        for several in ["allOf", "anyOf", "oneOf"] {
            let parts = schema.get(several).and_then(Value::as_array).into_iter().flatten();
            parts.for_each(|part| self.add(part, source, node, depth + 1));
        }
        if let Some(condition) = schema.get("if") {
            // What is still to be typed may become either.
            let is_open = is_blank(node, source) && condition.get("type").is_some();
            let holds = holds(condition, source, node);
            for (branch, applies) in [("then", holds || is_open), ("else", !holds || is_open)] {
                let part = schema.get(branch).filter(|_| applies);
                part.into_iter().for_each(|part| self.add(part, source, node, depth + 1));
            }
        }
    }

    /// Whether what stands here is an expression.
    pub(super) fn is_expression(&self) -> bool {
        self.is_defined_as("expression")
    }

    /// Whether one of the schemas is this definition.
    pub(super) fn is_defined_as(&self, name: &str) -> bool {
        let definition = self.root.get("definitions").and_then(|all| all.get(name));
        definition.is_some_and(|known| self.schemas.iter().any(|schema| std::ptr::eq(*schema, known)))
    }

    /// The description that says most of this very place.
    pub(super) fn about(&self) -> Option<&'s str> {
        let typed = self.schemas.iter().rev().filter(|schema| schema.get("type").is_none());
        let all = typed.chain(&self.schemas);
        all.filter_map(|schema| schema.get("description").and_then(Value::as_str)).next()
    }

    /// The keys that a map here may have, in the order of the schema.
    pub(super) fn keys(&self) -> Vec<Key<'s>> {
        let mut keys: Vec<Key<'s>> = Vec::new();
        for schema in &self.schemas {
            let required = |name: &str| {
                let names = schema.get("required").and_then(Value::as_array);
                names.is_some_and(|names| names.iter().any(|known| known == name))
            };
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, property) in properties.into_iter().flatten() {
                let about = property.get("description").and_then(Value::as_str).unwrap_or_default();
                match keys.iter_mut().find(|key| key.name == name) {
                    Some(known) => {
                        known.required |= required(name);
                        if !about.is_empty() {
                            known.about = about;
                        }
                    }
                    None => {
                        keys.push(Key { name, about, is_group: is_group(property), required: required(name) })
                    }
                }
            }
        }
        for names in self.schemas.iter().filter_map(|schema| schema.pointer("/propertyNames/enum")) {
            let names = names.as_array().map(Vec::as_slice).unwrap_or_default();
            keys.retain(|key| names.iter().any(|name| name == key.name));
        }
        keys
    }

    /// The words that a value here may be.
    pub(super) fn words(&self) -> Vec<Word<'s>> {
        let mut words: Vec<Word<'s>> = Vec::new();
        let mut push = |value: &Value, about: &'s str| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if !words.iter().any(|word| word.text == text) {
                words.push(Word { text, about });
            }
        };
        for schema in &self.schemas {
            let list = |name: &str| {
                schema.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
            };
            let abouts = list("enumDescriptions");
            for (index, value) in list("enum").iter().enumerate() {
                push(value, abouts.get(index).and_then(Value::as_str).unwrap_or_default());
            }
            list("examples").iter().for_each(|value| push(value, ""));
            if schema.get("type").is_some_and(|kind| kind == "boolean") {
                [true, false].iter().for_each(|flag| push(&Value::Bool(*flag), ""));
            }
        }
        words
    }

    /// Whether a map or list is expected rather than a word.
    pub(super) fn is_group(&self) -> bool {
        self.schemas.iter().any(|schema| is_group(schema))
    }

    pub(super) fn is_list(&self) -> bool {
        self.schemas.iter().any(|schema| schema.get("items").is_some())
    }
}

fn is_group(schema: &Value) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    matches!(kind, Some("object" | "array")) || schema.get("properties").is_some()
}

fn is_blank(node: &Node, source: &str) -> bool {
    node.data == Data::Empty || node.text(source).contains(MARKER)
}

/// Whether a node meets a condition, as far as the site's schema uses them.
fn holds(condition: &Value, source: &str, node: &Node) -> bool {
    let Some(keywords) = condition.as_object() else { return true };
    keywords.iter().all(|(keyword, wanted)| match (keyword.as_str(), wanted) {
        ("required", Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).all(|name| node.get(name).is_some())
        }
        ("properties", Value::Object(properties)) => properties.iter().all(|(name, schema)| {
            node.get(name).is_none_or(|value| {
                schema.get("const").is_none_or(|word| word.as_str() == Some(value.text(source)))
            })
        }),
        ("type", Value::String(kind)) => match node.data {
            Data::Map(_) => kind == "object",
            Data::List(_) => kind == "array",
            Data::Empty | Data::Scalar(_) => kind == "string",
        },
        ("not", inner) => !holds(inner, source, node),
        _ => true,
    })
}
