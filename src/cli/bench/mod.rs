//! `takt bench`: how fast the real engine is on this machine, beside what the same PostgreSQL can do at all.
//!
//! The worker, the committers, the journal and the interpreter are those of `takt serve`; only the tool that the
//! steps call does nothing. The limit is measured in the same run, on the same server.

mod engine;
mod limit;
mod model;
mod report;
mod usage;

use super::database::DatabaseArgs;
use crate::{
    postgres::ClusterError,
    store::{Store, StoreError},
};
use engine::{Bench, BenchError, Steps};
use limit::Limit;
use report::{Level, Report};
use std::{process::ExitCode, time::Duration};
use usage::Usage;

/// The database of the private cluster that benchmarks use; a site's own is never touched.
const DATABASE: &str = "takt_bench";
const LEVELS: [usize; 3] = [1, 32, 256];
/// Runs that are stored for an idle worker to claim, and how many a second.
const CLAIMED_RUNS: usize = 200;
const CLAIMED_RATE: usize = 100;

/// Measure the engine: durable workflows of five steps, against this machine's own limit
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Workflows under way at once; several values are measured one after the other [default: 1 32 256]
    #[arg(long, num_args = 1.., value_name = "N")]
    in_flight: Vec<usize>,

    /// What the steps do: `write` steps wait for the commit before them, `read` steps run ahead, `agent` is one step
    /// with a turn for each step of the others [default: write and read]
    #[arg(long, value_name = "KIND")]
    steps: Option<Steps>,

    /// Workflows measured at each level [default: about five seconds' worth]
    #[arg(long, value_name = "N")]
    runs: Option<usize>,

    /// Store all runs first and let the worker claim them, instead of starting each when one has ended
    #[arg(long)]
    bulk: bool,

    /// Store so many runs a second, as events do, and let the worker claim them
    #[arg(long, value_name = "N", conflicts_with = "bulk")]
    rate: Option<usize>,

    /// Runs that have ended already, stored before measuring
    #[arg(long, default_value_t = 0, value_name = "N")]
    finished: usize,

    /// Runs that wait already, stored before measuring
    #[arg(long, default_value_t = 0, value_name = "N")]
    parked: usize,

    /// Seconds of each measurement of the machine's limit
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    limit_seconds: u64,

    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, thiserror::Error)]
pub enum BenchFailure {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error("this database holds runs of a site: give `takt bench` an empty one")]
    NotEmpty,
}

pub async fn run(args: BenchArgs) -> Result<ExitCode, BenchFailure> {
    let database = args.database.open_named(DATABASE).await?;
    let store = Store::open(&database.url).await?;
    if engine::holds_other_runs(&store).await? {
        return Err(BenchFailure::NotEmpty);
    }
    let levels = if args.in_flight.is_empty() { LEVELS.to_vec() } else { args.in_flight.clone() };
    let pgbench = database.program("pgbench");
    let limit =
        Limit { store: &store, url: &database.url, pgbench, time: Duration::from_secs(args.limit_seconds) };
    let mut report = Report { server: engine::server(&store).await?, ..Report::default() };
    for clients in [1, 32, 128] {
        progress(&format!("single-row durable commits, {clients} clients"));
        report.limits.push(limit.measure(clients).await?);
    }
    let bench = Bench::start(store.clone(), levels.iter().copied().max().unwrap_or(1)).await?;
    bench.store_history(args.finished, false).await?;
    bench.store_history(args.parked, true).await?;
    let kinds = args.steps.map_or_else(|| Steps::USUAL.to_vec(), |only| vec![only]);
    for steps in kinds {
        for in_flight in &levels {
            let level = measure(&bench, &store, &args, steps, *in_flight, &report).await?;
            report.levels.push(level);
        }
    }
    bench.stop().await;
    report.print(args.json);
    Ok(ExitCode::SUCCESS)
}

async fn measure(
    bench: &Bench,
    store: &Store,
    args: &BenchArgs,
    steps: Steps,
    in_flight: usize,
    report: &Report,
) -> Result<Level, BenchFailure> {
    let what = match steps {
        Steps::Write => "writing steps",
        Steps::Read => "reading steps",
        Steps::Agent => "turns of an agent",
    };
    progress(&format!("workflows of {} {what}, {in_flight} in flight", engine::STEPS));
    let runs = args.runs.unwrap_or_else(|| default_runs(in_flight));
    bench.warm_up(steps, in_flight, runs.div_ceil(10)).await?;
    let before = Usage::now(store).await?;
    let mut measured = match args.rate {
        Some(rate) => bench.steady(steps, rate, runs).await?,
        None if args.bulk => bench.bulk(steps, runs).await?,
        None => bench.closed_loop(steps, in_flight, runs).await?,
    };
    let spent = Usage::now(store).await?.since(&before);
    if measured.claims.is_empty() {
        measured.claims = bench.steady(steps, CLAIMED_RATE, runs.min(CLAIMED_RUNS)).await?.claims;
    }
    Ok(Level::new(steps, in_flight, args.bulk, &measured, &spent, &report.limits))
}

fn default_runs(in_flight: usize) -> usize {
    match in_flight {
        0..=1 => 1_000,
        2..=63 => 8_000,
        _ => 30_000,
    }
}

fn progress(what: &str) {
    eprintln!("measuring: {what}");
}
