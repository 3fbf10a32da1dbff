//! Starts telling: logs for people in a terminal, as JSON lines everywhere else, always on standard error;
//! the recorder of the metrics; and the traces, where somebody collects them.

use super::{
    afresh::Afresh,
    metrics,
    trace::{self, TraceError, Traces},
};
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, Layer, Registry, layer::SubscriberExt, util::SubscriberInitExt};

/// Sends the last spans when it is dropped.
#[derive(Default)]
pub struct Running {
    _traces: Option<Traces>,
}

/// Starts logs and metrics; `filter` is a `tracing` filter like `takt=debug`.
pub fn start(filter: &str) {
    metrics::install();
    init(vec![log_layer(filter)]);
}

/// The same, and sends traces to an OTLP collector where one is named.
pub fn start_with_traces(filter: &str, collector: Option<&str>) -> Result<Running, TraceError> {
    metrics::install();
    let traces = collector.filter(|url| !url.is_empty()).map(trace::Traces::to).transpose()?;
    let mut layers = vec![log_layer(filter)];
    layers.extend(traces.as_ref().map(Traces::layer));
    init(layers);
    Ok(Running { _traces: traces })
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

fn init(layers: Vec<BoxedLayer>) {
    // A second start (in tests) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(layers).try_init();
}

fn log_layer(filter: &str) -> BoxedLayer {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // The spans of traces are no lines of a log.
    let filter = match format!("{}=off", trace::TARGET).parse() {
        Ok(quiet) => Afresh(filter.add_directive(quiet)),
        Err(_) => Afresh(filter),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        lines.with_target(false).compact().with_filter(filter).boxed()
    } else {
        lines.json().flatten_event(true).with_filter(filter).boxed()
    }
}
