//! Step by step: what it was given, what came out, how often it was tried, what an agent said meanwhile.

use super::{
    inputs::Given,
    transcript::{self, Transcript},
};
use crate::{
    http::console::when::{Clock, words},
    run::{Failure, Record, SignalKind, State, StepPath, StepState, machine::Status},
};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Longest JSON shown of one value; the journal has the rest.
const SHOWN_CHARS_MAX: usize = 12_000;

#[derive(Serialize)]
pub(super) struct StepView {
    /// For anchors: the path without characters that mean something in a link.
    pub anchor: String,
    pub path: String,
    kind: Option<&'static str>,
    uses: Option<String>,
    pub status: &'static str,
    /// CSS class of the status tag.
    pub tone: &'static str,
    attempts: u32,
    began: Option<String>,
    took: Option<String>,
    input: Option<String>,
    output: Option<String>,
    failure: Option<Failure>,
    rules: Vec<RuleView>,
    transcript: Option<Transcript>,
    /// Events from outside that this step heard.
    heard: Vec<String>,
}

#[derive(Serialize)]
struct RuleView {
    name: String,
    holds: bool,
    because: Option<String>,
}

/// Steps in the order in which they first appear in the journal.
pub(super) fn views(records: &[Record], given: &BTreeMap<StepPath, Given>, clock: &Clock) -> Vec<StepView> {
    let state = known_part(records);
    let Some(state) = state else { return Vec::new() };
    let mut seen = BTreeSet::new();
    let paths =
        records.iter().filter_map(|record| record.path.as_ref()).filter(|path| seen.insert((*path).clone()));
    let view =
        |path: &StepPath| Some(view(path, state.step(path)?, state.is_ended(), given.get(path), clock));
    paths.filter_map(view).collect()
}

/// A journal that cannot be folded to its end is shown as far as it can.
fn known_part(records: &[Record]) -> Option<State> {
    let (first, rest) = records.split_first()?;
    let mut state = State::fold(std::slice::from_ref(first)).ok()?;
    for record in rest {
        if let Err(error) = state.apply(record) {
            tracing::warn!(%error, "a run's journal cannot be folded");
            break;
        }
    }
    Some(state)
}

fn view(
    path: &StepPath,
    step: &StepState,
    run_ended: bool,
    given: Option<&Given>,
    clock: &Clock,
) -> StepView {
    let (status, tone) = status_words(step.status);
    let took = step.started_at.zip(step.settled_at).map(|(from, to)| words(to - from));
    let is_settled = step.status.is_settled();
    let (status, tone) = if run_ended && !is_settled { ("ended with the run", "") } else { (status, tone) };
    StepView {
        anchor: path.as_str().replace(['.', '[', ']'], "-"),
        path: path.to_string(),
        kind: given.map(|given| given.kind),
        uses: given.and_then(|given| given.uses.clone()),
        status,
        tone,
        attempts: step.attempt,
        began: step.started_at.map(|at| clock.exact(at)),
        took,
        input: given.and_then(|given| given.input.as_ref()).and_then(shown),
        output: if is_settled { shown(&step.output) } else { None },
        failure: step.failure.clone().filter(|_| step.status != Status::Done),
        rules: step
            .notes
            .iter()
            .filter_map(|note| note.get("rules")?.as_array())
            .flatten()
            .map(rule)
            .collect(),
        transcript: transcript::read(&step.notes, clock),
        heard: step
            .signals
            .iter()
            .filter(|signal| signal.kind == SignalKind::Event)
            .filter_map(|signal| signal.body.get("type").and_then(Value::as_str).map(str::to_owned))
            .collect(),
    }
}

pub(super) fn status_words(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::Pending => ("not begun", ""),
        Status::Running => ("working", "accent"),
        Status::Waiting => ("waiting", "accent"),
        Status::Backoff => ("will be tried again", "warn"),
        Status::Open => ("under way", "accent"),
        Status::Done => ("done", "good"),
        Status::Failed => ("failed", "bad"),
        Status::Skipped => ("skipped", ""),
    }
}

fn rule(verdict: &Value) -> RuleView {
    let text = |field: &str| verdict.get(field).and_then(Value::as_str).map(str::to_owned);
    RuleView {
        name: text("rule").unwrap_or_default(),
        holds: verdict.get("holds") == Some(&Value::Bool(true)),
        because: text("because").filter(|text| !text.is_empty()),
    }
}

/// JSON as people can read it; nothing for what is not there.
pub(super) fn shown(value: &Value) -> Option<String> {
    let is_empty = match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    if is_empty {
        return None;
    }
    let mut text = match value {
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).ok()?,
    };
    if let Some((at, _)) = text.char_indices().nth(SHOWN_CHARS_MAX) {
        let all = text.chars().count();
        text.truncate(at);
        text.push_str(&format!("\n… {} characters more", all - SHOWN_CHARS_MAX));
    }
    Some(text)
}
