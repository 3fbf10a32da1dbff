//! `call`: one typed tool, and for a write the checks that stand before it.

use super::{
    approval, audited,
    earlier::{self, Earlier, NOT_WRITTEN},
    notify,
    rules::{Until, Verdicts},
    shadow,
};
use crate::{
    engine::{Execute, Outcome, StepContext, StepError, crash_point},
    run::{Failure, Leaf, STOPPED, Sent, Task, digest_of},
    telemetry::{
        metrics,
        trace::{self, Kind},
    },
    tool::{Call, Effect, Registry, Tool, ToolError, ToolErrorKind},
    workflow::{Autonomy, CallStep},
};
use async_trait::async_trait;
use serde_json::Value;
use std::{sync::Arc, time::Instant};
use tracing::Instrument;

pub struct CallExecutor {
    pub tools: Registry,
}

#[async_trait]
impl Execute for CallExecutor {
    async fn execute(&self, task: &Task, context: &StepContext) -> Outcome {
        let Leaf::Call(step) = &task.leaf else {
            return Outcome::fail("unsupported", "not a call");
        };
        match self.call(step, task, context).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Fail(error),
        }
    }

    fn runs_ahead(&self, task: &Task) -> bool {
        let Leaf::Call(step) = &task.leaf else { return false };
        self.tools.get(&step.tool).is_some_and(|tool| tool.spec().effect != Effect::Write)
    }
}

fn failure(class: &str, message: impl Into<String>) -> StepError {
    Failure::new(class, message).into()
}

impl CallExecutor {
    async fn call(&self, step: &CallStep, task: &Task, context: &StepContext) -> Result<Outcome, StepError> {
        let tool = self
            .tools
            .get(&step.tool)
            .ok_or_else(|| failure("not_found", format!("there is no tool `{}`", step.tool)))?;
        let is_rehearsal = context.definition.workflow.autonomy == Autonomy::Shadow;
        if task.only_settles
            && (tool.spec().effect != Effect::Write || is_rehearsal || notify::is_notification(&step.tool))
        {
            return Err(failure(STOPPED, "the run was stopped before it was done"));
        }
        let input = step.with.eval(&context.scope).map_err(|error| {
            // Where it was written cannot be told any more, nor therefore what became of it.
            failure(if task.only_settles { "needs_person" } else { "expression" }, error.to_string())
        })?;
        if notify::is_notification(&step.tool) {
            return notify::send(&input, context).map_err(|e| failure("expression", e));
        }
        if tool.spec().effect == Effect::Write && is_rehearsal {
            return shadow::rehearse(step, tool.spec(), input, &self.tools, context)
                .await
                .map_err(StepError::from);
        }
        let result = self.perform(step, tool, &input, task, context).await;
        audited::with_record(result, tool.spec(), &input, context)
    }

    /// Asks whether it may, looks whether it was done before, and does it.
    async fn perform(
        &self,
        step: &CallStep,
        tool: &Arc<dyn Tool>,
        input: &Value,
        task: &Task,
        context: &StepContext,
    ) -> Result<Outcome, StepError> {
        let span = trace::span(Kind::Client, &format!("call {}", step.tool), None);
        let call = Call {
            run: context.run.0,
            step: context.path.to_string(),
            attempt: task.attempt,
            key: context.key(),
            timeout: task.timeout.unwrap_or(tool.spec().timeout),
            now: context.now,
            trace: trace::traceparent(&span).or_else(|| context.start.trace.clone()),
            lease: context.lease.clone(),
        };
        if task.only_settles {
            return earlier::settle(tool.as_ref(), &call, input, context).await;
        }
        if tool.spec().effect == Effect::Write {
            is_the_same(tool.as_ref(), context, input)?;
        }
        // What is there already is there, whatever the rules would say to it now.
        let before = match earlier::look_up(tool.as_ref(), &call, input, context).await? {
            Earlier::Done(output) => return Ok(Outcome::done(output)),
            Earlier::Awaited(wait) => return Ok(wait),
            before => before,
        };
        earlier::leave_in_doubt(tool.as_ref(), context).await?;
        if tool.spec().effect == Effect::Write {
            let permitted = self.permit(step, tool.as_ref(), input, context).await;
            permitted.map_err(|refused| earlier::told_of(refused, &before, &step.tool))?;
        }
        crash_point("before_call");
        let begun = Instant::now();
        let called = with_timeout(tool, &call, input.clone()).instrument(span).await;
        let outcome = called.as_ref().map_or_else(ToolError::class, |_| "ok");
        metrics::tool_called(step.tool.as_str(), outcome, begun.elapsed());
        let output = called?;
        crash_point("after_call");
        Ok(Outcome::done(output))
    }

    /// What must hold before anything is written: somebody answered for it, and every rule holds now.
    async fn permit(
        &self,
        step: &CallStep,
        tool: &dyn Tool,
        input: &Value,
        context: &StepContext,
    ) -> Result<(), StepError> {
        if needs_approval(tool, context) {
            approval::of(context).map_err(|refused| failure("not_approved", refused.sentence(&step.tool)))?;
        }
        let verdicts = Verdicts::of(step, input, &self.tools, context, Until::FirstRefusal)
            .await
            .map_err(StepError::from)?;
        let approved_at = context.approval.as_ref().map(|approval| &approval.gate);
        let Some(note) = verdicts.note(approved_at, sent(tool, context, input)) else { return Ok(()) };
        // Journaled before the step goes on or fails, so that the run shows which rule spoke.
        let noted = context.note(note).await;
        match verdicts.refusal() {
            Some(because) => Err(failure("rule", format!("{NOT_WRITTEN}{because}"))),
            None if noted.is_none() => Err(failure("lost", "the run belongs to another worker")),
            None => Ok(()),
        }
    }
}

/// An undo takes back what was approved, and needs no approval of its own.
fn needs_approval(tool: &dyn Tool, context: &StepContext) -> bool {
    tool.spec().ungated.is_none() && context.path.leaf() != "undo"
}

/// What goes out because somebody approved it.
fn sent(tool: &dyn Tool, context: &StepContext, input: &Value) -> Option<Sent> {
    let approval = context.approval.as_ref().filter(|_| needs_approval(tool, context))?;
    Some(Sent { gate: approval.gate.clone(), round: approval.round, digest: digest_of(input) })
}

/// Asked anew, somebody may have approved something else than what was sent under this key, and that may stand.
fn is_the_same(tool: &dyn Tool, context: &StepContext, input: &Value) -> Result<(), StepError> {
    let (Some(before), Some(now)) = (&context.sent, sent(tool, context, input)) else { return Ok(()) };
    let is_asked_anew = (&before.gate, before.round) != (&now.gate, now.round);
    if is_asked_anew && before.digest != now.digest {
        return Err(failure(
            "not_approved",
            format!(
                "{NOT_WRITTEN}what was approved at `{}` differs from what this step has sent before, and that may stand: put it right in the \
                 other system, and start a new run",
                now.gate
            ),
        ));
    }
    Ok(())
}

async fn with_timeout(tool: &Arc<dyn Tool>, call: &Call, input: Value) -> Result<Value, ToolError> {
    match tokio::time::timeout(call.timeout, tool.call(call, input)).await {
        Ok(result) => result,
        Err(_) => {
            let kind = if tool.spec().effect == Effect::Write {
                ToolErrorKind::OutcomeUnknown
            } else {
                ToolErrorKind::Transient
            };
            let seconds = call.timeout.as_secs();
            Err(ToolError::new(kind, format!("`{}` gave no answer within {seconds} s", tool.spec().name)))
        }
    }
}
