//! `takt serve`: everything a plant needs, until it is told to stop.

use super::database::{ConnectionArgs, DatabaseArgs};
use crate::{
    agent::Spans,
    app::{App, AppError, AppOptions, Roles},
    engine::{Fault, arm_crash_point, seed_fault},
    postgres::ClusterError,
    site::Overrides,
};
use secrecy::SecretString;
use std::{net::SocketAddr, path::PathBuf};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Run Takt: intake, engine and console
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Site folder: takt.yaml, workflows/, prompts/, connectors/, …
    #[arg(long, env = "TAKT_SITE", default_value = ".", value_name = "DIR")]
    pub site: PathBuf,

    /// Take webhooks, route events, fire schedules. Of --intake, --worker and --console those that are named;
    /// with none, all three
    #[arg(long, env = "TAKT_INTAKE")]
    pub intake: bool,

    /// Run steps, and deliver messages to people
    #[arg(long, env = "TAKT_WORKER")]
    pub worker: bool,

    /// Serve the console, the API and clicks in chats
    #[arg(long, env = "TAKT_CONSOLE")]
    pub console: bool,

    /// Address the console and the webhooks listen on
    #[arg(long, env = "TAKT_BIND", default_value = "127.0.0.1:8420", value_name = "ADDRESS", value_parser = super::bind::address)]
    pub bind: SocketAddr,

    /// How people reach the console, where that is not the address it listens on
    #[arg(long, env = "TAKT_BASE_URL", value_name = "URL")]
    pub base_url: Option<String>,

    #[command(flatten)]
    pub database: DatabaseArgs,

    #[command(flatten)]
    pub connection: ConnectionArgs,

    /// Lets a program answer for people it names; the demo uses it
    #[arg(long, env = "TAKT_API_TOKEN", hide = true, hide_env_values = true)]
    pub api_token: Option<String>,

    /// Origin of the plant simulator, for every system that takt.yaml marks `simulator: true`
    #[arg(long, env = "TAKT_SIMULATOR", value_name = "URL")]
    pub simulator: Option<String>,

    /// Base URL of the model endpoint that plays authored transcripts
    #[arg(long, env = "TAKT_AUTHORED_MODEL", hide = true)]
    pub authored_model: Option<String>,

    /// Base URL of Slack's Web API, for the Slack simulator
    #[arg(long, env = "TAKT_SLACK_URL", hide = true)]
    pub slack_url: Option<String>,

    /// Workers that may die over a run before it is quarantined (tests that kill all the time set it high)
    #[arg(long, env = "TAKT_TAKEOVERS_MAX", hide = true, default_value = "3")]
    pub takeovers_max: i16,
    /// Where traces are sent (OTLP over HTTP); the SDK's own variables set sampling and headers
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub traces: Option<String>,
    /// Traces tell what was said to models and by them, too, masked as it went out
    #[arg(long, env = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT")]
    pub trace_content: bool,

    /// Abort at a crash point (tests)
    #[arg(long, env = "TAKT_CRASH_AT", hide = true)]
    pub crash_at: Option<String>,

    /// Seed a defect that the crash proof must find (tests)
    #[arg(long, env = "TAKT_FAULT", hide = true)]
    pub fault: Option<Fault>,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error("signals cannot be received: {0}")]
    Signals(#[from] std::io::Error),
}

/// Serves until SIGINT, SIGTERM or SIGHUP.
pub async fn run(args: ServeArgs) -> Result<(), ServeError> {
    arm_crash_point(args.crash_at.clone());
    seed_fault(args.fault);
    let stop = stop_on_signals()?;
    let database = args.database.open().await?;
    let roles = Roles::named(args.intake, args.worker, args.console);
    let app = App::build(AppOptions {
        site: args.site,
        overrides: Overrides {
            simulator: args.simulator,
            models: args.authored_model.map(|base_url| vec![super::demo::authored_model(&base_url)]),
            slack: args.slack_url,
            without_secrets: false,
        },
        database: args.connection.options(&database.url),
        roles,
        bind: args.bind,
        base_url: args.base_url,
        api_token: args.api_token.map(SecretString::from),
        takeovers_max: args.takeovers_max,
        spans: if args.trace_content { Spans::Content } else { Spans::Plain },
    })
    .await?;
    let (console, database) = (app.base_url(), database.describe());
    tracing::info!(console, database, roles = roles.words(), "takt serves");
    if !args.bind.ip().is_loopback() && console.starts_with("http://") {
        tracing::warn!(
            "sign-ins and answers travel unencrypted: put a proxy with TLS before it, and name it with --base-url"
        );
    }
    for notice in &app.site().notices {
        tracing::info!("{notice}");
    }
    app.serve(stop).await?;
    Ok(())
}

/// Cancelled by Ctrl-C, by SIGTERM and, unless `nohup` started this process, by the end of its terminal.
pub fn stop_on_signals() -> Result<CancellationToken, std::io::Error> {
    let stop = CancellationToken::new();
    let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
    if !ignores_hangup() {
        kinds.push(SignalKind::hangup());
    }
    for kind in kinds {
        let (mut received, told) = (signal(kind)?, stop.clone());
        tokio::spawn(async move {
            received.recv().await;
            told.cancel();
        });
    }
    Ok(stop)
}

/// `nohup` leaves SIGHUP ignored; a handler would take that back. The mask is the kernel's, in hexadecimal.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 << (SignalKind::hangup().as_raw_value() - 1) != 0)
}
