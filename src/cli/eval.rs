//! `takt eval`: replays cases offline and says what got worse. Its commands make cases: of a run, of a planner's
//! override, of hand-written replies, of other tools' tests.

mod author;
mod formats;
mod judge;
mod live;
mod play;
mod record;

use self::play::Theatre;
use super::{database::DatabaseArgs, output::out};
use crate::{
    app::{AppError, Plant},
    eval::{
        Baseline, BaselineError, Case, CaseError, Matrix, RecordError, ReplayError, Report, Split, Summary,
        Verdict, asked_with, html, junit,
    },
    postgres::ClusterError,
    run::RunId,
    site::{Environment, Overrides},
    store::StoreError,
    tool::RegistryError,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use uuid::Uuid;

/// Exit code when the database or a model endpoint is the trouble, not a case.
pub const EXIT_INFRASTRUCTURE: u8 = 4;
/// What `--keep` writes and the console shows.
pub const KEPT_REPORT: &str = "report.json";

/// Replay recorded and authored cases offline; exit code 1 when something got worse, 3 when a case is stale
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct EvalArgs {
    /// Cases, or folders of cases; all of the site's when left out
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Site folder: takt.yaml, workflows/, evals/, …
    #[arg(long, env = "TAKT_SITE", default_value = ".", value_name = "DIR", global = true)]
    pub site: PathBuf,

    /// How the report is written to standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,

    /// Only cases with this tag
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,

    /// Only cases of this split
    #[arg(long, value_enum)]
    pub split: Option<SplitArg>,

    /// Take what holds now as the new baseline
    #[arg(long)]
    pub accept: bool,

    /// Keep the report as evals/report.json, which the console shows
    #[arg(long)]
    pub keep: bool,

    #[command(flatten)]
    pub live: live::LiveArgs,

    #[command(subcommand)]
    pub command: Option<EvalCommand>,
}

#[derive(Debug, clap::Subcommand)]
pub enum EvalCommand {
    Record(RecordArgs),
    Adopt(AdoptArgs),
    Author(AuthorArgs),
    Export(formats::ExportArgs),
    Import(formats::ImportArgs),
    /// Write the JSON Schema of case files to standard output
    Schema,
}

/// Make a case of a finished run
#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    /// Id of the run, as the console shows it
    pub run: RunId,

    /// Name of the case, in snake_case
    #[arg(long)]
    pub name: String,

    #[command(flatten)]
    pub from: FromArgs,
}

/// Make a case of a person's answer that was not what was offered first
#[derive(Debug, clap::Args)]
pub struct AdoptArgs {
    /// Id of the question, as the console's address shows it
    pub gate: Uuid,

    /// Name of the case, in snake_case
    #[arg(long)]
    pub name: String,

    #[command(flatten)]
    pub from: FromArgs,
}

#[derive(Debug, clap::Args)]
pub struct FromArgs {
    /// The run is one of the demo's
    #[arg(long)]
    pub demo: bool,

    /// Names and addresses of people may stand in the case's files
    #[arg(long)]
    pub with_personal_data: bool,

    /// Take the new case for one of this name that is there already
    #[arg(long)]
    pub replace: bool,

    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// Make the tapes of cases with hand-written replies
#[derive(Debug, clap::Args)]
pub struct AuthorArgs {
    /// Cases, or folders of cases; all of the site's when left out
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
    /// JUnit's XML, as build servers read it
    Junit,
    /// One page without scripts
    Html,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SplitArg {
    Dev,
    Heldout,
}

#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    #[error(transparent)]
    Site(#[from] AppError),
    #[error(transparent)]
    Case(#[from] CaseError),
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    #[error(transparent)]
    Tools(#[from] RegistryError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the model endpoint: {0}")]
    Endpoint(String),
    #[error("{0}")]
    NoWorkflow(String),
    #[error("the run's definition is not in the database, or no longer compiles")]
    NoDefinition,
    #[error("there is no question {0} in this database")]
    NoGate(Uuid),
    #[error("nobody has answered this question yet")]
    Unanswered,
    #[error("`{0}` is no name for a case: use lower-case letters, digits and _")]
    Name(String),
    #[error("the new case does not replay as it was recorded: {0}")]
    NotExact(String),
    #[error("{kept} stays an attempt: {}", .problems.join("; "))]
    NotPromoted { kept: PathBuf, problems: Vec<String> },
    #[error("{case}, trial {trial}: {what}")]
    Script { case: String, trial: usize, what: String },
    #[error("{}", .0.join("\n"))]
    Scripts(Vec<String>),
    #[error("{0}")]
    Live(String),
    #[error("no case fits {0}: is it written right?")]
    NoCase(String),
    #[error("{} is there already: --replace takes the new case for it", .0.display())]
    Exists(PathBuf),
    #[error("{path} cannot be read: {message}")]
    Read { path: PathBuf, message: String },
    #[error("{path} cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("takt.yaml lists no model: say with --model which one promptfoo is to ask")]
    NoModel,
    #[error("the case cannot be written as text: {0}")]
    Text(String),
}

impl EvalError {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Cluster(_) | Self::Store(_) | Self::Endpoint(_) => EXIT_INFRASTRUCTURE,
            _ => 2,
        }
    }
}

pub async fn run(args: EvalArgs) -> Result<ExitCode, EvalError> {
    if matches!(args.command, Some(EvalCommand::Schema)) {
        let schema = crate::tool::schema_of::<Case>();
        let text = serde_json::to_string_pretty(&schema).map_err(|e| EvalError::Text(e.to_string()))?;
        emit(&(text + "\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let overrides = Overrides { without_secrets: true, ..Overrides::default() };
    let plant = Plant::load(&args.site, &Environment::of_process(), &overrides)?;
    let theatre = Arc::new(Theatre::open(plant, &args.site)?);
    match &args.command {
        Some(EvalCommand::Record(given)) => {
            record::record(&theatre, &args.site, given.run, &given.name, &given.from).await?;
        }
        Some(EvalCommand::Adopt(given)) => record::adopt(&theatre, &args.site, given).await?,
        Some(EvalCommand::Author(given)) => {
            author::author(&theatre, &cases_of(&args.site, &given.paths)?).await?;
        }
        Some(EvalCommand::Export(given)) => formats::export(&theatre, &args.site, given).await?,
        Some(EvalCommand::Import(given)) => formats::import(&args.site, given)?,
        Some(EvalCommand::Schema) => {}
        None if args.live.live => return live::run(&theatre, &args).await,
        None => return replay_all(&theatre, &args).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn replay_all(theatre: &Arc<Theatre>, args: &EvalArgs) -> Result<ExitCode, EvalError> {
    let baseline_path = args.site.join("evals/baseline.json");
    let baseline = Baseline::load(&baseline_path)?;
    let mut report = Report::default();
    let mut replays = Vec::new();
    for path in cases_of(&args.site, &args.paths)? {
        match Case::load(&path) {
            Err(error) => report.add_broken(&path.display().to_string(), error.to_string()),
            Ok(case) if !args.is_wanted(&case) => {}
            Ok(case) => {
                let (theatre, path) = (Arc::clone(theatre), path.clone());
                replays.push(tokio::spawn(async move {
                    let trials = theatre.trials(&case, &path).await;
                    (case, path, trials)
                }));
            }
        }
    }
    for replay in replays {
        match replay.await {
            Err(panic) => report.add_broken("a case", panic.to_string()),
            Ok((_, path, Err(error))) => report.add_broken(&path.display().to_string(), error.to_string()),
            Ok((case, _, Ok((trials, judgement)))) => {
                report.add(&case, trials, &baseline);
                report.add_judgement(&case, judgement, &baseline);
            }
        }
    }
    args.must_fit(report.cases.len())?;
    report.cases.sort_by(|a, b| a.case.cmp(&b.case));
    let is_everything = args.filters().is_empty();
    if is_everything {
        report.compare_names(&baseline);
        report.before.clone_from(&baseline.matrix);
    }
    finish(&report, args)?;
    if args.accept {
        let mut accepted = report.baseline(&baseline);
        if is_everything {
            accepted.made_with = made_with(theatre, &report, &baseline);
            accepted.matrix = Matrix::accepted(&report, &baseline.matrix);
        } else {
            let others = baseline.cases.into_iter().filter(|(name, _)| !accepted.cases.contains_key(name));
            let others: Vec<_> = others.collect();
            accepted.cases.extend(others);
        }
        accepted.save(&baseline_path)?;
        tell(&format!("{} is the new baseline", baseline_path.display()));
    }
    Ok(ExitCode::from(report.exit_code()))
}

/// What the tapes fit now; where one of a workflow does not, what they were said to fit before.
fn made_with(theatre: &Theatre, report: &Report, before: &Baseline) -> BTreeMap<String, String> {
    let (mut now, mut earlier) = (BTreeMap::new(), BTreeMap::new());
    let is_readable = report.cases.iter().all(|case| case.verdict != Verdict::Broken);
    for definition in theatre.plant.library.definitions() {
        let fits = report.fits(&definition.workflow.id).map(|fits| fits && is_readable);
        for asked in asked_with(definition, &theatre.plant.tools) {
            match fits {
                Some(true) => drop(now.insert(asked.name, asked.sha256)),
                Some(false) => {
                    let was = before.made_with.get(&asked.name).cloned();
                    earlier.extend(was.map(|was| (asked.name, was)));
                }
                None => {}
            }
        }
    }
    // What two workflows share is settled when it is for both.
    now.extend(earlier);
    now
}

impl EvalArgs {
    /// What was asked for, in words.
    fn filters(&self) -> String {
        let paths = self.paths.iter().map(|path| path.display().to_string());
        let tag = self.tag.iter().map(|tag| format!("--tag {tag}"));
        let split = self.split.iter().map(|split| match split {
            SplitArg::Dev => "--split dev".to_owned(),
            SplitArg::Heldout => "--split heldout".to_owned(),
        });
        paths.chain(tag).chain(split).collect::<Vec<_>>().join(" ")
    }

    /// A filter that finds nothing is a mistake: nothing was tried, and nothing passed.
    pub(super) fn must_fit(&self, cases: usize) -> Result<(), EvalError> {
        let filters = self.filters();
        if cases == 0 && !filters.is_empty() { Err(EvalError::NoCase(filters)) } else { Ok(()) }
    }

    pub(super) fn is_wanted(&self, case: &Case) -> bool {
        let split = match self.split {
            None => true,
            Some(SplitArg::Dev) => case.split == Split::Dev,
            Some(SplitArg::Heldout) => case.split == Split::Heldout,
        };
        split && self.tag.as_ref().is_none_or(|tag| case.tags.contains(tag))
    }
}

/// Writes the report to standard output, and keeps it where the console looks.
fn finish(report: &Report, args: &EvalArgs) -> Result<(), EvalError> {
    let whole = || {
        let summary = Summary::of(report);
        let all = json!({
            "lines": summary.lines(), "summary": summary, "matrix": Matrix::of(report), "missing": report.missing,
            "cases": report.cases, "exit_code": report.exit_code(),
        });
        serde_json::to_string_pretty(&all).map(|text| text + "\n").map_err(|e| EvalError::Text(e.to_string()))
    };
    let text = match args.format {
        _ if args.json => whole()?,
        Format::Json => whole()?,
        Format::Text => report.to_text(),
        Format::Junit => junit(report),
        Format::Html => html(report),
    };
    emit(&text)?;
    if args.keep {
        let path = args.site.join("evals").join(KEPT_REPORT);
        fs::write(&path, whole()?).map_err(|source| EvalError::Write { path: path.clone(), source })?;
        tell(&format!("{} is what the console shows now", path.display()));
    }
    Ok(())
}

/// The cases named, or all of the site's. What was only tried is no case.
fn cases_of(site: &Path, paths: &[PathBuf]) -> Result<Vec<PathBuf>, EvalError> {
    let evals = site.join("evals");
    let found = Case::find(if paths.is_empty() { std::slice::from_ref(&evals) } else { paths })?;
    let attempts = evals.join(record::ATTEMPTS);
    Ok(found.into_iter().filter(|path| !paths.is_empty() || !path.starts_with(&attempts)).collect())
}

fn emit(text: &str) -> Result<(), EvalError> {
    let written = out().write_all(text.as_bytes());
    written.map_err(|source| EvalError::Write { path: "standard output".into(), source })
}

/// A hint beside the data; nobody is harmed when it cannot be read.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
