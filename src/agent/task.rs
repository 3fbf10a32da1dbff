//! What an agent step is asked, and what comes back.

use super::ledger::{Limits, Offered, Source, Why};
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
    /// Values known to be confidential, masked also inside free text: the names of people, customers.
    pub known: Vec<(DataClass, String)>,
    /// Key of this run's tokens. The same key gives the same tokens, so a resumed run needs the same.
    pub mask_key: [u8; 32],
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
        let mut fields = BTreeSet::new();
        names(&self.input, &mut fields);
        found.extend(fields.iter().filter_map(|field| self.classes.get(*field)).copied());
        // What anybody may see, and what is removed before anything is sent.
        found.retain(|class| !matches!(class, DataClass::Public | DataClass::Secret));
        found
    }
}

fn names<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.insert(name);
                names(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
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
