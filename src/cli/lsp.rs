//! `takt lsp`: the language server that editors start.

use super::broken;
use crate::{
    app::{AppError, tools_of},
    lsp::{self, Ended, Plant, SiteFinding},
    site::{Environment, Overrides, Site},
    workflow::{Library, Place, problem::Problem},
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
    let site = Arc::new(site.map_err(|error| of_site(folder, &error.into()))?);
    let tools = tools_of(&site).map_err(|error| of_site(folder, &error))?;
    let library = Library::load(&tools, &site)
        .map_err(|error| vec![at_start(&takt_yaml, format!("the workflows cannot be read: {error}"))])?;
    Ok(Plant::new(site, tools, library))
}

fn of_site(folder: &Path, error: &AppError) -> Vec<SiteFinding> {
    let found: Vec<SiteFinding> = broken::findings(folder, error)
        .into_iter()
        .map(|Problem { path, place, message, fix, .. }| {
            let message = fix.map_or_else(|| message.clone(), |fix| format!("{message}: {fix}"));
            SiteFinding { path: folder.join(path), place, message }
        })
        .collect();
    if found.is_empty() { vec![at_start(&folder.join("takt.yaml"), error.to_string())] } else { found }
}

fn at_start(path: &Path, message: String) -> SiteFinding {
    SiteFinding { path: path.to_owned(), place: Place { line: 1, column: 1 }, message }
}
