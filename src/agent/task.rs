//! What an agent step is asked, and what comes back.

use super::ledger::{Limits, Offered, Source, Why};
use super::mask_key::MaskKey;
use super::model::Usage;
use crate::tool::{DataClass, ToolName};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};
use uuid::Uuid;

/// The workflow's own checks of an answer; `Err` is the sentence the model is told. Must be pure: it is
/// evaluated again when a step resumes.
pub type Check = Arc<dyn Fn(&Value) -> Result<(), String> + Send + Sync>;

/// Class of each tool's fields, by name.
pub type ToolClasses = BTreeMap<ToolName, BTreeMap<String, DataClass>>;

/// One class for each field name, whoever declares it: the strictest, so that nobody unmasks the fields of others.
pub fn strictest(tools: &ToolClasses) -> BTreeMap<String, DataClass> {
    let mut classes: BTreeMap<String, DataClass> = BTreeMap::new();
    for (field, class) in tools.values().flatten() {
        let known = classes.entry(field.clone()).or_insert(*class);
        *known = (*known).max(*class);
    }
    classes
}

#[derive(Clone)]
pub struct Task {
    pub run: Uuid,
    pub step: String,
    /// The rendered prompt. Trusted text: event data and tool output belong into `input`, never here.
    pub instructions: String,
    /// What the model reasons about; it is sent as JSON data after masking.
    pub input: Value,
    pub tools: Vec<ToolName>,
    /// JSON Schema of the answer; a string field with `x-takt-entity` must be grounded.
    pub output: Value,
    pub limits: Limits,
    /// Field names that are masked wherever they occur, besides those the data classes name.
    pub mask: Vec<String>,
    /// Class of fields of `input`, by name.
    pub classes: BTreeMap<String, DataClass>,
    /// Texts and numbers that are public whatever the class of their field's name says: those who gave them say so.
    pub public: BTreeSet<String>,
    /// What every tool of the site says of its fields, should the step begin now.
    pub declared: ToolClasses,
    /// Values known to be confidential, masked also inside free text: the names of people, customers.
    pub known: Vec<(DataClass, String)>,
    /// Key of the step's tokens, should it begin now; one that has begun keeps its own.
    pub mask_key: MaskKey,
    pub check: Check,
    /// The already evaluated `fallback:`.
    pub fallback: Value,
    /// W3C `traceparent`, passed on to tools.
    pub trace: Option<String>,
}

impl Task {
    /// What kinds of data this step may show a model: those of its input and of what its tools give.
    pub(super) fn data_classes(&self, tools: &[Offered]) -> BTreeSet<DataClass> {
        let mut found: BTreeSet<DataClass> =
            tools.iter().flat_map(|tool| tool.classes.values().copied()).collect();
        self.input_classes(&self.input, None, &mut found);
        // What anybody may see, and what is removed before anything is sent.
        found.retain(|class| !matches!(class, DataClass::Public | DataClass::Secret));
        found
    }

    fn input_classes(&self, value: &Value, class: Option<DataClass>, found: &mut BTreeSet<DataClass>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let own = self.classes.get(name).copied().filter(|class| *class != DataClass::Public);
                    self.input_classes(value, own.or(class), found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.input_classes(item, class, found)),
            scalar => found.extend(class.filter(|_| !is_public(scalar, &self.public))),
        }
    }
}

/// Whether a text or number is one of these.
pub(super) fn is_public(scalar: &Value, public: &BTreeSet<String>) -> bool {
    match scalar {
        Value::String(text) => public.contains(text),
        Value::Number(number) => public.contains(&number.to_string()),
        _ => false,
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("run", &self.run).field("step", &self.step).finish_non_exhaustive()
    }
}

/// A typed result, whatever happened to the models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub output: Value,
    pub source: Source,
    /// The model that answered, as it names itself.
    pub model: Option<String>,
    /// The answer comes from hand-written transcripts.
    pub authored: bool,
    /// Why the fallback was used; set exactly when `source` is `rules`.
    pub why_fallback: Option<Why>,
    pub usage: Usage,
    pub cost_usd: f64,
    pub turns: u32,
    pub tool_calls: u32,
    /// Answers or calls that were rejected.
    pub repairs: u32,
}

/// Time as the run sees it: tests and replays own it.
pub trait Clock: Send + Sync {
    fn now(&self) -> DateTime<Utc>;
}
