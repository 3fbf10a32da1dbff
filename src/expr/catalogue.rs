//! The functions of the language as an editor offers them: how each is written, and what it does.

use super::{extension, signature, types::Type};

pub use signature::{MACROS, NAMESPACES};

/// One way to call a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    pub name: &'static str,
    /// `math` of `math.abs(x)`.
    pub namespace: Option<&'static str>,
    /// Written behind a dot: `x.trim()`.
    pub method: bool,
    /// As it is written: `minutes_between(a, b)`.
    pub call: String,
    /// What it takes, place by place.
    pub takes: Vec<String>,
    /// One sentence.
    pub about: &'static str,
    on: Option<signature::Want>,
}

impl Function {
    /// Whether it can stand behind a value of this type.
    pub fn is_method_of(&self, kind: &Type) -> bool {
        self.method && self.on.is_none_or(|want| want.takes(kind))
    }
}

/// Every function and macro.
pub fn functions() -> Vec<Function> {
    let words = |wants: &[signature::Want]| wants.iter().map(ToString::to_string).collect();
    let plain = signature::all().map(|known| Function {
        name: known.name,
        namespace: None,
        method: known.method,
        call: known.example(),
        takes: words(known.wants()),
        about: about(known.name),
        on: known.method.then(|| known.wants().first().copied()).flatten(),
    });
    let extensions = extension::all().map(|known| Function {
        name: known.name,
        namespace: Some(known.namespace),
        method: false,
        call: known.call(),
        takes: words(known.wants),
        about: about(known.name),
        on: None,
    });
    let macros = MACROS.iter().copied().map(|name| Function {
        name,
        namespace: None,
        method: true,
        call: match name {
            "map" => "x.map(item, item.field)".to_owned(),
            "sortBy" => "x.sortBy(item, item.field)".to_owned(),
            name => format!("x.{name}(item, item.field > 0)"),
        },
        takes: Vec::new(),
        about: about(name),
        on: Some(signature::Want::List),
    });
    plain.chain(extensions).chain(macros).collect()
}

fn about(name: &str) -> &'static str {
    ABOUT.iter().find(|(known, _)| *known == name).map_or("", |(_, about)| about)
}

#[rustfmt::skip]
const ABOUT: [(&str, &str); 86] = [
    ("abs", "The number without its sign."),
    ("all", "True when the condition holds for every item."),
    ("avg", "The average of a list of numbers."),
    ("bitAnd", "Bitwise and."),
    ("bitNot", "Bitwise not."),
    ("bitOr", "Bitwise or."),
    ("bitShiftLeft", "The bits of `a`, moved left by `b`."),
    ("bitShiftRight", "The bits of `a`, moved right by `b`."),
    ("bitXor", "Bitwise exclusive or."),
    ("bool", "Makes true or false of a text."),
    ("bytes", "Makes bytes of a text."),
    ("ceil", "The next whole number above."),
    ("charAt", "The character at a place; the first is 0."),
    ("contains", "Whether the text holds another."),
    ("distinct", "The list without repetitions."),
    ("double", "Makes a fractional number of a number or a text."),
    ("duration", "A span of time, from a text like `90m`."),
    ("dyn", "The value, of which nothing is known any more."),
    ("endsWith", "Whether the text ends like this."),
    ("exists", "True when the condition holds for some item."),
    ("exists_one", "True when the condition holds for exactly one item."),
    ("filter", "The items for which the condition holds."),
    ("flatten", "One list of a list of lists."),
    ("floor", "The next whole number below."),
    ("format", "Puts the items of a list into the places `%s`, `%d` of the text."),
    ("getDate", "The day of the month, from 1."),
    ("getDayOfMonth", "The day of the month, from 0."),
    ("getDayOfWeek", "The day of the week; Sunday is 0."),
    ("getDayOfYear", "The day of the year, from 0."),
    ("getFullYear", "The year."),
    ("getHours", "The hours of a time, or of a span as a whole."),
    ("getMilliseconds", "The milliseconds."),
    ("getMinutes", "The minutes of a time, or of a span as a whole."),
    ("getMonth", "The month; January is 0."),
    ("getSeconds", "The seconds of a time, or of a span as a whole."),
    ("greatest", "The largest of numbers."),
    ("has", "Whether the field is there: `has(x.field)`."),
    ("hasValue", "Whether there is a value: `x.?field.hasValue()`."),
    ("hours_between", "Hours from `a` to `b`, with fractions; negative when `b` is earlier."),
    ("in_shift", "Whether a time lies in a shift of the site: `in_shift(now, 'A')`."),
    ("indexOf", "Where a text stands in this one; -1 when it does not."),
    ("int", "Makes a whole number of a number or a text."),
    ("isFinite", "Whether the number is finite."),
    ("isInf", "Whether the number is infinite."),
    ("isNaN", "Whether this is not a number."),
    ("join", "One text of a list of texts, with `a` between them."),
    ("lastIndexOf", "Where a text stands last in this one; -1 when it does not."),
    ("least", "The smallest of numbers."),
    ("lowerAscii", "The text in small letters (A to Z only)."),
    ("map", "A list of what the expression makes of each item."),
    ("matches", "Whether the text matches a regular expression."),
    ("max", "The largest item of a list."),
    ("min", "The smallest item of a list."),
    ("minutes_between", "Whole minutes from `a` to `b`; negative when `b` is earlier."),
    ("none", "No value."),
    ("of", "A value that may be absent, and is not."),
    ("ofNonZeroValue", "The value, or none when it is empty or 0."),
    ("optFlatMap", "What the expression makes of the value, when there is one."),
    ("optMap", "What the expression makes of the value, when there is one."),
    ("or", "This when there is a value, else the other."),
    ("orValue", "The value, or this one when there is none: `x.?field.orValue(0)`."),
    ("quote", "The text in quotes."),
    ("range", "The list of whole numbers from 0 to before this one."),
    ("replace", "The text with each `a` replaced by `b`."),
    ("reverse", "The list or text from its end."),
    ("round", "The nearest whole number; with a second number, so many digits after the point."),
    ("shift_at", "The id of the site's shift at a time."),
    ("sign", "-1, 0 or 1."),
    ("site_time", "A time as the site's clocks show it."),
    ("size", "How many items a list has, or characters a text."),
    ("slice", "The items from `a` to before `b`; the first is 0."),
    ("sort", "The list in order."),
    ("sortBy", "The list in the order of what the expression gives."),
    ("split", "The parts of a text between `a`."),
    ("sqrt", "The square root."),
    ("startsWith", "Whether the text begins like this."),
    ("string", "Makes a text of a value."),
    ("substring", "The text from place `a`, to before `b` when given; the first is 0."),
    ("sum", "The sum of a list of numbers."),
    ("timestamp", "A time, from a text like `2026-11-23T06:10:00-06:00`."),
    ("trim", "The text without blanks around it."),
    ("trunc", "The number without what stands after its point."),
    ("type", "The type of a value."),
    ("uint", "Makes a whole number without sign of a number or a text."),
    ("upperAscii", "The text in capital letters (A to Z only)."),
    ("value", "The value of what may be absent; an error when there is none."),
];
