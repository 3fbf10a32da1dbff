//! What the spans of a conversation say, seen where an exporter sees it: what it does not get as a number, it writes as
//! text.

use super::world::*;
use crate::agent::*;
use opentelemetry::{Array, trace::TracerProvider as _};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

#[derive(Default)]
struct Fields(BTreeMap<String, Value>);

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), json!(format!("{value:?}")));
    }
}

/// Spans and events in the order in which they began.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(u64, Fields)>>>);

impl<S: Subscriber> Layer<S> for Told {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        if attributes.metadata().target() == "trace" {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            self.0.lock().unwrap().push((id.into_u64(), fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut told = self.0.lock().unwrap();
        if let Some((_, fields)) = told.iter_mut().rev().find(|(one, _)| *one == id.into_u64()) {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "trace" {
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.0.lock().unwrap().push((0, fields));
        }
    }
}

/// Keeps spans as a collector would be sent them.
#[derive(Debug, Clone, Default)]
struct Sent(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Sent {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// What is told of a step whose model calls a tool, then says something that is no answer, then answers.
async fn told(spans: Spans) -> Vec<BTreeMap<String, Value>> {
    let told = Told::default();
    let heard = tracing::subscriber::set_default(tracing_subscriber::registry().with(told.clone()));
    converse(spans).await;
    drop(heard);
    std::mem::take(&mut *told.0.lock().unwrap()).into_iter().map(|(_, fields)| fields.0).collect()
}

async fn converse(spans: Spans) {
    let mut first = calls(&[("cmms__asset_history", json!({"asset": "PRESS-4"}))]).unwrap();
    first["usage"]["prompt_tokens_details"] = json!({"cached_tokens": 128});
    first["usage"]["completion_tokens_details"] = json!({"reasoning_tokens": 16});
    let mut model = Scripted::alone("one", vec![Ok(first), says_text("no JSON"), says(&good())]);
    model.provider =
        Some(Provider { name: "plant.local", address: Some("gpu.plant.example".into()), port: Some(8000) });
    let models: Vec<Arc<dyn Model>> = vec![Arc::new(model)];
    let (world, ledger) = (World::new(), Memory::new());
    let around = Around {
        models: &models,
        tools: &world.registry,
        ledger: &ledger,
        clock: &world.clock,
        endpoints: &Unlimited,
        onlookers: &Nobody,
        spans,
    };
    let progress = run(&world.task, &[], &around).await.unwrap();
    assert!(matches!(progress, Progress::Answered(answer) if answer.source == Source::Model));
}

/// The conventions have it as a list of texts, which `tracing` has no fields for.
#[tokio::test]
async fn why_an_answer_finished_is_a_list() {
    let sent = Sent::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(sent.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("takt"));
    let heard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    converse(Spans::Plain).await;
    drop(heard);
    let spans = sent.0.lock().unwrap();
    let reasons = |span: &SpanData| {
        let found = span.attributes.iter().find(|one| one.key.as_str() == "gen_ai.response.finish_reasons");
        found.map(|one| one.value.clone())
    };
    let reasons: Vec<_> = spans.iter().filter_map(reasons).collect();
    let list = |reason: &'static str| opentelemetry::Value::Array(Array::String(vec![reason.into()]));
    assert_eq!(reasons, [list("tool_calls"), list("stop"), list("stop")]);
}

#[tokio::test]
async fn a_call_says_who_was_asked_and_what_was_counted() {
    let told = told(Spans::Plain).await;
    let chat = &told[1];
    for (name, value) in [
        ("otel.name", json!("chat one-1")),
        ("gen_ai.provider.name", json!("plant.local")),
        ("server.address", json!("gpu.plant.example")),
        ("server.port", json!(8000)),
        ("takt.endpoint", json!("one")),
        ("takt.turn", json!(1)),
        ("http.response.status_code", json!(200)),
        ("gen_ai.response.model", json!("served")),
        ("gen_ai.usage.input_tokens", json!(400)),
        ("gen_ai.usage.output_tokens", json!(40)),
        ("gen_ai.usage.cache_read.input_tokens", json!(128)),
        ("gen_ai.usage.reasoning.output_tokens", json!(16)),
    ] {
        assert_eq!(chat.get(name), Some(&value), "{name}");
    }
    assert!(chat["gen_ai.request.max_tokens"].is_i64(), "{chat:?}");
    // What a server does not report is not 0.
    let second = &told[3];
    assert_eq!(second["takt.turn"], 2);
    assert!(!second.contains_key("gen_ai.usage.cache_read.input_tokens"), "{second:?}");
    assert!(told.iter().all(|one| !one.contains_key("gen_ai.input.messages")), "{told:?}");
}

#[tokio::test]
async fn whether_an_answer_was_accepted_is_an_event_of_its_own() {
    let told = told(Spans::Plain).await;
    let is_judged = |one: &&BTreeMap<String, Value>| one.contains_key("gen_ai.evaluation.name");
    let judged: Vec<_> = told.iter().filter(is_judged).collect();
    assert_eq!(judged.len(), 2, "{told:?}");
    for (event, (label, score, why)) in
        judged.iter().zip([("fail", 0.0, Some("invalid_output")), ("pass", 1.0, None)])
    {
        assert_eq!(event["message"], "gen_ai.evaluation.result");
        assert_eq!(event["gen_ai.evaluation.score.label"], label);
        assert_eq!(event["gen_ai.evaluation.score.value"], score);
        let explained = event.get("gen_ai.evaluation.explanation").and_then(Value::as_str);
        assert_eq!(explained, why, "{event:?}");
    }
}

#[tokio::test]
async fn what_was_said_is_told_in_parts_and_masked() {
    let told = told(Spans::Content).await;
    let read = |at: usize, name: &str| -> Value {
        serde_json::from_str(told[at][name].as_str().unwrap_or_default()).unwrap()
    };
    let asked = read(3, "gen_ai.input.messages");
    let roles: Vec<&str> = asked.as_array().unwrap().iter().filter_map(|one| one["role"].as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool"]);
    assert_eq!(asked[1]["parts"][0]["type"], "text");
    let call = &asked[2]["parts"][0];
    assert_eq!((&call["type"], &call["name"]), (&json!("tool_call"), &json!("cmms__asset_history")));
    assert_eq!(call["arguments"], json!({"asset": "PRESS-4"}));
    let response = &asked[3]["parts"][0];
    assert_eq!(response["type"], "tool_call_response");
    assert_eq!((&response["id"], &response["response"]["ok"]), (&call["id"], &json!(true)));
    for name in ["Mia Keller", "Ivo Brand"] {
        assert!(!asked.to_string().contains(name), "{asked}");
    }
    let said = read(1, "gen_ai.output.messages");
    assert_eq!(said[0]["finish_reason"], "tool_call");
    assert_eq!(said[0]["parts"][0]["name"], "cmms__asset_history");
}

#[tokio::test]
async fn who_only_reads_tells_nothing() {
    assert!(told(Spans::None).await.is_empty());
}
