//! The door for terminals: one file per command.
//!
//! Data goes to standard output, everything else to standard error. Exit codes: 0 fine, 1 the user's
//! input, 2 our failure; `eval` and `schedule` have their own.

#![expect(clippy::print_stderr, reason = "this is the door for terminals")]

#[macro_use]
mod output;

mod audit;
mod bench;
mod bind;
mod broken;
pub mod check;
pub mod cluster;
mod cron;
mod database;
pub mod db;
pub mod simulate;
mod demo;
mod eval;
mod graph;
mod lsp;
mod mcp;
mod new;
mod run;
mod purge;
mod schedule;
mod schema;
mod serve;
mod test;
mod token;
mod trial;

use crate::{
    app,
    site::{Environment, Overrides, Site},
    telemetry,
};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Takt: durable workflows for manufacturing plants
#[derive(Debug, Parser)]
#[command(name = "takt", version, about, propagate_version = true)]
struct Cli {
    /// What is logged, as a tracing filter such as `info` or `takt=debug`
    #[arg(long, env = "TAKT_LOG", default_value = "warn,takt=info", global = true, value_name = "FILTER")]
    log: String,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Serve(serve::ServeArgs),
    Check(check::CheckArgs),
    Simulate(simulate::SimulateArgs),
    Eval(eval::EvalArgs),
    Schedule(schedule::ScheduleArgs),
    Cron(cron::CronArgs),
    Db(db::DbArgs),
    Audit(audit::AuditArgs),
    Bench(bench::BenchArgs),
    Run(run::RunArgs),
    Test(test::TestArgs),
    Try(trial::TryArgs),
    Schema(schema::SchemaArgs),
    Graph(graph::GraphArgs),
    Lsp(lsp::LspArgs),
    Mcp(mcp::McpArgs),
    New(new::NewArgs),
    Token(token::TokenArgs),
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // TLS without a provider would panic at the first connection.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("no threads can be started: {error}"), 2),
    };
    let code = runtime.block_on(async move {
        match cli.command {
            Command::Demo(args) => {
                telemetry::start(&quiet(&cli.log));
                coded(demo::run(args).await, 1)
            }
            Command::Serve(args) => match telemetry::start_with_traces(&cli.log, args.traces.as_deref()) {
                Ok(_until_the_end) => finish(serve::run(args).await),
                Err(error) => fail(&error.to_string(), 1),
            },
            Command::Check(args) => check_site(&args).await,
            Command::Simulate(args) => {
                telemetry::start(&cli.log);
                finish(simulate::run(args).await)
            }
            Command::Eval(args) => {
                telemetry::start(&quiet(&cli.log));
                eval::run(args).await.unwrap_or_else(|error| fail(&error.to_string(), error.exit_code()))
            }
            Command::Bench(args) => {
                telemetry::start(&quiet(&cli.log));
                coded(bench::run(args).await, 2)
            }
            Command::Schedule(args) => {
                telemetry::start(&quiet(&cli.log));
                coded(schedule::run(args).await, 2)
            }
            Command::Cron(args) => {
                telemetry::start(&quiet(&cli.log));
                coded(cron::run(args).await, 1)
            }
            Command::Run(args) => {
                telemetry::start(&quiet(&cli.log));
                coded(run::run(args).await, 1)
            }
            Command::Schema(args) => draw_schema(&args),
            Command::Graph(args) => draw_graph(&args),
            Command::New(args) => begin_workflow(&args),
            Command::Token(args) => finish(token::run(&args)),
            Command::Lsp(args) => {
                telemetry::start(&quiet(&cli.log));
                coded(lsp::run(&args), 1)
            }
            Command::Mcp(args) => {
                telemetry::start(&quiet(&cli.log));
                coded(mcp::run(args).await, 1)
            }
            Command::Test(args) => {
                telemetry::start(&quiet(&cli.log));
                test::run(&args).await.unwrap_or_else(|error| fail(&error.to_string(), error.exit_code()))
            }
            Command::Try(args) => {
                telemetry::start(&quiet(&cli.log));
                try_workflow(&args).await
            }
            Command::Db(args) => coded(db::run(args).await, 1),
            Command::Audit(args) => {
                telemetry::start(&quiet(&cli.log));
                coded(audit::run(args).await, 2)
            }
        }
    });
    if output::is_cut() { ExitCode::from(2) } else { code }
}

async fn check_site(args: &check::CheckArgs) -> ExitCode {
    let overrides = Overrides { without_secrets: !args.mcp, ..Overrides::default() };
    let environment = Environment::of_process();
    let loaded = Site::load(&args.site, &environment, &overrides).map_err(app::AppError::from);
    let loaded = loaded.and_then(|site| app::tools_of(&site).map(|tools| (site, tools)));
    let checked = match &loaded {
        Ok((site, tools)) => check::run(args, site, tools),
        Err(error) => match broken::everything(&args.site, error, &environment, &overrides) {
            found if found.is_empty() => return fail(&error.to_string(), 1),
            found => check::refused(&found, args),
        },
    };
    match (checked, &loaded) {
        (Ok(code), Ok((site, _))) if code == ExitCode::SUCCESS && args.mcp => mcp::check(site).await,
        (Ok(code), _) => code,
        (Err(error), _) => fail(&error.to_string(), 1),
    }
}

fn draw_schema(args: &schema::SchemaArgs) -> ExitCode {
    match schema::run(args) {
        Err(schema::SchemaError::Site(error)) => fail_of_site(&args.site, &error),
        done => finish(done),
    }
}

fn draw_graph(args: &graph::GraphArgs) -> ExitCode {
    match graph::run(args) {
        Err(graph::GraphError::Site(error)) => fail_of_site(&args.site, &error),
        done => finish(done),
    }
}

fn begin_workflow(args: &new::NewArgs) -> ExitCode {
    match new::run(args) {
        Err(new::NewError::Site(error)) => fail_of_site(&args.site, &error),
        done => finish(done),
    }
}

async fn try_workflow(args: &trial::TryArgs) -> ExitCode {
    match trial::run(args).await {
        Err(trial::TryError::Site(error)) => fail_of_site(&args.site, &error),
        done => coded(done, 1),
    }
}

/// A site that is only read: no secret of it is needed.
fn plant_of(site: &std::path::Path) -> Result<app::Plant, app::AppError> {
    let overrides = Overrides { without_secrets: true, ..Overrides::default() };
    app::Plant::load(site, &Environment::of_process(), &overrides)
}

/// The demo tells its own story; only troubles are logged beside it.
fn quiet(filter: &str) -> String {
    if filter == "warn,takt=info" { "error".to_owned() } else { filter.to_owned() }
}

fn finish<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string(), 1),
    }
}

/// A command that chooses its own exit code, and the one for its failure.
fn coded<E: std::fmt::Display>(result: Result<ExitCode, E>, failure: u8) -> ExitCode {
    result.unwrap_or_else(|error| fail(&error.to_string(), failure))
}

fn fail(message: &str, code: u8) -> ExitCode {
    eprintln!("takt: {message}");
    ExitCode::from(code)
}

/// A site that does not load, with its findings where files are to blame.
fn fail_of_site(site: &std::path::Path, error: &app::AppError) -> ExitCode {
    match broken::told(site, error) {
        Some(told) => {
            eprintln!("{told}");
            ExitCode::from(1)
        }
        None => fail(&error.to_string(), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
