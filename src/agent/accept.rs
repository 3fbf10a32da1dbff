//! Whether a model's answer or arguments are accepted: JSON, nothing of the instructions, tokens put back, schema, known
//! ids, the workflow's checks; in this order, because each needs the one before.

use super::guard::{Corpus, Masker, repeated};
use super::ledger::{Rejection, RejectionKind};
use super::task::Check;
use super::text::{storable, too_deep};
use crate::tool::without_absent;
use serde_json::Value;
use std::collections::BTreeSet;

/// Findings told to the model at once; more would not be repaired in one turn either.
const FINDINGS_MAX: usize = 5;

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
    if let Some(why) = too_deep(&value) {
        return Err(reject(RejectionKind::InvalidOutput, why));
    }
    // Before all that quotes an answer in what it says of it.
    own_words(&value, facts).map_err(|m| reject(RejectionKind::PromptEcho, m))?;
    let value = restored(&value, facts.masker).map_err(|m| reject(RejectionKind::Ungrounded, m))?;
    let value = without_absent(value, schema);
    conforms(&value, schema).map_err(|m| reject(RejectionKind::InvalidOutput, m))?;
    let ungrounded = facts.corpus.ungrounded(&value, schema, facts.confidential);
    if !ungrounded.is_empty() {
        return Err(reject(RejectionKind::Ungrounded, sentence(ungrounded)));
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
    if let Some(why) = too_deep(&value) {
        return Err((RejectionKind::InvalidArguments, why));
    }
    own_words(&value, facts).map_err(|m| (RejectionKind::PromptEcho, m))?;
    let value = restored(&value, facts.masker).map_err(|m| (RejectionKind::Ungrounded, m))?;
    let value = without_absent(value, schema);
    conforms(&value, schema).map_err(|m| (RejectionKind::InvalidArguments, m))?;
    let ungrounded = facts.corpus.ungrounded(&value, schema, facts.confidential);
    match ungrounded.is_empty() {
        true => Ok(value),
        false => Err((RejectionKind::Ungrounded, sentence(ungrounded))),
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
        .map(|e| match e.instance_path().to_string() {
            at if at.is_empty() => e.to_string(),
            at => format!("{at}: {e}"),
        })
        .collect();
    if findings.is_empty() { Ok(()) } else { Err(sentence(findings)) }
}

fn sentence(mut findings: Vec<String>) -> String {
    findings.truncate(FINDINGS_MAX);
    findings.join("; ")
}

/// Many models wrap JSON in one Markdown fence, also when told not to.
pub(super) fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|t| t.strip_suffix("```"));
    inner.map_or(text, |t| t.strip_prefix("json").unwrap_or(t).trim())
}
