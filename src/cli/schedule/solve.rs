//! `takt schedule solve`: from a problem file to plans, as files, JSON, text and pictures.

use super::{
    ScheduleCommandError, bounds, chart,
    follow::{Follow, Show, Step},
    input::{self, Input},
    report, write,
};
use crate::schedule::{
    Answer, Bound, Conflict, Explained, Fact, Kpis, PlanOption, Problem, ScheduleError, Unfrozen,
    Unscheduled, WithoutChangeovers, conflicts, model::Model, plan::PlanFile, resequence_in_full,
};
use serde::Serialize;
use std::{
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// Searched when neither the command nor the file says how long.
const SECONDS: f64 = 10.0;
const SECONDS_MAX: f64 = 7.0 * 24.0 * 3600.0;
/// Orders left out whose conflict is worked out; the others have their cause.
const EXPLAINED: usize = 10;
/// As a shell reports a command that an interrupt ended.
const INTERRUPTED: u8 = 130;

/// Plan a problem from a file; the plan is checked before it is written
#[derive(Debug, clap::Args)]
pub struct SolveArgs {
    /// The problem: a JSON model, a plant file, or a JSPLIB, FJSP or SDST instance
    file: PathBuf,

    /// How long to search; 10 when neither this nor --evaluations is given
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    seconds: Option<f64>,

    /// Search this many steps instead of a time: the plan then depends on file and seed alone
    #[arg(long, value_name = "STEPS")]
    evaluations: Option<u64>,

    /// Where the search begins; another seed gives another plan
    #[arg(long)]
    seed: Option<u64>,

    /// Threads to search on; with a step budget the plan is the same on one or two
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=64))]
    threads: Option<u64>,

    /// How many plans that differ, 1 to 5; more than one shares the time between them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=5))]
    options: u64,

    /// Write plans, figures and timing to standard output as JSON
    #[arg(long)]
    json: bool,

    /// Write the best plan into this file
    #[arg(long, value_name = "PLAN")]
    out: Option<PathBuf>,

    /// Draw the best plan into this .svg or .html file, moved operations marked
    #[arg(long, value_name = "FILE")]
    gantt: Option<PathBuf>,

    /// Whether objective over time is written to standard error
    #[arg(long, value_enum, default_value_t)]
    progress: Show,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds".to_owned())?;
    let is_allowed = seconds > 0.0 && seconds <= SECONDS_MAX;
    is_allowed.then_some(seconds).ok_or_else(|| "it must be above 0 and at most a week".to_owned())
}

#[derive(Serialize)]
struct Output<'a> {
    problem: &'a str,
    format: &'static str,
    orders: usize,
    operations: usize,
    resources: usize,
    seed: u64,
    threads: usize,
    /// Best first; the first is what `--out` writes.
    options: Vec<Choice<'a>>,
    /// Keeping today's plan; absent where the file has none.
    baseline: Option<&'a Kpis>,
    evaluated: u64,
    /// Of the first plan's tardiness, what remains when no changeover takes time; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    without_changeovers: Option<&'a WithoutChangeovers>,
    unscheduled: &'a [Unscheduled],
    /// Why orders are left out, as the smallest sets of demands that cannot hold together.
    conflicts: &'a [Conflict],
    unfrozen: &'a [Unfrozen],
    warnings: &'a [String],
    /// The only part that differs between two runs with the same seed and step budget.
    timing: Timing<'a>,
}

#[derive(Serialize)]
struct Choice<'a> {
    title: &'a str,
    rationale: &'a str,
    facts: &'a [Fact],
    kpis: &'a Kpis,
    bound: &'a Bound,
    /// Share of the objective above the bound; absent where the bound says nothing.
    gap: Option<f64>,
    /// The same for the end of the last operation.
    makespan_gap: Option<f64>,
    plan: PlanFile,
}

#[derive(Serialize)]
struct Timing<'a> {
    seconds: f64,
    evaluated_per_second: f64,
    /// When the first plan was there.
    first_plan_seconds: Option<f64>,
    /// The objective over time.
    progress: &'a [Step],
}

struct Solved {
    input: Input,
    answer: Answer,
    conflicts: Vec<Conflict>,
    elapsed: Duration,
    steps: Vec<Step>,
}

pub(super) async fn run(args: SolveArgs) -> Result<ExitCode, ScheduleCommandError> {
    let mut input = input::problem(&args.file)?;
    apply(&args, &mut input.model);
    let file = args.file.display().to_string();
    let problem = Problem::parse(input.model.clone())
        .map_err(|error| input::InputError::Model { file: file.clone(), error })?;
    let follow = Arc::new(Follow::new(args.progress, args.json));
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (done, mut search) = oneshot::channel();
    let watch = Arc::clone(&follow);
    // A thread of its own: nothing waits for it when a second interrupt ends the command.
    thread::Builder::new().name("schedule".into()).spawn(move || {
        // Who asked may be gone.
        let _ = done.send(searched(&problem, &watch));
    })?;
    // The first interrupt ends the search with the best plan so far.
    let found = loop {
        tokio::select! {
            found = &mut search => break found?,
            _ = interrupt.recv() => {
                if !follow.cancel() {
                    return Ok(ExitCode::from(INTERRUPTED));
                }
            }
        }
    };
    let Searched { mut answer, explained, elapsed, steps } =
        found.map_err(|error| ScheduleCommandError::Refused { file, error })?;
    answer.warnings.extend(explained.warning());
    finish(&args, &Solved { input, answer, conflicts: explained.conflicts, elapsed, steps })
}

struct Searched {
    answer: Answer,
    explained: Explained,
    elapsed: Duration,
    steps: Vec<Step>,
}

fn searched(problem: &Problem, follow: &Follow) -> Result<Searched, ScheduleError> {
    let begun = Instant::now();
    let answer = resequence_in_full(problem, follow);
    let elapsed = begun.elapsed();
    let steps = follow.finish();
    let answer = answer?;
    let left_out: Vec<&str> =
        answer.unscheduled.iter().take(EXPLAINED).map(|order| order.order.as_str()).collect();
    let explained = conflicts(problem.model(), &left_out, follow)?;
    Ok(Searched { answer, explained, elapsed, steps })
}

fn apply(args: &SolveArgs, model: &mut Model) {
    let policy = &mut model.policy;
    if args.seconds.is_some() || args.evaluations.is_some() {
        policy.evaluations = args.evaluations;
        policy.budget_ms = args.seconds.map(|seconds| (seconds * 1000.0).ceil() as u64);
    } else if policy.evaluations.is_none() && policy.budget_ms.is_none() {
        policy.budget_ms = Some((SECONDS * 1000.0) as u64);
    }
    policy.seed = args.seed.unwrap_or(policy.seed);
    policy.threads = args.threads.map_or(policy.threads, |threads| threads as usize);
    policy.options = args.options as usize;
}

fn finish(args: &SolveArgs, solved: &Solved) -> Result<ExitCode, ScheduleCommandError> {
    let Solved { input, answer, .. } = solved;
    let plans: Vec<PlanFile> =
        answer.options.iter().map(|option| PlanFile::of(&input.name, &input.model, answer, option)).collect();
    if let (Some(file), Some(best)) = (&args.out, plans.first()) {
        write(file, &best.to_json()?)?;
    }
    if let (Some(file), Some(best)) = (&args.gantt, answer.options.first()) {
        chart::draw(file, &format!("{}: {}", input.name, best.title), &answer.before, &best.gantt)?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&output(solved, plans))?);
    } else {
        told(args, solved);
    }
    Ok(ExitCode::from(u8::from(!answer.unscheduled.is_empty())))
}

fn output<'a>(solved: &'a Solved, plans: Vec<PlanFile>) -> Output<'a> {
    let Solved { input, answer, .. } = solved;
    let choice = |(option, plan): (&'a PlanOption, PlanFile)| Choice {
        title: &option.title,
        rationale: &option.rationale,
        facts: &option.facts,
        kpis: &option.kpis,
        bound: &option.bound,
        gap: bounds::gap(option),
        makespan_gap: bounds::makespan_gap(option),
        plan,
    };
    Output {
        problem: &input.name,
        format: input::words(input.format),
        orders: input.model.orders.len(),
        operations: operations(&input.model),
        resources: input.model.resources.len(),
        seed: input.model.policy.seed,
        threads: input.model.policy.threads,
        options: answer.options.iter().zip(plans).map(choice).collect(),
        baseline: (!input.model.current.is_empty()).then_some(&answer.baseline.kpis),
        evaluated: answer.evaluated,
        without_changeovers: answer.without_changeovers.as_ref(),
        unscheduled: &answer.unscheduled,
        conflicts: &solved.conflicts,
        unfrozen: &answer.unfrozen,
        warnings: &answer.warnings,
        timing: Timing {
            seconds: solved.elapsed.as_secs_f64(),
            evaluated_per_second: per_second(solved),
            first_plan_seconds: solved.steps.first().map(|step| step.seconds),
            progress: &solved.steps,
        },
    }
}

fn per_second(solved: &Solved) -> f64 {
    solved.answer.evaluated as f64 / solved.elapsed.as_secs_f64().max(1e-9)
}

fn operations(model: &Model) -> usize {
    model.orders.iter().map(|order| order.ops.len()).sum()
}

fn told(args: &SolveArgs, solved: &Solved) {
    let Solved { input, answer, conflicts, .. } = solved;
    println!(
        "{}: {}, {}, {} ({})",
        input.name,
        report::plural(input.model.orders.len(), "order"),
        report::plural(operations(&input.model), "operation"),
        report::plural(input.model.resources.len(), "resource"),
        input::words(input.format)
    );
    let nothing = (!input.model.current.is_empty()).then_some(&answer.baseline.kpis);
    for (index, option) in answer.options.iter().enumerate() {
        if answer.options.len() > 1 {
            println!("\n{}. {}: {}", index + 1, option.title, option.rationale);
        }
        println!();
        print!("{}", report::figures(&option.kpis, nothing));
        print!("{}", bounds::told(option));
    }
    if let (Some(remains), Some(best)) = (&answer.without_changeovers, answer.options.first()) {
        println!("{}", bounds::without_changeovers(remains, &best.kpis));
    }
    println!(
        "\n{} tried in {:.1} s, {} a second{}",
        report::count(answer.evaluated),
        solved.elapsed.as_secs_f64(),
        report::count(per_second(solved) as u64),
        solved
            .steps
            .first()
            .map_or(String::new(), |step| format!("; first plan after {:.3} s", step.seconds))
    );
    for warning in &answer.warnings {
        println!("note: {warning}");
    }
    for freed in &answer.unfrozen {
        println!("{} is frozen and cannot stay: {}", freed.op, freed.reason);
    }
    for order in &answer.unscheduled {
        let conflict = conflicts.iter().find(|conflict| conflict.order == order.order);
        match conflict {
            Some(conflict) => println!("{}", conflict.text),
            None => println!("{} cannot be planned: {}", order.order, order.reason),
        }
    }
    if let Some(file) = &args.out {
        println!("wrote {}", file.display());
    }
    if let Some(file) = &args.gantt {
        println!("drew {}", file.display());
    }
}
