//! The events of a site, as `events/<type>.json` describe their data: what the checker knows of `trigger`
//! and `event`, and what the router asks of an event that arrives.

mod described;

use super::{
    Place,
    json_schema::{self, Mistake},
    problem::{Problem, Severity},
};
use crate::{
    expr::{Shape, Type},
    site::read_text,
    tool::DataClass,
};
use jsonschema::{Validator, error::ValidationErrorKind};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

/// The folder, below the site folder, that holds the schemas.
const FOLDER: &str = "events";
/// How many misfits of one event are told.
const MISFITS_MAX: usize = 3;
/// Words of a schema that are Takt's own.
const WORDS: [&str; 3] = ["x-takt-class", "x-takt-repeats", "x-takt-entity"];
/// What every event has, besides the sender's data.
const ATTRIBUTES: [&str; 5] = ["id", "type", "subject", "time", "plant"];

#[derive(Debug, Clone, Default)]
pub struct Events {
    kinds: BTreeMap<String, EventKind>,
    /// Those whose files have a mistake: they are there, and nothing is known of them.
    broken: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub(super) struct EventKind {
    /// Of the sender's data, without what every event has.
    pub data: Type,
    /// The sender says the same thing more than once.
    pub repeats: bool,
    /// Confidential fields, at any depth.
    pub classes: BTreeMap<String, DataClass>,
    shape: Arc<Validator>,
    schema: Arc<Value>,
}

/// The events of a site as its files are now; shared by who reads the files and who routes events.
#[derive(Debug, Clone, Default)]
pub struct CurrentEvents(Arc<RwLock<Events>>);

impl CurrentEvents {
    pub fn new(events: Events) -> Self {
        Self(Arc::new(RwLock::new(events)))
    }

    pub fn publish(&self, events: Events) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = events;
    }

    /// Why an event's data is not what the site describes.
    pub fn misfit(&self, kind: &str, data: &Value) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).misfit(kind, data)
    }

    /// Confidential fields of an event that the site describes, at any depth.
    pub fn classes(&self, kind: &str) -> Option<BTreeMap<String, DataClass>> {
        let events = self.0.read().unwrap_or_else(PoisonError::into_inner);
        events.get(kind).map(|kind| kind.classes.clone())
    }

    /// An event with only what every event has and what the site describes of its type: the rest has no class, and nobody
    /// has said who may see it. A site that describes no event at all has not begun to.
    pub fn described(&self, event: &Value) -> Value {
        self.0.read().unwrap_or_else(PoisonError::into_inner).described(event)
    }

    /// The events of a batch, which is the newest of them with all of them beside; none of any other event.
    pub fn batch(event: &Value) -> &[Value] {
        let events = event.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        // A sender's own field of that name does not end with the event that it stands in.
        let is_newest = |last: &Value| last.get("id").is_some() && last.get("id") == event.get("id");
        if events.last().is_some_and(is_newest) { events } else { &[] }
    }
}

impl Events {
    /// Whether both were read from the same schemas.
    pub(super) fn are_those_of(&self, other: &Events) -> bool {
        self.broken == other.broken && self.schemas().eq(other.schemas())
    }

    fn schemas(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.kinds.iter().map(|(name, kind)| (name, &*kind.schema))
    }

    /// Every event of a site, and what is wrong with the files. A site without the folder describes none.
    pub fn load(site: &Path) -> io::Result<(Self, Vec<Problem>)> {
        let (mut events, mut problems) = (Self::default(), Vec::new());
        let entries = match fs::read_dir(site.join(FOLDER)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((events, problems)),
            Err(error) => return Err(error),
        };
        let mut names = BTreeSet::new();
        for entry in entries {
            names.insert(entry?.file_name().to_string_lossy().into_owned());
        }
        for name in names {
            let Some(kind) = name.strip_suffix(".json") else { continue };
            let path = format!("{FOLDER}/{name}");
            let text = read_text(site, &path).map_err(|cause| Mistake {
                place: Place { line: 1, column: 1 },
                message: format!("the file cannot be read: {cause}"),
                fix: None,
            });
            match text.and_then(|text| events.add(kind, &text)) {
                Ok(()) => {}
                Err(Mistake { place, message, fix }) => {
                    events.broken.insert(kind.to_owned());
                    let usual =
                        || "write a JSON Schema of the event's data, with its `properties`".to_owned();
                    let (severity, fix) = (Severity::Error, Some(fix.unwrap_or_else(usual)));
                    problems.push(Problem { code: "T020", severity, path, place, message, fix });
                }
            }
        }
        Ok((events, problems))
    }

    pub(super) fn add(&mut self, kind: &str, text: &str) -> Result<(), Mistake> {
        let (schema, shape) = json_schema::read(text)?;
        if let Some((word, message)) = strange_word(&schema) {
            let place = place_of_word(text, &word).unwrap_or(Place { line: 1, column: 1 });
            return Err(Mistake { place, message, fix: None });
        }
        let mut classes = BTreeMap::new();
        collect_classes(&schema, &mut classes);
        let repeats = schema.get("x-takt-repeats") == Some(&Value::Bool(true));
        let data = Type::of_output(&schema);
        let (shape, schema) = (Arc::new(shape), Arc::new(schema));
        self.kinds.insert(kind.to_owned(), EventKind { data, repeats, classes, shape, schema });
        Ok(())
    }

    /// Why data is not what the schema of this type wants, without the values in it; nothing where there is none.
    pub fn misfit(&self, kind: &str, data: &Value) -> Option<String> {
        let found: Vec<String> =
            self.misfits(kind, data, |_| true).into_iter().map(|(_, message)| message).collect();
        (!found.is_empty()).then(|| found.join("; "))
    }

    /// Why a part of an event's data cannot be one: what is left out is not told, as tests write only what matters.
    /// Each with the JSON pointer to it.
    pub fn misfits_of_part(&self, kind: &str, data: &Value) -> Vec<(String, String)> {
        self.misfits(kind, data, |kind| !matches!(kind, ValidationErrorKind::Required { .. }))
    }

    fn misfits(
        &self,
        kind: &str,
        data: &Value,
        is_told: impl Fn(&ValidationErrorKind) -> bool,
    ) -> Vec<(String, String)> {
        let Some(kind) = self.kinds.get(kind) else { return Vec::new() };
        let errors = kind.shape.iter_errors(data).filter(|error| is_told(error.kind())).take(MISFITS_MAX);
        let told = errors.map(|error| match error.instance_path().to_string() {
            at if at.is_empty() => (at, error.masked().to_string()),
            at => {
                let message = format!("{at}: {}", error.masked());
                (at, message)
            }
        });
        told.collect()
    }

    /// The fields that the schema of this type describes by name.
    pub fn fields(&self, kind: &str) -> Option<&Map<String, Value>> {
        self.kinds.get(kind)?.schema.get("properties")?.as_object()
    }

    fn described(&self, event: &Value) -> Value {
        let Some(fields) = event.as_object() else { return Value::Null };
        if self.kinds.is_empty() && self.broken.is_empty() {
            return event.clone();
        }
        let kind = fields.get("type").and_then(Value::as_str).and_then(|kind| self.get(kind));
        let data = kind.map_or(Value::Null, |kind| described::of(event, &kind.schema));
        let mut kept = data.as_object().cloned().unwrap_or_default();
        let own = fields.iter().filter(|(name, _)| ATTRIBUTES.contains(&name.as_str()));
        kept.extend(own.map(|(name, value)| (name.clone(), value.clone())));
        let batch = CurrentEvents::batch(event);
        if !batch.is_empty() {
            kept.insert("events".to_owned(), batch.iter().map(|event| self.described(event)).collect());
        }
        Value::Object(kept)
    }

    pub(super) fn get(&self, kind: &str) -> Option<&EventKind> {
        self.kinds.get(kind)
    }

    pub(super) fn is_broken(&self, kind: &str) -> bool {
        self.broken.contains(kind)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// What `event` is for an event of this type: the sender's data, and what every event has.
    pub fn type_of(&self, kind: &str) -> Type {
        match self.get(kind).map(|kind| &kind.data) {
            Some(Type::Object(data)) => {
                let Type::Object(mut whole) = attributes() else { return Type::Any };
                let own = whole.fields.clone();
                whole.fields.extend(data.fields.clone());
                whole.fields.extend(own);
                whole.rest.clone_from(&data.rest);
                Type::Object(whole)
            }
            _ => any_event(),
        }
    }
}

/// What every event has.
fn attributes() -> Type {
    Type::object(ATTRIBUTES.map(|name| (name, if name == "time" { Type::Time } else { Type::String })))
}

/// An event of which only that much is known.
pub(super) fn any_event() -> Type {
    match attributes() {
        Type::Object(shape) => Type::Object(Shape { rest: Some(Box::new(Type::Any)), ..shape }),
        other => other,
    }
}

/// A word of Takt's own that is none: with a class that nobody knows, a field would be as if it were public.
fn strange_word(schema: &Value) -> Option<(String, String)> {
    const CLASSES: &str = "public, employee, customer, proprietary, secret";
    match schema {
        Value::Object(keywords) => keywords.iter().find_map(|(name, value)| match name.as_str() {
            "x-takt-class" if serde_json::from_value::<DataClass>(value.clone()).is_err() => {
                let word = value.as_str().unwrap_or(name).to_owned();
                let message = format!("`{word}` is no class of data: there is {CLASSES}");
                Some((word, message))
            }
            "x-takt-repeats" if !value.is_boolean() => {
                Some((name.clone(), "`x-takt-repeats` is true or false".to_owned()))
            }
            _ if name.starts_with("x-takt-") && !WORDS.contains(&name.as_str()) => {
                let message = format!("there is no word `{name}`: there is {}", WORDS.join(", "));
                Some((name.clone(), message))
            }
            _ => strange_word(value),
        }),
        Value::Array(items) => items.iter().find_map(strange_word),
        _ => None,
    }
}

fn place_of_word(text: &str, word: &str) -> Option<Place> {
    let before = &text[..text.find(&format!("\"{word}\""))?];
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some(Place { line: before.matches('\n').count() as u32 + 1, column: column as u32 })
}

fn collect_classes(schema: &Value, found: &mut BTreeMap<String, DataClass>) {
    match schema {
        Value::Object(keywords) => {
            for (name, property) in
                keywords.get("properties").and_then(Value::as_object).into_iter().flatten()
            {
                let class = property.get("x-takt-class").cloned();
                if let Some(class) = class.and_then(|class| serde_json::from_value(class).ok()) {
                    found.insert(name.clone(), class);
                }
            }
            keywords.values().for_each(|inner| collect_classes(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_classes(inner, found)),
        _ => {}
    }
}
