//! What the functions of the language return, for the type checker.

use super::types::{Shape, Type};
use cel::common::ast::operators;

/// Names before a dot that are no values: `math.abs(x)`.
pub(super) const NAMESPACES: [&str; 4] = ["math", "lists", "strings", "optional"];

/// CEL's own type names, which an expression may compare `type(x)` with.
pub(super) const TYPE_NAMES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

pub(super) fn of_namespace(namespace: &str, name: &str) -> Type {
    match (namespace, name) {
        ("math", "isInf" | "isNaN" | "isFinite") => Type::Bool,
        ("lists", "range") => Type::list(Type::Int),
        ("strings", "quote") => Type::String,
        _ => Type::Any,
    }
}

/// The type of a field that may not be there.
pub(super) fn optional_field(holder: &Type, field: &str) -> Type {
    match holder {
        Type::Optional(inner) => optional_field(inner, field),
        Type::Object(Shape { fields, rest }) => match fields.get(field) {
            Some(found) => found.kind.clone(),
            None => rest.as_deref().cloned().unwrap_or(Type::Unset),
        },
        _ => Type::Any,
    }
}

/// `None` when there is no such function. `second_int` is the second argument where it is written out.
pub(super) fn of(name: &str, target: Option<&Type>, args: &[Type], second_int: Option<i64>) -> Option<Type> {
    let item = |kind: Option<&Type>| match kind {
        Some(Type::List(item)) => (**item).clone(),
        _ => Type::Any,
    };
    let subject = target.or(args.first());
    Some(match name {
        operators::INDEX => match args.first() {
            Some(Type::List(item)) => (**item).clone(),
            Some(Type::Object(Shape { rest: Some(rest), .. })) => (**rest).clone(),
            Some(Type::Optional(inner)) => Type::Optional(Box::new(item(Some(inner)))),
            _ => Type::Any,
        },
        operators::OPT_INDEX => Type::Optional(Box::new(item(args.first()))),
        operators::IN => Type::Bool,
        operators::NEGATE => args.first().cloned().unwrap_or_default(),
        "size" | "int" | "indexOf" | "lastIndexOf" | "uint" | "minutes_between" => Type::Int,
        "getFullYear" | "getMonth" | "getDate" | "getDayOfMonth" | "getDayOfWeek" | "getDayOfYear"
        | "getHours" | "getMinutes" | "getSeconds" | "getMilliseconds" => Type::Int,
        "double" | "hours_between" | "avg" => Type::Number,
        "contains" | "startsWith" | "endsWith" | "matches" | "hasValue" | "bool" | "in_shift" => Type::Bool,
        "string" | "join" | "lowerAscii" | "upperAscii" | "trim" | "replace" | "substring" | "charAt"
        | "format" | "shift_at" | "site_time" => Type::String,
        "timestamp" => Type::Timestamp,
        "duration" => Type::Duration,
        "split" => Type::list(Type::String),
        "sort" | "slice" | "distinct" | "reverse" => subject.cloned().unwrap_or_default(),
        "min" | "max" => item(args.first()),
        "sum" => match item(args.first()) {
            Type::Int => Type::Int,
            _ => Type::Number,
        },
        "round" if args.len() < 2 || second_int == Some(0) => Type::Int,
        "round" => Type::Number,
        "orValue" => match target {
            Some(Type::Optional(inner)) => (**inner).clone().join(args.first().cloned().unwrap_or_default()),
            _ => Type::Any,
        },
        "value" => match target {
            Some(Type::Optional(inner)) => (**inner).clone(),
            _ => Type::Any,
        },
        "or" => target.cloned().unwrap_or_default(),
        "flatten" | "type" | "dyn" | "bytes" | "optMap" | "optFlatMap" => Type::Any,
        internal if internal.contains('@') => Type::Any,
        _ => return None,
    })
}
