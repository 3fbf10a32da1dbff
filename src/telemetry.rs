//! Logs: for people in a terminal, as JSON lines everywhere else; always on standard error.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging; `filter` is a `tracing` filter like `takt=debug`.
pub fn start(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start (in tests) keeps the first subscriber.
    let _ = if std::io::stderr().is_terminal() {
        builder.with_target(false).compact().try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}
