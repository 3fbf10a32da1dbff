//! Who does what, what is urgent, and what may start now: the floor's questions as tools.

use super::spec;
use crate::{
    plant::{
        assignment::{self, Assignment, assign},
        dispatch::{self, Dispatch, dispatch},
        priority::{self, Scored, ranked},
    },
    tool::{DataClass, Effect, Tool, ToolError, ToolNameError, Typed},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AssignInput {
    jobs: Vec<assignment::Job>,
    operators: Vec<assignment::Operator>,
    #[serde(default)]
    settings: assignment::Settings,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ScoreInput {
    /// That wait at one work center.
    jobs: Vec<priority::Job>,
    #[serde(default)]
    settings: priority::Settings,
}

#[derive(Serialize, JsonSchema)]
struct ScoreOutput {
    /// Most urgent first.
    jobs: Vec<Scored>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DispatchInput {
    jobs: Vec<dispatch::Job>,
    work_centers: Vec<dispatch::WorkCenter>,
    #[serde(default)]
    limits: dispatch::Limits,
}

pub(super) fn assign_tool() -> Result<Arc<dyn Tool>, ToolNameError> {
    let about = "Operators to jobs: certified, present and rested, as many jobs as possible at the least cost; where some \
                 stay open, the smallest set of jobs that compete for too few people. Changes nothing.";
    let mut spec = spec("resource.assign", Effect::Propose, about)?;
    spec.classes = [("operator", DataClass::Employee), ("operators", DataClass::Employee)]
        .map(|(field, class)| (field.to_owned(), class))
        .into();
    Ok(Arc::new(Typed::new(spec, |_, input: AssignInput| async move {
        assign(&input.jobs, &input.operators, &input.settings)
            .map_err(|error| ToolError::invalid(format!("resource.assign: {error}")))
            .map(|found: Assignment| found)
    })))
}

pub(super) fn score_tool() -> Result<Arc<dyn Tool>, ToolNameError> {
    let about =
        "Jobs that wait at a work center, most urgent first, each score with the addends it is the sum of.";
    let spec = spec("priority.score", Effect::Read, about)?;
    Ok(Arc::new(Typed::new(spec, |call, input: ScoreInput| async move {
        let jobs = ranked(&input.jobs, &input.settings, call.now)
            .map_err(|error| ToolError::invalid(format!("priority.score: {error}")))?;
        Ok(ScoreOutput { jobs })
    })))
}

pub(super) fn dispatch_tool() -> Result<Arc<dyn Tool>, ToolNameError> {
    let about =
        "What may start now on each work center, and for every other job the first rule that it breaks.";
    let spec = spec("dispatch.list", Effect::Propose, about)?;
    Ok(Arc::new(Typed::new(spec, |call, input: DispatchInput| async move {
        dispatch(&input.jobs, &input.work_centers, &input.limits, call.now)
            .map_err(|error| ToolError::invalid(format!("dispatch.list: {error}")))
            .map(|found: Dispatch| found)
    })))
}
