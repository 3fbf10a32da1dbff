//! `wait`: for an event, a while or a time.

use crate::{
    engine::{Execute, Outcome, StepContext},
    run::{Intent, Leaf, SignalKind, Task},
    workflow::{WaitFor, WaitStep},
};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

pub struct WaitExecutor;

#[async_trait]
impl Execute for WaitExecutor {
    async fn execute(&self, task: &Task, context: &StepContext) -> Outcome {
        let Leaf::Wait(step) = &task.leaf else {
            return Outcome::fail("unsupported", "not a wait");
        };
        match &step.until {
            WaitFor::Event { event, condition } => wait_for_event(step, event, condition.as_ref(), context),
            WaitFor::Duration(pause) => until(context.now + *pause, context),
            WaitFor::Until(time) => match time.eval(&context.scope) {
                Ok(Value::String(at)) => match at.parse::<DateTime<Utc>>() {
                    Ok(at) => until(at, context),
                    Err(_) => Outcome::fail("expression", format!("`until` gave `{at}`, which is no time")),
                },
                Ok(other) => Outcome::fail("expression", format!("`until` gave {other}, which is no time")),
                Err(error) => Outcome::fail("expression", error.to_string()),
            },
        }
    }
}

fn until(at: DateTime<Utc>, context: &StepContext) -> Outcome {
    if context.clock.now() >= at {
        return Outcome::done(json!({ "timed_out": false }));
    }
    Outcome::Park { wake_at: Some(at), note: None, intents: Vec::new() }
}

fn wait_for_event(
    step: &WaitStep,
    event: &str,
    condition: Option<&crate::expr::Expr>,
    context: &StepContext,
) -> Outcome {
    let path = context.path.clone();
    for signal in context.signals.iter().filter(|signal| signal.kind == SignalKind::Event) {
        let mut scope = (*context.scope).clone();
        scope.insert("event".into(), signal.body.clone());
        match condition.map_or(Ok(true), |condition| condition.test(&scope)) {
            Ok(true) => {
                let mut output = signal.body.clone();
                if let Some(fields) = output.as_object_mut() {
                    fields.insert("timed_out".into(), Value::Bool(false));
                }
                return Outcome::Done { output, intents: vec![Intent::Unsubscribe { path }] };
            }
            Ok(false) => {}
            // An event that does not fit the condition (a field is missing) is not the one waited for.
            Err(error) => {
                tracing::info!(run.id = %context.run, step = %context.path, %error, "an event did not fit");
            }
        }
    }
    let deadline =
        step.timeout.and_then(|timeout| TimeDelta::from_std(timeout).ok()).map(|t| context.now + t);
    if deadline.is_some_and(|deadline| deadline <= context.clock.now()) {
        let output = json!({ "timed_out": true });
        return Outcome::Done { output, intents: vec![Intent::Unsubscribe { path }] };
    }
    Outcome::Park {
        wake_at: deadline,
        note: None,
        intents: vec![Intent::Subscribe { path, event: event.to_owned() }],
    }
}
