//! Every metric by its name, unit, labels and meaning, and one function per thing that can happen.
//!
//! `docs/operating.md` lists the same names; a test compares. Labels hold names from the site's own files
//! (workflows, tools, sources) and words of ours, never a person, a value or a text from outside.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::{sync::OnceLock, thread, time::Duration};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows, in this process.
    Counter,
    /// Read from the database when somebody asks: the same from every process.
    Gauge,
    Histogram,
}

#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

const fn metric(
    name: &'static str,
    kind: Kind,
    unit: Unit,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind, unit, labels, help }
}

use Kind::{Counter, Gauge, Histogram};
use Unit::{Bytes, Count, Seconds};

/// All there are.
pub const METRICS: &[Metric] = &[
    metric("takt_commits_total", Counter, Count, &["outcome"], "Group commits: committed, fenced or failed."),
    metric("takt_commit_batch_size", Histogram, Count, &[], "Outcomes of runs in one group commit."),
    metric(
        "takt_commit_seconds",
        Histogram,
        Seconds,
        &[],
        "From the begin of a group commit to its acknowledgement.",
    ),
    metric("takt_claim_age_seconds", Histogram, Seconds, &[], "How long a new run waited for a worker."),
    metric("takt_timer_lag_seconds", Histogram, Seconds, &[], "How late a parked run's timer was served."),
    metric("takt_runs_ended_total", Counter, Count, &["workflow", "outcome"], "Runs that ended here."),
    metric(
        "takt_step_retries_total",
        Counter,
        Count,
        &["tool"],
        "Attempts that failed and will be repeated.",
    ),
    metric(
        "takt_retries_deferred_total",
        Counter,
        Count,
        &["system"],
        "Retries that their system's budget did not cover when they were due; they go out later.",
    ),
    metric(
        "takt_tool_calls_total",
        Counter,
        Count,
        &["tool", "outcome"],
        "Calls of tools: ok, or the class of the error.",
    ),
    metric("takt_tool_call_seconds", Histogram, Seconds, &["tool"], "How long calls of tools took."),
    metric(
        "takt_model_calls_total",
        Counter,
        Count,
        &["model", "outcome"],
        "Calls of models: ok, or the class of the error.",
    ),
    metric(
        "takt_leases_total",
        Counter,
        Count,
        &["change"],
        "Leases of this process: registered, lost, handed_over, taken_over.",
    ),
    metric(
        "takt_runs_taken_over_total",
        Counter,
        Count,
        &[],
        "Runs of dead workers that this process made ready again.",
    ),
    metric(
        "takt_webhooks_total",
        Counter,
        Count,
        &["source", "outcome"],
        "Webhooks: accepted, duplicate, or the cause of the refusal.",
    ),
    metric(
        "takt_events_routed_total",
        Counter,
        Count,
        &["outcome"],
        "Events this process routed, by what became of them.",
    ),
    metric(
        "takt_messages_total",
        Counter,
        Count,
        &["channel", "outcome"],
        "Deliveries: sent, retried or failed.",
    ),
    metric("takt_database_up", Gauge, Count, &[], "1 when the database answered this question."),
    metric(
        "takt_runs",
        Gauge,
        Count,
        &["state"],
        "Live runs: ready, running, parked, queued (for their lane) or set_aside (for a person).",
    ),
    metric(
        "takt_timer_overdue_seconds",
        Gauge,
        Seconds,
        &[],
        "Age of the oldest timer that is due and not served.",
    ),
    metric("takt_events_waiting", Gauge, Count, &[], "Stored events that no router has looked at."),
    metric("takt_events_waiting_seconds", Gauge, Seconds, &[], "Age of the oldest of them."),
    metric("takt_events_failed", Gauge, Count, &[], "Events that no expression could read."),
    metric("takt_gates_open", Gauge, Count, &[], "Questions that wait for people."),
    metric("takt_gate_oldest_seconds", Gauge, Seconds, &[], "Age of the oldest open question."),
    metric("takt_outbox_queued", Gauge, Count, &[], "Messages on their way to people."),
    metric("takt_outbox_oldest_seconds", Gauge, Seconds, &[], "Age of the oldest of them."),
    metric("takt_outbox_failed", Gauge, Count, &[], "Messages that were given up."),
    metric("takt_workers", Gauge, Count, &[], "Workers with a lease."),
    metric("takt_database_bytes", Gauge, Bytes, &[], "Size of the database."),
    metric("takt_table_bytes", Gauge, Bytes, &["table"], "Size of a hot table with its indexes."),
    metric("takt_table_dead_rows", Gauge, Count, &["table"], "Dead rows of a hot table."),
    metric(
        "takt_xmin_held_seconds",
        Gauge,
        Seconds,
        &["holder"],
        "Age of the oldest session or prepared transaction that holds vacuum back.",
    ),
    metric(
        "takt_xmin_held_transactions",
        Gauge,
        Count,
        &["holder"],
        "Transactions since the oldest thing vacuum may not clean, by holder.",
    ),
    metric(
        "takt_storage_findings",
        Gauge,
        Count,
        &[],
        "What the storage watchdog found; the Health page has the words.",
    ),
    metric("takt_audit_broken", Gauge, Count, &[], "1 when the last check found the audit trail broken."),
    metric("takt_audit_unsealed", Gauge, Count, &[], "Records of the audit trail that wait for their seal."),
    metric(
        "takt_audit_checkpoint_age_seconds",
        Gauge,
        Seconds,
        &[],
        "Since the audit trail was signed last; absent when it never was.",
    ),
];

/// Bounds from a millisecond to minutes: commits and tools fit in the same scale.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

const FOLD_EVERY: Duration = Duration::from_secs(10);

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to count; a second call changes nothing.
pub(super) fn install() {
    HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_size".into()), SIZES));
        let handle = builder.and_then(PrometheusBuilder::install_recorder);
        for metric in METRICS {
            match metric.kind {
                Counter => describe_counter!(metric.name, metric.unit, metric.help),
                Gauge => describe_gauge!(metric.name, metric.unit, metric.help),
                Histogram => describe_histogram!(metric.name, metric.unit, metric.help),
            }
        }
        if let Ok(handle) = &handle {
            fold(handle.clone());
        }
        handle.inspect_err(|error| tracing::error!(%error, "metrics cannot be counted")).ok()
    });
}

/// Histograms keep every value until somebody asks; this makes counts of them, in every process that records.
fn fold(handle: PrometheusHandle) {
    let folding = move || {
        loop {
            thread::sleep(FOLD_EVERY);
            handle.run_upkeep();
        }
    };
    if let Err(error) = thread::Builder::new().name("metrics".into()).spawn(folding) {
        tracing::warn!(%error, "metrics are folded only when somebody reads them");
    }
}

/// Everything counted so far, in Prometheus' text format.
pub fn render() -> String {
    HANDLE.get().and_then(Option::as_ref).map(PrometheusHandle::render).unwrap_or_default()
}

/// What became of one group commit.
pub fn committed(outcome: &'static str, outcomes_of_runs: usize, took: Duration) {
    counter!("takt_commits_total", "outcome" => outcome).increment(1);
    histogram!("takt_commit_batch_size")
        .record(f64::from(u32::try_from(outcomes_of_runs).unwrap_or(u32::MAX)));
    histogram!("takt_commit_seconds").record(took.as_secs_f64());
}

pub fn claimed_new(waited: Duration) {
    histogram!("takt_claim_age_seconds").record(waited.as_secs_f64());
}

pub fn timer_served(late: Duration) {
    histogram!("takt_timer_lag_seconds").record(late.as_secs_f64());
}

pub fn run_ended(workflow: &str, outcome: &str) {
    counter!("takt_runs_ended_total", "workflow" => workflow.to_owned(), "outcome" => outcome.to_owned())
        .increment(1);
}

pub fn step_retried(tool: &str) {
    counter!("takt_step_retries_total", "tool" => tool.to_owned()).increment(1);
}

/// Once for each retry, however often it asks again.
pub fn retry_deferred(system: &str) {
    counter!("takt_retries_deferred_total", "system" => system.to_owned()).increment(1);
}

/// `outcome` is `ok` or the class of the error.
pub fn tool_called(tool: &str, outcome: &str, took: Duration) {
    counter!("takt_tool_calls_total", "tool" => tool.to_owned(), "outcome" => outcome.to_owned())
        .increment(1);
    histogram!("takt_tool_call_seconds", "tool" => tool.to_owned()).record(took.as_secs_f64());
}

/// `outcome` is `ok` or the class of the error.
pub fn model_called(model: &str, outcome: &'static str) {
    counter!("takt_model_calls_total", "model" => model.to_owned(), "outcome" => outcome).increment(1);
}

/// `registered`, `lost` or `handed_over`; a takeover has [`taken_over`].
pub fn lease(change: &'static str) {
    counter!("takt_leases_total", "change" => change).increment(1);
}

/// A dead worker's lease, and its runs.
pub fn taken_over(runs: u64) {
    lease("taken_over");
    counter!("takt_runs_taken_over_total").increment(runs);
}

/// `source` is a declared one or `unknown`; `outcome` is `accepted`, `duplicate` or a cause of refusal.
pub fn webhook(source: &str, outcome: &'static str) {
    counter!("takt_webhooks_total", "source" => source.to_owned(), "outcome" => outcome).increment(1);
}

pub fn event_routed(outcome: &'static str) {
    counter!("takt_events_routed_total", "outcome" => outcome).increment(1);
}

/// `sent`, `retried` or `failed`.
pub fn message(channel: &str, outcome: &'static str) {
    counter!("takt_messages_total", "channel" => channel.to_owned(), "outcome" => outcome).increment(1);
}

/// A figure read from the database; `label` is the value of the metric's only label.
pub fn set(name: &'static str, label: Option<&str>, value: f64) {
    debug_assert!(METRICS.iter().any(|metric| metric.name == name && metric.kind == Gauge), "unlisted gauge");
    let key = METRICS.iter().find(|metric| metric.name == name).and_then(|metric| metric.labels.first());
    match (key, label) {
        (Some(key), Some(label)) => gauge!(name, *key => label.to_owned()).set(value),
        _ => gauge!(name).set(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_their_unit_and_are_rendered_with_their_help() {
        install();
        for metric in METRICS {
            let fits = match (metric.kind, metric.unit) {
                (Counter, _) => metric.name.ends_with("_total"),
                (_, Seconds) => metric.name.ends_with("_seconds"),
                (_, Bytes) => metric.name.ends_with("_bytes"),
                _ => !metric.name.ends_with("_total"),
            };
            assert!(fits && metric.name.starts_with("takt_") && metric.help.ends_with('.'), "{metric:?}");
        }
        committed("committed", 7, Duration::from_millis(3));
        tool_called("systems.get", "ok", Duration::from_millis(20));
        set("takt_runs", Some("parked"), 3.0);
        let text = render();
        assert!(text.contains("takt_commit_batch_size_bucket{le=\"8\"} 1"), "{text}");
        assert!(text.contains("takt_tool_calls_total{tool=\"systems.get\",outcome=\"ok\"} 1"), "{text}");
        assert!(text.contains("takt_runs{state=\"parked\"} 3"), "{text}");
        assert!(text.contains("# HELP takt_runs Live runs: ready, running, parked, queued"), "{text}");
    }
}
