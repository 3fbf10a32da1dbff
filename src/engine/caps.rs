//! How much one run may keep: each output, note, input and message, and all of it together. What is too large or
//! nests too deep fails its step with the class `too_large`, where people see it and `on_error` can catch it.

use super::{Outcome, StepError};
use crate::run::{Change, Failure, Intent, NESTING_MAX, Record, nesting_of};
use serde_json::Value;

/// Small outputs always fit, so that a full run can still undo and say what happened.
const ALWAYS: usize = 4 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// One output, note, input or message.
    pub payload_bytes_max: usize,
    /// Everything in the journal of one run.
    pub run_bytes_max: usize,
}

/// What is measured of a value before it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub bytes: usize,
    pub nesting: usize,
}

impl Size {
    fn of(value: &Value) -> Self {
        Self { bytes: bytes_of(value), nesting: nesting_of(value) }
    }

    /// A change that follows from the definition and can be large: a list, or what its items came to.
    fn of_change(change: &Change) -> Option<(&'static str, Self)> {
        match change {
            Change::ItemsListed { items } => {
                let nesting = items.iter().map(nesting_of).max().unwrap_or_default() + 1;
                Some(("list", Self { bytes: bytes_of_change(change), nesting }))
            }
            Change::Done { output } => Some(("output", Self::of(output))),
            _ => None,
        }
    }

    pub fn of_note(change: &Change) -> Self {
        let nesting = if let Change::Noted { note } = change { nesting_of(note) } else { 0 };
        Self { bytes: bytes_of_change(change), nesting }
    }
}

/// The length of a value as JSON, without writing it (escapes are counted as single characters).
pub fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| bytes_of(item) + 1).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields.iter().map(|(name, value)| name.len() + 4 + bytes_of(value)).sum::<usize>()
        }
    }
}

/// What a run's records hold that can be large.
pub fn bytes_of_records(records: &[Record]) -> usize {
    records.iter().map(|record| bytes_of_change(&record.change)).sum()
}

pub fn bytes_of_change(change: &Change) -> usize {
    match change {
        Change::RunStarted(start) => bytes_of(&start.trigger) + bytes_of(&start.inputs),
        Change::Done { output } => bytes_of(output),
        Change::Noted { note } => bytes_of(note),
        Change::ItemsListed { items } => items.iter().map(|item| bytes_of(item) + 1).sum(),
        Change::Signalled(signal) => bytes_of(&signal.body),
        _ => 64,
    }
}

impl Caps {
    /// The failure of a value that is too large by itself or for what the run holds already.
    pub fn refuse(&self, what: &str, Size { bytes, nesting }: Size, held: usize) -> Option<Failure> {
        let text = if nesting > NESTING_MAX {
            format!("the {what} nests {nesting} levels deep; at most {NESTING_MAX} are kept")
        } else if bytes > self.payload_bytes_max {
            format!("the {what} is {bytes} bytes; at most {} are kept", self.payload_bytes_max)
        } else if bytes > ALWAYS && held + bytes > self.run_bytes_max {
            format!(
                "the {what} is {bytes} bytes, and this run has kept {held} already; a run keeps at most {}",
                self.run_bytes_max
            )
        } else {
            return None;
        };
        Some(Failure::new("too_large", text))
    }

    /// What somebody wants to start a run with.
    pub fn refuse_inputs(&self, inputs: &Value) -> Option<Failure> {
        self.refuse("run's input", Size::of(inputs), 0)
    }

    /// Lets a change pass, or makes it a failure because of what it would keep.
    pub fn bound_change(&self, change: Change, held: usize) -> Change {
        let refused = Size::of_change(&change).and_then(|(what, size)| self.refuse(what, size, held));
        refused.map_or(change, |failure| Change::Failed { failure })
    }

    /// Lets an outcome pass, or makes it a failure because of its largest part.
    pub fn bound(&self, outcome: Outcome, held: usize) -> Outcome {
        let (body, intents) = match &outcome {
            Outcome::Done { output, intents } => (Some(("output", Size::of(output))), intents),
            Outcome::Park { note, intents, .. } => {
                (note.as_ref().map(|note| ("note", Size::of(note))), intents)
            }
            Outcome::Fail(_) | Outcome::Lost => return outcome,
        };
        let refused = body
            .into_iter()
            .chain(intents.iter().filter_map(size_of_intent))
            .find_map(|(what, size)| self.refuse(what, size, held));
        match refused {
            Some(failure) => {
                Outcome::Fail(StepError { failure, retry_after: None, intents: audited(outcome) })
            }
            None => outcome,
        }
    }
}

/// A write that was made is told, also when what it gave is too large to keep.
fn audited(outcome: Outcome) -> Vec<Intent> {
    match outcome {
        Outcome::Done { intents, .. } | Outcome::Park { intents, .. } => {
            intents.into_iter().filter(|intent| matches!(intent, Intent::Audit(_))).collect()
        }
        Outcome::Fail(_) | Outcome::Lost => Vec::new(),
    }
}

fn size_of_intent(intent: &Intent) -> Option<(&'static str, Size)> {
    match intent {
        Intent::OpenGate(gate) => Some(("question", Size::of(&gate.ask))),
        Intent::StartRun(run) => Some(("run's input", Size::of(&run.inputs))),
        Intent::Send(message) => Some(("message", Size::of(&message.message))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CAPS: Caps = Caps { payload_bytes_max: 100_000, run_bytes_max: 150_000 };

    #[test]
    fn the_length_is_that_of_the_text() {
        let value = json!({ "a": [1, "zwei", null, true], "long": "x".repeat(50_000) });
        let (counted, written) = (bytes_of(&value), value.to_string().len());
        assert!(counted.abs_diff(written) < 40, "{counted} and {written}");
    }

    #[test]
    fn an_output_fails_for_its_own_size_or_for_the_run_s() {
        let class = |outcome: Outcome| match outcome {
            Outcome::Fail(error) => Some(error.failure.class),
            _ => None,
        };
        let of = |bytes: usize| Outcome::done(json!("x".repeat(bytes)));
        assert_eq!(class(CAPS.bound(of(100_001), 0)).as_deref(), Some("too_large"));
        assert_eq!(class(CAPS.bound(of(90_000), 0)), None);
        assert_eq!(class(CAPS.bound(of(90_000), 90_000)).as_deref(), Some("too_large"));
        assert_eq!(class(CAPS.bound(of(1_000), 200_000)), None, "a full run can still say what happened");
        let deep = |levels: usize| (0..levels).fold(json!(1), |value, _| json!([value]));
        assert_eq!(class(CAPS.bound(Outcome::done(deep(65)), 0)).as_deref(), Some("too_large"));
        assert_eq!(class(CAPS.bound(Outcome::done(deep(64)), 0)), None);
        let note =
            Outcome::Park { wake_at: None, note: Some(json!("x".repeat(100_001))), intents: Vec::new() };
        assert_eq!(class(CAPS.bound(note, 0)).as_deref(), Some("too_large"));
    }

    #[test]
    fn a_list_counts_like_an_output() {
        let list = |bytes: usize| Change::ItemsListed { items: vec![json!("x".repeat(bytes)), json!(1)] };
        let refused = |change, held| matches!(CAPS.bound_change(change, held), Change::Failed { .. });
        assert!(!refused(list(90_000), 0));
        assert!(refused(list(100_001), 0), "it is larger than a payload");
        assert!(refused(list(90_000), 90_000), "the run holds too much already");
        assert!(refused(Change::Done { output: json!(["x".repeat(100_001)]) }, 0));
        assert!(bytes_of_change(&list(90_000)) > 90_000);
    }
}
