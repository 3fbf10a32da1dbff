//! `takt schedule compare`: two plans of one problem side by side.

use super::{ScheduleCommandError, chart, input, input::Input, report};
use crate::schedule::{
    gantt::Plan,
    plan::{Comparison, Difference, Place, PlanFile, compare},
};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Differences written one by one.
const SHOWN: usize = 30;

/// Compare two plans of one problem: figures, and what moves between them
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// The problem: a JSON model, a plant file, or a JSPLIB, FJSP or SDST instance
    file: PathBuf,

    /// The plan before
    #[arg(value_name = "PLAN")]
    first: PathBuf,

    /// The plan after
    #[arg(value_name = "PLAN")]
    second: PathBuf,

    /// Write the result as JSON
    #[arg(long)]
    json: bool,

    /// Draw both into this .svg or .html file, moved operations marked
    #[arg(long, value_name = "FILE")]
    gantt: Option<PathBuf>,
}

pub(super) fn run(args: &CompareArgs) -> Result<ExitCode, ScheduleCommandError> {
    let input = input::sound_problem(&args.file)?;
    let (first, second) = (input::plan(&args.first)?, input::plan(&args.second)?);
    let compared = compare(&input.model, &first, &second);
    if let Some(file) = &args.gantt {
        draw(args, file, &input, (&first, &second), &compared)?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&compared)?);
    } else {
        print!("{}", report::deltas(&compared.figures));
        told(&compared);
        for (plan, judged) in [(&args.first, &compared.before), (&args.second, &compared.after)] {
            if !judged.violations.is_empty() {
                println!("\n{} breaks {}:", plan.display(), report::plural(judged.violations.len(), "rule"));
                print!("{}", report::violations(&judged.violations));
            }
        }
    }
    let are_valid = compared.before.violations.is_empty() && compared.after.violations.is_empty();
    Ok(ExitCode::from(u8::from(!are_valid)))
}

fn told(compared: &Comparison) {
    let lists = [
        ("late only in the second", &compared.newly_late),
        ("late only in the first", &compared.no_longer_late),
    ];
    for (words, orders) in lists.iter().filter(|(_, orders)| !orders.is_empty()) {
        println!("{words}: {}", orders.join(", "));
    }
    println!("\n{} at another place", report::plural(compared.differences.len(), "operation"));
    for difference in compared.differences.iter().take(SHOWN) {
        println!("  {}", words(difference));
    }
    if compared.differences.len() > SHOWN {
        println!("  and {} more", compared.differences.len() - SHOWN);
    }
}

fn words(difference: &Difference) -> String {
    let place = |place: &Place| format!("{} {}–{}", place.resource, place.start, place.end);
    match (&difference.before, &difference.after) {
        (Some(before), Some(after)) => format!("{}: {} → {}", difference.op, place(before), place(after)),
        (Some(before), None) => format!("{}: {} → left out", difference.op, place(before)),
        (None, Some(after)) => format!("{}: new at {}", difference.op, place(after)),
        (None, None) => difference.op.clone(),
    }
}

fn draw(
    args: &CompareArgs,
    file: &Path,
    input: &Input,
    (first, second): (&PlanFile, &PlanFile),
    compared: &Comparison,
) -> Result<(), ScheduleCommandError> {
    let moved: HashSet<&str> = compared.differences.iter().map(|difference| difference.op.as_str()).collect();
    let (model, name) = (&input.model, &input.name);
    let stem =
        |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let (before_name, after_name) = (stem(&args.first), stem(&args.second));
    let before = Plan::of(model, &first.ops, &first.read(model), &HashSet::new());
    let after = Plan::of(model, &second.ops, &second.read(model), &moved);
    let title = format!("{name}: {before_name} → {after_name}");
    chart::draw(file, &title, &before, &after)
}
