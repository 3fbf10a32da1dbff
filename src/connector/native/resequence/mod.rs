//! `schedule.resequence`: the optimizer as a tool. Turns what the plant's systems say into its model, runs
//! it on a thread of its own within a time budget, and turns the answer into options people compare.

mod build;
mod context;
mod options;
mod staff;
mod stock;
#[cfg(test)]
mod tests;

use super::{CancelOnDrop, spec};
use crate::{
    schedule::{self, Problem, ScheduleError, model::Model},
    site::Site,
    tool::{DataClass, Effect, Tool, ToolError, ToolErrorKind, ToolNameError, Typed},
};
use chrono::{DateTime, Utc};
use context::Context;
use options::{Output, output};
use schemars::JsonSchema;
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc};

const BUDGET_MS: u64 = 4_000;
const BUDGET_MS_MAX: u64 = 20_000;
const OPTIONS_MAX: usize = 5;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The work center that is down.
    #[serde(default)]
    down: Option<String>,
    /// For about how long.
    #[serde(default)]
    down_minutes: f64,
    /// A component that comes late.
    #[serde(default)]
    late_material: Option<LateMaterial>,
    /// What the plant's systems say, one answer by name.
    context: Context,
    /// What counts in a good plan.
    #[serde(default = "every_objective")]
    objective: Vec<Objective>,
    /// How many plans are wanted, 1 to 5.
    #[serde(default = "three")]
    options: usize,
    /// Nothing is moved to start sooner than this: people need time to answer.
    #[serde(default)]
    lead_minutes: f64,
    /// How long it takes to bring free stock to a machine.
    #[serde(default)]
    staging_minutes: f64,
    /// How long the optimizer may search.
    #[serde(default = "budget")]
    budget_ms: u64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LateMaterial {
    component: String,
    until: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Objective {
    DueDates,
    SetupTime,
    Overtime,
}

fn every_objective() -> Vec<Objective> {
    vec![Objective::DueDates, Objective::SetupTime, Objective::Overtime]
}

fn three() -> usize {
    3
}

fn budget() -> u64 {
    BUDGET_MS
}

/// Both tools show the same board.
fn classes() -> BTreeMap<String, DataClass> {
    [("customer", DataClass::Customer), ("part", DataClass::Proprietary)]
        .map(|(field, class)| (field.to_owned(), class))
        .into()
}

pub(super) fn resequence(site: &Site) -> Result<Arc<dyn Tool>, ToolNameError> {
    let about = "Makes new plans around a machine that is down or material that is late: feasible, ranked, different, \
                 with numbers to compare. Changes nothing.";
    let mut spec = spec("schedule.resequence", Effect::Propose, about)?;
    spec.classes = classes();
    let site = Arc::new(site.clone());
    Ok(Arc::new(Typed::new(spec, move |call, input: Input| {
        let site = Arc::clone(&site);
        async move { plan(&site, input, call.now).await }
    })))
}

/// The optimizer's own form of the same question, for the tools that work on it.
pub(super) fn model(site: &Site) -> Result<Arc<dyn Tool>, ToolNameError> {
    let about = "The plant as the optimizer sees it: orders, work centers, calendars, people, tools and today's plan, \
                 for schedule.repair, schedule.what_if, schedule.validate and schedule.kpis.";
    let mut spec = spec("schedule.model", Effect::Read, about)?;
    spec.classes = classes();
    let site = Arc::new(site.clone());
    Ok(Arc::new(Typed::new(spec, move |call, input: Input| {
        let site = Arc::clone(&site);
        async move {
            check(&input)?;
            let built = build::build(&input, &site, call.now)?;
            Ok::<Model, ToolError>(built.model)
        }
    })))
}

async fn plan(site: &Arc<Site>, input: Input, now: DateTime<Utc>) -> Result<Output, ToolError> {
    check(&input)?;
    let cancelled = CancelOnDrop::default();
    let (site, cancel) = (Arc::clone(site), Arc::clone(&cancelled.0));
    let work = tokio::task::spawn_blocking(move || {
        let built = build::build(&input, &site, now)?;
        let problem = Problem::parse(built.model.clone()).map_err(refused)?;
        let answer = schedule::resequence_until(&problem, &*cancel).map_err(refused)?;
        Ok(output(&input.context, &built, answer))
    });
    work.await.map_err(|e| {
        ToolError::new(ToolErrorKind::Permanent, "the optimizer stopped").with_detail(e.to_string())
    })?
}

fn check(input: &Input) -> Result<(), ToolError> {
    let range = |name: &str, ok: bool, rule: &str| {
        if ok {
            Ok(())
        } else {
            Err(ToolError::invalid(format!("schedule.resequence: {name} must be {rule}")))
        }
    };
    range("options", (1..=OPTIONS_MAX).contains(&input.options), "1 to 5")?;
    range("budget_ms", (1..=BUDGET_MS_MAX).contains(&input.budget_ms), "1 to 20000")?;
    let minutes = |minutes: f64, days: f64| (0.0..=days * 24.0 * 60.0).contains(&minutes);
    range("down_minutes", minutes(input.down_minutes, 7.0), "at most a week")?;
    range("lead_minutes", minutes(input.lead_minutes, 1.0), "at most a day")?;
    range("staging_minutes", minutes(input.staging_minutes, 1.0), "at most a day")
}

fn refused(error: ScheduleError) -> ToolError {
    ToolError::new(ToolErrorKind::Invalid, format!("schedule.resequence: {error}"))
}
