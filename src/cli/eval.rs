//! `takt eval`: replays cases offline and says what got worse; `takt eval record` makes a case of a run.

use super::database::DatabaseArgs;
use crate::{
    agent::{Model, Tape, TapePlayer},
    app::{self, AppError, Plant, SiteLadders},
    engine::{Definitions, Ladders, NoPastEvents},
    eval::{
        Baseline, BaselineError, Case, CaseError, RecordError, Recording, ReplayError, Replayed, Report,
        Stage, World, WorldTools, replay, score,
    },
    postgres::ClusterError,
    run::RunId,
    site::{Environment, Overrides},
    step::AgentSettings,
    store::{Store, StoreError, journal, versions},
    tool::{Registry, RegistryError},
    workflow::Definition,
};
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

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

    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Take what holds now as the new baseline
    #[arg(long)]
    pub accept: bool,

    #[command(subcommand)]
    pub command: Option<EvalCommand>,
}

#[derive(Debug, clap::Subcommand)]
pub enum EvalCommand {
    Record(RecordArgs),
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

    /// The run is one of the demo's
    #[arg(long)]
    pub demo: bool,

    #[command(flatten)]
    pub database: DatabaseArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
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
    #[error("there is no workflow `{0}` without errors: run `takt check`")]
    NoWorkflow(String),
    #[error("the run's definition is not in the database, or no longer compiles")]
    NoDefinition,
    #[error("`{0}` is no name for a case: use lower-case letters, digits and _")]
    Name(String),
    #[error("the new case does not replay as it was recorded: {0}")]
    NotExact(String),
    #[error("{path} cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("the case cannot be written as text: {0}")]
    Text(String),
}

pub async fn run(args: EvalArgs) -> Result<ExitCode, EvalError> {
    let overrides = Overrides { without_secrets: true, ..Overrides::default() };
    match &args.command {
        Some(EvalCommand::Schema) => {
            let schema = crate::tool::schema_of::<Case>();
            let text = serde_json::to_string_pretty(&schema).map_err(|e| EvalError::Text(e.to_string()))?;
            emit(&(text + "\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(EvalCommand::Record(record_args)) => {
            let plant = Plant::load(&args.site, &Environment::of_process(), &overrides)?;
            record(&plant, &args.site, record_args).await?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let plant = Plant::load(&args.site, &Environment::of_process(), &overrides)?;
            replay_all(&plant, &args).await
        }
    }
}

async fn replay_all(plant: &Plant, args: &EvalArgs) -> Result<ExitCode, EvalError> {
    let evals = args.site.join("evals");
    let everything = args.paths.is_empty();
    let paths = Case::find(if everything { std::slice::from_ref(&evals) } else { &args.paths })?;
    let baseline_path = evals.join("baseline.json");
    let baseline = Baseline::load(&baseline_path)?;
    let mut report = Report::default();
    for path in &paths {
        match replay_file(plant, path).await {
            Err(error) => report.add_broken(&path.display().to_string(), error.to_string()),
            Ok((case, replayed)) => {
                let score = score(&replayed, &case.expect);
                report.add(&case.id(), case.origin.label(), score, replayed.stale, &baseline);
            }
        }
    }
    if everything {
        report.compare_names(&baseline);
    }
    match args.format {
        Format::Text => emit(&report.to_text())?,
        Format::Json => {
            let text = serde_json::to_string_pretty(&report).map_err(|e| EvalError::Text(e.to_string()))?;
            emit(&(text + "\n"))?;
        }
    }
    if args.accept {
        report.baseline(&baseline).save(&baseline_path)?;
        tell(&format!("{} is the new baseline", baseline_path.display()));
    }
    Ok(ExitCode::from(report.exit_code()))
}

async fn replay_file(plant: &Plant, path: &Path) -> Result<(Case, Replayed), EvalError> {
    let case = Case::load(path)?;
    let (world, tape) = (case.load_world(path)?, case.load_tape(path)?);
    let definition = plant.library.get(&case.workflow).cloned();
    let definition = definition.ok_or_else(|| EvalError::NoWorkflow(case.workflow.clone()))?;
    let replayed = replay_case(plant, &case, world, tape, definition).await?;
    Ok((case, replayed))
}

async fn replay_case(
    plant: &Plant,
    case: &Case,
    world: World,
    tape: Tape,
    definition: Arc<Definition>,
) -> Result<Replayed, EvalError> {
    let tools = WorldTools::new(world);
    let player = TapePlayer::new(tape);
    let registry = tools.registry(&plant.tools)?;
    let mut replayed = replay(case, stage(plant, &registry, player.models(), definition)).await?;
    replayed.calls = tools.made();
    replayed.stale = tools.stale();
    replayed.stale.extend(player.stale());
    Ok(replayed)
}

/// What a worker of this site would have, with other tools and models.
fn stage(plant: &Plant, tools: &Registry, models: Vec<Arc<dyn Model>>, definition: Arc<Definition>) -> Stage {
    let definitions = Arc::new(Definitions::default());
    definitions.publish_in_memory(plant.library.definitions().cloned().collect());
    let ladders: Arc<dyn Ladders> = Arc::new(SiteLadders(plant.site.clone()));
    let settings = AgentSettings { models, known: app::known_names(&plant.site), ..AgentSettings::default() };
    Stage {
        definition,
        executors: app::executors(tools, &definitions, &ladders, settings, Arc::new(NoPastEvents)),
        ladders,
        site: plant.site.scope(),
        caps: app::caps_of(&plant.site),
    }
}

async fn record(plant: &Plant, site: &Path, args: &RecordArgs) -> Result<(), EvalError> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if args.name.is_empty() || !args.name.chars().all(legal) {
        return Err(EvalError::Name(args.name.clone()));
    }
    let database = match args.demo {
        true => args.database.open_named(super::demo::DATABASE).await?,
        false => args.database.open().await?,
    };
    let store = Store::open(&database.url).await?;
    let mut db = store.connection().await?;
    let records = journal::load(&mut db, args.run).await?;
    let recording = Recording::read(args.run, &records)?;
    let bundle = versions::load(&mut db, recording.sha256()).await?.ok_or(EvalError::NoDefinition)?;
    let definition = Arc::new(Definition::compile(bundle).map_err(|_| EvalError::NoDefinition)?);

    let case = recording.case(&args.name);
    let (recorder, models) = recording.recorder();
    let registry = recorder.registry(&plant.tools)?;
    let replayed = replay(&case, stage(plant, &registry, models, definition.clone())).await?;
    let (case, world, tape) = recorder.finish(case, &replayed)?;

    let again = replay_case(plant, &case, world.clone(), tape.clone(), definition).await?;
    let score = score(&again, &case.expect);
    let failing = score.checks.iter().filter(|(_, check)| !check.holds);
    let problems: Vec<String> = again
        .stale
        .iter()
        .cloned()
        .chain(failing.map(|(name, check)| format!("{name}: {}", check.detail)))
        .collect();
    if !problems.is_empty() {
        return Err(EvalError::NotExact(problems.join("; ")));
    }
    let path = save(&site.join("evals").join(&case.workflow), &case, &world, &tape)?;
    tell(&format!(
        "{} holds the plant's data as it was: read its world and tape before you share them",
        path.display()
    ));
    Ok(())
}

fn emit(text: &str) -> Result<(), EvalError> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever read the beginning has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|source| EvalError::Write { path: "standard output".into(), source }),
    }
}

/// A hint beside the data; nobody is harmed when it cannot be read.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn save(folder: &Path, case: &Case, world: &World, tape: &Tape) -> Result<PathBuf, EvalError> {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|source| EvalError::Write { path: path.clone(), source })?;
        Ok::<PathBuf, EvalError>(path)
    };
    let json = |value: Result<String, serde_json::Error>| {
        value.map(|text| text + "\n").map_err(|error| EvalError::Text(error.to_string()))
    };
    fs::create_dir_all(folder).map_err(|source| EvalError::Write { path: folder.to_owned(), source })?;
    write(&case.world, world.to_text().map_err(|error| EvalError::Text(error.to_string()))?)?;
    if let Some(name) = &case.tape {
        write(name, json(serde_json::to_string_pretty(tape))?)?;
    }
    let yaml = serde_saphyr::to_string(case).map_err(|error| EvalError::Text(error.to_string()))?;
    let head = "# yaml-language-server: $schema=../case.schema.json\n";
    write(&format!("{}.case.yaml", case.case), format!("{head}{yaml}"))
}
