//! `takt run`: starts runs, looks at them and orders something of them, straight in the database.
//!
//! Who can reach the database may do everything there; the console and the API ask for a role. What is ordered
//! here is audited under the name given with `--by`.

pub(super) mod held;
pub(super) mod start;

use super::database::DatabaseArgs;
use crate::{
    app::AppError,
    engine::{
        Definitions,
        control::{
            Action, BulkFilter, BulkReport, ControlError, NoAction, Order, Refusal, Version, apply, bulk,
            continue_bulk,
        },
    },
    postgres::ClusterError,
    run::{RunId, State, StepPath, story},
    site::{DurationError, parse_duration},
    store::{Store, StoreError, clock, control, hints, journal, summaries},
    trigger::ManualError,
};
use held::{Place, held};
use std::{process::ExitCode, time::Duration};

/// Looks at runs, starts them, and cancels, pauses, retries or moves them
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// The demo's runs
    #[arg(long, global = true)]
    pub demo: bool,

    #[command(subcommand)]
    pub command: Option<RunCommand>,
}

#[derive(Debug, clap::Subcommand)]
pub enum RunCommand {
    /// Lists runs that match, oldest first; this is what `takt run` alone does
    List(Which),
    /// Starts a run of a workflow with `trigger: manual`
    Start(start::Start),
    /// Tells what happened in a run
    Show {
        #[arg(value_parser = run_id)]
        id: uuid::Uuid,
    },
    /// Stops runs; what they did is undone where the workflow says how
    Cancel(Ordered),
    /// Holds runs at their next step; questions can still be answered
    Pause(Ordered),
    /// Lets paused runs go on
    Resume(Ordered),
    /// Lets failed runs go on from where they failed, and runs that were set aside be tried again
    Retry(Ordered),
    /// Does a step of ended runs and everything after it again
    Rerun {
        /// The step to begin with, such as `push` or `customers[0].run`
        #[arg(long, value_name = "STEP")]
        from: String,
        /// `same`, `newest`, or a version's SHA-256
        #[arg(long, default_value = "same", value_name = "VERSION")]
        to_version: String,
        #[command(flatten)]
        ordered: Ordered,
    },
    /// Moves live runs to another version of their workflow, if what they did fits it
    Migrate {
        /// `newest`, or a version's SHA-256
        #[arg(long, default_value = "newest", value_name = "VERSION")]
        to_version: String,
        #[command(flatten)]
        ordered: Ordered,
    },
    /// Leaves failed runs as they are: they need no attention any more
    Dismiss(Ordered),
    /// Goes on with an order over many runs that was cut off
    Continue {
        #[arg(value_parser = order_id)]
        order: uuid::Uuid,
    },
}

/// Runs by id, or by what they have in common
#[derive(Debug, Default, clap::Args)]
pub struct Which {
    /// Runs; without any, the options below say which
    #[arg(value_parser = run_id)]
    pub ids: Vec<uuid::Uuid>,
    #[arg(long)]
    pub workflow: Option<String>,
    /// open, ended, paused, set_aside, attention, or an outcome such as failed
    #[arg(long)]
    pub state: Option<String>,
    /// Began at least so long ago, such as 30m or 2h
    #[arg(long, value_name = "AGE")]
    pub older_than: Option<String>,
    /// Failed at this step
    #[arg(long, value_name = "STEP")]
    pub failed_step: Option<String>,
    /// Failed with this error class
    #[arg(long)]
    pub class: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Ordered {
    #[command(flatten)]
    pub which: Which,
    /// Why; kept in the audit and in the runs' journals
    #[arg(long)]
    pub reason: String,
    /// Only says what would happen to how many runs, and why some are left out
    #[arg(long)]
    pub dry_run: bool,
    /// Who orders it
    #[arg(long, env = "USER", default_value = "cli", value_name = "NAME")]
    pub by: String,
}

fn run_id(text: &str) -> Result<uuid::Uuid, &'static str> {
    text.parse().map_err(|_| "that is no id of a run: `takt run list` and the run's page show them")
}

fn order_id(text: &str) -> Result<uuid::Uuid, &'static str> {
    text.parse().map_err(|_| "that is no id of an order: the command that was cut off said it")
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Action(#[from] NoAction),
    #[error(transparent)]
    Age(#[from] DurationError),
    #[error(transparent)]
    Site(#[from] AppError),
    #[error(transparent)]
    Start(#[from] ManualError),
    #[error("{0}")]
    Inputs(String),
    #[error("no demo has run here yet: start `takt demo` first")]
    NoDemo,
    #[error("there is no run {0} here; `--demo` looks among the demo's")]
    NoSuchRun(RunId),
    #[error("there is no run {0} among the demo's; without `--demo` the site's are looked at")]
    NoSuchDemoRun(RunId),
    #[error(
        "`{0}` is no state, and no run has ended like that: open, ended, paused, set_aside, attention, or an outcome \
         such as done, failed or cancelled"
    )]
    NoSuchState(String),
    #[error("the run's journal cannot be read: {0}")]
    Journal(String),
    #[error("say which runs: their ids, or --workflow, --state, --older-than, --failed-step, --class")]
    NoRuns,
}

pub async fn run(args: RunArgs) -> Result<ExitCode, RunError> {
    let command = args.command.unwrap_or_else(|| RunCommand::List(Which::default()));
    let wish = match &command {
        RunCommand::Start(wish) => Some((wish, start::read(wish)?)),
        _ => None,
    };
    let database = match args.demo {
        true => args.database.open_named(super::demo::DATABASE).await?,
        false => args.database.open().await?,
    };
    let store = Store::open_beside(&database.url).await?;
    if let Some((wish, plant)) = wish {
        if args.demo && !clock::is_ahead(&mut *store.connection().await?).await? {
            return Err(RunError::NoDemo);
        }
        return start::start(&store, &plant, wish).await;
    }
    let place = Place::new(args.demo, &args.database.cluster);
    act(&store, command, &place).await.map_err(|error| match error {
        RunError::NoSuchRun(id) if args.demo => RunError::NoSuchDemoRun(id),
        error => error,
    })
}

async fn act(store: &Store, command: RunCommand, place: &Place) -> Result<ExitCode, RunError> {
    let definitions = Definitions::default();
    let (word, from, version, ordered) = match command {
        RunCommand::Start(_) => return Ok(ExitCode::SUCCESS),
        RunCommand::List(which) => return list(store, &which, place).await,
        RunCommand::Show { id } => return show(store, &definitions, RunId(id), place).await,
        RunCommand::Continue { order } => {
            let report = continue_bulk(store, &definitions, order, Duration::MAX).await?;
            hints::send(store).await?;
            return Ok(tell(&report));
        }
        RunCommand::Cancel(ordered) => ("cancel", None, None, ordered),
        RunCommand::Pause(ordered) => ("pause", None, None, ordered),
        RunCommand::Resume(ordered) => ("resume", None, None, ordered),
        RunCommand::Retry(ordered) => ("retry", None, None, ordered),
        RunCommand::Dismiss(ordered) => ("dismiss", None, None, ordered),
        RunCommand::Rerun { from, to_version, ordered } => {
            ("rerun", Some(StepPath::from(from)), Some(read_version(to_version)), ordered)
        }
        RunCommand::Migrate { to_version, ordered } => {
            ("migrate", None, Some(read_version(to_version)), ordered)
        }
    };
    let (action, reason) = (Action::read(word, from, version)?, ordered.reason);
    let order = Order { action, by: ordered.by, via: None, reason };
    order_of(store, &definitions, &ordered.which, &order, ordered.dry_run).await
}

/// One run by its id is refused with the reason; of many, those are done that can be.
async fn order_of(
    store: &Store,
    definitions: &Definitions,
    which: &Which,
    order: &Order,
    dry_run: bool,
) -> Result<ExitCode, RunError> {
    if let [id] = which.ids.as_slice() {
        apply(store, definitions, RunId(*id), order, dry_run).await.map_err(|error| match error {
            ControlError::Refused(Refusal::NoSuchRun(id)) => RunError::NoSuchRun(id),
            error => error.into(),
        })?;
        let word = order.action.word();
        println!("{id}: {}", if dry_run { format!("{word} is possible") } else { format!("{word} ordered") });
    } else {
        let filter = filter(which)?;
        if filter.is_everything() {
            return Err(RunError::NoRuns);
        }
        check_state(store, &filter).await?;
        let report = bulk(store, definitions, &filter, order, dry_run, Duration::MAX).await?;
        tell(&report);
    }
    hints::send(store).await?;
    Ok(ExitCode::SUCCESS)
}

fn read_version(text: String) -> Version {
    match text.as_str() {
        "same" => Version::Same,
        "newest" => Version::Newest,
        _ => Version::Sha256(text),
    }
}

fn filter(which: &Which) -> Result<BulkFilter, RunError> {
    let age = which.older_than.as_deref().map(parse_duration).transpose()?;
    Ok(BulkFilter {
        ids: (!which.ids.is_empty()).then(|| which.ids.clone()),
        workflow: which.workflow.clone(),
        state: which.state.clone(),
        older_than_seconds: age.map(|age| age.as_secs()),
        failed_step: which.failed_step.clone(),
        class: which.class.clone(),
    })
}

fn tell(report: &BulkReport) -> ExitCode {
    let would = if report.dry_run { "would be ordered for" } else { "ordered for" };
    println!("{} {would} {} runs", report.action, report.done);
    for left in report.left_out.values() {
        let examples: Vec<String> = left.examples.iter().map(ToString::to_string).collect();
        println!("left as they are: {} ({}), such as {}", left.count, left.words, examples.join(", "));
    }
    if let Some(order) = report.order.filter(|_| !report.finished) {
        println!("not finished: go on with `takt run continue {order}`");
    }
    ExitCode::SUCCESS
}

/// A word that is no state may be an outcome; one that no run has ended with is mistyped.
async fn check_state(store: &Store, filter: &BulkFilter) -> Result<(), RunError> {
    const KNOWN: [&str; 8] =
        ["open", "ended", "paused", "set_aside", "attention", "done", "failed", "cancelled"];
    let Some(state) = filter.state.as_ref().filter(|state| !KNOWN.contains(&state.as_str())) else {
        return Ok(());
    };
    let alone = BulkFilter { state: Some(state.clone()), ..BulkFilter::default() };
    let wanted = alone.to_match(chrono::DateTime::<chrono::Utc>::MAX_UTC);
    let found = control::matching(&mut *store.connection().await?, &wanted, uuid::Uuid::nil(), 1).await?;
    if found.is_empty() { Err(RunError::NoSuchState(state.clone())) } else { Ok(()) }
}

async fn list(store: &Store, which: &Which, place: &Place) -> Result<ExitCode, RunError> {
    const PAGE: i64 = 200;
    let filter = filter(which)?;
    check_state(store, &filter).await?;
    let wanted = filter.to_match(chrono::DateTime::<chrono::Utc>::MAX_UTC);
    let mut db = store.connection().await?;
    let mut after = uuid::Uuid::nil();
    loop {
        let page = control::matching(&mut db, &wanted, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(ExitCode::SUCCESS) };
        after = *last;
        let targets = control::look(&mut db, &page).await?;
        for id in page {
            let Some(run) = summaries::get(&mut db, RunId(id)).await? else { continue };
            let held = targets.iter().find(|target| target.id == id).and_then(|target| held(target, place));
            let state = match held {
                Some(_) => Some("held".into()),
                None => run.outcome.or(run.waiting_for.map(|what| format!("waits for {what}"))),
            };
            println!(
                "{id}  {}  {:24}  {:20}  {}{}",
                run.started_at.format("%Y-%m-%d %H:%M UTC"),
                run.workflow,
                state.unwrap_or_else(|| "open".into()),
                run.subject.unwrap_or(run.title),
                held.map(|held| format!("  ({held})")).unwrap_or_default()
            );
        }
    }
}

async fn show(
    store: &Store,
    definitions: &Definitions,
    id: RunId,
    place: &Place,
) -> Result<ExitCode, RunError> {
    let mut db = store.connection().await?;
    let run = summaries::get(&mut db, id).await?.ok_or(RunError::NoSuchRun(id))?;
    let records = journal::load(&mut db, id).await?;
    let state = State::fold(&records).map_err(|error| RunError::Journal(error.to_string()))?;
    println!("{}  {}  version {}  (times are UTC)", run.title, run.workflow, state.sha256);
    if let Some(held) = control::look(&mut db, &[id.0]).await?.pop().and_then(|run| held(&run, place)) {
        println!("{held}");
    }
    match definitions.pinned(&mut db, &state.sha256).await {
        Ok(definition) => {
            for line in story::lines(&definition.workflow, &records, chrono_tz::UTC) {
                println!("{}  {}", line.at.format("%Y-%m-%d %H:%M:%S"), line.text);
            }
        }
        Err(error) => println!("{error}; {} journal records", records.len()),
    }
    Ok(ExitCode::SUCCESS)
}
