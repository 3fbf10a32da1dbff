//! What the optimizer answers: options, the baseline of doing nothing, and what could not be planned.

use super::gantt;
use super::model::Minute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// Best first by the policy's objective; each accepted by the validator, all pairwise distinct.
    pub options: Vec<PlanOption>,
    /// The current plan re-timed around what is blocked: what happens if nobody decides.
    pub baseline: Baseline,
    /// The current plan as it was made, to draw next to an option.
    pub before: gantt::Plan,
    /// Sequences timed to get here; one that is broken off as clearly worse counts, an estimated move does not.
    pub evaluated: u64,
    /// Orders that no option plans, with the cause.
    pub unscheduled: Vec<Unscheduled>,
    /// Frozen operations that cannot stay where they are and were planned anew.
    pub unfrozen: Vec<Unfrozen>,
    pub warnings: Vec<String>,
    /// Of the best option; absent where nobody asked, or no changeover makes a difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_changeovers: Option<WithoutChangeovers>,
}

/// How late the orders of a plan stay in a plant where no changeover takes time or is forbidden: what a short
/// search that begins with the plan finds there, and no proof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WithoutChangeovers {
    /// Never above the plan's own.
    pub weighted_tardiness: f64,
    pub late_orders: usize,
    /// Sequences timed to find it; `evaluated` of the answer does not count them.
    pub evaluated: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanOption {
    /// Named by the metric it is best at.
    pub title: String,
    /// At most 200 characters; every number in it is one of `kpis`.
    pub rationale: String,
    /// The same labels in every option of an answer, so that people can compare.
    pub facts: Vec<Fact>,
    pub kpis: Kpis,
    pub bound: Bound,
    pub ops: Vec<PlannedOp>,
    /// Ids of the operations that differ from the current plan, in order of start.
    pub moved: Vec<String>,
    pub late_orders: Vec<LateOrder>,
    /// Orders this plan leaves out, with the cause.
    pub unscheduled: Vec<Unscheduled>,
    pub gantt: gantt::Plan,
}

/// Doing nothing. Its plan may leave orders out where the breakdown makes the old plan impossible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    pub kpis: Kpis,
    pub ops: Vec<PlannedOp>,
    pub late_orders: Vec<LateOrder>,
    pub unscheduled: Vec<Unscheduled>,
    pub gantt: gantt::Plan,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedOp {
    /// `order/operation`.
    pub op: String,
    pub resource: String,
    pub start: Minute,
    pub end: Minute,
    /// Where its changeover starts; it takes the matrix's minutes and ends at or before `start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_start: Option<Minute>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    pub label: String,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Kpis {
    /// The policy's objective; lower is better.
    pub objective: f64,
    pub weighted_tardiness: f64,
    pub late_orders: usize,
    pub late_by_tier: BTreeMap<String, usize>,
    pub max_late_minutes: Minute,
    pub makespan: Minute,
    pub changeover_minutes: Minute,
    pub changeovers: usize,
    pub changeover_cost: f64,
    pub overtime_minutes: Minute,
    /// Work and changeovers as a share of open time, from now until the last operation ends, of the resources
    /// that do anything; absent in a plan that does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilisation: Option<f64>,
    /// Operations on another resource, or starting more than the tolerance away from the current plan.
    pub moved_ops: usize,
    /// Of those, the ones on another resource.
    pub machine_changes: usize,
    /// Share of the not yet started operations of the current plan that stay: 1 is unchanged.
    pub stability: f64,
    pub unscheduled_orders: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LateOrder {
    pub order: String,
    pub tier: String,
    /// Or the end of its shelf life, where that comes first.
    pub due: Minute,
    pub minutes_late: Minute,
}

/// A proven lower bound of the objective for the orders planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bound {
    pub value: f64,
    pub kind: BoundKind,
    /// False when it says nothing, as tardiness bounds of plants with many changeovers do.
    pub informative: bool,
    /// No plan of these orders ends before it, even without changeovers.
    #[serde(default)]
    pub makespan: Minute,
    /// The resources and work centers that their own work keeps longest, latest first, three at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capacity: Vec<Capacity>,
}

/// When a resource, or a work center of several, is done at the soonest with what can go nowhere else, in its
/// open time and without changeovers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// A resource, or a work center of several.
    pub id: String,
    /// Work that can go nowhere else, each operation on the fastest resource.
    pub work_minutes: Minute,
    /// No plan of these orders is done with it before.
    pub until: Minute,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoundKind {
    /// Every order alone in the plant, together with the load of resources without alternative.
    OrderAlone,
    /// The makespan that the load of the resources forces.
    Load,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unscheduled {
    pub order: String,
    /// The operation that cannot be placed.
    pub op: String,
    pub cause: Cause,
    /// The cause in words, with ids and local times.
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    NoResource,
    LongerThanAnyWindow,
    PoolTooSmall,
    CalibrationExpired,
    CertificationExpired,
    NoCommonTime,
    BeyondHorizon,
    MissesDeadline,
    ForbiddenChangeover,
    MaxLag,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unfrozen {
    pub op: String,
    pub reason: String,
}
