//! `takt db`: a look inside Takt's private PostgreSQL.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use tokio::process::Command;

use crate::postgres::{self, Cluster, ClusterError, DATABASE, StopIf, StopOutcome};
use crate::store::StoreError;

use super::{cluster::ClusterArgs, output::out, purge::PurgeArgs};

/// Looks inside Takt's private PostgreSQL
#[derive(Debug, clap::Args)]
pub struct DbArgs {
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// Set when Takt uses a PostgreSQL that it does not run itself
    #[arg(long, env = "DATABASE_URL", hide = true, hide_env_values = true, global = true)]
    pub database_url: Option<String>,

    /// The demo's database
    #[arg(long, global = true)]
    pub demo: bool,

    #[command(subcommand)]
    pub command: DbCommand,
}

impl DbArgs {
    pub(super) fn database(&self) -> &'static str {
        if self.demo { super::demo::DATABASE } else { DATABASE }
    }
}

#[derive(Debug, clap::Subcommand)]
pub enum DbCommand {
    /// Says where the cluster is, what runs it and who uses it; starts nothing
    Status,
    /// Opens psql on Takt's database, starting the server if need be
    Psql {
        /// Arguments for psql, such as -c 'select 1'
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Writes Takt's database as SQL to standard output (pg_dump)
    Dump {
        /// Arguments for pg_dump, such as --schema-only
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Drops old history from the database; works when nothing else starts
    Purge(PurgeArgs),
    /// Runs a command with DATABASE_URL set to Takt's database, such as a client of your own
    Run {
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Stops a server that a killed takt left running
    Stop {
        /// Stop it even though other takt processes use it
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("DATABASE_URL is set, so Takt runs no PostgreSQL of its own: use `{program} \"$DATABASE_URL\"`")]
    Foreign { program: &'static str },

    #[error(
        "found no {program}: install it (`apt-get install postgresql-client`); any client can connect to {url}"
    )]
    NoClient { program: &'static str, url: String },

    #[error(
        "other takt processes use this PostgreSQL: stop them, or stop it under them with `takt db stop --force`"
    )]
    InUse,

    #[error("say which command to run: `takt db run -- COMMAND`")]
    NoCommand,

    #[error("say what to purge: `--journal 90d`, `--events 90d`, `--messages 90d` or `--runs 400d`")]
    NothingToPurge,

    #[error("the database cannot be purged: {0}")]
    Store(#[from] StoreError),

    #[error(transparent)]
    Cluster(#[from] ClusterError),

    #[error(transparent)]
    Io(#[from] std::io::Error),
}

pub async fn run(args: DbArgs) -> Result<ExitCode, DbError> {
    match args.command {
        DbCommand::Status => status(&args),
        DbCommand::Psql { ref arguments } => client(&args, "psql", arguments).await,
        DbCommand::Dump { ref arguments } => client(&args, "pg_dump", arguments).await,
        DbCommand::Run { ref command } => {
            let (program, arguments) = command.split_first().ok_or(DbError::NoCommand)?;
            let (cluster, url) = join(&args, "COMMAND").await?;
            let mut child = Command::new(program);
            child.args(arguments).env("DATABASE_URL", url);
            attend(child, cluster).await
        }
        DbCommand::Purge(ref purge) => super::purge::run(&args, purge).await,
        DbCommand::Stop { force } => {
            stop(&args.cluster, if force { StopIf::Whatever } else { StopIf::Unused })
        }
    }
}

fn status(args: &DbArgs) -> Result<ExitCode, DbError> {
    let status = postgres::status(&args.cluster.data())?;
    let mut out = out();
    if args.database_url.is_some() {
        writeln!(out, "DATABASE_URL is set: Takt uses that database, not this cluster")?;
    }
    writeln!(out, "folder    {}", status.folder.display())?;
    let Some(major) = status.installed_major else {
        writeln!(out, "cluster   none yet; `takt demo` or `takt serve` makes one")?;
        return Ok(ExitCode::SUCCESS);
    };
    writeln!(out, "cluster   PostgreSQL {major}")?;
    match (status.running, status.is_used) {
        (Some(pid), true) => writeln!(out, "server    running (process {pid}), used by takt")?,
        (Some(pid), false) => {
            writeln!(out, "server    running (process {pid}), used by nobody: `takt db stop` stops it")?
        }
        (None, true) => writeln!(out, "server    starting or stopping")?,
        (None, false) => writeln!(out, "server    not running")?,
    }
    writeln!(out, "connect   {}", postgres::url(&status.socket, args.database()))?;
    writeln!(out, "log       {}", status.log.display())?;
    Ok(ExitCode::SUCCESS)
}

fn stop(cluster: &ClusterArgs, stop_if: StopIf) -> Result<ExitCode, DbError> {
    let sentence = match postgres::stop_server(&cluster.data(), stop_if)? {
        StopOutcome::Stopped => "stopped",
        StopOutcome::WasNotRunning => "was not running",
        StopOutcome::InUse => return Err(DbError::InUse),
    };
    writeln!(out(), "PostgreSQL in {} {sentence}", cluster.data().display())?;
    Ok(ExitCode::SUCCESS)
}

async fn client(args: &DbArgs, program: &'static str, arguments: &[OsString]) -> Result<ExitCode, DbError> {
    let (cluster, url) = join(args, program).await?;
    let Some(path) = postgres::find_program(program, &cluster.binaries().folder, &args.cluster.search())
    else {
        return Err(DbError::NoClient { program, url });
    };
    let mut child = Command::new(path);
    child.arg("--dbname").arg(url).args(arguments);
    attend(child, cluster).await
}

async fn join(args: &DbArgs, program: &'static str) -> Result<(Cluster, String), DbError> {
    if args.database_url.is_some() {
        return Err(DbError::Foreign { program });
    }
    let cluster = Cluster::start(args.cluster.options()).await?;
    cluster.ensure_database(args.database()).await?;
    let url = cluster.url(args.database());
    Ok((cluster, url))
}

/// Runs a client with our share of the server held until it ends.
async fn attend(mut command: Command, cluster: Cluster) -> Result<ExitCode, DbError> {
    let mut child = command.spawn()?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            // Ctrl-C cancels a query in psql; it must not end us and the server below it.
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    tokio::task::spawn_blocking(|| cluster.stop()).await.map_err(std::io::Error::other)??;
    Ok(ExitCode::from(code))
}
