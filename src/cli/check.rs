//! `takt check`: every workflow of a site against its tools and people; no database, and no network
//! unless the MCP servers are to be asked, too.

pub(in crate::cli) mod formats;

use super::output::{is_coloured, out};
use crate::{
    site::{Site, read_text},
    tool::Registry,
    workflow::{Library, problem::Problem, report_line},
};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Checks workflow files and says where and why something is wrong
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// A workflow file, or a folder of them; all workflows of the site when left out
    pub path: Option<PathBuf>,

    /// Folder that holds takt.yaml, workflows/, connectors/ and the rest
    #[arg(long, env = "TAKT_SITE", default_value = ".", value_name = "DIR")]
    pub site: PathBuf,

    /// Also ask the MCP servers whether their tools are still what was accepted
    #[arg(long)]
    pub mcp: bool,

    /// How findings are written to standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Drawn like a compiler's messages
    Text,
    /// One JSON array
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// GitHub's annotations, one line each
    Github,
}

#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("the workflows of {folder} cannot be read: {cause}")]
    Unreadable { folder: PathBuf, cause: io::Error },
    #[error(
        "{path} is no workflow of the site {site}: give a file or folder below its workflows/, or name the site it belongs to with --site"
    )]
    NotInSite { path: PathBuf, site: PathBuf },
    #[error("there is no {0}: correct the path")]
    NotThere(PathBuf),
    #[error("{test} holds tests: `takt test {workflow}` checks and plays them")]
    IsTest { test: PathBuf, workflow: PathBuf },
    #[error("the findings cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Exit code 0 without an error, 1 with one; warnings do not count.
pub fn run(args: &CheckArgs, site: &Site, tools: &Registry) -> Result<ExitCode, CheckError> {
    let unreadable = |cause| CheckError::Unreadable { folder: site.folder.clone(), cause };
    let library = Library::load(tools, site).map_err(unreadable)?;
    let in_site = |path| site.path_within(path).ok().flatten().ok_or_else(|| not_checked(path, site));
    let chosen = args.path.as_deref().map(in_site).transpose()?;
    let is_chosen = |path: &str| chosen.as_ref().is_none_or(|chosen| Path::new(path).starts_with(chosen));
    if let (Some(path), false) = (&args.path, library.paths().any(is_chosen)) {
        return Err(not_checked(path, site));
    }
    let untested = library.untested(site);
    let of_tests = |path: &str| untested.get(path).into_iter().flatten();
    let files_chosen = library.files().filter(|(path, _)| is_chosen(path));
    let mut problems: Vec<&Problem> =
        files_chosen.flat_map(|(path, problems)| problems.iter().chain(of_tests(path))).collect();
    // What lies beside the workflows is of the site as a whole.
    if args.path.is_none() {
        problems.extend(library.around());
    }
    tell(&problems, args.format, &site.folder)?;
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let files = library.paths().filter(|path| is_chosen(path)).count();
    let warnings = problems.len() - errors;
    let (files, errors_found) = (count(files, "workflow"), count(errors, "error"));
    writeln!(io::stderr(), "{files} checked: {errors_found}, {}", count(warnings, "warning"))?;
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn not_checked(path: &Path, site: &Site) -> CheckError {
    let workflow = path.to_str().and_then(|path| path.strip_suffix(".test.yaml"));
    match workflow.map(|workflow| PathBuf::from(format!("{workflow}.yaml"))) {
        _ if !path.exists() => CheckError::NotThere(path.to_owned()),
        Some(workflow) => CheckError::IsTest { test: path.to_owned(), workflow },
        None => CheckError::NotInSite { path: path.to_owned(), site: site.folder.clone() },
    }
}

/// Findings that keep the site itself from being checked, told as all others are.
pub fn refused(problems: &[Problem], args: &CheckArgs) -> Result<ExitCode, CheckError> {
    tell(&problems.iter().collect::<Vec<_>>(), args.format, &args.site)?;
    let errors = count(problems.len(), "error");
    writeln!(io::stderr(), "the site cannot be checked: {errors}")?;
    Ok(ExitCode::from(1))
}

fn tell(problems: &[&Problem], format: Format, site: &Path) -> io::Result<()> {
    let mut out = out();
    match format {
        Format::Text => {
            let colour = is_coloured();
            let mut sources: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for problem in problems {
                let lines = sources.entry(&problem.path).or_insert_with(|| lines_of(&problem.path, site));
                let line = lines.get(problem.place.line.saturating_sub(1) as usize);
                writeln!(out, "{}\n", report_line(problem, line.map(String::as_str), colour))?;
            }
        }
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, problems).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Format::Sarif => {
            serde_json::to_writer_pretty(&mut out, &formats::sarif(problems, &formats::below_here(site)))
                .map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Format::Github => {
            let below = formats::below_here(site);
            for problem in problems {
                writeln!(out, "{}", formats::github(problem, &below))?;
            }
        }
    }
    Ok(())
}

fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// A template may be named relative to `workflows/` or `prompts/`.
fn lines_of(path: &str, site: &Path) -> Vec<String> {
    let places = ["", "workflows", "prompts"].map(|place| Path::new(place).join(path));
    let text = places.iter().find_map(|place| read_text(site, place).ok());
    text.iter().flat_map(|text| text.lines()).map(str::to_owned).collect()
}
