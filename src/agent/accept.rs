//! Whether a model's answer or arguments are accepted: JSON, nothing of the instructions, tokens put back, schema, known
//! ids, the workflow's checks; in this order, because each needs the one before.

use super::guard::{Corpus, FINDINGS_MAX, Masker, repeated};
use super::ledger::{Rejection, RejectionKind};
use super::task::Check;
use super::text::{FIELD_CHARS_MAX, QUOTED_CHARS_MAX, quotable, storable, too_deep};
use crate::tool::without_absent;
use jsonschema::ValidationError;
use serde_json::Value;
use std::collections::BTreeSet;

/// Of one finding, whatever stands in it.
const FINDING_CHARS_MAX: usize = 2_000;
/// Of the paths to all that an answer holds: the validator writes out each that does not fit before it tells the first.
const PATHS_BYTES_MAX: usize = 64 << 20;

/// What an answer is held against.
pub(super) struct Facts<'a> {
    pub(super) masker: &'a Masker,
    pub(super) corpus: &'a Corpus,
    /// Field names whose values the model only saw as tokens.
    pub(super) confidential: &'a BTreeSet<String>,
    /// The system message as it was sent.
    pub(super) instructions: &'a str,
    /// What the conversation began with, as it was sent: a name is the same token here and in the instructions.
    pub(super) data: &'a Value,
}

pub(super) fn answer(
    text: &str,
    schema: &Value,
    facts: &Facts<'_>,
    check: &Check,
) -> Result<Value, Rejection> {
    let reject = |kind, message| Rejection { kind, index: None, message };
    let value: Value = serde_json::from_str(unfenced(text))
        .map_err(|e| reject(RejectionKind::InvalidOutput, format!("it is not JSON: {e}")))?;
    let value = storable(value);
    if let Some(why) = unwieldy(&value) {
        return Err(reject(RejectionKind::InvalidOutput, why));
    }
    // Before all that quotes an answer in what it says of it.
    own_words(&value, facts).map_err(|m| reject(RejectionKind::PromptEcho, m))?;
    let value = restored(&value, facts.masker).map_err(|m| reject(RejectionKind::Ungrounded, m))?;
    let value = without_absent(value, schema);
    conforms(&value, schema).map_err(|m| reject(RejectionKind::InvalidOutput, m))?;
    let ungrounded = facts.corpus.ungrounded(&value, schema, facts.confidential);
    if !ungrounded.is_empty() {
        return Err(reject(RejectionKind::Ungrounded, ungrounded.join("; ")));
    }
    check(&value).map_err(|m| reject(RejectionKind::CheckFailed, m))?;
    Ok(value)
}

pub(super) fn arguments(
    arguments: Result<Value, String>,
    schema: &Value,
    facts: &Facts<'_>,
) -> Result<Value, (RejectionKind, String)> {
    let value = storable(arguments.map_err(|m| (RejectionKind::InvalidArguments, m))?);
    if let Some(why) = unwieldy(&value) {
        return Err((RejectionKind::InvalidArguments, why));
    }
    own_words(&value, facts).map_err(|m| (RejectionKind::PromptEcho, m))?;
    let value = restored(&value, facts.masker).map_err(|m| (RejectionKind::Ungrounded, m))?;
    let value = without_absent(value, schema);
    conforms(&value, schema).map_err(|m| (RejectionKind::InvalidArguments, m))?;
    let ungrounded = facts.corpus.ungrounded(&value, schema, facts.confidential);
    match ungrounded.is_empty() {
        true => Ok(value),
        false => Err((RejectionKind::Ungrounded, ungrounded.join("; "))),
    }
}

fn own_words(value: &Value, facts: &Facts<'_>) -> Result<(), String> {
    match repeated(facts.instructions, facts.data, value) {
        None => Ok(()),
        Some(at) => Err(format!("{at}: it repeats your instructions word for word; leave them out")),
    }
}

fn restored(value: &Value, masker: &Masker) -> Result<Value, String> {
    masker.restore(value).map_err(|unknown| format!("nobody is called {}", unknown.0.join(", ")))
}

fn conforms(value: &Value, schema: &Value) -> Result<(), String> {
    let validator = jsonschema::validator_for(schema).map_err(|e| format!("the schema is broken: {e}"))?;
    let findings: Vec<String> = validator
        .iter_errors(value)
        .take(FINDINGS_MAX)
        .map(|error| match error.instance_path().as_str() {
            "" => misfit(&error),
            at => {
                let names = at.split('/').map(|name| quotable(name, FIELD_CHARS_MAX));
                format!("{}: {}", names.collect::<Vec<_>>().join("/"), misfit(&error))
            }
        })
        .collect();
    if findings.is_empty() { Ok(()) } else { Err(findings.join("; ")) }
}

/// What a value is not, with the value itself only where it is short: a megabyte of it would be told with each finding.
fn misfit(error: &ValidationError<'_>) -> String {
    let value = error.instance().to_string();
    let told = match quotable(&value, QUOTED_CHARS_MAX) {
        whole if whole.len() == value.len() => error.to_string(),
        size => error.masked_with(size).to_string(),
    };
    // Some quote the names of fields, or what stands below the value.
    match told.chars().nth(FINDING_CHARS_MAX) {
        None => told,
        Some(_) => format!("it is not what `{}` of the schema allows", error.kind().keyword()),
    }
}

fn unwieldy(value: &Value) -> Option<String> {
    let too_long = || "the names of its fields are too long".to_owned();
    too_deep(value).or_else(|| (paths_bytes(value, 0) > PATHS_BYTES_MAX).then(too_long))
}

/// Of all paths at and below a value, at least.
fn paths_bytes(value: &Value, at: usize) -> usize {
    let below: usize = match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| paths_bytes(value, at + name.len() + 1)).sum()
        }
        Value::Array(items) => items.iter().map(|item| paths_bytes(item, at + 2)).sum(),
        _ => 0,
    };
    at + below
}

/// Many models wrap JSON in one Markdown fence, also when told not to.
pub(super) fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|t| t.strip_suffix("```"));
    inner.map_or(text, |t| t.strip_prefix("json").unwrap_or(t).trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn misfits(value: &Value, schema: &Value) -> String {
        conforms(value, schema).expect_err("it does not fit")
    }

    #[test]
    fn a_short_value_is_quoted_as_it_stands() {
        let schema =
            json!({"properties": {"a/b": {"type": "number"}, "n": {"maximum": 4}}, "required": ["c"]});
        let said = misfits(&json!({"a/b": "Ü".repeat(QUOTED_CHARS_MAX - 2), "n": 5}), &schema);
        let quoted = format!("\"{}\" is not of type \"number\"", "Ü".repeat(QUOTED_CHARS_MAX - 2));
        for part in
            [format!("/a~1b: {quoted}"), "/n: 5 is greater".to_owned(), "\"c\" is a required".to_owned()]
        {
            assert!(said.contains(&part), "{said}");
        }
    }

    /// Each would be quoted in each of five findings.
    #[test]
    fn of_a_long_value_only_its_size_is_told() {
        let long = "n".repeat(1_000_000);
        let text = json!([long, long, long, long, long, long]);
        let said = misfits(&text, &json!({"items": {"type": "number"}}));
        let one = "(1000002 bytes) is not of type \"number\"";
        assert_eq!(said, [0, 1, 2, 3, 4].map(|i| format!("/{i}: {one}")).join("; "));
        let named = json!({ (long.as_str()): 1 });
        let schemas = [
            json!({"type": "string"}),
            json!({"enum": [1, 2]}),
            json!({"additionalProperties": false}),
            json!({"additionalProperties": {"type": "string"}}),
            json!({"propertyNames": {"maxLength": 3}}),
            json!({"not": {}}),
            json!({"anyOf": [{"type": "string"}, {"required": ["c"]}]}),
        ];
        for schema in schemas {
            let said = misfits(&named, &schema);
            assert!(!said.is_empty() && said.len() < FINDING_CHARS_MAX, "{schema}: {} bytes", said.len());
        }
        let said = misfits(&named, &json!({"additionalProperties": {"type": "string"}}));
        assert_eq!(said, "/(1000000 bytes): 1 is not of type \"string\"");
    }

    /// A validator that has each item's path in hand would hold 20 GB here.
    #[test]
    fn an_answer_whose_paths_are_endless_is_not_looked_at() {
        let answer = |length: usize| json!({ ("n".repeat(length)): vec![1; 40_000] });
        assert_eq!(unwieldy(&answer(500_000)).as_deref(), Some("the names of its fields are too long"));
        assert_eq!(unwieldy(&answer(1_000)), None);
        assert_eq!(unwieldy(&json!(vec![0; 500_000])), None);
        let nested = (0..20).fold(json!([1]), |inner, _| json!({"a field of an answer": [inner]}));
        assert_eq!(unwieldy(&nested), None);
    }
}
