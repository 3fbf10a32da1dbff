//! Spans of what a step newly does: one for the step in this worker's hands, and in it one for each model call and each
//! tool call, named as OpenTelemetry's conventions for generative AI have them. A step that goes on from its journal,
//! and a replay, leave none for what they only read. What was said is part of a span only where that was asked for.

use super::ledger::Entry;
use super::model::{ModelErrorClass, ModelProfile};
use super::run::Progress;
use super::task::Task;
use super::turns::Ask;
use crate::tool::ToolName;
use serde_json::json;
use tracing::{Span, field::Empty};
use uuid::Uuid;

/// How much of a conversation its spans tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spans {
    /// Nothing is newly done: a replay, a test.
    #[default]
    None,
    /// Names, numbers and outcomes.
    Plain,
    /// What was sent and answered, too, masked as it went out.
    Content,
}

/// Around what one worker does of the step: a step that waited, or whose worker died, has one for each stretch.
pub(super) fn agent(task: &Task, spans: Spans) -> Span {
    if spans == Spans::None {
        return Span::none();
    }
    tracing::info_span!(
        target: "trace",
        "takt",
        otel.name = format!("invoke_agent {}", task.step),
        otel.kind = "internal",
        gen_ai.operation.name = "invoke_agent",
        gen_ai.agent.name = task.step,
        gen_ai.conversation.id = %task.run,
        takt.source = Empty,
        error.type = Empty,
    )
}

pub(super) fn agent_ended(span: &Span, progress: &Progress) {
    let Progress::Answered(answer) = progress else { return };
    span.record("takt.source", json!(answer.source).as_str());
    if let Some(why) = &answer.why_fallback {
        span.record("error.type", json!(why.reason).as_str());
    }
}

pub(super) fn chat(task: &Task, profile: &ModelProfile, ask: &Ask, spans: Spans) -> Span {
    if spans == Spans::None {
        return Span::none();
    }
    let span = tracing::info_span!(
        target: "trace",
        "takt",
        otel.name = format!("chat {}", profile.model),
        otel.kind = "client",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = profile.endpoint,
        gen_ai.request.model = profile.model,
        gen_ai.request.max_tokens = ask.reserve.output_tokens,
        gen_ai.agent.name = task.step,
        gen_ai.conversation.id = %task.run,
        takt.turn = ask.turn,
        takt.attempt = ask.attempt,
        gen_ai.input.messages = Empty,
        gen_ai.output.messages = Empty,
        gen_ai.response.id = Empty,
        gen_ai.response.model = Empty,
        gen_ai.response.finish_reasons = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        http.response.status_code = Empty,
        error.type = Empty,
    );
    if spans == Spans::Content {
        span.record("gen_ai.input.messages", ask.request["messages"].to_string());
    }
    span
}

pub(super) fn chat_ended(span: &Span, entry: &Entry, spans: Spans) {
    if span.is_disabled() {
        return;
    }
    match entry {
        Entry::Responded { status, body, .. } => {
            let read = body.read();
            span.record("http.response.status_code", status);
            if let Some((class, _)) = read.failure() {
                span.record("error.type", class.word());
                return;
            }
            let text = |pointer: &str| read.json.pointer(pointer).and_then(|value| value.as_str());
            let known = [
                ("gen_ai.response.id", text("/id")),
                ("gen_ai.response.model", text("/model")),
                ("gen_ai.response.finish_reasons", text("/choices/0/finish_reason")),
            ];
            for (name, value) in known {
                if let Some(value) = value {
                    span.record(name, value);
                }
            }
            if let Some(usage) = read.usage {
                span.record("gen_ai.usage.input_tokens", usage.input_tokens);
                span.record("gen_ai.usage.output_tokens", usage.output_tokens);
            }
            if spans == Spans::Content
                && let Some(message) = read.json.pointer("/choices/0/message")
            {
                span.record("gen_ai.output.messages", message.to_string());
            }
        }
        Entry::Failed { class, status, .. } => failed(span, *class, *status),
        _ => {}
    }
}

fn failed(span: &Span, class: ModelErrorClass, status: Option<u16>) {
    span.record("error.type", class.word());
    if let Some(status) = status {
        span.record("http.response.status_code", status);
    }
}

pub(super) fn tool(tool: &ToolName, key: Uuid, spans: Spans) -> Span {
    if spans == Spans::None {
        return Span::none();
    }
    tracing::info_span!(
        target: "trace",
        "takt",
        otel.name = format!("execute_tool {tool}"),
        otel.kind = "internal",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = %tool,
        gen_ai.tool.call.id = %key,
        error.type = Empty,
    )
}

pub(super) fn tool_ended(span: &Span, entry: &Entry) {
    if let Entry::ToolFailed { class, .. } = entry {
        span.record("error.type", class.as_str());
    }
}
