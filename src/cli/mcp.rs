//! `takt mcp`: what an MCP server offers beside what was accepted, and accepting it. Only here is a lock file written.

use super::{fail, output::out};
use crate::{
    connector::mcp::{Desk, DeskError, Line, Pinned},
    site::{Environment, Overrides, Site, SiteError},
};
use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

const HASH_CHARS: usize = 12;

/// Looks at the tools of MCP servers, and accepts what they have become
#[derive(Debug, clap::Args)]
pub struct McpArgs {
    /// Site folder: takt.yaml, connectors/, …
    #[arg(long, env = "TAKT_SITE", default_value = ".", value_name = "DIR", global = true)]
    pub site: PathBuf,

    #[command(subcommand)]
    pub command: McpCommand,
}

#[derive(Debug, clap::Subcommand)]
pub enum McpCommand {
    /// What the server offers, and what of it is declared and accepted
    List {
        system: String,
        /// Print each tool as the server describes it
        #[arg(long)]
        full: bool,
    },
    /// Show what has changed, and take it as it is from now on
    Accept {
        system: String,
        /// One tool, by the server's name or by its name in workflows; all that the connector file declares when left out
        tool: Option<String>,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum McpError {
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(transparent)]
    Desk(#[from] DeskError),
    #[error(transparent)]
    Output(#[from] io::Error),
}

pub async fn run(args: McpArgs) -> Result<ExitCode, McpError> {
    let site = Site::load(&args.site, &Environment::of_process(), &Overrides::default())?;
    let folder = site.folder.join("connectors");
    match args.command {
        McpCommand::List { system, full } => list(&Desk::open(&folder, &site, &system)?, full).await,
        McpCommand::Accept { system, tool } => {
            accept(&mut Desk::open(&folder, &site, &system)?, tool.as_deref()).await
        }
    }
}

/// What `takt check --mcp` adds: declared tools that their servers have changed.
pub async fn check(site: &Site) -> ExitCode {
    let desks = match Desk::all(&site.folder.join("connectors"), site) {
        Ok(desks) => desks,
        Err(error) => return fail(&error.to_string(), 1),
    };
    let mut code = ExitCode::SUCCESS;
    for desk in desks {
        match desk.changed().await {
            Ok(problems) if problems.is_empty() => {}
            Ok(problems) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                code = fail(&lines.join("\n"), 1);
            }
            Err(error) => code = fail(&error.to_string(), 1),
        }
    }
    code
}

/// Exit code 1 when something declared is not what was accepted.
async fn list(desk: &Desk, full: bool) -> Result<ExitCode, McpError> {
    let lines = desk.look().await?;
    let mut out = out();
    let width = lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
    for line in &lines {
        let declared = line.tool.as_deref().map_or("not declared".to_owned(), |tool| format!("as {tool}"));
        writeln!(out, "{:<width$}  {declared}: {}", line.name, state(line))?;
        if let (true, Some((_, text))) = (full, &line.offered) {
            writeln!(out, "{text}")?;
        } else if let Pinned::Changed { diff, .. } = &line.pinned {
            diff.iter().try_for_each(|line| writeln!(out, "    {line}"))?;
        }
    }
    let is_wrong = |line: &&Line| line.tool.is_some() && line.pinned != Pinned::Same;
    Ok(ExitCode::from(u8::from(lines.iter().any(|line| is_wrong(&line)))))
}

async fn accept(desk: &mut Desk, tool: Option<&str>) -> Result<ExitCode, McpError> {
    let accepted = desk.accept(tool).await?;
    let mut out = out();
    for line in &accepted {
        writeln!(out, "{}: {}", line.name, state(line))?;
        match (&line.pinned, &line.offered) {
            (Pinned::Changed { diff, .. }, _) => {
                diff.iter().try_for_each(|line| writeln!(out, "    {line}"))?
            }
            (_, Some((_, text))) => writeln!(out, "{text}")?,
            _ => {}
        }
    }
    if accepted.is_empty() {
        writeln!(io::stderr(), "nothing has changed since it was accepted")?;
    } else {
        let file = desk.lock_file();
        writeln!(io::stderr(), "accepted in {}: commit it, and start Takt again", file.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn state(line: &Line) -> String {
    let short = |sha: &str| sha.chars().take(HASH_CHARS).collect::<String>();
    match &line.pinned {
        Pinned::Same => "accepted, and unchanged".to_owned(),
        Pinned::No => {
            let sha =
                line.offered.as_ref().map_or(String::new(), |(sha, _)| format!(", sha256 {}…", short(sha)));
            format!("not accepted yet{sha}")
        }
        Pinned::Changed { was, is, parts, .. } => {
            format!("changed in {}: sha256 was {}…, is {}…", parts.join(", "), short(was), short(is))
        }
        Pinned::Unfit(why) => format!("cannot be accepted: {why}"),
        Pinned::Gone => "no longer offered".to_owned(),
    }
}
