//! The scheduling problem as JSON, version 1: what tools, files and tests exchange.
//!
//! Times are whole minutes from `epoch`, intervals half-open `[from, to)`. These structs promise
//! nothing beyond their types; [`super::Problem::parse`] is where a model becomes a well-formed problem.

use chrono::{DateTime, FixedOffset};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Minutes from the model's epoch; negative before it.
pub type Minute = i64;

/// The only version of the form so far.
pub const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    #[serde(default = "version")]
    pub version: u32,
    /// Minute 0, with the plant's UTC offset so that texts can show local time.
    pub epoch: DateTime<FixedOffset>,
    #[serde(default)]
    pub now: Minute,
    /// Nothing may end after it.
    pub horizon: Minute,
    #[serde(default)]
    pub calendars: Vec<Calendar>,
    #[serde(default)]
    pub families: Vec<String>,
    #[serde(default)]
    pub setups: Vec<SetupMatrix>,
    pub resources: Vec<Resource>,
    #[serde(default)]
    pub pools: Vec<Pool>,
    pub orders: Vec<Order>,
    /// Where each operation stands today; operations without an entry are new.
    #[serde(default)]
    pub current: Vec<Current>,
    #[serde(default)]
    pub policy: Policy,
}

/// A half-open interval written as `[from, to]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Span(pub Minute, pub Minute);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    pub id: String,
    /// When work is possible at all, overtime included; sorted and disjoint.
    pub open: Vec<Span>,
    /// The part of `open` that is paid as normal hours; absent means all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regular: Option<Vec<Span>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupMatrix {
    pub id: String,
    /// The families of rows and columns; absent means the model's `families`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub families: Option<Vec<String>>,
    /// `minutes[from][to]`.
    pub minutes: Vec<Vec<Minute>>,
    /// `cost[from][to]`, added to changeover minutes in the objective; empty means free.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cost: Vec<Vec<f64>>,
    /// Pools a changeover occupies while it lasts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// `[from, to]` family pairs that must never follow each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forbidden: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_center: Option<String>,
    /// Absent means always open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// Setup matrix; absent means no changeovers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<String>,
    /// The family it is set up for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
    /// Drawn from the one utility pool while an operation runs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub power_kw: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blocked {
    pub from: Minute,
    pub to: Minute,
    pub why: String,
    #[serde(default)]
    pub kind: BlockedKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockedKind {
    /// Planned maintenance or another known closure.
    #[default]
    Maintenance,
    /// A breakdown until its expected end.
    Breakdown,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    pub id: String,
    pub kind: PoolKind,
    pub capacity: i64,
    /// `[from, capacity]` steps that replace `capacity` from then on; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<(Minute, i64)>,
    /// Capacity is 0 outside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// Tools: no use may end after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrated_until: Option<Minute>,
    /// Operators: no use may end after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certified_until: Option<Minute>,
}

/// Operators and utilities are in use while work goes on; a tool also over the breaks it is spanned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    Operator,
    Tool,
    Utility,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Need {
    pub pool: String,
    pub qty: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub id: String,
    /// Absent means released long ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Minute>,
    /// May lie in the past: the order is late already.
    pub due: Minute,
    /// Hard: an order that cannot keep it stays unscheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Minute>,
    /// Customer tier, `A` first.
    #[serde(default = "tier_c")]
    pub tier: String,
    /// Cost of one late minute against other orders.
    #[serde(default = "one")]
    pub weight: f64,
    /// What an hour late costs: a hundredth of it is added to the weight, as in the priority score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penalty_per_hour: Option<f64>,
    /// Minutes from the release, or from now where there is none, after which it is late whenever it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shelf_life: Option<Minute>,
    pub ops: Vec<Op>,
}

/// What one unit of penalty per hour adds to a weight.
const PENALTY_SCALE: f64 = 0.01;

impl Order {
    /// What one late minute costs, the penalty included.
    pub fn minute_weight(&self) -> f64 {
        self.weight + self.penalty_per_hour.unwrap_or(0.0) * PENALTY_SCALE
    }

    /// Its due date or the end of its shelf life, whichever comes first.
    pub fn must_end(&self, now: Minute) -> Minute {
        let spoils = self.shelf_life.map(|life| self.release.unwrap_or(now).saturating_add(life));
        spoils.map_or(self.due, |spoils| spoils.min(self.due))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Op {
    pub id: String,
    /// Predecessors in this order; absent means the operation listed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<String>>,
    /// Absent means it neither needs nor changes a setup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material_at: Option<Minute>,
    #[serde(default)]
    pub alts: Vec<Alternative>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    #[serde(default)]
    pub split: Split,
    /// Minutes from the end of every predecessor to the start.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_lag: Minute,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lag: Option<Minute>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    pub resource: String,
    pub minutes: Minute,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    #[default]
    No,
    /// Stops when the resource closes and goes on when it opens.
    Breaks,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Current {
    /// `order/operation`, as `WO-1001/10`.
    pub op: String,
    pub resource: String,
    pub start: Minute,
    pub end: Minute,
    #[serde(default)]
    pub state: State,
    /// Running only: work minutes left at `now`; absent means up to `end`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<Minute>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Planned,
    /// Promised: keeps resource and start.
    Frozen,
    Running,
    Done,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Planned operations that start before it are frozen.
    pub frozen_until: Option<Minute>,
    pub weights: Weights,
    /// Two or three figures by which plans are compared one after another, instead of by the weighted sum.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lexicographic: Vec<Figure>,
    /// How many options are wanted, 1 to 5.
    pub options: usize,
    /// Wall-clock limit; the answer then depends on the machine's speed.
    pub budget_ms: Option<u64>,
    /// Limit in sequences timed; alone it makes the answer a function of model and seed.
    pub evaluations: Option<u64>,
    pub seed: u64,
    pub threads: usize,
    /// A start that differs by more minutes than this from the current plan counts as moved.
    pub move_tolerance: Minute,
    /// Refuse instead of leaving an order unscheduled.
    pub strict: bool,
    /// Work of 0 minutes is meant, as in some classic instances; else it is refused as a slip.
    pub zero_minutes: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            frozen_until: None,
            weights: Weights::default(),
            lexicographic: Vec::new(),
            options: 3,
            budget_ms: None,
            evaluations: None,
            seed: 1,
            threads: 1,
            move_tolerance: 15,
            strict: false,
            zero_minutes: false,
        }
    }
}

/// A figure of a plan that a planner may want small before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    Tardiness,
    LateOrders,
    Makespan,
    Changeover,
    Moves,
    MachineChanges,
    Overtime,
}

/// The objective is the sum of each figure times its weight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Weights {
    /// Per minute late times the order's weight, its penalty included.
    pub tardiness: f64,
    /// Per order that is late at all.
    pub late_orders: f64,
    /// Per minute until the last operation ends.
    pub makespan: f64,
    /// Per changeover minute and unit of changeover cost.
    pub changeover: f64,
    /// Per operation moved against the current plan.
    pub moves: f64,
    /// Per operation on another resource than in the current plan, on top of `moves`.
    pub machine_changes: f64,
    /// Per minute worked outside regular hours.
    pub overtime: f64,
}

impl Weights {
    /// No figure counts: what a list of wanted figures starts from.
    pub const NOTHING: Self = Self {
        tardiness: 0.0,
        late_orders: 0.0,
        makespan: 0.0,
        changeover: 0.0,
        moves: 0.0,
        machine_changes: 0.0,
        overtime: 0.0,
    };
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            tardiness: 1.0,
            late_orders: 0.0,
            makespan: 0.0,
            changeover: 0.2,
            moves: 0.5,
            machine_changes: 2.0,
            overtime: 0.2,
        }
    }
}

fn version() -> u32 {
    VERSION
}

fn tier_c() -> String {
    "C".into()
}

fn one() -> f64 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}
