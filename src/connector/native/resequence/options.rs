//! From the optimizer's answer to what people compare and Plex is written.

use super::{
    build::Built,
    context::{Context, Job, Operation},
};
use crate::schedule::{Answer, Fact, Kpis, LateOrder, PlanOption, PlannedOp, gantt};
use chrono::{DateTime, FixedOffset};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Output {
    /// Plans that differ, best first; empty when none changes anything.
    pub options: Vec<Choice>,
    pub before: Before,
    /// Schedules the optimizer tried.
    pub evaluated: u64,
    pub warnings: Vec<String>,
}

/// What happens if nobody decides.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Before {
    pub late_orders: usize,
    /// Of those, the ones of tier A.
    pub late_priority_a: usize,
    pub late: Vec<Late>,
    pub setup_minutes: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Choice {
    pub title: String,
    /// At most 200 characters.
    pub rationale: String,
    /// The same labels in every option.
    pub facts: Vec<Fact>,
    /// Operations that move, in order of start.
    pub sequence: Vec<Move>,
    pub late_orders: Vec<Late>,
    pub moves_priority_a: bool,
    /// More than without a change.
    pub overtime_hours: f64,
    pub setup_minutes: i64,
    pub kpis: Kpis,
    pub gantt: Gantt,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Gantt {
    pub before: gantt::Plan,
    pub after: gantt::Plan,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Move {
    pub job: String,
    pub job_id: String,
    pub operation_id: String,
    pub work_center: String,
    pub work_center_id: String,
    /// When it begins to occupy the work center, setup included.
    pub start: DateTime<FixedOffset>,
    pub minutes: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Late {
    pub order: String,
    pub tier: String,
    pub customer: String,
    pub minutes_late: i64,
}

pub(super) fn output(context: &Context, built: &Built, answer: Answer) -> Output {
    let names = Names::new(context);
    let late = names.late(&answer.baseline.late_orders);
    let before = Before {
        late_orders: late.len(),
        late_priority_a: late.iter().filter(|order| order.tier == "A").count(),
        setup_minutes: answer.baseline.kpis.changeover_minutes,
        late,
    };
    let idle_overtime = answer.baseline.kpis.overtime_minutes;
    let choice = |option: PlanOption| choice(&names, built, option, &answer.before, idle_overtime);
    // Moving things has to be better than leaving them, by the figure that was searched for.
    let is_possible = answer.baseline.unscheduled.is_empty();
    let idle = answer.baseline.kpis.objective;
    let is_better =
        |option: &PlanOption| !option.moved.is_empty() && (!is_possible || option.kpis.objective < idle);
    let options = answer.options.into_iter().filter(is_better).map(choice).collect();
    let mut warnings = [built.warnings.clone(), answer.warnings].concat();
    warnings.extend(
        answer.unscheduled.iter().map(|order| format!("{} cannot be planned: {}", order.order, order.reason)),
    );
    Output { options, before, evaluated: answer.evaluated, warnings }
}

fn choice(
    names: &Names,
    built: &Built,
    option: PlanOption,
    before: &gantt::Plan,
    idle_overtime: i64,
) -> Choice {
    let planned: BTreeMap<&str, &PlannedOp> = option.ops.iter().map(|op| (op.op.as_str(), op)).collect();
    let sequence: Vec<Move> =
        option.moved.iter().filter_map(|id| names.sequenced(built, planned.get(id.as_str())?)).collect();
    let moves_priority_a = option.moved.iter().any(|id| names.job(id).is_some_and(|job| job.tier == "A"));
    Choice {
        title: title(names, &option),
        rationale: option.rationale,
        facts: option.facts,
        late_orders: names.late(&option.late_orders),
        moves_priority_a,
        overtime_hours: (option.kpis.overtime_minutes - idle_overtime).max(0) as f64 / 60.0,
        setup_minutes: option.kpis.changeover_minutes,
        // Not yet part of what this tool answers.
        kpis: Kpis { utilisation: None, ..option.kpis },
        gantt: Gantt { before: before.clone(), after: option.gantt },
        sequence,
    }
}

/// What it is best at, and where work goes.
fn title(names: &Names, option: &PlanOption) -> String {
    let planned: BTreeMap<&str, &PlannedOp> = option.ops.iter().map(|op| (op.op.as_str(), op)).collect();
    let mut targets: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for id in &option.moved {
        let (Some(op), Some(planned)) = (names.operation(id), planned.get(id.as_str())) else { continue };
        if op.work_center != planned.resource {
            targets.entry(&planned.resource).or_default().insert(op.job_id.as_str());
        }
    }
    let mut targets: Vec<_> = targets.into_iter().map(|(place, jobs)| (jobs.len(), place)).collect();
    targets.sort_by_key(|(jobs, _)| std::cmp::Reverse(*jobs));
    let part = |&(jobs, place): &(usize, &str)| {
        format!("{jobs} {} to {place}", if jobs == 1 { "job" } else { "jobs" })
    };
    match targets.as_slice() {
        [] => format!("{}: new times, same machines", option.title),
        targets => {
            format!("{}: {}", option.title, targets.iter().take(2).map(part).collect::<Vec<_>>().join(", "))
        }
    }
}

struct Names<'a> {
    jobs: BTreeMap<&'a str, &'a Job>,
    operations: BTreeMap<(&'a str, i64), &'a Operation>,
    work_center_ids: BTreeMap<&'a str, &'a str>,
}

impl<'a> Names<'a> {
    fn new(context: &'a Context) -> Self {
        let board = &context.orders.board;
        let approved = context.routes.routes.iter().flat_map(|route| &route.approved);
        Self {
            jobs: board.jobs.iter().map(|job| (job.job.as_str(), job)).collect(),
            operations: board.operations.iter().map(|op| ((op.job_id.as_str(), op.number), op)).collect(),
            work_center_ids: approved.map(|a| (a.work_center.as_str(), a.work_center_id.as_str())).collect(),
        }
    }

    fn job(&self, id: &str) -> Option<&'a Job> {
        self.jobs.get(id.split_once('/')?.0).copied()
    }

    fn operation(&self, id: &str) -> Option<&'a Operation> {
        let number = id.split_once('/')?.1.parse().ok()?;
        self.operations.get(&(self.job(id)?.job_id.as_str(), number)).copied()
    }

    fn sequenced(&self, built: &Built, planned: &PlannedOp) -> Option<Move> {
        let (job, operation) = (self.job(&planned.op)?, self.operation(&planned.op)?);
        // The optimizer makes a changeover as early as it can; people get the lead time for it too.
        let begins = planned.setup_start.unwrap_or(planned.start).max(built.lead.min(planned.start));
        Some(Move {
            job: job.job.clone(),
            job_id: job.job_id.clone(),
            operation_id: operation.operation_id.clone(),
            work_center: planned.resource.clone(),
            work_center_id: (*self.work_center_ids.get(planned.resource.as_str())?).to_owned(),
            start: built.minutes.time(begins),
            minutes: planned.end - begins,
        })
    }

    fn late(&self, late: &[LateOrder]) -> Vec<Late> {
        let named = |late: &LateOrder| {
            let job = self.jobs.get(late.order.as_str())?;
            Some(Late {
                order: job.order.clone(),
                tier: late.tier.clone(),
                customer: job.customer.clone(),
                minutes_late: late.minutes_late,
            })
        };
        late.iter().filter_map(named).collect()
    }
}
