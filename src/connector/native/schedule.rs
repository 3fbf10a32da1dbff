//! The optimizer on its own JSON form: repair, what-if, validation and figures of a plan.
//!
//! `schedule.model` makes that form from what a plant's systems say, as `schedule.resequence` does.

#[cfg(test)]
mod tests;

use super::{CancelOnDrop, spec};
use crate::{
    schedule::{
        Kpis, Problem, ScheduleError,
        change::{Change, Outcome, repair, what_if},
        model::Model,
        plan::PlanFile,
        validate::{Reading, Violation},
    },
    tool::{Effect, Tool, ToolError, ToolErrorKind, ToolNameError, Typed},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const BUDGET_MS: u64 = 2_000;
const BUDGET_MS_MAX: u64 = 20_000;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RepairInput {
    /// With the current plan, and what is done, runs or is frozen in it.
    model: Model,
    /// What happened.
    #[serde(default)]
    changes: Vec<Change>,
    /// How long the optimizer may search.
    #[serde(default = "budget")]
    budget_ms: u64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhatIfInput {
    model: Model,
    /// The one thing that would be different.
    change: Change,
    /// The plan to compare with; searched for when left out.
    #[serde(default)]
    plan: Option<PlanFile>,
    /// How long the optimizer may search, for each plan it has to make.
    #[serde(default = "budget")]
    budget_ms: u64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlanInput {
    model: Model,
    plan: PlanFile,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Verdict {
    valid: bool,
    /// By rule, 1 to 15.
    violations: Vec<Violation>,
    /// As the plan itself has them, whatever it reports.
    kpis: Kpis,
}

fn budget() -> u64 {
    BUDGET_MS
}

pub(super) fn repair_tool() -> Result<Arc<dyn Tool>, ToolNameError> {
    let about = "Carries the current plan through a breakdown, a hold or a shortage: what runs and what is frozen stays, \
                 little else moves. Changes nothing.";
    let spec = spec("schedule.repair", Effect::Propose, about)?;
    Ok(Arc::new(Typed::new(spec, |_, input: RepairInput| async move {
        let model = budgeted(input.model, input.budget_ms)?;
        search(move |cancel| repair(&model, &input.changes, cancel)).await
    })))
}

pub(super) fn what_if_tool() -> Result<Arc<dyn Tool>, ToolNameError> {
    let about =
        "What one change would do to a plan: figures, late orders and operations that move. Changes nothing.";
    let spec = spec("schedule.what_if", Effect::Propose, about)?;
    Ok(Arc::new(Typed::new(spec, |_, input: WhatIfInput| async move {
        let model = budgeted(input.model, input.budget_ms)?;
        search(move |cancel| what_if(&model, input.plan.as_ref(), &input.change, cancel)).await
    })))
}

pub(super) fn validate_tool() -> Result<Arc<dyn Tool>, ToolNameError> {
    let about = "Checks a plan, from whatever planner, against the fifteen rules, by code that the search does not use.";
    let spec = spec("schedule.validate", Effect::Read, about)?;
    Ok(Arc::new(Typed::new(spec, |_, input: PlanInput| async move {
        let PlanInput { model, plan } = sound(input)?;
        let violations = plan.violations(&model);
        let kpis = plan.read(&model).kpis;
        Ok::<Verdict, ToolError>(Verdict { valid: violations.is_empty(), violations, kpis })
    })))
}

pub(super) fn kpis_tool() -> Result<Arc<dyn Tool>, ToolNameError> {
    let about = "The figures of a plan, read from the plan: late orders, changeovers, overtime, moves, and how each \
                 resource spends its time.";
    let spec = spec("schedule.kpis", Effect::Read, about)?;
    Ok(Arc::new(Typed::new(spec, |_, input: PlanInput| async move {
        let PlanInput { model, plan } = sound(input)?;
        Ok::<Reading, ToolError>(plan.read(&model))
    })))
}

fn budgeted(mut model: Model, budget_ms: u64) -> Result<Model, ToolError> {
    if !(1..=BUDGET_MS_MAX).contains(&budget_ms) {
        return Err(ToolError::invalid(format!("budget_ms must be 1 to {BUDGET_MS_MAX}, not {budget_ms}")));
    }
    // A step budget in the model stays: it makes the answer reproducible.
    model.policy.budget_ms = Some(budget_ms);
    model.policy.threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(2));
    Ok(model)
}

/// What the validator may rely on: ids that exist and are unique.
fn sound(input: PlanInput) -> Result<PlanInput, ToolError> {
    Problem::parse(input.model.clone()).map_err(refused)?;
    Ok(input)
}

async fn search(
    work: impl FnOnce(&std::sync::atomic::AtomicBool) -> Result<Outcome, ScheduleError> + Send + 'static,
) -> Result<Outcome, ToolError> {
    let cancelled = CancelOnDrop::default();
    let cancel = Arc::clone(&cancelled.0);
    let done = tokio::task::spawn_blocking(move || work(&cancel)).await;
    done.map_err(|e| {
        ToolError::new(ToolErrorKind::Permanent, "the optimizer stopped").with_detail(e.to_string())
    })?
    .map_err(refused)
}

fn refused(error: ScheduleError) -> ToolError {
    ToolError::new(ToolErrorKind::Invalid, error.to_string())
}
