//! Spans of what a step newly does: one for the step in this worker's hands, and in it one for each model call and each
//! tool call, named as OpenTelemetry's conventions for generative AI have them. A step that goes on from its journal,
//! and a replay, leave none for what they only read. What was said is part of a span only where that was asked for.

use super::ledger::{Entry, Source};
use super::model::{ModelErrorClass, ModelProfile, Provider};
use super::run::Progress;
use super::said;
use super::task::Task;
use super::turns::Ask;
use crate::tool::ToolName;
use opentelemetry::{Array, StringValue};
use serde_json::{Value, json};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use uuid::Uuid;

/// What an answer may report of its tokens, and where.
const USAGE: [(&str, &str); 4] = [
    ("gen_ai.usage.input_tokens", "/usage/prompt_tokens"),
    ("gen_ai.usage.output_tokens", "/usage/completion_tokens"),
    ("gen_ai.usage.cache_read.input_tokens", "/usage/prompt_tokens_details/cached_tokens"),
    ("gen_ai.usage.reasoning.output_tokens", "/usage/completion_tokens_details/reasoning_tokens"),
];

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

/// What came of an answer's examination, told once it is written down: whether it was accepted, and what was wrong with
/// it, not what stands in it.
pub(super) fn judged(entry: &Entry, spans: Spans) {
    if spans == Spans::None {
        return;
    }
    let (label, score, why) = match entry {
        Entry::Rejected { rejection, .. } if rejection.index.is_none() => {
            ("fail", 0.0, json!(rejection.kind))
        }
        Entry::Finished { source: Source::Model | Source::FallbackModel, .. } => ("pass", 1.0, Value::Null),
        _ => return,
    };
    tracing::info!(
        target: "trace",
        {
            gen_ai.evaluation.name = "takt.acceptance",
            gen_ai.evaluation.score.label = label,
            gen_ai.evaluation.score.value = score,
            gen_ai.evaluation.explanation = why.as_str(),
        },
        "gen_ai.evaluation.result"
    );
}

/// The exporter makes numbers of signed ones only.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn chat(
    task: &Task,
    profile: &ModelProfile,
    provider: Option<&Provider>,
    ask: &Ask,
    spans: Spans,
) -> Span {
    if spans == Spans::None {
        return Span::none();
    }
    let span = tracing::info_span!(
        target: "trace",
        "takt",
        otel.name = format!("chat {}", profile.model),
        otel.kind = "client",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = provider.map(|provider| provider.name),
        server.address = provider.and_then(|provider| provider.address.as_deref()),
        server.port = provider.and_then(|provider| provider.port).map(i64::from),
        gen_ai.request.model = profile.model,
        gen_ai.request.max_tokens = whole(ask.reserve.output_tokens),
        gen_ai.agent.name = task.step,
        gen_ai.conversation.id = %task.run,
        takt.endpoint = profile.endpoint,
        takt.turn = i64::from(ask.turn),
        takt.attempt = i64::from(ask.attempt),
        gen_ai.input.messages = Empty,
        gen_ai.output.messages = Empty,
        gen_ai.response.id = Empty,
        gen_ai.response.model = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.reasoning.output_tokens = Empty,
        http.response.status_code = Empty,
        error.type = Empty,
    );
    if spans == Spans::Content {
        span.record("gen_ai.input.messages", said::input(&ask.request).to_string());
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
            span.record("http.response.status_code", i64::from(*status));
            if let Some((class, _)) = read.failure() {
                span.record("error.type", class.word());
                return;
            }
            let text = |pointer: &str| read.json.pointer(pointer).and_then(Value::as_str);
            let known =
                [("gen_ai.response.id", text("/id")), ("gen_ai.response.model", read.model.as_deref())];
            for (name, value) in known {
                if let Some(value) = value {
                    span.record(name, value);
                }
            }
            if let Some(reason) = text("/choices/0/finish_reason") {
                // The conventions want a list, one for each choice; a field of `tracing` cannot be one.
                let reasons = Array::String(vec![StringValue::from(reason.to_owned())]);
                span.set_attribute("gen_ai.response.finish_reasons", opentelemetry::Value::Array(reasons));
            }
            for (name, pointer) in USAGE {
                if let Some(tokens) = read.json.pointer(pointer).and_then(Value::as_u64) {
                    span.record(name, whole(tokens));
                }
            }
            if spans == Spans::Content {
                span.record("gen_ai.output.messages", said::output(&read.json).to_string());
            }
        }
        Entry::Failed { class, status, .. } => failed(span, *class, *status),
        _ => {}
    }
}

fn failed(span: &Span, class: ModelErrorClass, status: Option<u16>) {
    span.record("error.type", class.word());
    if let Some(status) = status {
        span.record("http.response.status_code", i64::from(status));
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
