//! JSON files: the model itself, or the dialect of generated plants, which has no `epoch`.

use super::super::model::{
    Alternative, Blocked, BlockedKind, Minute, Model, Need, Op, Order, Pool, Resource, SetupMatrix, Span,
    Split, VERSION, Weights,
};
use super::classic::{epoch, horizon, only};
use super::{Format, ReadError};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plant {
    #[serde(default, rename = "name")]
    _name: Option<String>,
    #[serde(default)]
    time_unit: Option<String>,
    #[serde(default)]
    now: Minute,
    #[serde(default)]
    objective: Option<String>,
    #[serde(default)]
    setups: Vec<SetupMatrix>,
    resources: Vec<Machine>,
    #[serde(default)]
    pools: Vec<Pool>,
    orders: Vec<Job>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    id: String,
    #[serde(default)]
    work_center: Option<String>,
    #[serde(default)]
    setup_matrix: Option<String>,
    #[serde(default)]
    initial_family: Option<String>,
    #[serde(default)]
    blocked: Vec<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Job {
    id: String,
    #[serde(default)]
    release: Option<Minute>,
    #[serde(default)]
    due: Option<Minute>,
    #[serde(default = "tier")]
    tier: String,
    #[serde(default = "weight")]
    weight: f64,
    ops: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    id: String,
    #[serde(default)]
    family: Option<String>,
    alts: Vec<Alternative>,
    #[serde(default)]
    needs: Vec<Need>,
}

/// Only what tells the two dialects apart.
#[derive(Deserialize)]
struct Outline {
    version: Option<serde_json::Value>,
    epoch: Option<serde_json::Value>,
}

pub(super) fn read_json(text: &str) -> Result<(Model, Format), ReadError> {
    let outline: Outline = serde_json::from_str(text).map_err(|error| json(&error))?;
    if outline.version.is_some() || outline.epoch.is_some() {
        let model = serde_json::from_str(text).map_err(|error| json(&error))?;
        return Ok((model, Format::Model));
    }
    let plant: Plant = serde_json::from_str(text).map_err(|error| json(&error))?;
    Ok((model(plant)?, Format::Plant))
}

fn json(error: &serde_json::Error) -> ReadError {
    let message = error.to_string();
    // The place is a field of its own here.
    let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
    ReadError::Json { line: error.line(), column: error.column(), message }
}

fn model(plant: Plant) -> Result<Model, ReadError> {
    let refused = |path: &str, message: String| Err(ReadError::Field { path: path.into(), message });
    if let Some(unit) = plant.time_unit.filter(|unit| unit != "min") {
        return refused("time_unit", format!("`{unit}` is unknown; give times in `min`"));
    }
    let weights = match plant.objective.as_deref() {
        None | Some("total_weighted_tardiness") => Weights { tardiness: 1.0, ..Weights::NOTHING },
        Some("makespan") => Weights { makespan: 1.0, ..Weights::NOTHING },
        Some(other) => {
            return refused(
                "objective",
                format!("`{other}` is unknown; use total_weighted_tardiness or makespan"),
            );
        }
    };
    let needs_due = weights.tardiness > 0.0;
    if let Some(job) = plant.orders.iter().position(|job| needs_due && job.due.is_none()) {
        return refused(&format!("orders[{job}].due"), "it is missing, and tardiness counts from it".into());
    }
    let mut model = Model {
        version: VERSION,
        epoch: epoch(),
        now: plant.now,
        horizon: 1,
        calendars: Vec::new(),
        families: Vec::new(),
        setups: plant.setups,
        resources: plant.resources.into_iter().map(resource).collect(),
        pools: plant.pools,
        orders: plant.orders.into_iter().map(order).collect(),
        current: Vec::new(),
        policy: only(weights),
    };
    model.horizon = horizon(&model).max(plant.now.saturating_add(1));
    for order in model.orders.iter_mut().filter(|_| !needs_due) {
        order.due = model.horizon;
    }
    Ok(model)
}

fn resource(machine: Machine) -> Resource {
    let blocked = |Span(from, to): Span| Blocked {
        from,
        to,
        why: "maintenance".into(),
        kind: BlockedKind::Maintenance,
    };
    Resource {
        id: machine.id,
        work_center: machine.work_center,
        setup: machine.setup_matrix,
        state: machine.initial_family,
        blocked: machine.blocked.into_iter().map(blocked).collect(),
        ..Resource::default()
    }
}

fn order(job: Job) -> Order {
    let op = |step: Step| Op {
        id: step.id,
        after: None,
        family: step.family,
        material_at: None,
        alts: step.alts,
        needs: step.needs,
        split: Split::No,
        min_lag: 0,
        max_lag: None,
    };
    Order {
        id: job.id,
        release: job.release,
        due: job.due.unwrap_or(0),
        deadline: None,
        tier: job.tier,
        weight: job.weight,
        penalty_per_hour: None,
        shelf_life: None,
        ops: job.ops.into_iter().map(op).collect(),
    }
}

fn tier() -> String {
    "C".into()
}

fn weight() -> f64 {
    1.0
}
