//! `agent`: hands the step to the agent loop and keeps its ledger in the run's journal.

use super::{
    confidential::{self, Seen},
    described,
};
use crate::{
    agent::{
        self, Around, Endpoints, Entry, Ledger, LedgerClosed, Limits, MaskKey, Model, Nobody, Onlookers,
        Progress, Spans, ToolClasses, Unlimited,
    },
    engine::{AGENT_CRASH_POINTS, Execute, Outcome, StepContext, crash_point},
    expr::Scope,
    run::{Leaf, Task},
    telemetry::trace,
    tool::{DataClass, Registry},
    workflow::{AgentStep, CurrentEvents},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// What agent steps of a site share.
#[derive(Clone)]
pub struct AgentSettings {
    /// In order of preference; none means that every agent step runs on its fallback.
    pub models: Vec<Arc<dyn Model>>,
    /// What is masked in free text, as `Site::known_words` gives it.
    pub known: Vec<(DataClass, String)>,
    /// What all workers know of the models' endpoints.
    pub endpoints: Arc<dyn Endpoints>,
    /// Who looks on while a model answers.
    pub onlookers: Arc<dyn Onlookers>,
    pub spans: Spans,
    /// What the site describes of its events: a model is shown nothing else of them.
    pub events: CurrentEvents,
    pub mask_keys: MaskKeys,
}

/// Where steps have the keys of their tokens from.
#[derive(Debug, Clone, Default)]
pub enum MaskKeys {
    /// One for all steps of a run.
    #[default]
    Random,
    /// A replay's: those that were recorded, by step, and for the others one that follows from the run.
    Fixed(Arc<BTreeMap<String, MaskKey>>),
}

impl MaskKeys {
    /// `masking` is what an agent step of the run began with before.
    fn of(&self, run: Uuid, step: &str, masking: Option<&Value>) -> MaskKey {
        let earlier = || -> Option<MaskKey> { serde_json::from_value(masking?.get("key")?.clone()).ok() };
        match self {
            Self::Random => earlier().unwrap_or_else(|| MaskKey::by_chance(run)),
            Self::Fixed(keys) => keys.get(step).copied().unwrap_or_else(|| MaskKey::of_run(run)),
        }
    }
}

impl Default for AgentSettings {
    /// No models, nobody who counts, and nobody who looks on.
    fn default() -> Self {
        Self {
            models: vec![],
            known: vec![],
            endpoints: Arc::new(Unlimited),
            onlookers: Arc::new(Nobody),
            spans: Spans::None,
            events: CurrentEvents::default(),
            mask_keys: MaskKeys::default(),
        }
    }
}

pub struct AgentExecutor {
    pub tools: Registry,
    pub settings: AgentSettings,
}

#[async_trait]
impl Execute for AgentExecutor {
    async fn execute(&self, task: &Task, context: &StepContext) -> Outcome {
        let Leaf::Agent(step) = &task.leaf else {
            return Outcome::fail("unsupported", "not an agent step");
        };
        let past: Result<Vec<Entry>, _> = context.notes.iter().cloned().map(serde_json::from_value).collect();
        let past = match past {
            Ok(past) => past,
            Err(error) => return Outcome::fail("unreadable", format!("the agent's ledger: {error}")),
        };
        let declared = past.iter().find_map(frozen).unwrap_or_else(|| confidential::declared(&self.tools));
        let asked = match self.asked(step, task, context, declared) {
            Ok(asked) => asked,
            Err(message) => return Outcome::fail("expression", message),
        };
        let (notes, clock) = (Notes(context), RunClock(context));
        let around = Around {
            models: &self.settings.models,
            tools: &self.tools,
            ledger: &notes,
            clock: &clock,
            endpoints: self.settings.endpoints.as_ref(),
            onlookers: self.settings.onlookers.as_ref(),
            spans: self.settings.spans,
        };
        let answer = match agent::run(&asked, &past, &around).await {
            Ok(Progress::Answered(answer)) => answer,
            Ok(Progress::Waiting { until }) => {
                return Outcome::Park { wake_at: Some(until), note: None, intents: Vec::new() };
            }
            Err(LedgerClosed) => return Outcome::Lost,
        };
        let mut output = answer.output.clone();
        if let Some(fields) = output.as_object_mut() {
            fields.insert("source".into(), json!(answer.source));
            fields.insert("model".into(), json!(answer.model));
            fields.insert("authored".into(), json!(answer.authored));
            fields.insert("used_fallback".into(), json!(answer.why_fallback.is_some()));
            fields.insert("why_fallback".into(), json!(answer.why_fallback));
        }
        Outcome::done(output)
    }
}

impl AgentExecutor {
    fn asked(
        &self,
        step: &AgentStep,
        task: &Task,
        context: &StepContext,
        declared: ToolClasses,
    ) -> Result<agent::Task, String> {
        let scope = &context.scope;
        let fallback = step.fallback.eval(scope).map_err(|error| error.to_string())?;
        let workflow = &context.definition.workflow;
        let shown = described::shown(&self.settings.events, workflow, scope);
        let input = step.with.eval(&shown).map_err(|error| error.to_string())?;
        let instructions = context
            .definition
            .render(&step.prompt, &Value::Object(shown))
            .map_err(|error| error.to_string())?;
        let output = context.definition.schemas.get(&step.output);
        let output = output.ok_or_else(|| format!("there is no schema `{}`", step.output))?.clone();
        let seen = Seen::of(&declared, workflow, scope, &self.settings.events);
        Ok(agent::Task {
            run: context.run.0,
            step: task.path.to_string(),
            instructions,
            input,
            tools: step.tools.clone(),
            output,
            limits: Limits {
                turns: step.limits.turns,
                time: step.limits.time,
                tokens: step.limits.tokens,
                tool_calls: step.limits.tool_calls,
                cost_usd: step.limits.cost_usd,
                repairs: step.limits.repairs,
                same_call: step.limits.same_call,
                retries: step.limits.retries,
                call_time: step.limits.llm_call.unwrap_or(step.limits.time),
                answer_tokens: step.limits.answer_tokens,
            },
            mask: step.mask.clone(),
            classes: agent::strictest(&declared),
            public: seen.public(),
            declared,
            known: self.settings.known.iter().cloned().chain(seen.confidential).collect(),
            mask_key: self.settings.mask_keys.of(
                context.run.0,
                &task.path.to_string(),
                context.masking.as_ref(),
            ),
            check: check(step, (**scope).clone()),
            fallback,
            trace: trace::here().or_else(|| context.start.trace.clone()),
        })
    }
}

/// What the tools said of their fields when the step began.
fn frozen(entry: &Entry) -> Option<ToolClasses> {
    match entry {
        Entry::Started { masking, .. } => masking.as_ref().map(|masking| masking.classes.clone()),
        _ => None,
    }
}

fn check(step: &AgentStep, scope: Scope) -> agent::Check {
    let checks = step.check.clone();
    Arc::new(move |output: &Value| {
        let mut scope = scope.clone();
        scope.insert("output".into(), output.clone());
        for check in &checks {
            match check.test(&scope) {
                Ok(true) => {}
                Ok(false) => return Err(format!("this must hold, and does not: {}", check.source())),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    })
}

struct Notes<'a>(&'a StepContext);

#[async_trait]
impl Ledger for Notes<'_> {
    async fn append(&self, entry: Entry) -> Result<(), LedgerClosed> {
        let (before, after) = boundary(entry.kind());
        let note = serde_json::to_value(entry).map_err(|_| LedgerClosed)?;
        crash_point(before);
        let kept = self.0.note(note).await.ok_or(LedgerClosed);
        crash_point(after);
        kept
    }
}

struct RunClock<'a>(&'a StepContext);

impl agent::Clock for RunClock<'_> {
    fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }
}

/// Where a test kills the process: just before and just after an entry is durable.
fn boundary(kind: &str) -> (&'static str, &'static str) {
    let names = AGENT_CRASH_POINTS.chunks_exact(2).map(|pair| (pair[0], pair[1]));
    let found =
        |(before, _): &(&'static str, &'static str)| before.strip_prefix("before_agent_") == Some(kind);
    names.into_iter().find(found).unwrap_or(("before_commit", "after_commit"))
}

#[cfg(test)]
mod tests;
