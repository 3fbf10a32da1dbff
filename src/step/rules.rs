//! Business rules, read and checked on live data immediately before a write.

use crate::{
    engine::StepContext,
    expr::Scope,
    run::{Failure, Sent, StepPath},
    telemetry::trace,
    tool::{Call, Effect, Registry},
    workflow::{CallStep, Rule},
};
use serde_json::{Map, Value, json};

/// One verdict as it goes into the journal.
#[derive(Debug)]
struct Verdict {
    rule: String,
    version: u32,
    holds: bool,
    because: String,
    /// What the rule saw: the evidence for its verdict.
    reads: Map<String, Value>,
}

impl Verdict {
    fn to_json(&self) -> Value {
        json!({
            "rule": self.rule, "version": self.version, "holds": self.holds, "because": self.because,
            "reads": self.reads,
        })
    }
}

/// How far the rules of a write are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    FirstRefusal,
    End,
}

/// The rules of a write in the order the workflow names them.
pub(super) struct Verdicts(Vec<Verdict>);

impl Verdicts {
    pub(super) async fn of(
        step: &CallStep,
        write: &Value,
        tools: &Registry,
        context: &StepContext,
        until: Until,
    ) -> Result<Self, Failure> {
        Self::in_scope(step, write, &context.scope, tools, context, until).await
    }

    /// The same, as the rules would see it if these were the names of the run.
    pub(super) async fn in_scope(
        step: &CallStep,
        write: &Value,
        scope: &Scope,
        tools: &Registry,
        context: &StepContext,
        until: Until,
    ) -> Result<Self, Failure> {
        let mut verdicts = Vec::new();
        for name in &step.rules {
            let rule = context.definition.rules.get(name).ok_or_else(|| {
                Failure::new("rule", format!("rule `{name}` is not part of this workflow's definition"))
            })?;
            let verdict = check(rule, write, scope, tools, context).await?;
            let ends = !verdict.holds && until == Until::FirstRefusal;
            verdicts.push(verdict);
            if ends {
                break;
            }
        }
        Ok(Self(verdicts))
    }

    /// Why the write may not be made, as the first rule that does not hold says it.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.0.iter().find(|verdict| !verdict.holds).map(|verdict| verdict.because.as_str())
    }

    /// What goes into the journal; nothing where the write has no rules and nobody was asked about it.
    pub(super) fn note(&self, approved_at: Option<&StepPath>, sent: Option<Sent>) -> Option<Value> {
        if self.0.is_empty() && sent.is_none() {
            return None;
        }
        let verdicts: Vec<Value> = self.0.iter().map(Verdict::to_json).collect();
        let mut note = json!({ "approved_at": approved_at });
        if !verdicts.is_empty() {
            note["rules"] = Value::Array(verdicts);
        }
        if let Some(sent) = sent.filter(|_| self.refusal().is_none()) {
            note[Sent::NOTE] = json!(sent);
        }
        Some(note)
    }
}

/// Checks one rule against what is about to be written.
async fn check(
    rule: &Rule,
    write: &Value,
    names: &Scope,
    tools: &Registry,
    context: &StepContext,
) -> Result<Verdict, Failure> {
    let mut scope: Scope = names.clone();
    scope.insert("write".into(), write.clone());
    let mut reads = Map::new();
    for (name, tool_name, with) in &rule.reads {
        let failed = |message: String| {
            Failure::new("rule", format!("rule `{}` could not be checked: {message}", rule.id))
        };
        let tool = tools.get(tool_name).ok_or_else(|| failed(format!("there is no tool `{tool_name}`")))?;
        if tool.spec().effect != Effect::Read {
            return Err(failed(format!("`{tool_name}` is not a read tool")));
        }
        scope.insert("reads".into(), Value::Object(reads.clone()));
        let input = with.eval(&scope).map_err(|error| failed(error.to_string()))?;
        let call = Call {
            run: context.run.0,
            step: context.path.to_string(),
            attempt: context.attempt,
            key: format!("{}:{}:{name}", context.key(), rule.id),
            timeout: tool.spec().timeout,
            now: context.clock.now(),
            trace: trace::here().or_else(|| context.start.trace.clone()),
            lease: context.lease.clone(),
        };
        let answer = tokio::time::timeout(tool.spec().timeout, tool.call(&call, input)).await;
        // A rule that cannot be read is not a rule that holds: the write is tried again later, not let through.
        let output = answer
            .map_err(|_| {
                Failure::new("transient", format!("rule `{}`: `{tool_name}` did not answer", rule.id))
            })?
            .map_err(|error| Failure::new(error.class(), format!("rule `{}`: {}", rule.id, error.message)))?;
        reads.insert(name.clone(), output);
    }
    scope.insert("reads".into(), Value::Object(reads.clone()));
    let broken = |error: crate::expr::EvalError| Failure::new("rule", format!("rule `{}`: {error}", rule.id));
    let holds = rule.check.test(&scope).map_err(broken)?;
    let because = if holds {
        rule.title.clone()
    } else {
        match rule.because.eval(&scope).map_err(broken)? {
            Value::String(text) => text,
            other => other.to_string(),
        }
    };
    Ok(Verdict { rule: rule.id.clone(), version: rule.version, holds, because, reads })
}
