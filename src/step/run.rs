//! `run`: a child run of another workflow.

use super::approval;
use crate::{
    engine::{Definitions, Execute, Outcome, StepContext},
    run::{Intent, Leaf, NewRun, Parent, RunId, SignalKind, Task, Turn, inputs_from},
    telemetry::trace,
    workflow::Autonomy,
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

/// Outcomes of a child that are failures of the step that waits for it.
const FAILED: [&str; 2] = ["failed", "cancelled"];

pub struct RunExecutor {
    pub definitions: Arc<Definitions>,
}

#[async_trait]
impl Execute for RunExecutor {
    async fn execute(&self, task: &Task, context: &StepContext) -> Outcome {
        let Leaf::Run(step) = &task.leaf else {
            return Outcome::fail("unsupported", "not a run");
        };
        if let Some(ended) = context.signals.iter().find(|signal| signal.kind == SignalKind::Child) {
            return child_ended(&step.workflow, &ended.body);
        }
        let child = RunId::child_of(context.run, &context.identity());
        if context.resumed && !context.notes.is_empty() {
            return Outcome::Park { wake_at: None, note: None, intents: Vec::new() };
        }
        let Some(definition) = self.definitions.current(&step.workflow) else {
            return Outcome::fail("not_found", format!("there is no workflow `{}`", step.workflow));
        };
        let inputs = match step.with.eval(&context.scope) {
            Ok(inputs) => inputs,
            Err(error) => return Outcome::fail("expression", error.to_string()),
        };
        let inputs = match inputs_from(&definition.workflow, &inputs) {
            Ok(inputs) => inputs,
            Err(message) => return Outcome::fail("invalid", message),
        };
        let site = context.scope.get("site").unwrap_or(&Value::Null);
        let trigger = &context.start.trigger;
        let turn = match Turn::of(&definition.workflow, trigger, &inputs, site, context.now) {
            Ok(turn) => turn,
            Err(error) => return Outcome::fail("expression", error.to_string()),
        };
        let parent = (!step.detach).then(|| Parent { run: context.run, path: context.path.clone() });
        let start = Intent::StartRun(Box::new(NewRun {
            id: child,
            workflow: definition.workflow.id.clone(),
            title: definition.workflow.title.clone(),
            subject: context.start.trigger.get("subject").and_then(Value::as_str).map(str::to_owned),
            key: None,
            sha256: definition.sha256.clone(),
            trigger: context.start.trigger.clone(),
            inputs,
            parent,
            approved: approval::of(context).is_ok(),
            shadow: context.definition.workflow.autonomy == Autonomy::Shadow,
            started_by: context.start.started_by.clone(),
            event: None,
            trace: trace::here().or_else(|| context.start.trace.clone()),
            turn,
        }));
        if step.detach {
            return Outcome::Done { output: json!({ "run": child }), intents: vec![start] };
        }
        Outcome::Park { wake_at: None, note: Some(json!({ "child": child })), intents: vec![start] }
    }

    fn runs_ahead(&self, _task: &Task) -> bool {
        true
    }
}

fn child_ended(workflow: &str, body: &Value) -> Outcome {
    let outcome = body["outcome"].as_str().unwrap_or_default();
    if FAILED.contains(&outcome) {
        return Outcome::fail("child_failed", format!("`{workflow}` ended as {outcome}"));
    }
    let mut output = body["output"].clone();
    if let Some(fields) = output.as_object_mut() {
        fields.insert("outcome".into(), json!(outcome));
        fields.insert("run".into(), body["run"].clone());
    }
    Outcome::done(output)
}
