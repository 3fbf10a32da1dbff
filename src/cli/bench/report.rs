//! The figures, and how they are printed. Ratios compare with the limit measured in the same run.

use super::{
    engine::{Measured, STEPS, Steps},
    limit::Commits,
    usage::Spent,
};
use serde::Serialize;
use std::time::Duration;

/// Clients of the limit that throughput is compared with.
const LIMIT_CLIENTS: usize = 128;

#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub server: String,
    pub limits: Vec<Commits>,
    pub levels: Vec<Level>,
}

#[derive(Debug, Serialize)]
pub struct Level {
    steps: Steps,
    in_flight: usize,
    bulk: bool,
    runs: usize,
    workflows_per_second: f64,
    steps_per_second: f64,
    /// Start to end of a run, in milliseconds.
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    /// From being stored to the first step: of the runs of `--rate`, else of some that are stored afterwards.
    claim_p50_ms: Option<f64>,
    claim_p99_ms: Option<f64>,
    transactions_per_run: f64,
    transactions_per_step: f64,
    wal_bytes_per_run: f64,
    cpu_ms_per_1000_steps_takt: f64,
    cpu_ms_per_1000_steps_postgres: Option<f64>,
    /// Steps per second over single-row commits per second of 128 clients.
    times_the_limit: Option<f64>,
    /// The median of a whole run over its steps, or an agent's turns, with all their commits.
    p50_ms_per_step: Option<f64>,
    /// The median of a whole run over the median of one commit of one client.
    p50_over_one_commit: Option<f64>,
}

impl Level {
    pub fn new(
        steps: Steps,
        in_flight: usize,
        bulk: bool,
        measured: &Measured,
        spent: &Spent,
        limits: &[Commits],
    ) -> Self {
        let runs = measured.runs as f64;
        let all_steps = runs * STEPS as f64;
        let per_second = runs / measured.time.as_secs_f64();
        let (latencies, claims) = (sorted(&measured.latencies), sorted(&measured.claims));
        let at = |share| percentile(&latencies, share);
        let limit = |clients| limits.iter().find(|commits| commits.clients == clients);
        let per_1000 = |seconds: f64| seconds * 1_000_000.0 / all_steps;
        Self {
            steps,
            in_flight,
            bulk,
            runs: measured.runs,
            workflows_per_second: per_second,
            steps_per_second: per_second * STEPS as f64,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            claim_p50_ms: percentile(&claims, 0.5),
            claim_p99_ms: percentile(&claims, 0.99),
            p50_ms_per_step: at(0.5).map(|run| run / STEPS as f64),
            transactions_per_run: spent.transactions / runs,
            transactions_per_step: spent.transactions / all_steps,
            wal_bytes_per_run: spent.wal_bytes / runs,
            cpu_ms_per_1000_steps_takt: per_1000(spent.own_seconds),
            cpu_ms_per_1000_steps_postgres: spent.server_seconds.map(per_1000),
            times_the_limit: limit(LIMIT_CLIENTS)
                .map(|commits| per_second * STEPS as f64 / commits.per_second),
            p50_over_one_commit: limit(1).and_then(|commits| Some(at(0.5)? / commits.median_ms)),
        }
    }
}

impl Report {
    pub fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::to_string_pretty(self).unwrap_or_default());
            return;
        }
        println!("{}", self.server);
        println!();
        println!("The machine's limit: single-row durable commits");
        println!("  clients  commits/s  median ms  by");
        for commits in &self.limits {
            println!(
                "  {:>7}  {:>9.0}  {:>9.3}  {}",
                commits.clients, commits.per_second, commits.median_ms, commits.measured_by
            );
        }
        println!();
        println!(
            "Durable workflows of {STEPS} steps{}",
            if self.is_bulk() { ", stored first (bulk)" } else { "" }
        );
        println!(
            "  steps  in flight   runs  workflows/s  steps/s  x limit  p50 ms  p99 ms  x commit  tx/run  commits/step  \
             WAL B/run  CPU ms per 1,000 steps: takt, postgres"
        );
        for level in &self.levels {
            println!(
                "  {:<5}  {:>9}  {:>5}  {:>11.0}  {:>7.0}  {:>7}  {:>6}  {:>6}  {:>8}  {:>6.3}  {:>12.4}  {:>9.0}  \
                 {:>6.0}, {}",
                level.steps.word(),
                level.in_flight,
                level.runs,
                level.workflows_per_second,
                level.steps_per_second,
                optional(level.times_the_limit, 2),
                optional(level.p50_ms, 2),
                optional(level.p99_ms, 2),
                optional(level.p50_over_one_commit, 1),
                level.transactions_per_run,
                level.transactions_per_step,
                level.wal_bytes_per_run,
                level.cpu_ms_per_1000_steps_takt,
                optional(level.cpu_ms_per_1000_steps_postgres, 0),
            );
        }
        self.print_claims();
    }

    fn print_claims(&self) {
        println!();
        println!("From being stored to the first step, of runs that the worker has to claim");
        println!("  steps  in flight  p50 ms  p99 ms");
        for level in &self.levels {
            println!(
                "  {:<5}  {:>9}  {:>6}  {:>6}",
                level.steps.word(),
                level.in_flight,
                optional(level.claim_p50_ms, 1),
                optional(level.claim_p99_ms, 1)
            );
        }
    }

    fn is_bulk(&self) -> bool {
        self.levels.iter().any(|level| level.bulk)
    }
}

fn sorted(times: &[Duration]) -> Vec<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted
}

/// In milliseconds; none of nothing.
fn percentile(sorted: &[Duration], share: f64) -> Option<f64> {
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).map(|time| time.as_secs_f64() * 1000.0)
}

fn optional(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}
