//! What a replay is worth: named checks that hold or do not, and numbers to compare.

mod agents;
mod difference;
mod limits;
mod proposals;
mod trials;

pub(super) use agents::{entries, told_in};
pub use trials::Passes;

use self::agents::{AgentRun, agents};
use super::case::{Budget, Expect};
use super::world::MadeCall;
use crate::agent::{Part, Source, Stale};
use crate::run::{Change, NewGate, Record};
use crate::tool::ToolName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What came of one replay.
#[derive(Debug, Clone, Default)]
pub struct Replayed {
    pub records: Vec<Record>,
    pub calls: Vec<MadeCall>,
    /// Every question to people, answered or not.
    pub asked: Vec<NewGate>,
    /// Workflows started by the run.
    pub starts: Vec<String>,
    /// Moments of the timeline that found nothing to happen to.
    pub unheard: Vec<String>,
    /// Why the case no longer fits; not empty means that its score says nothing.
    pub stale: Vec<Stale>,
    /// What the run still waits for after the last moment.
    pub waiting_for: Option<String>,
    /// JSON Schema of each agent step's answer.
    pub schemas: BTreeMap<String, Value>,
    /// SHA-256 of each agent step's prompt as its file has it, before values are put in.
    pub prompts: BTreeMap<String, String>,
    /// Names that no model may see.
    pub confidential: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub holds: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    pub minutes: f64,
    pub tool_calls: usize,
    pub model_calls: usize,
    pub tokens: u64,
    pub rejections: u32,
    pub fallbacks: usize,
    pub leaks: usize,
    pub cost_usd: f64,
    /// How much worse a number is than its baseline, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub regret: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Score {
    pub outcome: String,
    pub checks: BTreeMap<String, Check>,
    pub metrics: Metrics,
}

/// Who answered the agent steps of a replay, and to which prompts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Answered {
    pub steps: BTreeMap<String, AnsweredStep>,
    /// Milliseconds of each answer.
    pub answer_ms: Vec<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AnsweredStep {
    /// The model that was asked last, as its profile names it: the answer is its own, unless it came `by_rules`.
    pub model: Option<String>,
    pub authored: bool,
    /// No model's answer was accepted.
    pub by_rules: bool,
    /// SHA-256 of the prompt's file; of the rendered prompt where the file is not known.
    pub prompt: String,
}

impl Answered {
    pub fn has_model(&self) -> bool {
        self.steps.values().any(|step| step.model.is_some())
    }

    pub fn is_authored(&self) -> bool {
        self.steps.values().any(|step| step.authored)
    }
}

pub fn answered(replayed: &Replayed) -> Answered {
    let agents = agents(&replayed.records);
    let step = |(step, agent): (&String, &AgentRun)| {
        let asked = agent.asked();
        let told = AnsweredStep {
            model: asked.map(|profile| profile.model.clone()),
            authored: asked.is_some_and(|profile| profile.authored),
            by_rules: agent.source == Some(Source::Rules),
            prompt: replayed.prompts.get(step).unwrap_or(&agent.prompt_sha).clone(),
        };
        (step.clone(), told)
    };
    Answered {
        steps: agents.iter().map(step).collect(),
        answer_ms: agents.values().flat_map(|agent| agent.answer_ms.iter().copied()).collect(),
    }
}

/// For a canary: whether it is stale in the parts it should be, and only in those.
pub fn stale_as_expected(stale: &[Stale], expect: &Expect) -> bool {
    let parts = |list: &mut dyn Iterator<Item = Part>| list.collect::<BTreeSet<Part>>();
    let expected = parts(&mut expect.stale.iter().copied());
    !expected.is_empty() && parts(&mut stale.iter().map(|stale| stale.part)) == expected
}

pub fn score(replayed: &Replayed, expect: &Expect) -> Score {
    let outcome = outcome(replayed);
    let agents = agents(&replayed.records);
    let mut metrics = metrics(replayed, &agents);
    let mut checks = Checks::default();
    let mut check = |name: &str, problems: Vec<String>| checks.add(name, problems);
    check("outcome", differs(&expect.outcome, &outcome));
    if !expect.path.is_empty() {
        check("path", path_problems(&expect.path, &path(&replayed.records)));
    }
    if expect.end_state.is_empty() || !expect.writes.is_empty() {
        check("writes", proposals::write_problems(replayed, expect));
    }
    if !expect.end_state.is_empty() {
        check("end_state", proposals::end_state_problems(replayed, &expect.end_state));
    }
    check("never", never_problems(replayed, expect));
    check("gates", gate_problems(replayed, expect));
    check("rules", proposals::rule_problems(replayed, &expect.rules));
    check("starts", differs(&expect.starts.join(", "), &replayed.starts.join(", ")));
    if !expect.proposals.is_empty() {
        check("proposals", proposals::proposal_problems(replayed, &expect.proposals));
    }
    for (gate, preferred) in &expect.preferred {
        check(&format!("agreement.{gate}"), proposals::agreement_problems(replayed, gate, preferred));
    }
    if !expect.must_call.is_empty() {
        check("must_call", uncalled(replayed, expect));
    }
    if !expect.must_not.is_empty() {
        check("must_not", proposals::forbidden_problems(replayed, &agents, &expect.must_not));
    }
    if let Some(budget) = &expect.budget {
        check("budget", budget_problems(&agents, budget));
    }
    if let Some(attack) = &expect.resists {
        check("injection", proposals::attack_problems(replayed, &agents, attack));
    }
    for (name, regret, slack) in proposals::regrets(replayed, &expect.kpi) {
        check(&format!("kpi.{name}"), regret_problems(&regret, slack));
        if let Ok(regret) = regret {
            metrics.regret.insert(name, regret);
        }
    }
    if let Some(most) = expect.minutes_max {
        let late = metrics.minutes > most;
        let problem = format!("{:.1} of at most {most}", metrics.minutes);
        check("minutes", late.then_some(problem).into_iter().collect());
    }
    metrics.leaks = agent_checks(replayed, expect, &agents, &mut checks);
    Score { outcome, checks: checks.0, metrics }
}

#[derive(Default)]
struct Checks(BTreeMap<String, Check>);

impl Checks {
    fn add(&mut self, name: &str, problems: Vec<String>) {
        let check = Check { holds: problems.is_empty(), detail: problems.join("; ") };
        self.0.insert(name.to_owned(), check);
    }
}

/// What is checked of each agent step, expected or not; gives the number of leaks.
fn agent_checks(
    replayed: &Replayed,
    expect: &Expect,
    agents: &BTreeMap<String, AgentRun>,
    checks: &mut Checks,
) -> usize {
    let mut leaks = Vec::new();
    for (step, agent) in agents {
        checks.add(&format!("agent.{step}.schema"), agent.schema_problems(replayed.schemas.get(step)));
        checks.add(&format!("agent.{step}.arguments"), agent.argument_problems());
        checks.add(&format!("agent.{step}.grounding"), agent.grounding_problems(&told(replayed, step)));
        checks.add(&format!("agent.{step}.limits"), agent.limit_problems());
        if let Some(expected) = expect.agents.get(step) {
            checks.add(&format!("agent.{step}.answer"), agent.answer_problems(expected));
        }
        leaks.extend(agent.leaks(&expect.confidential));
        leaks.extend(agent.leaks(&replayed.confidential));
    }
    for step in expect.agents.keys().filter(|step| !agents.contains_key(*step)) {
        checks.add(&format!("agent.{step}.answer"), vec!["the step was not reached".to_owned()]);
    }
    let leaked = leaks.len();
    if !agents.is_empty() {
        checks.add("leaks", leaks);
    }
    leaked
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

fn never_problems(replayed: &Replayed, expect: &Expect) -> Vec<String> {
    let forbidden = replayed.calls.iter().filter(|call| expect.never.contains(&call.tool));
    forbidden.map(|call| format!("{} was called by `{}`", call.tool, call.step)).collect()
}

fn uncalled(replayed: &Replayed, expect: &Expect) -> Vec<String> {
    let called = |tool: &ToolName| replayed.calls.iter().any(|call| call.tool == *tool);
    expect
        .must_call
        .iter()
        .filter(|tool| !called(tool))
        .map(|tool| format!("{tool} was not called"))
        .collect()
}

fn budget_problems(agents: &BTreeMap<String, AgentRun>, budget: &Budget) -> Vec<String> {
    let turns: u32 = agents.values().map(|agent| agent.turns).sum();
    let calls: usize = agents.values().map(|agent| agent.tool_calls.len()).sum();
    let tokens: u64 = agents.values().map(|agent| agent.tokens).sum();
    let mut over = Vec::new();
    let mut limit = |name: &str, used: u64, most: Option<u64>| {
        over.extend(most.filter(|most| used > *most).map(|most| format!("{used} {name} of {most}")));
    };
    limit("turns", u64::from(turns), budget.turns.map(u64::from));
    limit("tool calls", calls as u64, budget.tool_calls.map(u64::from));
    limit("tokens", tokens, budget.tokens);
    over
}

fn regret_problems(regret: &Result<f64, String>, slack: f64) -> Vec<String> {
    match regret {
        Err(problem) => vec![problem.clone()],
        Ok(regret) if *regret > slack => {
            vec![format!("{regret:.2} worse than the baseline, {slack} allowed")]
        }
        Ok(_) => Vec::new(),
    }
}

/// Everything that the run was told or found out before a step was done, as text.
fn told(replayed: &Replayed, step: &str) -> String {
    let mut told = String::new();
    for record in &replayed.records {
        match &record.change {
            Change::RunStarted(start) => {
                told.push_str(&start.trigger.to_string());
                told.push_str(&start.inputs.to_string());
            }
            Change::Done { .. } if record.path.as_ref().is_some_and(|path| path.to_string() == step) => break,
            Change::Done { output } => told.push_str(&output.to_string()),
            _ => {}
        }
    }
    told
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

fn metrics(replayed: &Replayed, agents: &BTreeMap<String, AgentRun>) -> Metrics {
    let times = replayed.records.first().zip(replayed.records.last());
    let seconds = times.map_or(0.0, |(first, last)| (last.at - first.at).as_seconds_f64());
    Metrics {
        minutes: (seconds / 6.0).round() / 10.0,
        tool_calls: replayed.calls.len(),
        model_calls: agents.values().map(|agent| agent.model_calls).sum(),
        tokens: agents.values().map(|agent| agent.tokens).sum(),
        rejections: agents
            .values()
            .map(|agent| u32::try_from(agent.rejected.len()).unwrap_or(u32::MAX))
            .sum(),
        fallbacks: agents.values().filter(|agent| agent.source == Some(Source::Rules)).count(),
        leaks: 0,
        cost_usd: agents.values().map(|agent| agent.cost_usd).sum(),
        regret: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests;
