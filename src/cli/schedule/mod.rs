//! `takt schedule`: the schedule optimizer on files, without a site, a database or a network.
//!
//! Exit codes: 0 fine; 1 a plan that breaks a rule, or orders that cannot be planned; 2 the files given; 130
//! after a second interrupt, which does not wait for a plan.

mod bounds;
mod chart;
mod compare;
mod follow;
mod input;
mod report;
mod solve;
mod validate;

use std::{path::PathBuf, process::ExitCode};

/// Plan a job shop from a file, check a plan against its problem, compare two plans
#[derive(Debug, clap::Args)]
pub struct ScheduleArgs {
    #[command(subcommand)]
    command: ScheduleCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ScheduleCommand {
    Solve(solve::SolveArgs),
    Validate(validate::ValidateArgs),
    Compare(compare::CompareArgs),
    Convert(ConvertArgs),
    Schema(SchemaArgs),
}

/// Write a problem, in whatever format it is, as a JSON model
#[derive(Debug, clap::Args)]
struct ConvertArgs {
    /// The problem: a JSON model, a plant file, or a JSPLIB, FJSP or SDST instance
    file: PathBuf,

    /// The file that is written; standard output when left out
    #[arg(long, value_name = "MODEL")]
    out: Option<PathBuf>,
}

/// Write the JSON Schema of a problem (`model`) or of a plan
#[derive(Debug, clap::Args)]
struct SchemaArgs {
    #[arg(value_enum)]
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Model,
    Plan,
}

/// What went wrong with the files or the terminal; everything here ends with exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleCommandError {
    #[error(transparent)]
    Input(#[from] input::InputError),
    #[error("{file} cannot be written: {error}")]
    Write { file: String, error: std::io::Error },
    #[error("{0}: write a file that ends in .svg or .html")]
    Picture(String),
    #[error("{file}: {error}")]
    Refused { file: String, error: crate::schedule::ScheduleError },
    #[error("the optimizer stopped")]
    Stopped(#[from] tokio::sync::oneshot::error::RecvError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

pub async fn run(args: ScheduleArgs) -> Result<ExitCode, ScheduleCommandError> {
    match args.command {
        ScheduleCommand::Solve(args) => solve::run(args).await,
        ScheduleCommand::Validate(args) => validate::run(&args),
        ScheduleCommand::Compare(args) => compare::run(&args),
        ScheduleCommand::Convert(args) => convert(&args),
        ScheduleCommand::Schema(args) => schema(args.form),
    }
}

fn convert(args: &ConvertArgs) -> Result<ExitCode, ScheduleCommandError> {
    let input = input::sound_problem(&args.file)?;
    let text = serde_json::to_string(&input.model)? + "\n";
    match &args.out {
        Some(file) => write(file, &text)?,
        None => print!("{text}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn schema(form: Form) -> Result<ExitCode, ScheduleCommandError> {
    let schema = match form {
        Form::Model => schemars::schema_for!(crate::schedule::model::Model),
        Form::Plan => schemars::schema_for!(crate::schedule::plan::PlanFile),
    };
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(ExitCode::SUCCESS)
}

fn write(file: &std::path::Path, text: &str) -> Result<(), ScheduleCommandError> {
    std::fs::write(file, text)
        .map_err(|error| ScheduleCommandError::Write { file: file.display().to_string(), error })
}
