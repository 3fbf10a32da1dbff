//! `takt check`: every workflow of a site against its tools and people; no database, and no network
//! unless the MCP servers are to be asked, too.

mod answered;
pub(in crate::cli) mod formats;

use super::output::{is_coloured, out};
use crate::{
    app::{self, AppError},
    eval::BaselineError,
    site::{Site, read_text},
    testing::{CheckedTest, goes_with, test_problems},
    tool::Registry,
    workflow::{Library, problem::Problem, report_line},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Checks workflow files and says where and why something is wrong
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Files of workflows or tests, or folders of them; all of the site's when left out
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

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
        "{path} is no workflow or test of the site {site}: give a file or folder below its workflows/, or name the site it belongs to with --site"
    )]
    NotInSite { path: PathBuf, site: PathBuf },
    #[error("there is no {path}: {fix}")]
    NotThere { path: PathBuf, fix: String },
    #[error(transparent)]
    Tools(#[from] AppError),
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    #[error("the findings cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Exit code 0 without an error, 1 with one; warnings do not count.
pub fn run(args: &CheckArgs, site: &Site, tools: &Registry) -> Result<ExitCode, CheckError> {
    let unreadable = |cause| CheckError::Unreadable { folder: site.folder.clone(), cause };
    let library = Library::load(tools, site).map_err(unreadable)?;
    let tests = test_problems(site, tools, &app::built_in(site)?, &library).map_err(unreadable)?;
    let chosen = Chosen::of(args, site, &library, &tests)?;
    let untested = library.untested(site);
    let edited = answered::edited(site, &library, tools)?;
    let mut problems: Vec<&Problem> = Vec::new();
    for (path, found) in library.files().filter(|(path, _)| chosen.holds(path)) {
        problems.extend(found.iter().chain(untested.get(path).into_iter().flatten()));
        problems.extend(edited.get(path).into_iter().flatten());
    }
    let held = tests.iter().filter(|(path, test)| chosen.holds_test(path, test, &library));
    problems.extend(held.flat_map(|(_, test)| &test.problems));
    // What lies beside the workflows is of the site as a whole.
    if args.paths.is_empty() {
        problems.extend(library.around());
    }
    // Several workflows may lead to the same finding in a file they share.
    let mut told = BTreeSet::new();
    problems.retain(|&problem| told.insert((&problem.path, problem.place, problem.code, &problem.message)));
    tell(&problems, args.format, &site.folder)?;
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let checked = chosen.words(&library, &tests);
    let warnings = count(problems.len() - errors, "warning");
    writeln!(io::stderr(), "{checked} checked: {}, {warnings}", count(errors, "error"))?;
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The part of a site that is asked for, by paths in it; everything where there are none.
struct Chosen(Vec<PathBuf>);

impl Chosen {
    fn of(
        args: &CheckArgs,
        site: &Site,
        library: &Library,
        tests: &BTreeMap<String, CheckedTest>,
    ) -> Result<Self, CheckError> {
        let mut found = Vec::new();
        for path in &args.paths {
            let inside = site.path_within(path).ok().flatten();
            let inside = inside.ok_or_else(|| not_checked(path, &site.folder))?;
            let holds = |file: &str| Path::new(file).starts_with(&inside);
            if !library.paths().any(holds) && !tests.keys().any(|test| holds(test)) {
                return Err(not_checked(path, &site.folder));
            }
            found.push(inside);
        }
        Ok(Self(found))
    }

    fn holds(&self, path: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|chosen| Path::new(path).starts_with(chosen))
    }

    /// A workflow stands for its tests, too.
    fn holds_test(&self, path: &str, test: &CheckedTest, library: &Library) -> bool {
        self.holds(path)
            || goes_with(library, (path, test.workflow.as_deref()), |workflow| self.holds(workflow))
    }

    /// What was checked. A test that was not asked for by itself goes with its workflow.
    fn words(&self, library: &Library, tests: &BTreeMap<String, CheckedTest>) -> String {
        let workflows = library.paths().filter(|path| self.holds(path)).count();
        let alone = |path: &&String| self.0.iter().any(|chosen| chosen == Path::new(path.as_str()));
        match (workflows, tests.keys().filter(alone).count()) {
            (workflows, 0) => count(workflows, "workflow"),
            (0, tests) => count(tests, "test file"),
            (workflows, tests) => {
                format!("{} and {}", count(workflows, "workflow"), count(tests, "test file"))
            }
        }
    }
}

fn not_checked(path: &Path, site: &Path) -> CheckError {
    if path.exists() {
        return CheckError::NotInSite { path: path.to_owned(), site: site.to_owned() };
    }
    let fix = match Library::near_path(site, path) {
        Some(near) => format!("did you mean {near}?"),
        None => "correct the path".to_owned(),
    };
    CheckError::NotThere { path: path.to_owned(), fix }
}

/// Findings that keep the site itself from being checked, told as all others are.
pub fn refused(problems: &[Problem], args: &CheckArgs) -> Result<ExitCode, CheckError> {
    tell(&problems.iter().collect::<Vec<_>>(), args.format, &args.site)?;
    // A path that leads nowhere is another mistake, and is not mended with the site.
    for path in args.paths.iter().filter(|path| !path.exists() && !args.site.join(path).exists()) {
        writeln!(io::stderr(), "takt: {}", not_checked(path, &args.site))?;
    }
    let errors = count(problems.iter().filter(|problem| problem.is_error()).count(), "error");
    writeln!(io::stderr(), "the site cannot be checked: {errors}")?;
    Ok(ExitCode::from(1))
}

fn tell(problems: &[&Problem], format: Format, site: &Path) -> io::Result<()> {
    let mut out = out();
    match format {
        Format::Text => out.write_all(drawn(problems, site, is_coloured()).as_bytes())?,
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

/// Each finding with its line and a caret.
pub(super) fn drawn(problems: &[&Problem], site: &Path, colour: bool) -> String {
    let mut sources: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut all = String::new();
    for problem in problems {
        let lines = sources.entry(&problem.path).or_insert_with(|| lines_of(&problem.path, site));
        let line = lines.get(problem.place.line.saturating_sub(1) as usize);
        all.push_str(&report_line(problem, line.map(String::as_str), colour));
        all.push_str("\n\n");
    }
    all
}

pub(super) fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// A template may be named relative to `workflows/` or `prompts/`.
fn lines_of(path: &str, site: &Path) -> Vec<String> {
    let places = ["", "workflows", "prompts"].map(|place| Path::new(place).join(path));
    let text = places.iter().find_map(|place| read_text(site, place).ok());
    text.iter().flat_map(|text| text.lines()).map(str::to_owned).collect()
}
