//! Errors of CEL in the words of somebody who writes workflows: what is wrong, and what exists instead.
//!
//! Names and types go into a message, not values: an error is shown to people and kept in logs. Only a text
//! that should have been a time is quoted.

use super::{
    ParseError, Scope,
    environment::{operator, path_of},
};
use cel::{
    Context, ExecutionError, IdedExpr, ParseErrors, Value,
    common::ast::{EntryExpr, Expr as Node, operators},
    objects::Key,
};

/// The first error of a parse, with the usual slips of people who come from other languages.
pub(super) fn parse_error(source: &str, errors: &ParseErrors) -> ParseError {
    let Some(first) = errors.errors.first() else {
        return ParseError { line: 1, column: 1, message: "this is not an expression".to_owned() };
    };
    let line = u32::try_from(first.pos.0).unwrap_or(1).max(1);
    let column = u32::try_from(first.pos.1).unwrap_or(1).max(1);
    let raw = first.msg.trim_start_matches("Syntax error: ");
    let message = slip(raw).unwrap_or_else(|| shorten(source, raw));
    ParseError { line, column, message }
}

fn slip(raw: &str) -> Option<String> {
    if raw.contains("has() macro") {
        return Some("`has` asks for a field: write `has(a.b)`".to_owned());
    }
    if raw.contains("Recursion limit") {
        return Some("the expression is nested too deeply: split it into steps".to_owned());
    }
    let found = raw.split('\'').nth(1)?.trim();
    let advice = match found {
        "=" => "`=` is not an operator: compare with `==`",
        "and" => "write `&&` for and",
        "or" => "write `||` for or",
        "not" => "write `!` for not",
        "&" => "write `&&` for and",
        "|" => "write `||` for or",
        "{{" | "$" => "an expression stands here without `${{ }}`",
        _ => return None,
    };
    Some(advice.to_owned())
}

/// The parser lists every token it would have taken; nobody reads that.
fn shorten(source: &str, raw: &str) -> String {
    let head = raw.split(" expecting ").next().unwrap_or(raw);
    if head.contains("<EOF>") {
        return format!("the expression ends too early: `{}`", source.trim_end());
    }
    if raw.contains("token recognition error") {
        let found = raw.split_once("at: ").map_or("", |(_, found)| found).trim_matches('\'').trim();
        return format!("`{found}` does not belong here");
    }
    match head.split('\'').nth(1) {
        Some(found) => format!("`{found}` was not expected here"),
        None => head.to_owned(),
    }
}

/// A failed evaluation as one sentence.
pub(super) fn eval_error(
    error: &ExecutionError,
    root: &IdedExpr,
    context: &Context,
    scope: &Scope,
) -> String {
    match error {
        ExecutionError::NoSuchKey(name) => blame(root, name, context)
            .unwrap_or_else(|| format!("no such field `{name}`; `.?{name}.orValue(…)` gives a default")),
        ExecutionError::UndeclaredReference(name) => undeclared(name, root, scope),
        ExecutionError::NoSuchOverload(overload) if overload.function() == "_._" => {
            let holder = overload.argument_types().first().map_or("null", String::as_str);
            blame(root, "", context).unwrap_or_else(|| no_fields(None, holder, "…"))
        }
        ExecutionError::NoSuchOverload(overload) => {
            let types: Vec<&str> = overload.argument_types().iter().map(|t| word(t)).collect();
            format!("`{}` does not work on {}", operator(overload.function()), types.join(" and "))
        }
        ExecutionError::UnexpectedType { got, want } => {
            let got = got.split(['(', '{', ' ']).next().unwrap_or(got);
            format!("a value of type {} is needed here, this is {}", word(want), word(got))
        }
        ExecutionError::FunctionError { function, message } => format!("{function}: {message}"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "the number is too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => {
            "the list has no such item: test `size(list)` first".to_owned()
        }
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("{expected} arguments are needed, these are {actual}")
        }
        ExecutionError::ValuesNotComparable(a, b) => {
            format!("{} and {} do not compare", a.type_of(), b.type_of())
        }
        _ => "the values do not fit this expression".to_owned(),
    }
}

fn undeclared(name: &str, root: &IdedExpr, scope: &Scope) -> String {
    let called = contains(root, &mut |node| matches!(&node.expr, Node::Call(c) if c.func_name == name));
    if called {
        return format!("there is no function `{name}`");
    }
    let names: Vec<&str> = scope.keys().map(String::as_str).collect();
    format!("unknown name `{name}`; there is: {}", names.join(", "))
}

/// Finds the field selection that fails with `name` (or with anything, when empty) and says what its
/// holder has instead.
fn blame(node: &IdedExpr, name: &str, context: &Context) -> Option<String> {
    for child in children(node) {
        if let Some(message) = blame(child, name, context) {
            return Some(message);
        }
    }
    let Node::Select(select) = &node.expr else { return None };
    if select.test || !(name.is_empty() || select.field == name) {
        return None;
    }
    let holder = Value::resolve(&select.operand, context).ok()?;
    let shown = spelled(&select.operand);
    match &holder {
        Value::Map(map) => {
            let key = Key::from(select.field.as_str());
            if map.map.contains_key(&key) {
                return None;
            }
            let mut fields: Vec<String> = map.map.keys().map(ToString::to_string).collect();
            fields.sort();
            let shown = shown.map_or(String::new(), |path| format!(" in `{path}`"));
            let has = if fields.is_empty() { "no fields".to_owned() } else { fields.join(", ") };
            Some(format!("no such field `{}`{shown}; it has: {has}", select.field))
        }
        other => Some(no_fields(shown, &other.type_of().to_string(), &select.field)),
    }
}

fn no_fields(shown: Option<String>, kind: &str, field: &str) -> String {
    let holder = shown.map_or("the value".to_owned(), |path| format!("`{path}`"));
    let default = match kind.starts_with("null") {
        true => format!("; `.?{field}.orValue(…)` gives a default"),
        false => String::new(),
    };
    format!("{holder} is {}, so it has no field `{field}`{default}", word(kind))
}

/// The source of a path, as far as it is one.
fn spelled(node: &IdedExpr) -> Option<String> {
    if let Some(path) = path_of(node) {
        return Some(path.join("."));
    }
    match &node.expr {
        Node::Select(select) => Some(format!("{}.{}", spelled(&select.operand)?, select.field)),
        Node::Call(call) if call.func_name == operators::INDEX => {
            Some(format!("{}[…]", spelled(call.args.first()?)?))
        }
        _ => None,
    }
}

fn contains(node: &IdedExpr, matches: &mut dyn FnMut(&IdedExpr) -> bool) -> bool {
    matches(node) || children(node).into_iter().any(|child| contains(child, matches))
}

pub(super) fn children(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Node::Unspecified | Node::Ident(_) | Node::Literal(_) | Node::Struct(_) => Vec::new(),
        Node::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Node::Select(select) => vec![&select.operand],
        Node::List(list) => list.elements.iter().collect(),
        Node::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
                EntryExpr::StructField(field) => vec![&field.value],
            })
            .collect(),
        Node::Comprehension(c) => vec![&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result],
    }
}

/// CEL's type names in words.
fn word(kind: &str) -> &str {
    match kind {
        "int" | "uint" | "i64" | "CelInt" => "a whole number",
        "double" | "float" | "f64" | "CelDouble" => "a fractional number",
        "string" | "CelString" => "a text",
        "bool" | "CelBool" => "true or false",
        "null_type" | "null" | "CelNull" => "null",
        "list" | "CelList" => "a list",
        "map" | "CelMap" => "an object",
        "google.protobuf.Timestamp" | "timestamp" => "a time",
        "google.protobuf.Duration" | "duration" => "a duration",
        other => other,
    }
}
