//! A well-formed scheduling problem: every reference resolved to an index, every number in range.
//!
//! Only `parse.rs` makes one. The solver works on these indices; the validator reads the model instead.

use super::calendar::Windows;
use super::model::{Minute, Model, Weights};
use super::parse::with_power;
use super::profile::Profile;

pub(super) type OpIx = usize;
pub(super) type OrderIx = usize;
pub(super) type ResourceIx = usize;
pub(super) type PoolIx = usize;
/// Position in the union of all families of the model.
pub(super) type FamilyIx = usize;

#[derive(Debug, Clone)]
pub struct Problem {
    pub(super) model: Model,
    pub(super) orders: Vec<Order>,
    pub(super) ops: Vec<Op>,
    pub(super) resources: Vec<Resource>,
    pub(super) pools: Vec<Pool>,
    pub(super) setups: Vec<Setup>,
    pub(super) frozen_until: Minute,
    pub(super) warnings: Vec<String>,
    /// The largest value that each figure can reach.
    pub(super) ranges: Weights,
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) due: Minute,
    pub(super) deadline: Option<Minute>,
    pub(super) tier: String,
    pub(super) weight: f64,
    pub(super) ops: Vec<OpIx>,
}

#[derive(Debug, Clone)]
pub(super) struct Op {
    /// `order/operation`.
    pub(super) name: String,
    pub(super) order: OrderIx,
    pub(super) preds: Vec<OpIx>,
    pub(super) succs: Vec<OpIx>,
    pub(super) family: Option<FamilyIx>,
    /// Release, material and now, whichever is last.
    pub(super) earliest: Minute,
    pub(super) alts: Vec<Alt>,
    /// Without the draw of the resource.
    pub(super) needs: Vec<(PoolIx, i64)>,
    pub(super) splits: bool,
    pub(super) min_lag: Minute,
    pub(super) max_lag: Option<Minute>,
    pub(super) current: Option<Position>,
}

#[derive(Debug, Clone)]
pub(super) struct Alt {
    pub(super) resource: ResourceIx,
    pub(super) minutes: Minute,
    /// What the operation and its resource use while it runs.
    pub(super) needs: Vec<(PoolIx, i64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) resource: ResourceIx,
    /// Absent only for running and done operations on a resource their routing does not list.
    pub(super) alt: Option<usize>,
    pub(super) start: Minute,
    pub(super) end: Minute,
    pub(super) status: Status,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Planned,
    Frozen,
    Running { remaining: Minute },
    Done,
}

#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) id: String,
    /// Open and not blocked, up to the horizon.
    pub(super) open: Windows,
    /// The part of `open` within regular hours.
    pub(super) regular: Windows,
    pub(super) has_overtime: bool,
    pub(super) setup: Option<usize>,
    pub(super) family: Option<FamilyIx>,
    /// What it draws while it runs.
    pub(super) power: Option<(PoolIx, i64)>,
}

#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) id: String,
    /// A tool stays in the machine over a break; people and power do not.
    pub(super) held_over_breaks: bool,
    pub(super) capacity: Profile,
}

#[derive(Debug, Clone)]
pub(super) struct Setup {
    families: usize,
    /// Row-major over all families; `None` is forbidden or not in this matrix.
    minutes: Vec<Option<Minute>>,
    cost: Vec<f64>,
    pub(super) needs: Vec<(PoolIx, i64)>,
}

impl Setup {
    pub(super) fn new(families: usize, needs: Vec<(PoolIx, i64)>) -> Self {
        let cells = families * families;
        Self { families, minutes: vec![None; cells], cost: vec![0.0; cells], needs }
    }

    pub(super) fn set(&mut self, from: FamilyIx, to: FamilyIx, minutes: Option<Minute>, cost: f64) {
        self.minutes[from * self.families + to] = minutes;
        self.cost[from * self.families + to] = cost;
    }

    pub(super) fn minutes(&self, from: FamilyIx, to: FamilyIx) -> Option<Minute> {
        self.minutes[from * self.families + to]
    }

    pub(super) fn cost(&self, from: FamilyIx, to: FamilyIx) -> f64 {
        self.cost[from * self.families + to]
    }

    /// The mean of the changeovers that take time, for the dispatching rules.
    pub(super) fn mean(&self) -> Option<f64> {
        let taken: Vec<Minute> =
            self.minutes.iter().flatten().copied().filter(|&minutes| minutes > 0).collect();
        (!taken.is_empty()).then(|| taken.iter().sum::<Minute>() as f64 / taken.len() as f64)
    }
}

impl Problem {
    /// The model it was parsed from.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What the objective cannot go beyond when all figures are as bad as can be.
    pub(super) fn reach(&self, weights: &Weights) -> f64 {
        weights.tardiness * self.ranges.tardiness
            + weights.late_orders * self.ranges.late_orders
            + weights.makespan * self.ranges.makespan
            + weights.changeover * self.ranges.changeover
            + weights.moves * self.ranges.moves
            + weights.machine_changes * self.ranges.machine_changes
            + weights.overtime * self.ranges.overtime
    }

    /// The weight of the order that weighs least; 1 where there is none.
    pub(super) fn least_weight(&self) -> f64 {
        let least = self.orders.iter().map(|order| order.weight).fold(f64::INFINITY, f64::min);
        if least.is_finite() { least } else { 1.0 }
    }

    /// How many families the matrices tell apart.
    pub(super) fn families(&self) -> usize {
        let known = self
            .ops
            .iter()
            .filter_map(|op| op.family)
            .chain(self.resources.iter().filter_map(|on| on.family));
        let tables = self.setups.iter().map(|setup| setup.families);
        tables.max().unwrap_or(0).max(known.max().map_or(0, |family| family + 1))
    }

    pub(super) fn now(&self) -> Minute {
        self.model.now
    }

    /// Minutes of changeover on `resource` from its state to `family`; `None` is a forbidden pair.
    pub(super) fn setup_minutes(
        &self,
        resource: ResourceIx,
        from: Option<FamilyIx>,
        to: Option<FamilyIx>,
    ) -> Option<Minute> {
        match (self.resources[resource].setup, from, to) {
            (Some(setup), Some(from), Some(to)) => self.setups[setup].minutes(from, to),
            _ => Some(0),
        }
    }

    pub(super) fn setup_cost(
        &self,
        resource: ResourceIx,
        from: Option<FamilyIx>,
        to: Option<FamilyIx>,
    ) -> f64 {
        match (self.resources[resource].setup, from, to) {
            (Some(setup), Some(from), Some(to)) => self.setups[setup].cost(from, to),
            _ => 0.0,
        }
    }

    pub(super) fn setup_needs(&self, resource: ResourceIx) -> &[(PoolIx, i64)] {
        self.resources[resource].setup.map_or(&[], |setup| self.setups[setup].needs.as_slice())
    }

    /// What `op` uses on `resource`, whether or not its routing lists it.
    pub(super) fn needs_on(&self, op: OpIx, resource: ResourceIx) -> Vec<(PoolIx, i64)> {
        with_power(&self.ops[op].needs, self.resources[resource].power)
    }

    /// A minute as people read it: weekday and local time at the model's offset.
    pub(super) fn clock(&self, minute: Minute) -> String {
        match chrono::TimeDelta::try_minutes(minute)
            .and_then(|delta| self.model.epoch.checked_add_signed(delta))
        {
            Some(time) => time.format("%a %H:%M").to_string(),
            None => format!("minute {minute}"),
        }
    }
}
