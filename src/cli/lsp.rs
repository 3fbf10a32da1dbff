//! `takt lsp`: the language server that editors start.

use crate::{
    app::{AppError, tools_of},
    connector::declared::LoadError,
    lsp::{self, Ended, Plant, SiteFinding},
    site::{Environment, Overrides, Site, SiteError},
    workflow::{Library, Place},
};
use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

/// Serve an editor over standard input and output (Language Server Protocol)
#[derive(Debug, clap::Args)]
pub struct LspArgs {
    /// Folder that holds takt.yaml; without it, each file's site is the nearest folder above that has one
    #[arg(long, env = "TAKT_SITE", value_name = "DIR")]
    pub site: Option<PathBuf>,

    /// Understood because many editors add it; standard input and output are all there is
    #[arg(long, hide = true)]
    pub stdio: bool,
}

pub fn run(args: &LspArgs) -> io::Result<ExitCode> {
    let folder = args.site.as_deref().map(Path::canonicalize).transpose()?;
    let ended = lsp::serve(io::stdin(), io::stdout().lock(), folder, Arc::new(load))?;
    Ok(if ended == Ended::Orderly { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn load(folder: &Path, text: Option<&str>) -> Result<Plant, Vec<SiteFinding>> {
    let overrides = Overrides { without_secrets: true, ..Overrides::default() };
    let environment = Environment::of_process();
    let takt_yaml = folder.join("takt.yaml");
    let site = match text {
        Some(text) => Site::parse("takt.yaml", text, &environment, &overrides)
            .map(|site| Site { folder: folder.to_owned(), ..site }),
        None => Site::load(folder, &environment, &overrides),
    };
    let site = Arc::new(site.map_err(|error| of_site(&takt_yaml, &error))?);
    let tools = tools_of(&site).map_err(|error| of_tools(&takt_yaml, error))?;
    let library = Library::load(&tools, &site)
        .map_err(|error| vec![at_start(&takt_yaml, format!("the workflows cannot be read: {error}"))])?;
    Ok(Plant::new(site, tools, library))
}

fn of_site(path: &Path, error: &SiteError) -> Vec<SiteFinding> {
    match error {
        SiteError::Invalid(problems) => problems
            .iter()
            .map(|problem| found(path, problem.line, problem.column, problem.message.clone()))
            .collect(),
        SiteError::Unreadable { .. } => vec![at_start(path, error.to_string())],
    }
}

fn of_tools(path: &Path, error: AppError) -> Vec<SiteFinding> {
    match error {
        AppError::Connectors(LoadError::Problems(problems)) => problems
            .into_iter()
            .map(|problem| found(&problem.file, problem.line, problem.column, problem.message))
            .collect(),
        error => vec![at_start(path, error.to_string())],
    }
}

fn found(path: &Path, line: u64, column: u64, message: String) -> SiteFinding {
    let number = |number: u64| u32::try_from(number).unwrap_or(1).max(1);
    SiteFinding {
        path: path.to_owned(),
        place: Place { line: number(line), column: number(column) },
        message,
    }
}

fn at_start(path: &Path, message: String) -> SiteFinding {
    found(path, 1, 1, message)
}
