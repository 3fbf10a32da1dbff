//! What the optimizer is told of the plant, in the shapes of the tools that a workflow collects it with.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Deserialize;

/// Sources that gave no answer may be `null`, but for the board and the routes: what they know is then
/// not a constraint.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Context {
    /// As plex.orders_affected gives them.
    pub orders: Orders,
    /// As plex.alternate_routes gives them.
    pub routes: Routes,
    /// As plex.work_center_states gives them.
    pub machines: Option<Machines>,
    /// As plex.inventory gives it.
    pub material: Option<Material>,
    /// As erp.certifications gives them.
    pub crew: Option<Crew>,
    /// As cmms.tooling gives it.
    pub tooling: Option<Tooling>,
    /// As cmms.pm_windows gives them.
    pub upkeep: Option<Upkeep>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Orders {
    pub board: Board,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Board {
    pub jobs: Vec<Job>,
    pub operations: Vec<Operation>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Job {
    pub job_id: String,
    pub job: String,
    pub order: String,
    pub customer: String,
    pub tier: String,
    pub due: DateTime<Utc>,
    pub earliest_start: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Operation {
    pub operation_id: String,
    pub job_id: String,
    /// Place in the routing.
    pub number: i64,
    pub part_operation_id: String,
    pub work_center: String,
    /// When it begins to occupy its work center, setup included.
    pub start: DateTime<Utc>,
    pub setup_minutes: f64,
    /// Of the whole operation once it has begun.
    pub run_minutes: f64,
    pub pieces_left: f64,
    pub status: String,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Routes {
    pub routes: Vec<Route>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Route {
    pub part_operation_id: String,
    pub part: String,
    pub approved: Vec<Approved>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Approved {
    pub work_center: String,
    pub work_center_id: String,
    /// Setup family.
    pub family: String,
    pub setup_minutes: f64,
    pub minutes_per_piece: f64,
    pub tool: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Machines {
    pub work_centers: Vec<Machine>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Machine {
    pub work_center: String,
    pub group: String,
    /// What it is set up for.
    pub part: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Material {
    pub components: Vec<Component>,
    pub staged: Vec<Staged>,
    pub free: Vec<Free>,
    pub inbound: Vec<Inbound>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Component {
    pub part_operation_id: String,
    pub component: String,
    pub per_piece: f64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Staged {
    pub job: String,
    pub component: String,
    pub quantity: f64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Free {
    pub component: String,
    pub quantity: f64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Inbound {
    pub component: String,
    pub quantity: f64,
    pub due: DateTime<Utc>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Crew {
    pub operators: Vec<Operator>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Operator {
    pub employee: String,
    pub shift: String,
    pub certified: Vec<Certificate>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Certificate {
    pub work_center: String,
    /// Last day, like 2027-04-03; absent means for ever.
    pub until: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Tooling {
    pub tools: Vec<Tool>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Tool {
    pub tool: String,
    pub status: String,
    pub calibrated_until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Upkeep {
    pub windows: Vec<Window>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(super) struct Window {
    pub work_center: String,
    pub title: String,
    pub starts: DateTime<Utc>,
    pub ends: DateTime<Utc>,
}
