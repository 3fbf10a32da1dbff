//! `takt schedule validate`: whether a plan, from whatever planner, keeps the fifteen rules.

use super::{ScheduleCommandError, input, report};
use crate::schedule::{Kpis, validate::Violation};
use serde::Serialize;
use std::{path::PathBuf, process::ExitCode};

/// Check a plan against its problem: fifteen rules, by code that the search does not use
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// The problem: a JSON model, a plant file, or a JSPLIB, FJSP or SDST instance
    file: PathBuf,

    /// The plan, as `takt schedule solve --out` writes it; only `ops` must be there
    plan: PathBuf,

    /// Write the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Verdict {
    valid: bool,
    violations: Vec<Violation>,
    /// As the plan itself has them, whatever it reports.
    kpis: Kpis,
}

pub(super) fn run(args: &ValidateArgs) -> Result<ExitCode, ScheduleCommandError> {
    let input = input::sound_problem(&args.file)?;
    let plan = input::plan(&args.plan)?;
    let violations = plan.violations(&input.model);
    let kpis = plan.read(&input.model).kpis;
    let valid = violations.is_empty();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&Verdict { valid, violations, kpis })?);
    } else if valid {
        println!(
            "{} keeps all 15 rules: {}, objective {}, last operation ends at minute {}",
            args.plan.display(),
            report::plural(plan.ops.len(), "operation"),
            report::number(kpis.objective),
            kpis.makespan
        );
    } else {
        println!("{} breaks {}:", args.plan.display(), report::plural(violations.len(), "rule"));
        print!("{}", report::violations(&violations));
    }
    Ok(ExitCode::from(u8::from(!valid)))
}
