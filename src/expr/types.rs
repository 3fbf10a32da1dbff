//! Types of values, so that an expression can be checked before it runs; `schema` reads them from JSON Schemas.
//!
//! A type says what is known; what a schema leaves open is [`Type::Any`] and passes every check.

use super::schema;
use imbl::{OrdMap, ordmap::DiffItem};
use serde_json::Value;
use std::fmt;

/// How deep fields are looked for; deeper is left open.
const DEPTH_MAX: usize = 24;

#[derive(Debug, Clone, PartialEq, Default)]
pub enum Type {
    #[default]
    Any,
    /// Nothing yet: the items of an empty list. Fits everywhere.
    Unset,
    Null,
    Bool,
    Int,
    /// A fraction for certain, also where it is 2.0: only inside of an expression, before it becomes JSON.
    Double,
    /// Whole or fractional: JSON does not tell.
    Number,
    String,
    /// A text that is one of these.
    Word(Vec<String>),
    /// A text that is a time, as RFC 3339 writes it.
    Time,
    Timestamp,
    Duration,
    List(Box<Type>),
    Object(Shape),
    Optional(Box<Type>),
    /// A value of this type, or null.
    Nullable(Box<Type>),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shape {
    /// Shared between copies: what a step can see is what the step before it saw, and one thing more.
    pub fields: OrdMap<String, Field>,
    /// Type of fields that are not listed; `None` means there are none.
    pub rest: Option<Box<Type>>,
    /// Whoever takes this object refuses fields that are not listed.
    pub closed: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub kind: Type,
    pub required: bool,
}

impl Type {
    /// An object of which only some fields are known.
    pub fn open(fields: impl IntoIterator<Item = (&'static str, Type)>) -> Self {
        let Self::Object(shape) = Self::object(fields) else { return Self::Any };
        Self::Object(Shape { rest: Some(Box::new(Self::Any)), ..shape })
    }

    /// An object with exactly these fields.
    pub fn object<N: Into<String>>(fields: impl IntoIterator<Item = (N, Type)>) -> Self {
        let field = |(name, kind): (N, Type)| (name.into(), Field { kind, required: true });
        Self::Object(Shape { fields: fields.into_iter().map(field).collect(), ..Shape::default() })
    }

    pub fn list(item: Type) -> Self {
        Self::List(Box::new(item))
    }

    /// What a JSON Schema promises. Fields that a schema does not list count as absent, unless it says
    /// `additionalProperties`: what a tool documents is what a workflow may use.
    pub fn from_schema(schema: &Value) -> Self {
        schema::read(schema, false, false)
    }

    /// What a JSON Schema promises to somebody who reads: where an object says of no field that it is
    /// required, all of them count as there.
    pub fn of_output(schema: &Value) -> Self {
        schema::read(schema, true, true)
    }

    /// The same for what nobody fills in: a field that may be left out is missing then, also where it may be null.
    pub fn of_answer(schema: &Value) -> Self {
        schema::read(schema, true, false)
    }

    /// The type of a value that is written out.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_f64() => Self::Number,
            Value::Number(_) => Self::Int,
            Value::String(text) => Self::Word(vec![text.clone()]),
            Value::Array(items) => Self::list(items.iter().map(Self::of).fold(Self::Unset, Self::join)),
            Value::Object(fields) => {
                Self::object(fields.iter().map(|(name, value)| (name.clone(), Self::of(value))))
            }
        }
    }

    /// The type of something that is one or the other.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unset, kind) | (kind, Self::Unset) => kind,
            (a, b) if a == b => a,
            (Self::Null, kind) | (kind, Self::Null) => kind.nullable(),
            (Self::Nullable(a), b) | (b, Self::Nullable(a)) => a.join(b.present()).nullable(),
            (a, b) if a.is_number() && b.is_number() => Self::Number,
            (Self::Word(mut a), Self::Word(b)) => {
                // In the order a schema lists them, as people know them.
                a.extend(b.into_iter().filter(|word| !a.contains(word)).collect::<Vec<_>>());
                Self::Word(a)
            }
            (Self::Time, Self::Word(words)) | (Self::Word(words), Self::Time)
                if words.iter().all(|word| is_time(word)) =>
            {
                Self::Time
            }
            (a, b) if a.is_text() && b.is_text() => Self::String,
            (Self::List(a), Self::List(b)) => Self::list(a.join(*b)),
            (Self::Object(a), Self::Object(b)) => Self::Object(a.join(b)),
            (Self::Optional(a), Self::Optional(b)) => Self::Optional(Box::new(a.join(*b))),
            _ => Self::Any,
        }
    }

    /// This, or null.
    #[must_use]
    pub fn nullable(self) -> Self {
        match self {
            Self::Any | Self::Null | Self::Nullable(_) => self,
            Self::Unset => Self::Null,
            kind => Self::Nullable(Box::new(kind)),
        }
    }

    /// Without null, once it is known to be there.
    #[must_use]
    pub fn present(self) -> Self {
        match self {
            Self::Nullable(kind) => *kind,
            kind => kind,
        }
    }

    /// Without null, only to be looked at.
    pub fn present_ref(&self) -> &Self {
        match self {
            Self::Nullable(kind) => kind,
            kind => kind,
        }
    }

    /// Once it is JSON, which does not tell whole numbers from fractions. Objects are made so from the start.
    #[must_use]
    pub fn as_json(self) -> Self {
        match self {
            Self::Double => Self::Number,
            Self::List(item) => Self::list(item.as_json()),
            Self::Nullable(kind) => kind.as_json().nullable(),
            Self::Optional(kind) => Self::Optional(Box::new(kind.as_json())),
            other => other,
        }
    }

    /// Without the exact words: what a setting may be changed to.
    #[must_use]
    pub fn widened(self) -> Self {
        match self {
            Self::Word(_) => Self::String,
            Self::Int | Self::Double => Self::Number,
            Self::List(item) => Self::list(item.widened()),
            Self::Nullable(kind) => kind.widened().nullable(),
            Self::Object(mut shape) => {
                let widen =
                    |(name, field): (String, Field)| (name, Field { kind: field.kind.widened(), ..field });
                shape.fields = shape.fields.into_iter().map(widen).collect();
                Self::Object(shape)
            }
            other => other,
        }
    }

    pub fn is_text(&self) -> bool {
        matches!(self, Self::String | Self::Word(_) | Self::Time)
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Number)
    }

    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Any | Self::Unset)
    }

    /// The names of all fields inside; whether there may be more.
    pub fn fields_below(&self, found: &mut Vec<String>) -> bool {
        self.fields_to(0, found)
    }

    fn fields_to(&self, depth: usize, found: &mut Vec<String>) -> bool {
        match self {
            _ if depth > DEPTH_MAX => true,
            Self::Any => true,
            Self::List(inner) | Self::Optional(inner) | Self::Nullable(inner) => {
                inner.fields_to(depth + 1, found)
            }
            Self::Object(Shape { fields, rest, .. }) => {
                let mut open = rest.is_some();
                for (name, field) in fields {
                    found.push(name.clone());
                    open |= field.kind.fields_to(depth + 1, found);
                }
                open
            }
            _ => false,
        }
    }

    /// Everything inside of a value of this type that does not fit where `wanted` is needed.
    pub fn misfits(&self, wanted: &Self) -> Vec<Misfit> {
        match (self, wanted) {
            (Self::Object(shape), Self::Object(known)) => shape.misfits(known),
            _ => self.misfit(wanted).into_iter().collect(),
        }
    }

    /// Why a value of this type does not fit where `wanted` is needed, with the path to the misfit.
    pub fn misfit(&self, wanted: &Self) -> Option<Misfit> {
        let no = || Some(Misfit::new(format!("{wanted} is needed, this is {self}")));
        match (self, wanted) {
            (Self::Any | Self::Unset, _) | (_, Self::Any | Self::Unset) => None,
            (Self::Null, Self::Null | Self::Nullable(_)) => None,
            (Self::Nullable(kind), Self::Nullable(known)) => kind.misfit(known),
            (_, Self::Nullable(known)) => self.misfit(known),
            (Self::Nullable(kind), _) => kind.misfit(wanted).or_else(no),
            (Self::Optional(inner), _) => inner.misfit(wanted),
            (_, Self::Optional(inner)) => self.misfit(inner),
            (Self::Word(words), Self::Word(known)) => {
                let stranger = words.iter().find(|word| !known.contains(word))?;
                let message = format!("`{stranger}` is not one of {}", known.join(", "));
                Some(Misfit { strange: Some((stranger.clone(), known.clone())), ..Misfit::new(message) })
            }
            (Self::Word(words), Self::Time) => {
                let stranger = words.iter().find(|word| !is_time(word))?;
                Some(Misfit::new(format!("`{stranger}` is not a time, like 2026-11-23T12:10:00Z")))
            }
            (Self::String, Self::Word(_) | Self::Time) | (Self::Timestamp, Self::Time) => None,
            (Self::Word(_) | Self::Time | Self::Timestamp | Self::Duration, Self::String) => None,
            (Self::Int | Self::Double, Self::Number) | (Self::Number, Self::Double) => None,
            (Self::List(item), Self::List(known)) => item.misfit(known).map(|m| m.below("[…]")),
            (Self::Object(shape), Self::Object(known)) => shape.misfits(known).into_iter().next(),
            (a, b) if std::mem::discriminant(a) == std::mem::discriminant(b) => None,
            _ => no(),
        }
    }
}

/// Where below a value, and why, it does not fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Misfit {
    pub path: Vec<String>,
    pub message: String,
    /// The word or field that is not known, and what is.
    pub strange: Option<(String, Vec<String>)>,
}

impl Misfit {
    fn new(message: String) -> Self {
        Self { path: Vec::new(), message, strange: None }
    }

    fn below(mut self, name: &str) -> Self {
        self.path.insert(0, name.to_owned());
        self
    }
}

impl Shape {
    fn join(self, other: Self) -> Self {
        let mut fields = self.fields.clone();
        for difference in self.fields.diff(&other.fields) {
            let (name, field) = match difference {
                DiffItem::Add(name, field) | DiffItem::Remove(name, field) => {
                    (name, Field { kind: field.kind.clone(), required: false })
                }
                DiffItem::Update { old: (name, own), new: (_, field) } => {
                    let kind = own.kind.clone().join(field.kind.clone());
                    (name, Field { kind, required: own.required && field.required })
                }
            };
            fields.insert(name.clone(), field);
        }
        Self { fields, rest: self.rest.or(other.rest), closed: self.closed && other.closed }
    }

    /// With all fields required, or none.
    #[must_use]
    pub fn with_all(mut self, required: bool) -> Self {
        let field = |(name, field): (String, Field)| (name, Field { required, ..field });
        self.fields = self.fields.into_iter().map(field).collect();
        self
    }

    fn misfits(&self, known: &Self) -> Vec<Misfit> {
        let mut found = Vec::new();
        for (name, field) in &known.fields {
            match self.fields.get(name) {
                Some(own) => {
                    found.extend(own.kind.misfits(&field.kind).into_iter().map(|misfit| misfit.below(name)));
                }
                None if field.required && self.rest.is_none() => {
                    found
                        .push(Misfit { path: vec![name.clone()], ..Misfit::new("it is missing".to_owned()) });
                }
                None => {}
            }
        }
        if known.closed && known.rest.is_none() {
            let names: Vec<String> = known.fields.keys().cloned().collect();
            for stranger in self.fields.keys().filter(|name| !known.fields.contains_key(*name)) {
                found.push(Misfit {
                    path: vec![stranger.clone()],
                    message: format!("there is no such field; there is: {}", names.join(", ")),
                    strange: Some((stranger.clone(), names.clone())),
                });
            }
        }
        found
    }
}

/// Whether a text is a time, as RFC 3339 writes it.
pub fn is_time(text: &str) -> bool {
    chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("anything"),
            Self::Unset | Self::Null => f.write_str("nothing"),
            Self::Bool => f.write_str("true or false"),
            Self::Int => f.write_str("a whole number"),
            Self::Double => f.write_str("a fractional number"),
            Self::Number => f.write_str("a number"),
            Self::String => f.write_str("a text"),
            Self::Word(words) => match words.as_slice() {
                [word] => write!(f, "the text `{word}`"),
                words => write!(f, "one of {}", words.join(", ")),
            },
            Self::Time => f.write_str("a time as text"),
            Self::Timestamp => f.write_str("a time"),
            Self::Duration => f.write_str("a duration"),
            Self::List(_) => f.write_str("a list"),
            Self::Object(_) => f.write_str("an object"),
            Self::Optional(inner) => write!(f, "{inner} that may be absent"),
            Self::Nullable(kind) => write!(f, "{kind} or null"),
        }
    }
}
