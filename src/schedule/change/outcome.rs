//! What comes of changes: the plan that starts from the one there is, and its differences to it.

use super::super::answer::{Kpis, Unfrozen, Unscheduled};
use super::super::conflict::{Conflict, conflicts};
use super::super::model::{Current, Model, State};
use super::super::plan::{Delta, Difference, PlanFile, differences, figures};
use super::super::watch::Watch;
use super::super::{Problem, ScheduleError, resequence_until};
use super::Change;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Orders left out whose conflict is worked out; the others have their cause.
const EXPLAINED: usize = 10;

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Outcome {
    /// The plan after the changes, accepted by the validator.
    pub plan: PlanFile,
    /// Before the changes; for a repair, the old plan carried on through them.
    pub before: Kpis,
    pub after: Kpis,
    /// Every figure with its change.
    pub figures: Vec<Delta>,
    /// Operations at another place than before.
    pub differences: Vec<Difference>,
    /// Late after and not before, and the other way round.
    pub newly_late: Vec<String>,
    pub no_longer_late: Vec<String>,
    pub unscheduled: Vec<Unscheduled>,
    pub conflicts: Vec<Conflict>,
    pub unfrozen: Vec<Unfrozen>,
    pub evaluated: u64,
    pub warnings: Vec<String>,
    /// All of it in one sentence.
    pub text: String,
}

/// Carries the current plan of `model` through `changes`, keeping what runs and what is frozen.
pub fn repair(model: &Model, changes: &[Change], watch: &dyn Watch) -> Result<Outcome, ScheduleError> {
    let mut changed = model.clone();
    changes.iter().try_for_each(|change| change.apply(&mut changed))?;
    changed.policy.options = 1;
    let problem = Problem::parse(changed)?;
    let answer = resequence_until(&problem, watch)?;
    let (before, late) = (answer.baseline.kpis.clone(), answer.baseline.late_orders.clone());
    let old: Vec<_> = model
        .current
        .iter()
        .map(|entry| super::super::PlannedOp {
            op: entry.op.clone(),
            resource: entry.resource.clone(),
            start: entry.start,
            end: entry.end,
            setup_start: None,
        })
        .collect();
    let words = match changes {
        [] => "the plan is carried on".to_owned(),
        changes => changes.iter().map(Change::words).collect::<Vec<_>>().join(", "),
    };
    let told = (words, "doing nothing");
    outcome(&problem, answer, &old, (before, late.iter().map(|o| o.order.clone()).collect()), told, watch)
}

/// What `change` would do to `plan`, or to the best plan found where there is none.
pub fn what_if(
    model: &Model,
    plan: Option<&PlanFile>,
    change: &Change,
    watch: &dyn Watch,
) -> Result<Outcome, ScheduleError> {
    let found;
    let base = match plan {
        Some(plan) => plan,
        None => {
            let mut alone = model.clone();
            alone.policy.options = 1;
            let problem = Problem::parse(alone)?;
            let answer = resequence_until(&problem, watch)?;
            let best = answer.options.first().ok_or_else(|| ScheduleError::Rejected("no plan".into()))?;
            found = PlanFile::of("before", model, &answer, best);
            &found
        }
    };
    Problem::parse(model.clone())?;
    if let Some(violation) = base.violations(model).first() {
        return Err(ScheduleError::BadPlan(violation.to_string()));
    }
    let reading = base.read(model);
    let mut changed = model.clone();
    changed.current = standing(model, base);
    change.apply(&mut changed)?;
    changed.policy.options = 1;
    let problem = Problem::parse(changed)?;
    let answer = resequence_until(&problem, watch)?;
    let late = reading.late_orders.iter().map(|order| order.order.clone()).collect();
    outcome(&problem, answer, &base.ops, (reading.kpis, late), (change.words(), "before"), watch)
}

/// The plan as today's, so that what does not have to move stays.
fn standing(model: &Model, plan: &PlanFile) -> Vec<Current> {
    let today: BTreeMap<&str, &Current> =
        model.current.iter().map(|entry| (entry.op.as_str(), entry)).collect();
    let planned = plan.ops.iter().map(|op| match today.get(op.op.as_str()) {
        Some(entry) if entry.state != State::Planned => (*entry).clone(),
        _ => Current {
            op: op.op.clone(),
            resource: op.resource.clone(),
            start: op.start,
            end: op.end,
            state: State::Planned,
            remaining: None,
        },
    });
    planned.collect()
}

fn outcome(
    problem: &Problem,
    mut answer: super::super::Answer,
    old: &[super::super::PlannedOp],
    (before, late): (Kpis, BTreeSet<String>),
    (words, than): (String, &str),
    watch: &dyn Watch,
) -> Result<Outcome, ScheduleError> {
    let left_out: Vec<&str> =
        answer.unscheduled.iter().take(EXPLAINED).map(|order| order.order.as_str()).collect();
    let explained = conflicts(problem.model(), &left_out, watch)?;
    answer.warnings.extend(explained.warning());
    let Some(best) = answer.options.first() else { return Err(ScheduleError::Rejected("no plan".into())) };
    let after = best.kpis.clone();
    let late_now: BTreeSet<String> = best.late_orders.iter().map(|order| order.order.clone()).collect();
    let differences = differences(old, &best.ops);
    let text = format!(
        "If {words}: {} late order{} ({than}: {}), {:.0} weighted min late ({:.0}), {} operation{} elsewhere{}.",
        after.late_orders,
        if after.late_orders == 1 { "" } else { "s" },
        before.late_orders,
        after.weighted_tardiness,
        before.weighted_tardiness,
        differences.len(),
        if differences.len() == 1 { "" } else { "s" },
        match answer.unscheduled.len() {
            0 => String::new(),
            count => format!("; {count} left out"),
        }
    );
    Ok(Outcome {
        plan: PlanFile::of("after the change", problem.model(), &answer, best),
        figures: figures(&before, &after),
        newly_late: late_now.difference(&late).cloned().collect(),
        no_longer_late: late.difference(&late_now).cloned().collect(),
        before,
        after,
        differences,
        conflicts: explained.conflicts,
        text,
        unscheduled: answer.unscheduled,
        unfrozen: answer.unfrozen,
        evaluated: answer.evaluated,
        warnings: answer.warnings,
    })
}
