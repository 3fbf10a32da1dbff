//! What the functions of the language take and return, for the type checker.

use super::types::{Shape, Type, is_time};
use cel::common::ast::operators;
use std::fmt;

/// Names before a dot that are no values: `math.abs(x)`.
pub const NAMESPACES: [&str; 4] = ["math", "lists", "strings", "optional"];

/// What `math.greatest` and `math.least` become when they are parsed.
pub(super) const GREATEST: &str = "math.@max";
pub(super) const LEAST: &str = "math.@min";
/// What `sortBy` becomes: the list, and what each item is sorted by.
pub(super) const SORT_BY: &str = "@sortByAssociatedKeys";

/// CEL's own type names, which an expression may compare `type(x)` with.
pub(super) const TYPE_NAMES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// What a function takes at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Any,
    /// One value, no list or object.
    Plain,
    Text,
    Number,
    Int,
    List,
    /// A list of texts.
    Texts,
    /// A list of numbers.
    Numbers,
    /// A list whose items can be told apart by size.
    Ordered,
    /// A number, or a list of them.
    Extreme,
    /// RFC 3339 text or a timestamp.
    Time,
    /// What `duration()` takes.
    Span,
    Timestamp,
    /// A time that CEL calculates with, or a duration.
    Clock,
    /// A time zone.
    Zone,
    /// What has a size.
    Sized,
    /// What turns into a number.
    Countable,
    /// What turns into a fraction.
    Measure,
    /// What `.?` gives.
    Optional,
    /// A list or a text.
    Row,
    /// True or false, also as a text.
    Truth,
}

pub(super) struct Signature {
    pub(super) name: &'static str,
    /// Called as `x.name()`: `x` is the first of `wants`.
    pub(super) method: bool,
    wants: &'static [Want],
    optional: usize,
}

impl Signature {
    pub(super) fn wants(&self) -> &'static [Want] {
        self.wants
    }

    /// Least and most arguments, the target included.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.wants.len() - self.optional, self.wants.len())
    }

    pub(super) fn example(&self) -> String {
        let names = ["a", "b", "c"];
        let count = self.wants.len() - usize::from(self.method);
        let args = names.iter().take(count).copied().collect::<Vec<_>>().join(", ");
        let target = if self.method { "x." } else { "" };
        format!("{target}{}({args})", self.name)
    }
}

const fn function(name: &'static str, wants: &'static [Want], optional: usize) -> Signature {
    Signature { name, method: false, wants, optional }
}

const fn method(name: &'static str, wants: &'static [Want], optional: usize) -> Signature {
    Signature { name, method: true, wants, optional }
}

use Want::{
    Any, Clock, Countable, Extreme, Int, List, Measure, Number, Numbers, Optional, Ordered, Plain, Row,
    Sized, Span, Text, Texts, Time, Timestamp, Truth, Zone,
};

const SIGNATURES: [Signature; 60] = [
    function("size", &[Sized], 0),
    method("size", &[Sized], 0),
    function("int", &[Countable], 0),
    function("uint", &[Countable], 0),
    function("double", &[Measure], 0),
    function("string", &[Plain], 0),
    function("bool", &[Truth], 0),
    function("type", &[Any], 0),
    function("dyn", &[Any], 0),
    function("timestamp", &[Time], 0),
    function("duration", &[Span], 0),
    function("minutes_between", &[Time, Time], 0),
    function("hours_between", &[Time, Time], 0),
    function("round", &[Number, Int], 1),
    function("sum", &[Numbers], 0),
    function("min", &[Ordered], 0),
    function("max", &[Ordered], 0),
    function("avg", &[Numbers], 0),
    function("in_shift", &[Time, Text], 0),
    function("shift_at", &[Time], 0),
    function("site_time", &[Time], 0),
    function("matches", &[Text, Text], 0),
    method("contains", &[Text, Text], 0),
    method("startsWith", &[Text, Text], 0),
    method("endsWith", &[Text, Text], 0),
    method("matches", &[Text, Text], 0),
    method("indexOf", &[Text, Text, Int], 1),
    method("lastIndexOf", &[Text, Text, Int], 1),
    method("join", &[Texts, Text], 1),
    method("lowerAscii", &[Text], 0),
    method("upperAscii", &[Text], 0),
    method("trim", &[Text], 0),
    method("replace", &[Text, Text, Text, Int], 1),
    method("substring", &[Text, Int, Int], 1),
    method("charAt", &[Text, Int], 0),
    method("format", &[Text, List], 0),
    method("split", &[Text, Text, Int], 1),
    method("sort", &[Ordered], 0),
    method("distinct", &[List], 0),
    method("reverse", &[Row], 0),
    method("slice", &[List, Int, Int], 0),
    method("flatten", &[List, Int], 1),
    method("orValue", &[Optional, Any], 0),
    method("or", &[Optional, Any], 0),
    method("value", &[Optional], 0),
    method("hasValue", &[Optional], 0),
    method("optMap", &[Any, Any, Any], 0),
    method("optFlatMap", &[Any, Any, Any], 0),
    method("getFullYear", &[Timestamp, Zone], 1),
    method("getMonth", &[Timestamp, Zone], 1),
    method("getDate", &[Timestamp, Zone], 1),
    method("getDayOfMonth", &[Timestamp, Zone], 1),
    method("getDayOfWeek", &[Timestamp, Zone], 1),
    method("getDayOfYear", &[Timestamp, Zone], 1),
    method("getHours", &[Clock, Zone], 1),
    method("getMinutes", &[Clock, Zone], 1),
    method("getSeconds", &[Clock, Zone], 1),
    method("getMilliseconds", &[Clock, Zone], 1),
    function("bytes", &[Any], 0),
    function("has", &[Any], 0),
];

/// Macros, which have no signature of their own but may be mistyped all the same.
pub const MACROS: [&str; 6] = ["all", "exists", "exists_one", "filter", "map", "sortBy"];

pub(super) fn find(name: &str, method: bool) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|known| known.name == name && known.method == method)
}

pub(super) fn all() -> impl Iterator<Item = &'static Signature> {
    SIGNATURES.iter()
}

/// Every function that can be written.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SIGNATURES.iter().map(|known| known.name).chain(MACROS)
}

impl Want {
    /// Whether a value of this type will do, as far as that is known.
    pub(super) fn takes(self, kind: &Type) -> bool {
        if matches!(kind, Type::Any | Type::Unset | Type::Optional(_)) {
            return true;
        }
        // A text that is written out is looked at by itself, see `wrong_literal`.
        if let (Time | Span, Type::Word(words)) = (self, kind)
            && words.len() > 1
        {
            return words.iter().any(|word| if self == Time { is_time(word) } else { is_duration(word) });
        }
        match self {
            Any => true,
            Optional => false,
            Text => kind.is_text(),
            Number => kind.is_number(),
            Int => matches!(kind, Type::Int),
            Texts => holds(kind, Type::is_text),
            Numbers => holds(kind, Type::is_number),
            Ordered => holds(kind, |item| !matches!(item, Type::Object(_) | Type::List(_) | Type::Null)),
            Extreme => kind.is_number() || holds(kind, Type::is_number),
            List => matches!(kind, Type::List(_)),
            Time => kind.is_text() || matches!(kind, Type::Timestamp),
            Span => kind.is_text() && !matches!(kind, Type::Time) || matches!(kind, Type::Duration),
            Row => kind.is_text() || matches!(kind, Type::List(_)),
            Truth => kind.is_text() && !matches!(kind, Type::Time) || matches!(kind, Type::Bool),
            Timestamp => matches!(kind, Type::Timestamp),
            Clock => matches!(kind, Type::Timestamp | Type::Duration),
            Zone => kind.is_text(),
            Plain => !matches!(kind, Type::List(_) | Type::Object(_) | Type::Null),
            Sized => kind.is_text() || matches!(kind, Type::List(_) | Type::Object(_)),
            Measure => kind.is_text() && !matches!(kind, Type::Time) || kind.is_number(),
            Countable => {
                kind.is_text() && !matches!(kind, Type::Time)
                    || kind.is_number()
                    || matches!(kind, Type::Timestamp | Type::Duration)
            }
        }
    }

    pub(super) fn fix(self) -> &'static str {
        match self {
            Time | Timestamp | Clock => {
                "times are RFC 3339 text like 2026-11-23T06:10:00-06:00; timestamp(x) reads one"
            }
            Span => "durations are written '90s', '30m', '2h'",
            List => "give it a list",
            Texts => "make its items texts: x.map(item, string(item))",
            Numbers | Extreme => "give it numbers: x.map(item, item.minutes)",
            Ordered => "give it a list of numbers, texts or times: x.map(item, item.due)",
            Text => "make it a text: string(x)",
            Number | Int | Countable | Measure => "make it a number: int(x), double(x)",
            Optional => "ask for the field with `.?`: `x.?field.orValue(…)`",
            Zone => "time zones are written 'America/Chicago', 'UTC', '-06:00'",
            Plain => "take a field of it: string(x.field); a list of texts is put together with `join`",
            Row => "give it a list or a text",
            Truth => "compare it with something: `x > 0`, `x == 'a'`",
            Sized | Any => "give it a text, a list or an object",
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Any => "a value",
            Text => "a text",
            Number => "a number",
            Int => "a whole number",
            List => "a list",
            Texts => "a list of texts",
            Numbers => "a list of numbers",
            Ordered => "a list of what has an order",
            Extreme => "a number or a list of numbers",
            Time | Timestamp => "a time",
            Clock => "a time or a duration",
            Zone => "a time zone",
            Plain => "one value",
            Span => "a duration",
            Sized => "a text, a list or an object",
            Row => "a list or a text",
            Truth => "true or false",
            Countable | Measure => "a number or a text",
            Optional => "something that may be absent",
        })
    }
}

/// What is wrong with a text that is written out as the argument of this function.
pub(super) fn wrong_literal(name: &str, text: &str) -> Option<String> {
    match name {
        "timestamp" | "minutes_between" | "hours_between" | "shift_at" | "site_time" => {
            (!is_time(text)).then(|| format!("`{text}` is not a time"))
        }
        "duration" => (!is_duration(text)).then(|| format!("`{text}` is not a duration")),
        _ if name.starts_with("get") => (!is_zone(text)).then(|| format!("`{text}` is not a time zone")),
        _ => None,
    }
}

/// `America/Chicago`, `-06:00`: what CEL reads as a time zone.
fn is_zone(text: &str) -> bool {
    let is_offset = || {
        let (hours, minutes) = text.trim_start_matches(['+', '-']).split_once(':')?;
        Some(hours.parse::<u8>().is_ok() && minutes.parse::<u8>().is_ok())
    };
    text.parse::<chrono_tz::Tz>().is_ok() || is_offset() == Some(true)
}

/// `1h30m`, `-1.5s`: what CEL reads as a duration.
fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        if rest[..digits].parse::<f64>().is_err() {
            return false;
        }
        let after = &rest[digits..];
        let Some(unit) = ["ns", "us", "ms", "h", "m", "s"].into_iter().find(|unit| after.starts_with(unit))
        else {
            return false;
        };
        rest = &after[unit.len()..];
    }
    true
}

/// Whether a list holds such items, as far as that is known.
fn holds(list: &Type, is_one: impl Fn(&Type) -> bool) -> bool {
    match list {
        Type::List(item) => match &**item {
            Type::Any | Type::Unset => true,
            // What `.?` gave has no value yet.
            Type::Optional(_) => false,
            // That an item may be null is told apart from what it is.
            Type::Nullable(item) => is_one(item),
            item => is_one(item),
        },
        _ => false,
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
        operators::NEGATE => args.first().cloned().unwrap_or_default(),
        "size" | "int" | "indexOf" | "lastIndexOf" | "uint" | "minutes_between" => Type::Int,
        "getFullYear" | "getMonth" | "getDate" | "getDayOfMonth" | "getDayOfWeek" | "getDayOfYear"
        | "getHours" | "getMinutes" | "getSeconds" | "getMilliseconds" => Type::Int,
        "double" | "hours_between" | "avg" => Type::Double,
        "contains" | "startsWith" | "endsWith" | "matches" | "hasValue" | "bool" | "in_shift" | "has" => {
            Type::Bool
        }
        "string" if matches!(args, [Type::Timestamp | Type::Time]) => Type::Time,
        "string" | "join" | "lowerAscii" | "upperAscii" | "trim" | "replace" | "substring" | "charAt"
        | "format" | "site_time" | "shift_at" => Type::String,
        "timestamp" => Type::Timestamp,
        "duration" => Type::Duration,
        "split" => Type::list(Type::String),
        "sort" | "slice" | "distinct" | "reverse" => subject.cloned().unwrap_or_default(),
        "min" | "max" => item(args.first()),
        GREATEST | LEAST => match args {
            [Type::List(item)] => (**item).clone(),
            args => args.iter().cloned().fold(Type::Unset, Type::join),
        },
        "sum" => match item(args.first()) {
            kind @ (Type::Int | Type::Double) => kind,
            _ => Type::Number,
        },
        "round" if args.len() < 2 || second_int == Some(0) => Type::Int,
        "round" if second_int.is_some() => Type::Double,
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
        "flatten" if args.is_empty() => match subject {
            Some(Type::List(inner)) => match &**inner {
                Type::List(item) => Type::list((**item).clone()),
                Type::Any | Type::Unset | Type::Nullable(_) | Type::Optional(_) => Type::list(Type::Any),
                item => Type::list(item.clone()),
            },
            _ => Type::list(Type::Any),
        },
        "flatten" => Type::list(Type::Any),
        "type" | "dyn" | "bytes" | "optMap" | "optFlatMap" => Type::Any,
        SORT_BY => subject.cloned().unwrap_or_default(),
        internal if internal.contains('@') => Type::Any,
        _ => return None,
    })
}
