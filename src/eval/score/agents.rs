//! One agent step as its entries tell it, and what can be checked of it without asking the code that ran it.

use super::difference::{contains, differences};
use super::limits::Kept;
use crate::agent::{Entry, ModelProfile, Offered, Reason, RejectionKind, Source, Usage};
use crate::eval::case::ExpectedAgent;
use crate::run::{Change, Record};
use crate::tool::ToolName;
use regex::Regex;
use serde::Deserialize as _;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// Ids as plants write them. Written anew here: a score must not share a mistake with the guard that it judges.
static ID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[A-Z]{1,6}-?\d{3,}(?:-\d+)*\b|\b[A-Z]+-[A-Z0-9]*\d[A-Z0-9-]*\b")
        .unwrap_or_else(|e| unreachable!("{e}"))
});

#[derive(Debug, Default)]
pub(super) struct AgentRun {
    pub source: Option<Source>,
    pub reason: Option<Reason>,
    why: Option<String>,
    pub output: Value,
    pub rejected: Vec<RejectionKind>,
    pub model_calls: usize,
    pub turns: u32,
    pub tool_calls: Vec<(ToolName, Value)>,
    kept: Kept,
    pub tokens: u64,
    pub cost_usd: f64,
    pub prompt_sha: String,
    models: Vec<ModelProfile>,
    /// Time that each answer took, as recorded.
    pub answer_ms: Vec<u64>,
    /// Bodies of all requests, as text.
    pub requests: Vec<String>,
    tools: Vec<Offered>,
    results: Vec<Value>,
    model: usize,
    /// What the model last said, as it said it: masked, and before absent fields are left out.
    said: Value,
}

impl AgentRun {
    fn add(&mut self, entry: Entry) {
        self.kept.add(&entry);
        match entry {
            Entry::Started { models, tools, prompt_sha, .. } => {
                (self.models, self.tools, self.prompt_sha) = (models, tools, prompt_sha);
            }
            Entry::Requested { request, model, .. } => {
                self.model_calls += 1;
                self.model = model;
                self.requests.push(request.to_string());
            }
            Entry::Responded { body, turn, ms, .. } => {
                let read = body.read();
                let usage = read.usage;
                self.said = said(&read.json);
                self.turns = self.turns.max(turn);
                self.tokens = self.tokens.saturating_add(usage.map_or(0, Usage::total));
                self.answer_ms.push(ms);
                if let (Some(price), Some(usage)) = (self.models.get(self.model), usage) {
                    let cost = usage.input_tokens as f64 * price.usd_per_million_input
                        + usage.output_tokens as f64 * price.usd_per_million_output;
                    self.cost_usd += cost / 1e6;
                }
            }
            Entry::Rejected { rejection, .. } => self.rejected.push(rejection.kind),
            Entry::ToolRequested { tool, args, .. } => self.tool_calls.push((tool, args)),
            Entry::ToolDone { output, .. } => self.results.push(output),
            Entry::Finished { source, output, why, .. } => {
                (self.source, self.output) = (Some(source), output);
                self.reason = why.as_ref().map(|why| why.reason);
                self.why = why.map(|why| why.detail);
            }
            _ => {}
        }
    }

    /// The model that was asked last.
    pub(super) fn asked(&self) -> Option<&ModelProfile> {
        self.models.get(self.model)
    }

    pub(super) fn answer_problems(&self, expected: &ExpectedAgent) -> Vec<String> {
        let mut problems = Vec::new();
        if expected.source.is_some() && self.source != expected.source {
            let why = self.why.clone().unwrap_or_default();
            problems.push(format!("source: expected {:?}, got {:?} {why}", expected.source, self.source));
        }
        if expected.reason.is_some() && self.reason != expected.reason {
            problems.push(format!("reason: expected {:?}, got {:?}", expected.reason, self.reason));
        }
        let rejections = u32::try_from(self.rejected.len()).unwrap_or(u32::MAX);
        if expected.rejected.is_empty() && rejections > expected.rejections {
            problems.push(format!("{rejections} rejections instead of {}", expected.rejections));
        }
        if !expected.rejected.is_empty() && expected.rejected != self.rejected {
            problems.push(format!("rejected: expected {:?}, got {:?}", expected.rejected, self.rejected));
        }
        differences(&expected.output, &self.output, "output", &mut problems);
        let said = self.output.to_string();
        let unsaid = expected.says.iter().filter(|text| !said.contains(*text));
        problems.extend(unsaid.map(|text| format!("the answer does not hold `{text}`")));
        problems.extend(expected.matches.iter().filter_map(|pattern| mismatch(pattern, &said)));
        if !expected.schema.is_null() {
            let found = violations(&expected.schema, self.as_said());
            problems.extend(found.into_iter().map(|found| format!("expected schema: {found}")));
        }
        if !expected.accept_any.is_empty()
            && !expected.accept_any.iter().any(|any| contains(any, &self.output))
        {
            problems.push(format!("none of the {} right answers", expected.accept_any.len()));
        }
        problems
    }

    pub(super) fn schema_problems(&self, schema: Option<&Value>) -> Vec<String> {
        match schema {
            None => vec!["the step has no schema".to_owned()],
            Some(schema) => violations(schema, &self.output),
        }
    }

    /// Every call that was made has arguments of its tool's schema, and a tool that was offered.
    pub(super) fn argument_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (tool, args) in &self.tool_calls {
            match self.tools.iter().find(|offered| offered.tool == *tool) {
                None => problems.push(format!("{tool} was called and never offered")),
                Some(offered) => {
                    let found = violations(&offered.input, args);
                    problems.extend(found.into_iter().map(|found| format!("{tool}{found}")));
                }
            }
        }
        problems
    }

    pub(super) fn limit_problems(&self) -> Vec<String> {
        self.kept.problems()
    }

    /// The answer as whoever gave it wrote it.
    fn as_said(&self) -> &Value {
        let by_model = self.source != Some(Source::Rules) && self.said.is_object();
        if by_model { &self.said } else { &self.output }
    }

    /// Ids in an answer of a model that stand nowhere in what the run was told.
    pub(super) fn grounding_problems(&self, told: &str) -> Vec<String> {
        if self.source == Some(Source::Rules) {
            return Vec::new();
        }
        let answer = self.output.to_string();
        let results: String = self.results.iter().map(ToString::to_string).collect();
        let unknown: BTreeSet<&str> = ID
            .find_iter(&answer)
            .map(|found| found.as_str())
            .filter(|id| !told.contains(id) && !results.contains(id))
            .collect();
        unknown.into_iter().map(|id| format!("`{id}` stands in no input and no tool output")).collect()
    }

    /// Confidential values in what was sent, however they are written.
    pub(super) fn leaks(&self, confidential: &[String]) -> Vec<String> {
        let mut found = BTreeSet::new();
        for request in &self.requests {
            found
                .extend(told_in(request, confidential).map(|value| format!("`{value}` was sent to a model")));
        }
        found.into_iter().collect()
    }
}

/// Those of the values that stand in a text, however they are written.
pub(in crate::eval) fn told_in<'v>(text: &str, values: &'v [String]) -> impl Iterator<Item = &'v String> {
    let plain = text.to_lowercase();
    let joined: String = plain.chars().filter(|c| c.is_alphanumeric()).collect();
    values.iter().filter(move |value| {
        let value_plain = value.to_lowercase();
        let value_joined: String = value_plain.chars().filter(|c| c.is_alphanumeric()).collect();
        plain.contains(&value_plain) || (value_joined.len() >= 6 && joined.contains(&value_joined))
    })
}

/// The JSON of a model's message; `Null` where there is none.
fn said(body: &Value) -> Value {
    let text = body.pointer("/choices/0/message/content").and_then(Value::as_str).unwrap_or_default().trim();
    let inner = text.strip_prefix("```json").or_else(|| text.strip_prefix("```"));
    let text = inner.map_or(text, |inner| inner.trim_end_matches('`'));
    serde_json::from_str(text).unwrap_or_default()
}

fn mismatch(pattern: &str, said: &str) -> Option<String> {
    match Regex::new(pattern) {
        Err(error) => Some(format!("`{pattern}` is no regular expression: {error}")),
        Ok(regex) => (!regex.is_match(said)).then(|| format!("the answer does not match `{pattern}`")),
    }
}

fn violations(schema: &Value, value: &Value) -> Vec<String> {
    match jsonschema::validator_for(schema) {
        Err(error) => vec![format!("the schema is broken: {error}")],
        Ok(validator) => {
            validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
        }
    }
}

/// Agent steps keep their entries as notes.
pub(super) fn agents(records: &[Record]) -> BTreeMap<String, AgentRun> {
    let mut agents: BTreeMap<String, AgentRun> = BTreeMap::new();
    for (step, entry) in entries(records) {
        agents.entry(step).or_default().add(entry);
    }
    agents
}

/// The agents' entries of a run, with the step each belongs to.
pub(in crate::eval) fn entries(records: &[Record]) -> impl Iterator<Item = (String, Entry)> + '_ {
    records.iter().filter_map(|record| match (&record.path, &record.change) {
        (Some(path), Change::Noted { note }) => Some((path.to_string(), Entry::deserialize(note).ok()?)),
        _ => None,
    })
}
