//! One thing that changes in a plant, applied to its model: a breakdown, a hold, late material, another
//! due date, more people.
//!
//! Repair and what-if are both this and a search that starts from the plan there is.

mod outcome;
#[cfg(test)]
mod tests;

pub use outcome::{Outcome, repair, what_if};

use super::ScheduleError;
use super::model::{Alternative, Blocked, BlockedKind, Minute, Model, Order, Resource, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// A resource stands still.
    Down {
        resource: String,
        from: Minute,
        to: Minute,
        #[serde(default = "breakdown")]
        why: String,
    },
    /// Nothing of an order may start before.
    Hold {
        order: String,
        until: Minute,
    },
    /// Material of an operation, `order/operation`, comes later.
    Material {
        op: String,
        at: Minute,
    },
    Due {
        order: String,
        due: Minute,
    },
    /// What a late minute costs; above 0.
    Weight {
        order: String,
        weight: f64,
    },
    /// An order that comes in.
    Add {
        order: Box<Order>,
    },
    /// An order that is not made any more.
    Remove {
        order: String,
    },
    /// How many of a pool there are, for all of the plan.
    Capacity {
        pool: String,
        capacity: i64,
    },
    /// Hours that a calendar is open in addition, as overtime.
    Open {
        calendar: String,
        from: Minute,
        to: Minute,
    },
    /// A resource that becomes able to do an operation.
    Able {
        op: String,
        resource: String,
        minutes: Minute,
    },
}

fn breakdown() -> String {
    "breakdown".to_owned()
}

impl Change {
    /// Changes the model; what the change names must be there.
    pub fn apply(&self, model: &mut Model) -> Result<(), ScheduleError> {
        match self {
            Change::Down { resource, from, to, why } => {
                if to <= from {
                    return Err(ScheduleError::BadInterval {
                        path: "change.down".into(),
                        from: *from,
                        to: *to,
                    });
                }
                let (from, to, why, kind) = (*from, *to, why.clone(), BlockedKind::Breakdown);
                find_resource(model, resource, "change.down.resource")?.blocked.push(Blocked {
                    from,
                    to,
                    why,
                    kind,
                });
            }
            Change::Hold { order, until } => {
                let order = find_order(model, order, "change.hold.order")?;
                for op in &mut order.ops {
                    op.material_at = Some(op.material_at.map_or(*until, |at| at.max(*until)));
                }
            }
            Change::Material { op, at } => {
                let op = find_op(model, op, "change.material.op")?;
                op.material_at = Some(*at);
            }
            Change::Due { order, due } => find_order(model, order, "change.due.order")?.due = *due,
            Change::Weight { order, weight } => {
                find_order(model, order, "change.weight.order")?.weight = *weight;
            }
            Change::Add { order } => model.orders.push((**order).clone()),
            Change::Remove { order } => {
                find_order(model, order, "change.remove.order")?;
                let names = names_of(model, order);
                model.orders.retain(|known| known.id != *order);
                model.current.retain(|entry| !names.contains(&entry.op));
            }
            Change::Capacity { pool, capacity } => {
                let path = "change.capacity.pool";
                let found = model.pools.iter_mut().find(|known| known.id == *pool);
                let found = found.ok_or_else(|| unknown(path, "pool", pool))?;
                found.capacity = *capacity;
                found.profile.clear();
            }
            Change::Open { calendar, from, to } => open(model, calendar, *from, *to)?,
            Change::Able { op, resource, minutes } => {
                find_resource(model, resource, "change.able.resource")?;
                let alternative = Alternative { resource: resource.clone(), minutes: *minutes };
                let op = find_op(model, op, "change.able.op")?;
                op.alts.retain(|alt| alt.resource != *resource);
                op.alts.push(alternative);
            }
        }
        Ok(())
    }

    /// In words, for the sentence that tells what came of it.
    pub fn words(&self) -> String {
        match self {
            Change::Down { resource, from, to, .. } => format!("{resource} is down for {} min", to - from),
            Change::Hold { order, .. } => format!("{order} is on hold"),
            Change::Material { op, .. } => format!("material of {op} comes at another time"),
            Change::Due { order, .. } => format!("{order} is due at another time"),
            Change::Weight { order, weight } => format!("{order} weighs {weight}"),
            Change::Add { order } => format!("{} comes in", order.id),
            Change::Remove { order } => format!("{order} is taken out"),
            Change::Capacity { pool, capacity } => format!("there are {capacity} of {pool}"),
            Change::Open { calendar, from, to } => format!("{calendar} is open {} min more", to - from),
            Change::Able { op, resource, .. } => format!("{resource} can do {op}"),
        }
    }
}

fn unknown(path: &str, kind: &'static str, id: &str) -> ScheduleError {
    ScheduleError::Unknown { path: path.into(), kind, id: id.into() }
}

fn find_resource<'m>(model: &'m mut Model, id: &str, path: &str) -> Result<&'m mut Resource, ScheduleError> {
    let found = model.resources.iter_mut().find(|resource| resource.id == id);
    found.ok_or_else(|| unknown(path, "resource", id))
}

fn find_order<'m>(model: &'m mut Model, id: &str, path: &str) -> Result<&'m mut Order, ScheduleError> {
    let found = model.orders.iter_mut().find(|order| order.id == id);
    found.ok_or_else(|| unknown(path, "order", id))
}

fn find_op<'m>(
    model: &'m mut Model,
    name: &str,
    path: &str,
) -> Result<&'m mut super::model::Op, ScheduleError> {
    let found = model.orders.iter_mut().find_map(|order| {
        let step = name.strip_prefix(order.id.as_str())?.strip_prefix('/')?.to_owned();
        order.ops.iter_mut().find(|op| op.id == step)
    });
    found.ok_or_else(|| unknown(path, "operation (as order/operation)", name))
}

fn names_of(model: &Model, order: &str) -> Vec<String> {
    let order = model.orders.iter().find(|known| known.id == order);
    order
        .map_or_else(Vec::new, |order| order.ops.iter().map(|op| format!("{}/{}", order.id, op.id)).collect())
}

fn open(model: &mut Model, id: &str, from: Minute, to: Minute) -> Result<(), ScheduleError> {
    if to <= from {
        return Err(ScheduleError::BadInterval { path: "change.open".into(), from, to });
    }
    let found = model.calendars.iter_mut().find(|calendar| calendar.id == id);
    let calendar = found.ok_or_else(|| unknown("change.open.calendar", "calendar", id))?;
    // What was open so far stays normal hours; what comes in addition is overtime.
    if calendar.regular.is_none() {
        calendar.regular = Some(calendar.open.clone());
    }
    calendar.open.push(Span(from, to));
    calendar.open.sort_by_key(|span| (span.0, span.1));
    let mut joined: Vec<Span> = Vec::new();
    for span in calendar.open.drain(..) {
        match joined.last_mut() {
            Some(last) if span.0 <= last.1 => last.1 = last.1.max(span.1),
            _ => joined.push(span),
        }
    }
    calendar.open = joined;
    Ok(())
}
