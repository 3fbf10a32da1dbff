//! Does what `turns` decides: writes entries, asks models, calls tools.

use super::endpoints::{Admission, Endpoints, Told, Wanted};
use super::ledger::{Entry, Hold, Ledger, LedgerClosed, Offered};
use super::model::{Model, ModelError, ModelErrorClass, ModelProfile, ModelReply};
use super::onlookers::{Onlookers, Screen};
use super::prompt;
use super::session::{OpenCall, Session};
use super::task::{Answer, Clock, Task};
use super::text::{storable, storable_text, too_deep};
use super::trace::{self, Spans};
use super::turns::{Action, Ask};
use crate::tool::{Call, Effect, Registry, ToolError, ToolErrorKind};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tracing::Instrument as _;

/// What an agent step stands in.
pub struct Around<'a> {
    /// In order of preference.
    pub models: &'a [Arc<dyn Model>],
    pub tools: &'a Registry,
    pub ledger: &'a dyn Ledger,
    pub clock: &'a dyn Clock,
    pub endpoints: &'a dyn Endpoints,
    pub onlookers: &'a dyn Onlookers,
    pub spans: Spans,
}

/// How far a step came.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    Answered(Box<Answer>),
    /// Nothing is to be done before this time: run it again then, with the entries there are by now.
    Waiting {
        until: DateTime<Utc>,
    },
}

/// Runs an agent step to its answer, or until it has to wait. `past` are the entries there are already: what
/// they hold is never asked or called again, except one request whose answer was not written down.
///
/// Always ends with an answer: when no model gives one, it is the task's fallback.
///
/// # Errors
/// Only when the ledger refuses an entry, because the run belongs to another worker now.
pub async fn run(task: &Task, past: &[Entry], around: &Around<'_>) -> Result<Progress, LedgerClosed> {
    let profiles: Vec<ModelProfile> = around.models.iter().map(|model| model.profile().clone()).collect();
    let mut session = Session::new(task);
    for entry in past {
        session.apply(entry);
    }
    match session.next(around.clock.now(), around.tools, &profiles) {
        Action::Done(answer) => Ok(Progress::Answered(Box::new(answer))),
        Action::Wait(until) => Ok(Progress::Waiting { until }),
        action => {
            let span = trace::agent(task, around.spans);
            let progress =
                go_on(task, &mut session, action, &profiles, around).instrument(span.clone()).await?;
            trace::agent_ended(&span, &progress);
            Ok(progress)
        }
    }
}

/// Does one action after the other, until there is an answer or nothing to be done for a while.
async fn go_on(
    task: &Task,
    session: &mut Session<'_>,
    mut action: Action,
    profiles: &[ModelProfile],
    around: &Around<'_>,
) -> Result<Progress, LedgerClosed> {
    loop {
        match action {
            Action::Done(answer) => return Ok(Progress::Answered(Box::new(answer))),
            Action::Wait(until) => return Ok(Progress::Waiting { until }),
            Action::Record(entry) => {
                keep(session, around.ledger, entry.clone()).await?;
                trace::judged(&entry, around.spans);
            }
            Action::Ask { ask, has_turn, timeout } => {
                ask_once(task, session, &ask, has_turn, timeout, around).await?;
            }
            Action::Use { entry, call, timeout } => {
                if let Some(entry) = entry {
                    keep(session, around.ledger, entry).await?;
                }
                let offered = &session.tools[call.offered];
                let span = trace::tool(&offered.tool, call.key, around.spans);
                let used = use_tool(task, around, offered, &call, timeout).instrument(span.clone()).await;
                trace::tool_ended(&span, &used);
                keep(session, around.ledger, used).await?;
            }
        }
        action = session.next(around.clock.now(), around.tools, profiles);
    }
}

async fn keep(session: &mut Session<'_>, ledger: &dyn Ledger, entry: Entry) -> Result<(), LedgerClosed> {
    ledger.append(entry.clone()).await?;
    session.apply(&entry);
    Ok(())
}

/// One attempt: the endpoint has room, the request is written down, sent, and its answer written down.
async fn ask_once(
    task: &Task,
    session: &mut Session<'_>,
    ask: &Ask,
    has_turn: bool,
    timeout: Duration,
    around: &Around<'_>,
) -> Result<(), LedgerClosed> {
    let profile = session.models[ask.model].clone();
    let clock = around.clock;
    let tokens = ask.reserve.input_tokens.saturating_add(ask.reserve.output_tokens);
    let wanted = Wanted { endpoint: &profile.endpoint, tokens, has_turn };
    let admitted = around.endpoints.admit(&wanted, clock.now());
    let permit = match tokio::time::timeout(session.time_left(clock.now()), admitted).await {
        Ok(Admission::Go(permit)) => permit,
        Ok(Admission::Later { until, by }) => {
            return keep(session, around.ledger, ask.held(clock.now(), until, by)).await;
        }
        // Its turn did not come in the time there was.
        Err(_) => {
            let held = ask.held(clock.now(), session.deadline, Hold::Paced);
            return keep(session, around.ledger, held).await;
        }
    };
    keep(session, around.ledger, ask.entry(clock.now())).await?;
    let provider = configured(around.models, &profile).and_then(|model| model.provider());
    let span = trace::chat(task, &profile, provider.as_ref(), ask, around.spans);
    let screen = around.onlookers.screen(task.run, &task.step);
    let result = send(around.models, &profile, &ask.request, timeout, screen).instrument(span.clone()).await;
    let (told, unused) = (told(&result), unused(&result, tokens));
    let entry = answered(result, (ask.turn, ask.attempt), clock.now());
    trace::chat_ended(&span, &entry, around.spans);
    let kept = keep(session, around.ledger, entry).await;
    around.endpoints.tell(&profile.endpoint, told, unused, clock.now()).await;
    // Its place is free only when the next one knows what came of it.
    drop(permit);
    kept
}

fn told(result: &Result<ModelReply, ModelError>) -> Told {
    match result {
        Ok(reply) => match reply.body.read().failure() {
            None => Told::Answered { pause: reply.pause },
            Some((class, _)) => Told::Failed { class, retry_after: None },
        },
        Err(error) => Told::Failed { class: error.class, retry_after: error.retry_after },
    }
}

/// Of what was wanted, if the endpoint says what it took.
fn unused(result: &Result<ModelReply, ModelError>, wanted: u64) -> u64 {
    let usage = result.as_ref().ok().and_then(|reply| reply.body.read().usage);
    usage.map_or(0, |usage| wanted.saturating_sub(usage.total()))
}

/// The endpoint is looked up by name: a resumed step keeps the models it began with.
fn configured<'a>(models: &'a [Arc<dyn Model>], profile: &ModelProfile) -> Option<&'a Arc<dyn Model>> {
    let same =
        |m: &&Arc<dyn Model>| m.profile().endpoint == profile.endpoint && m.profile().model == profile.model;
    models.iter().find(same)
}

async fn send(
    models: &[Arc<dyn Model>],
    profile: &ModelProfile,
    request: &Value,
    timeout: Duration,
    screen: Option<Arc<dyn Screen>>,
) -> Result<ModelReply, ModelError> {
    let Some(model) = configured(models, profile) else {
        let message = format!("model endpoint `{}` is no longer configured", profile.endpoint);
        return Err(ModelError {
            class: ModelErrorClass::NotFound,
            status: None,
            retry_after: None,
            message,
        });
    };
    let answer = match screen {
        None => model.complete(request, timeout),
        Some(screen) => model.complete_shown(request, timeout, screen),
    };
    match tokio::time::timeout(timeout, answer).await {
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
            headers: reply.headers,
            body: reply.body,
            ms: reply.ms,
        },
        Err(error) => Entry::Failed {
            at,
            turn,
            attempt,
            class: error.class,
            status: error.status,
            retry_after_ms: error.retry_after.map(millis),
            message: storable_text(&error.message),
        },
    }
}

async fn use_tool(
    task: &Task,
    around: &Around<'_>,
    offered: &Offered,
    call: &OpenCall,
    timeout: Duration,
) -> Entry {
    let started = around.clock.now();
    let result = call_tool(task, around.tools, offered, call, timeout, started).await;
    let ms = (around.clock.now() - started).to_std().map_or(0, millis);
    match result {
        Ok(output) => Entry::ToolDone { call_key: call.key, output, ms },
        Err((class, error)) => Entry::ToolFailed {
            call_key: call.key,
            class,
            message: storable_text(&error.message),
            detail: error.detail.map(|detail| storable_text(&detail)),
            ms,
        },
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
    let retired = |why: &str| {
        let message = format!("{} version {} {why}", offered.tool, offered.version);
        ("retired".to_owned(), ToolError::new(ToolErrorKind::Permanent, message))
    };
    let gone = || retired("is no longer installed");
    let tool = tools.get(&offered.tool).ok_or_else(gone)?;
    if tool.spec().version != offered.version || tool.spec().effect == Effect::Write {
        return Err(gone());
    }
    if offered.spec_sha.as_ref().is_some_and(|sha| *sha != prompt::spec_sha(tool.spec())) {
        return Err(retired("is no longer what it was when this step began"));
    }
    let request = Call {
        run: task.run,
        step: task.step.clone(),
        attempt: 1,
        key: call.key.to_string(),
        timeout,
        now,
        trace: task.trace.clone(),
        // It only reads.
        lease: Arc::default(),
    };
    let output = match tokio::time::timeout(timeout, tool.call(&request, call.args.clone())).await {
        Ok(result) => result.map_err(|error| (error.class().to_owned(), error))?,
        Err(_) => {
            let message = format!("{} gave no answer within {} s", offered.tool, timeout.as_secs());
            return Err(("timeout".to_owned(), ToolError::new(ToolErrorKind::Transient, message)));
        }
    };
    let output = storable(output);
    if let Some(why) = too_deep(&output) {
        let message = format!("the result of {} cannot be kept: {why}", offered.tool);
        return Err(("too_large".to_owned(), ToolError::new(ToolErrorKind::TooLarge, message)));
    }
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
