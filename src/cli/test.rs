//! `takt test`: plays the tests of a site's workflows; no database, no network, no model.

use super::{
    broken,
    check::formats::below_here,
    fail_of_site,
    output::{is_coloured, out},
};
use crate::{
    app::{self, AppError, Plant, SiteLadders},
    engine::{Definitions, Ladders},
    step::AgentSettings,
    testing::{self, FileResult, Parts, Stage, SuiteError, SuiteResult},
    tool::Registry,
    workflow::problem::Problem,
};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// How often `--watch` looks for changed files.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// What a test may depend on, below the site folder.
const WATCHED: [&str; 9] = [
    "takt.yaml",
    "workflows",
    "events",
    "prompts",
    "messages",
    "schemas",
    "rules",
    "connectors",
    "docs/work_instructions",
];

/// Test workflows: the real interpreter, a clock that jumps, and tools, agents and people as the test says
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// Test files, their workflows, or folders of them; all of the site's when left out
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Folder that holds takt.yaml, workflows/, connectors/ and the rest
    #[arg(long, env = "TAKT_SITE", default_value = ".", value_name = "DIR")]
    pub site: PathBuf,

    /// Only cases whose name holds this
    #[arg(long, value_name = "TEXT")]
    pub case: Option<String>,

    /// How results are written to standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Test again whenever a file of the site changes, until it is stopped
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
    /// JUnit's XML, as build servers read it
    Junit,
    /// Annotations of GitHub Actions
    Github,
}

#[derive(Debug, thiserror::Error)]
pub enum TestError {
    #[error(transparent)]
    Site(#[from] AppError),
    #[error(transparent)]
    Suite(#[from] SuiteError),
    #[error("the results cannot be written: {0}")]
    Write(#[from] io::Error),
}

impl TestError {
    /// Only a result that cannot be written is not the user's.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Write(_)) { 2 } else { 1 }
    }
}

/// Exit code 0 when every case holds, 1 when one does not, or a test file or a workflow is wrong.
pub async fn run(args: &TestArgs) -> Result<ExitCode, TestError> {
    if !args.watch {
        return once(args).await;
    }
    loop {
        let seen = changed_at(&args.site);
        // A file that is half written breaks one round, not the watching.
        if let Err(error) = once(args).await {
            writeln!(io::stderr(), "takt: {error}")?;
        }
        writeln!(io::stderr(), "watching {} for changes", args.site.display())?;
        while changed_at(&args.site) == seen {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

async fn once(args: &TestArgs) -> Result<ExitCode, TestError> {
    let stage = match stage(&args.site) {
        Err(TestError::Site(error)) => return refused(args, error),
        loaded => loaded?,
    };
    let files = testing::test_files(&stage, &args.paths)?;
    let suite = testing::run(&stage, &files, args.case.as_deref()).await?;
    write(args, &suite)?;
    if suite.cases() == 0 && suite.is_ok() {
        writeln!(io::stderr(), "no case was found")?;
        return Ok(ExitCode::from(1));
    }
    Ok(if suite.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// A site that does not load: what is wrong with its files, as tests that failed for whoever reads those.
fn refused(args: &TestArgs, error: AppError) -> Result<ExitCode, TestError> {
    let mut files: BTreeMap<String, Vec<Problem>> = BTreeMap::new();
    for problem in broken::findings(&args.site, &error) {
        files.entry(problem.path.clone()).or_default().push(problem);
    }
    if args.format == Format::Text || files.is_empty() {
        return Ok(fail_of_site(&args.site, &error));
    }
    let of_file = |(path, problems)| FileResult {
        path,
        workflow: String::new(),
        problems,
        cases: Vec::new(),
        coverage: None,
    };
    write(args, &SuiteResult { files: files.into_iter().map(of_file).collect() })?;
    Ok(ExitCode::from(1))
}

fn write(args: &TestArgs, suite: &SuiteResult) -> io::Result<()> {
    let mut out = out();
    let text = match args.format {
        Format::Text => testing::text(suite, &args.site, is_coloured()),
        Format::Json => testing::json(suite).map_err(io::Error::from)?,
        Format::Junit => testing::junit(suite),
        Format::Github => testing::github(suite, &below_here(&args.site)),
    };
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What a worker of this site would have, but for what reaches outside.
fn stage(folder: &Path) -> Result<Stage, TestError> {
    let plant = super::plant_of(folder)?;
    let built_in = app::built_in(&plant.site)?;
    Ok(stage_of(plant, built_in))
}

/// The stage for a site on which `built_in` answers for itself.
pub(super) fn stage_of(plant: Plant, built_in: Registry) -> Stage {
    let Plant { site, tools, library } = plant;
    let definitions = Arc::new(Definitions::default());
    definitions.publish_in_memory(library.definitions().cloned().collect());
    let ladders: Arc<dyn Ladders> = Arc::new(SiteLadders(site.clone()));
    let asked = ladders.clone();
    Stage::new(Parts {
        known: site.known_words(),
        caps: app::caps_of(&site),
        executors: Box::new(move |tools, past| {
            // Each agent step is given the model that its script speaks for.
            app::executors(tools, &definitions, &asked, AgentSettings::default(), past)
        }),
        site,
        tools,
        built_in,
        library,
        ladders,
    })
}

/// The files that count, and when each was changed last.
fn changed_at(site: &Path) -> BTreeMap<PathBuf, Option<SystemTime>> {
    let mut found = BTreeMap::new();
    let mut todo: Vec<PathBuf> = WATCHED.iter().map(|name| site.join(name)).collect();
    while let Some(path) = todo.pop() {
        match fs::read_dir(&path) {
            Ok(entries) => todo.extend(entries.flatten().map(|entry| entry.path())),
            Err(_) => {
                let changed = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
                found.insert(path, changed);
            }
        }
    }
    found
}
