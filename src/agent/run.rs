//! Does what `turns` decides: writes entries, asks models, calls tools.

use super::ledger::{Entry, Ledger, LedgerClosed, Offered};
use super::model::{Model, ModelError, ModelErrorClass, ModelProfile, ModelReply};
use super::session::{OpenCall, Session};
use super::task::{Answer, Clock, Task};
use super::turns::Action;
use crate::tool::{Call, Effect, Registry, ToolError, ToolErrorKind};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tracing::Instrument as _;

/// Runs an agent step to its answer. `past` are the entries of an earlier, interrupted attempt: what
/// they hold is never asked or called again, except one request whose answer was not written down.
///
/// Always ends with an answer: when no model gives one, it is the task's fallback.
///
/// # Errors
/// Only when the ledger refuses an entry, because the run belongs to another worker now.
pub async fn run(
    task: &Task,
    models: &[Arc<dyn Model>],
    tools: &Registry,
    past: &[Entry],
    ledger: &dyn Ledger,
    clock: &dyn Clock,
) -> Result<Answer, LedgerClosed> {
    let profiles: Vec<ModelProfile> = models.iter().map(|model| model.profile().clone()).collect();
    let mut session = Session::new(task);
    for entry in past {
        session.apply(entry);
    }
    loop {
        match session.next(clock.now(), tools, &profiles) {
            Action::Done(answer) => return Ok(answer),
            Action::Wait(duration) => {
                clock.sleep(duration).await;
                session.waited();
            }
            Action::Record(entry) => keep(&mut session, ledger, entry).await?,
            Action::Ask { entry, model, request, timeout } => {
                let profile = session.models[model].clone();
                let turn = match &entry {
                    Entry::Requested { turn, attempt, .. } => (*turn, *attempt),
                    _ => (0, 0),
                };
                keep(&mut session, ledger, entry).await?;
                let span = tracing::info_span!(
                    "chat",
                    gen_ai.operation.name = "chat",
                    gen_ai.request.model = profile.model,
                    gen_ai.agent.name = task.step,
                    turn = turn.0,
                );
                let result = ask(models, &profile, &request, timeout).instrument(span).await;
                keep(&mut session, ledger, answered(result, turn, clock.now())).await?;
            }
            Action::Use { entry, call, timeout } => {
                if let Some(entry) = entry {
                    keep(&mut session, ledger, entry).await?;
                }
                let offered = &session.tools[call.offered];
                let entry = use_tool(task, tools, offered, &call, timeout, clock).await;
                keep(&mut session, ledger, entry).await?;
            }
        }
    }
}

async fn keep(session: &mut Session<'_>, ledger: &dyn Ledger, entry: Entry) -> Result<(), LedgerClosed> {
    ledger.append(entry.clone()).await?;
    session.apply(&entry);
    Ok(())
}

/// The endpoint is looked up by name: a resumed step keeps the models it began with.
async fn ask(
    models: &[Arc<dyn Model>],
    profile: &ModelProfile,
    request: &Value,
    timeout: Duration,
) -> Result<ModelReply, ModelError> {
    let same =
        |m: &&Arc<dyn Model>| m.profile().endpoint == profile.endpoint && m.profile().model == profile.model;
    let Some(model) = models.iter().find(same) else {
        let message = format!("model endpoint `{}` is no longer configured", profile.endpoint);
        return Err(ModelError {
            class: ModelErrorClass::NotFound,
            status: None,
            retry_after: None,
            message,
        });
    };
    match tokio::time::timeout(timeout, model.complete(request, timeout)).await {
        Ok(result) => result,
        Err(_) => Err(ModelError {
            class: ModelErrorClass::Timeout,
            status: None,
            retry_after: None,
            message: format!("{} gave no answer within {} s", profile.endpoint, timeout.as_secs()),
        }),
    }
}

fn answered(result: Result<ModelReply, ModelError>, (turn, attempt): (u32, u32), at: DateTime<Utc>) -> Entry {
    match result {
        Ok(reply) => Entry::Responded {
            at,
            turn,
            attempt,
            status: reply.status,
            body: reply.body,
            usage: reply.usage,
            finish: reply.finish,
            model: reply.model,
            ms: reply.ms,
        },
        Err(error) => Entry::Failed {
            at,
            turn,
            attempt,
            class: error.class,
            status: error.status,
            retry_after_ms: error.retry_after.map(millis),
            message: error.message,
        },
    }
}

async fn use_tool(
    task: &Task,
    tools: &Registry,
    offered: &Offered,
    call: &OpenCall,
    timeout: Duration,
    clock: &dyn Clock,
) -> Entry {
    let started = clock.now();
    let result = call_tool(task, tools, offered, call, timeout, started).await;
    let ms = (clock.now() - started).to_std().map_or(0, millis);
    match result {
        Ok(output) => Entry::ToolDone { call_key: call.key, output, ms },
        Err((class, error)) => {
            Entry::ToolFailed { call_key: call.key, class, message: error.message, detail: error.detail, ms }
        }
    }
}

/// Makes a call that was permitted when the step began, if the tool still is what it was.
async fn call_tool(
    task: &Task,
    tools: &Registry,
    offered: &Offered,
    call: &OpenCall,
    timeout: Duration,
    now: DateTime<Utc>,
) -> Result<Value, (String, ToolError)> {
    let retired = || {
        let message = format!("{} version {} is no longer installed", offered.tool, offered.version);
        ("retired".to_owned(), ToolError::new(ToolErrorKind::Permanent, message))
    };
    let tool = tools.get(&offered.tool).ok_or_else(retired)?;
    if tool.spec().version != offered.version || tool.spec().effect == Effect::Write {
        return Err(retired());
    }
    let request = Call {
        run: task.run,
        step: task.step.clone(),
        attempt: 1,
        key: call.key.to_string(),
        timeout,
        now,
        trace: task.trace.clone(),
    };
    let output = match tokio::time::timeout(timeout, tool.call(&request, call.args.clone())).await {
        Ok(result) => result.map_err(|error| (error.class().to_owned(), error))?,
        Err(_) => {
            let message = format!("{} gave no answer within {} s", offered.tool, timeout.as_secs());
            return Err(("timeout".to_owned(), ToolError::new(ToolErrorKind::Transient, message)));
        }
    };
    let bytes = output.to_string().len();
    if bytes > offered.result_bytes_max {
        let message = format!(
            "the result of {} has {bytes} bytes, more than {}: ask for less",
            offered.tool, offered.result_bytes_max
        );
        return Err(("too_large".to_owned(), ToolError::new(ToolErrorKind::TooLarge, message)));
    }
    Ok(output)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
