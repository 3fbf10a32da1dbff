//! Types from JSON Schemas: what a schema promises of a value, as far as the checker follows it.
//!
//! What is put together from several schemas (`anyOf`, `oneOf`, `allOf`) has the fields of all of them; what is left open
//! is [`Type::Any`] and passes every check.

use super::types::{Field, Shape, Type};
use serde_json::Value;

/// How deep references between schemas are followed; deeper is left open.
const DEPTH_MAX: usize = 24;
/// Words that may add fields in a way that is not followed.
const ADDING: [&str; 5] =
    ["patternProperties", "if", "dependentSchemas", "dependencies", "unevaluatedProperties"];

/// `all_there` is whether fields count as there when the object requires none, `filled` whether a field that may be null
/// is null where it is left out.
pub(super) fn read(schema: &Value, all_there: bool, filled: bool) -> Type {
    Reader { root: schema, all_there, filled }.read(schema, 0)
}

struct Reader<'s> {
    root: &'s Value,
    /// Fields count as there when the object requires none.
    all_there: bool,
    /// What may be null is null where it is left out: tools fill their answers in.
    filled: bool,
}

impl Reader<'_> {
    fn read(&self, schema: &Value, depth: usize) -> Type {
        if depth > DEPTH_MAX {
            return Type::Any;
        }
        if let Some(pointer) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
            return self.root.pointer(pointer).map_or(Type::Any, |target| self.read(target, depth + 1));
        }
        if let Some(value) = schema.get("const") {
            return Type::of(value);
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            return values.iter().map(Type::of).fold(Type::Unset, Type::join);
        }
        let unions = ["anyOf", "oneOf"].iter().filter_map(|word| schema.get(word)?.as_array());
        let unions: Vec<Type> = unions
            .map(|options| {
                let options = options.iter().map(|option| self.read(option, depth + 1));
                options.fold(Type::Unset, Type::join)
            })
            .collect();
        let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
        let parts: Vec<Type> = parts.map(|part| self.read(part, depth + 1)).collect();
        // A part that cannot be read may add fields.
        let is_open = parts.iter().any(|part| matches!(part, Type::Any));
        let own = match unions.is_empty() && parts.is_empty() || says_fields(schema) {
            true => self.own(schema, depth),
            false => Type::Any,
        };
        let kind = unions.into_iter().chain(parts).fold(own, both);
        if is_open { opened(kind) } else { kind }
    }

    /// What it says itself, besides the schemas that it puts together.
    fn own(&self, schema: &Value, depth: usize) -> Type {
        match schema.get("type") {
            Some(Value::String(name)) => self.named(name, schema, depth),
            Some(Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str);
                names.map(|name| self.named(name, schema, depth)).fold(Type::Unset, Type::join)
            }
            _ if schema.get("properties").is_some() => self.named("object", schema, depth),
            _ => Type::Any,
        }
    }

    fn named(&self, name: &str, schema: &Value, depth: usize) -> Type {
        match name {
            "null" => Type::Null,
            "boolean" => Type::Bool,
            "integer" => Type::Int,
            "number" => Type::Number,
            "string" if schema.get("format").is_some_and(|format| format == "date-time") => Type::Time,
            "string" => Type::String,
            "array" => Type::list(schema.get("items").map_or(Type::Any, |items| self.read(items, depth + 1))),
            "object" => self.object(schema, depth),
            _ => Type::Any,
        }
    }

    fn object(&self, schema: &Value, depth: usize) -> Type {
        let required: Vec<&str> = match schema.get("required") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let all_there = self.all_there && required.is_empty();
        let properties = schema.get("properties").and_then(Value::as_object);
        let field = |(name, schema): (&String, &Value)| {
            let kind = self.read(schema, depth + 1);
            let filled = self.filled && matches!(kind, Type::Nullable(_));
            let required = all_there || filled || required.contains(&name.as_str());
            (name.clone(), Field { kind, required })
        };
        let (rest, closed) = match schema.get("additionalProperties") {
            Some(Value::Bool(true)) => (Some(Type::Any), false),
            Some(Value::Bool(false)) => (None, true),
            Some(schema) => (Some(self.read(schema, depth + 1)), false),
            None if properties.is_none() || ADDING.iter().any(|word| schema.get(word).is_some()) => {
                (Some(Type::Any), false)
            }
            None => (None, false),
        };
        let fields = properties.into_iter().flatten().map(field).collect();
        Type::Object(Shape { fields, rest: rest.map(Box::new), closed })
    }
}

/// Whether it says more than that its value is an object.
fn says_fields(schema: &Value) -> bool {
    let is_object = schema.get("type").is_none_or(|name| name == "object");
    !is_object || ["properties", "additionalProperties"].iter().any(|word| schema.get(word).is_some())
}

/// Of a value that is one and the other.
fn both(one: Type, other: Type) -> Type {
    match (one, other) {
        (Type::Any | Type::Unset, kind) | (kind, Type::Any | Type::Unset) => kind,
        (Type::Nullable(one), Type::Nullable(other)) => both(*one, *other).nullable(),
        (Type::Nullable(one), other) | (other, Type::Nullable(one)) => both(*one, other),
        (Type::Object(one), Type::Object(other)) => Type::Object(both_shapes(one, other)),
        (Type::List(one), Type::List(other)) => Type::list(both(*one, *other)),
        (Type::Word(one), Type::Word(other)) => {
            let common: Vec<String> = one.iter().filter(|word| other.contains(word)).cloned().collect();
            Type::Word(if common.is_empty() { one } else { common })
        }
        (text, word @ (Type::Word(_) | Type::Time)) | (word @ (Type::Word(_) | Type::Time), text)
            if text.is_text() =>
        {
            word
        }
        (Type::Int, Type::Number) | (Type::Number, Type::Int) => Type::Int,
        // They exclude one another, or are not told apart here.
        (one, _) => one,
    }
}

fn both_shapes(mut one: Shape, other: Shape) -> Shape {
    for (name, field) in other.fields {
        let merged = match one.fields.remove(&name) {
            Some(own) => Field { kind: both(own.kind, field.kind), required: own.required || field.required },
            None => field,
        };
        one.fields.insert(name, merged);
    }
    Shape { rest: one.rest.or(other.rest), closed: one.closed && other.closed, ..one }
}

/// With fields that are not known.
fn opened(kind: Type) -> Type {
    match kind {
        Type::Object(shape) => {
            Type::Object(Shape { rest: shape.rest.or(Some(Box::new(Type::Any))), closed: false, ..shape })
        }
        Type::Nullable(kind) => opened(*kind).nullable(),
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn output(schema: &Value) -> String {
        read(schema, true, true).to_string()
    }

    fn fields(schema: &Value) -> Vec<String> {
        let Type::Object(shape) = read(schema, true, true) else { panic!("no object: {}", output(schema)) };
        let open = if shape.rest.is_some() { vec!["…".to_owned()] } else { vec![] };
        let field = |(name, field): (&String, &Field)| {
            format!("{name}{} {}", if field.required { "" } else { "?" }, field.kind)
        };
        shape.fields.iter().map(field).chain(open).collect()
    }

    #[test]
    fn what_is_put_together_has_the_fields_of_all() {
        let text = json!({ "type": "string" });
        let base = json!({ "number": text, "kind": text });
        // One of two forms, each with a field of its own.
        let forms = json!({ "type": "object", "properties": base, "required": ["number", "kind"], "oneOf": [
            { "properties": { "kind": { "const": "eta" }, "eta": text } },
            { "properties": { "kind": { "const": "gone" }, "why": text }, "required": ["why"] },
        ] });
        assert_eq!(fields(&forms), ["eta? a text", "kind one of eta, gone", "number a text", "why? a text"]);
        // Only what must be there differs.
        let either = json!({ "type": "object", "properties": base, "anyOf": [{ "required": ["number"] }, { "required": ["kind"] }] });
        assert_eq!(fields(&either), ["kind a text", "number a text"]);
        let all = json!({ "type": "object", "properties": base, "required": ["kind"], "allOf": [
            { "$ref": "#/$defs/timed" },
        ], "$defs": { "timed": { "type": "object", "properties": { "at": text }, "required": ["at"] } } });
        assert_eq!(fields(&all), ["at a text", "kind a text", "number? a text"]);
        let union = json!({ "type": "object", "oneOf": [{ "properties": { "a": text } }, { "properties": { "a": text, "b": text } }] });
        assert_eq!(fields(&union), ["a a text", "b? a text"]);
    }

    #[test]
    fn what_may_add_fields_leaves_the_object_open() {
        let text = json!({ "type": "string" });
        for (word, value) in [
            ("patternProperties", json!({ "^x_": text })),
            ("if", json!({ "properties": { "a": { "const": "b" } } })),
            ("allOf", json!([{ "if": {}, "then": { "properties": { "c": text } } }])),
        ] {
            let mut schema = json!({ "type": "object", "properties": { "a": text } });
            schema[word] = value;
            assert_eq!(fields(&schema), ["a a text", "…"], "{word}");
        }
    }

    #[test]
    fn null_and_words_are_kept() {
        assert_eq!(
            output(&json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] })),
            "a whole number or null"
        );
        assert_eq!(
            output(&json!({ "type": "string", "oneOf": [{ "const": "A" }, { "const": "B" }] })),
            "one of A, B"
        );
    }
}
