//! Traces: spans from a webhook to the write it ends in, sent to an OpenTelemetry collector (OTLP over HTTP).
//!
//! A trace crosses processes and nights as a W3C `traceparent`: kept with the event, then with the run, then
//! given to the systems that are called. Without a collector every span is off and costs nothing. The SDK reads
//! its own variables for sampling and headers (`OTEL_TRACES_SAMPLER`, `OTEL_EXPORTER_OTLP_HEADERS`).

use super::afresh::Afresh;
use async_trait::async_trait;
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator,
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use std::{collections::HashMap, time::Duration};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, Registry, filter::filter_fn};

/// The target of every span that is traced, so that logs and traces can be told apart.
pub const TARGET: &str = "trace";
/// A collector that is slower loses spans; Takt does not wait for it.
const SEND_TIME_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error(
        "traces cannot be sent to {collector}: {reason}; OTEL_EXPORTER_OTLP_ENDPOINT names an http address"
    )]
    Collector { collector: String, reason: String },
}

/// What a span stands for, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody asked us.
    Server,
    /// We ask somebody.
    Client,
    Internal,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Internal => "internal",
        }
    }
}

/// A span below the one that a `traceparent` names, or else below the current one.
pub fn span(kind: Kind, name: &str, parent: Option<&str>) -> Span {
    let span = tracing::info_span!(target: TARGET, "takt", otel.name = name, otel.kind = kind.word());
    if !span.is_disabled()
        && let Some(parent) = parent.and_then(read)
    {
        // Only a span that has begun already would refuse it.
        let _ = span.set_parent(parent);
    }
    span
}

/// The `traceparent` that continues this span elsewhere; `None` where nobody collects traces.
pub fn traceparent(span: &Span) -> Option<String> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut fields = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut fields);
    fields.remove("traceparent")
}

/// The `traceparent` of what is being done right now.
pub fn here() -> Option<String> {
    traceparent(&Span::current())
}

fn read(traceparent: &str) -> Option<Context> {
    let fields = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &fields);
    context.span().span_context().is_valid().then_some(context)
}

/// The way to a collector; sends what is left when it is dropped.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    pub(super) fn to(collector: &str) -> Result<Self, TraceError> {
        let refused = |reason: String| TraceError::Collector { collector: collector.to_owned(), reason };
        let client = reqwest::Client::builder()
            .timeout(SEND_TIME_MAX)
            .no_proxy()
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", collector.trim_end_matches('/')))
            .with_http_client(Sender { client, runtime: tokio::runtime::Handle::current() })
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let resource = Resource::builder()
            .with_service_name("takt")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider =
            SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
        Ok(Self { provider })
    }

    pub(super) fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("takt"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_filter(Afresh(filter_fn(|span| span.target() == TARGET)))
            .boxed()
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // The exporter sends through this runtime, so waiting must not block one of its threads.
        let provider = self.provider.clone();
        let ended = std::thread::spawn(move || provider.shutdown());
        let _ = tokio::task::block_in_place(|| ended.join());
    }
}

/// The exporter runs on a thread of its own; requests go through the process's runtime.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let (head, body) = request.into_parts();
            let answer = client
                .request(head.method, head.uri.to_string())
                .headers(head.headers)
                .body(body)
                .send()
                .await?;
            let (status, body) = (answer.status(), answer.bytes().await?);
            Ok::<_, reqwest::Error>((status, body))
        });
        let (status, body) = sent.await??;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_and_a_broken_one_is_not() {
        let whole = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = read(whole).unwrap();
        assert_eq!(context.span().span_context().trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(read("00-0-0-01").is_none());
        assert!(read("").is_none());
    }

    #[test]
    fn without_a_collector_there_are_no_spans() {
        let span = span(Kind::Client, "call", None);
        assert_eq!(traceparent(&span), None);
    }
}
