//! Types, tools and functions in words, for completion and hover.

use crate::{
    expr::{Field, Function, Shape, Type},
    tool::{Effect, ToolSpec},
};
use std::fmt::Write;

/// Fields of an object that are listed, and how deep.
const FIELDS_MAX: usize = 30;
const DEPTH_MAX: usize = 2;

/// A type with what is in it: `a list of { order: a text, … }`.
pub(super) fn in_full(kind: &Type) -> String {
    let mut text = String::new();
    write_type(kind, 0, &mut text);
    text
}

fn write_type(kind: &Type, depth: usize, text: &mut String) {
    match kind {
        Type::List(item) => {
            text.push_str("a list of ");
            write_type(item, depth, text);
        }
        Type::Object(shape) if depth < DEPTH_MAX => write_shape(shape, depth, text),
        Type::Nullable(inner) => {
            write_type(inner, depth, text);
            text.push_str(" or null");
        }
        Type::Optional(inner) => {
            write_type(inner, depth, text);
            text.push_str(" that may be absent");
        }
        other => text.push_str(&other.to_string()),
    }
}

fn write_shape(shape: &Shape, depth: usize, text: &mut String) {
    if shape.fields.is_empty() {
        return text.push_str("an object");
    }
    text.push_str("{ ");
    for (index, (name, Field { kind, required })) in shape.fields.iter().take(FIELDS_MAX).enumerate() {
        let _ =
            write!(text, "{}{name}{}: ", if index > 0 { ", " } else { "" }, if *required { "" } else { "?" });
        write_type(kind, depth + 1, text);
    }
    if shape.fields.len() > FIELDS_MAX || shape.rest.is_some() {
        text.push_str(", …");
    }
    text.push_str(" }");
}

/// What a tool does, takes and gives.
pub(super) fn of_tool(spec: &ToolSpec) -> String {
    let effect = match spec.effect {
        Effect::Read => "reads",
        Effect::Propose => "computes; changes nothing",
        Effect::Write if spec.ungated.is_some() => "writes, without a gate",
        Effect::Write => "writes: only after a gate, with `rules`",
    };
    let mut text = format!("**{}** {effect}\n\n{}\n", spec.name, spec.description.trim());
    let mut list = |title: &str, kind: Type| {
        let Type::Object(shape) = kind else { return };
        if shape.fields.is_empty() {
            return;
        }
        let _ = write!(text, "\n{title}\n");
        let mut fields: Vec<_> = shape.fields.iter().collect();
        fields.sort_by_key(|(_, field)| !field.required);
        for (name, Field { kind, required }) in fields.into_iter().take(FIELDS_MAX) {
            let _ =
                writeln!(text, "- `{name}`{}: {}", if *required { "" } else { " (optional)" }, in_full(kind));
        }
    };
    list("Takes", Type::from_schema(&spec.input));
    list("Gives", Type::of_output(&spec.output));
    text
}

pub(super) fn of_function(function: &Function) -> String {
    let mut text = format!("`{}`\n\n{}", function.call, function.about);
    if !function.takes.is_empty() {
        let _ = write!(text, "\n\nTakes {}.", function.takes.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_shows_what_is_in_it() {
        let order = Type::object([("order", Type::String), ("tier", Type::String.nullable())]);
        assert_eq!(in_full(&Type::list(order)), "a list of { order: a text, tier: a text or null }");
        assert_eq!(in_full(&Type::Word(vec!["a".to_owned(), "b".to_owned()])), "one of a, b");
    }
}
