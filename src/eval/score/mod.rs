//! What a replay is worth: named checks that hold or do not, and numbers to compare.

use super::abridge;
use super::case::{Expect, ExpectedAgent};
use super::world::MadeCall;
use crate::agent::{Entry, Source, Usage, sha256_json};
use crate::run::{Change, Record};
use crate::tool::Effect;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What came of one replay.
#[derive(Debug, Clone, Default)]
pub struct Replayed {
    pub records: Vec<Record>,
    pub calls: Vec<MadeCall>,
    /// Workflows started by the run.
    pub starts: Vec<String>,
    /// Moments of the timeline that found nothing to happen to.
    pub unheard: Vec<String>,
    /// Why the case no longer fits; not empty means that its score says nothing.
    pub stale: Vec<String>,
    /// What the run still waits for after the last moment.
    pub waiting_for: Option<String>,
    /// JSON Schema of each agent step's answer.
    pub schemas: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub holds: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    pub minutes: f64,
    pub tool_calls: usize,
    pub model_calls: usize,
    pub tokens: u64,
    pub rejections: u32,
    pub fallbacks: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    pub outcome: String,
    pub checks: BTreeMap<String, Check>,
    pub metrics: Metrics,
}

pub fn score(replayed: &Replayed, expect: &Expect) -> Score {
    let outcome = outcome(replayed);
    let agents = agents(&replayed.records);
    let metrics = metrics(replayed, &agents);
    let mut checks = BTreeMap::new();
    let mut check = |name: &str, problems: Vec<String>| {
        let check = Check { holds: problems.is_empty(), detail: problems.join("; ") };
        checks.insert(name.to_owned(), check);
    };
    check("outcome", differs(&expect.outcome, &outcome));
    if !expect.path.is_empty() {
        check("path", path_problems(&expect.path, &path(&replayed.records)));
    }
    check("writes", write_problems(replayed, expect));
    check("never", never_problems(replayed, expect));
    check("gates", gate_problems(replayed, expect));
    check("starts", differs(&expect.starts.join(", "), &replayed.starts.join(", ")));
    if let Some(most) = expect.minutes_max {
        let late = metrics.minutes > most;
        check(
            "minutes",
            late.then(|| format!("{:.1} of at most {most}", metrics.minutes)).into_iter().collect(),
        );
    }
    for (step, agent) in &agents {
        let schema = replayed.schemas.get(step);
        check(&format!("agent.{step}.schema"), schema_problems(agent, schema));
        check(&format!("agent.{step}.limits"), agent.over_limits());
        if let Some(expected) = expect.agents.get(step) {
            check(&format!("agent.{step}.answer"), answer_problems(agent, expected));
        }
    }
    for step in expect.agents.keys().filter(|step| !agents.contains_key(*step)) {
        check(&format!("agent.{step}.answer"), vec!["the step was not reached".to_owned()]);
    }
    Score { outcome, checks, metrics }
}

fn outcome(replayed: &Replayed) -> String {
    let ended = replayed.records.iter().rev().find_map(|record| match &record.change {
        Change::RunEnded { outcome } => Some(outcome.clone()),
        _ => None,
    });
    ended.unwrap_or_else(|| match &replayed.waiting_for {
        Some(step) => format!("waiting for {step}"),
        None => "not ended".to_owned(),
    })
}

/// Steps that were done or failed, in the order in which they began.
pub(super) fn path(records: &[Record]) -> Vec<String> {
    let mut begun: Vec<String> = Vec::new();
    let mut settled: BTreeMap<String, bool> = BTreeMap::new();
    for record in records {
        let Some(step) = record.path.as_ref().map(ToString::to_string) else { continue };
        match &record.change {
            Change::Started if !begun.contains(&step) => begun.push(step),
            Change::Done { .. } => {
                settled.insert(step, true);
            }
            Change::Failed { .. } => {
                settled.insert(step, false);
            }
            _ => {}
        }
    }
    let word = |step: String| match settled.get(&step) {
        Some(true) => Some(step),
        Some(false) => Some(format!("{step}!")),
        None => None,
    };
    begun.into_iter().filter_map(word).collect()
}

fn differs(expected: &str, got: &str) -> Vec<String> {
    if expected == got { vec![] } else { vec![format!("expected `{expected}`, got `{got}`")] }
}

fn path_problems(expected: &[String], got: &[String]) -> Vec<String> {
    let missing =
        expected.iter().filter(|step| !got.contains(step)).map(|step| format!("`{step}` is missing"));
    let added = got.iter().filter(|step| !expected.contains(step)).map(|step| format!("`{step}` is new"));
    let mut problems: Vec<String> = missing.chain(added).collect();
    if problems.is_empty() && expected != got {
        problems.push(format!("another order: {}", got.join(", ")));
    }
    problems
}

fn write_problems(replayed: &Replayed, expect: &Expect) -> Vec<String> {
    let writes: Vec<&MadeCall> = replayed.calls.iter().filter(|call| call.effect == Effect::Write).collect();
    let mut problems = Vec::new();
    for (i, expected) in expect.writes.iter().enumerate() {
        match writes.get(i) {
            None => problems.push(format!("{} was not called", expected.tool)),
            Some(made) if made.tool != expected.tool => {
                problems.push(format!("write {}: expected {}, got {}", i + 1, expected.tool, made.tool));
            }
            Some(made) => {
                let mut found = Vec::new();
                differences(&expected.with, &made.args, "", &mut found);
                problems.extend(found.into_iter().map(|found| format!("{}{found}", made.tool)));
            }
        }
    }
    for extra in writes.iter().skip(expect.writes.len()) {
        problems.push(format!("{} was called by `{}`, unexpectedly", extra.tool, extra.step));
    }
    problems
}

fn never_problems(replayed: &Replayed, expect: &Expect) -> Vec<String> {
    let forbidden = replayed.calls.iter().filter(|call| expect.never.contains(&call.tool));
    forbidden.map(|call| format!("{} was called by `{}`", call.tool, call.step)).collect()
}

/// Answers must have found their question, and each gate its expected decision.
fn gate_problems(replayed: &Replayed, expect: &Expect) -> Vec<String> {
    let mut decided: BTreeMap<String, String> = BTreeMap::new();
    for record in &replayed.records {
        if let (Some(path), Change::Done { output }) = (&record.path, &record.change)
            && let Some(decision) = output.get("decision").and_then(Value::as_str)
        {
            decided.insert(path.to_string(), decision.to_owned());
        }
    }
    let mut problems = replayed.unheard.clone();
    for (gate, expected) in &expect.gates {
        match decided.get(gate) {
            None => problems.push(format!("`{gate}` was not decided")),
            Some(got) if got != expected => {
                problems.push(format!("`{gate}`: expected {expected}, got {got}"))
            }
            Some(_) => {}
        }
    }
    problems
}

fn answer_problems(agent: &AgentRun, expected: &ExpectedAgent) -> Vec<String> {
    let mut problems = Vec::new();
    if agent.source != Some(expected.source) {
        let why = agent.why.clone().unwrap_or_default();
        problems.push(format!("source: expected {:?}, got {:?} {why}", expected.source, agent.source));
    }
    if agent.rejections > expected.rejections {
        problems.push(format!("{} rejections instead of {}", agent.rejections, expected.rejections));
    }
    differences(&expected.output, &agent.output, "output", &mut problems);
    problems
}

fn schema_problems(agent: &AgentRun, schema: Option<&Value>) -> Vec<String> {
    let Some(schema) = schema else { return vec!["the step has no schema".to_owned()] };
    match jsonschema::validator_for(schema) {
        Err(error) => vec![format!("the schema is broken: {error}")],
        Ok(validator) => validator
            .iter_errors(&agent.output)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect(),
    }
}

/// Where `expected` (large values as their hash) is not contained in `got`: objects may have more fields, everything else is equal.
fn differences(expected: &Value, got: &Value, at: &str, found: &mut Vec<String>) {
    match (expected, got) {
        (Value::Null, _) => {}
        (expected, got) if abridge::hash_of(expected).is_some() => {
            if abridge::hash_of(expected) != Some(sha256_json(got).as_str()) {
                found.push(format!("{at} is another value: {}", short(got)));
            }
        }
        (Value::Object(fields), Value::Object(have)) => {
            for (field, expected) in fields {
                let at = format!("{at}.{field}");
                match have.get(field) {
                    None => found.push(format!("{at} is missing")),
                    Some(got) => differences(expected, got, &at, found),
                }
            }
        }
        (Value::Array(items), Value::Array(have)) if items.len() == have.len() => {
            for (i, (expected, got)) in items.iter().zip(have).enumerate() {
                differences(expected, got, &format!("{at}[{i}]"), found);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (expected, got) if sha256_json(expected) == sha256_json(got) => {}
        (expected, got) => found.push(format!("{at}: expected {}, got {}", short(expected), short(got))),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 80 {
        text
    } else {
        format!("{}…", text.chars().take(80).collect::<String>())
    }
}

/// One agent step as its entries tell it.
#[derive(Debug, Default)]
struct AgentRun {
    source: Option<Source>,
    why: Option<String>,
    output: Value,
    rejections: u32,
    model_calls: usize,
    turns: u32,
    tool_calls: u32,
    turns_max: u32,
    tool_calls_max: u32,
    tokens: u64,
}

impl AgentRun {
    fn over_limits(&self) -> Vec<String> {
        let mut over = Vec::new();
        if self.turns > self.turns_max {
            over.push(format!("{} turns of {}", self.turns, self.turns_max));
        }
        if self.tool_calls > self.tool_calls_max {
            over.push(format!("{} tool calls of {}", self.tool_calls, self.tool_calls_max));
        }
        over
    }

    fn add(&mut self, entry: &Entry) {
        match entry {
            Entry::Started { limits, .. } => {
                self.turns_max = limits.turns;
                self.tool_calls_max = limits.tool_calls;
            }
            Entry::Requested { .. } => self.model_calls += 1,
            Entry::Responded { body, turn, .. } => {
                self.turns = self.turns.max(*turn);
                self.tokens += body.read().usage.map_or(0, Usage::total);
            }
            Entry::Rejected { .. } => self.rejections += 1,
            Entry::ToolRequested { .. } => self.tool_calls += 1,
            Entry::Finished { source, output, why, .. } => {
                self.source = Some(*source);
                self.output = output.clone();
                self.why = why.as_ref().map(|why| why.detail.clone());
            }
            Entry::Held { .. } | Entry::Failed { .. } | Entry::ToolDone { .. } | Entry::ToolFailed { .. } => {
            }
        }
    }
}

/// Agent steps keep their entries as notes.
fn agents(records: &[Record]) -> BTreeMap<String, AgentRun> {
    let mut agents: BTreeMap<String, AgentRun> = BTreeMap::new();
    for (step, entry) in entries(records) {
        agents.entry(step).or_default().add(&entry);
    }
    agents
}

/// The agents' entries of a run, with the step each belongs to.
pub(super) fn entries(records: &[Record]) -> impl Iterator<Item = (String, Entry)> + '_ {
    records.iter().filter_map(|record| match (&record.path, &record.change) {
        (Some(path), Change::Noted { note }) => Some((path.to_string(), Entry::deserialize(note).ok()?)),
        _ => None,
    })
}

fn metrics(replayed: &Replayed, agents: &BTreeMap<String, AgentRun>) -> Metrics {
    let times = replayed.records.first().zip(replayed.records.last());
    let seconds = times.map_or(0.0, |(first, last)| (last.at - first.at).as_seconds_f64());
    Metrics {
        minutes: (seconds / 6.0).round() / 10.0,
        tool_calls: replayed.calls.len(),
        model_calls: agents.values().map(|agent| agent.model_calls).sum(),
        tokens: agents.values().map(|agent| agent.tokens).sum(),
        rejections: agents.values().map(|agent| agent.rejections).sum(),
        fallbacks: agents.values().filter(|agent| agent.source == Some(Source::Rules)).count(),
    }
}

#[cfg(test)]
mod tests;
