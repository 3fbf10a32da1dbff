//! Why an order cannot be planned, as the smallest set of demands that cannot hold together.
//!
//! The order is looked at alone among what is done, runs or is frozen, so what is found here is proven.
//! Demands are dropped one by one as long as the rest still cannot hold (a deletion filter): what is left
//! needs each of its members. Demands of other free orders are weighed in `crowd`.

mod alone;
mod crowd;
mod demand;
#[cfg(test)]
mod tests;

use super::model::Model;
use super::{Problem, ScheduleError};
use alone::Alone;
use demand::Demand;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Demands that cannot hold together; without any one of them the rest could.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Conflict {
    pub order: String,
    /// Each in words, with ids and local times.
    pub demands: Vec<String>,
    /// Proven, or only that a short search found no plan that keeps all of them.
    pub proven: bool,
    /// All of it in one sentence.
    pub text: String,
}

/// Orders for which the others are tried out: that takes searches, and people ask about the first ones.
const CROWDED: usize = 3;

/// Explains why the named orders cannot be planned; those that can, or that nobody knows, have no entry.
pub fn conflicts(model: &Model, orders: &[&str]) -> Result<Vec<Conflict>, ScheduleError> {
    Problem::parse(model.clone())?;
    let mut found = Vec::new();
    let mut crowded = 0;
    for id in orders {
        let Some(order) = model.orders.iter().find(|order| order.id == *id) else { continue };
        let alone = Alone::new(model, order);
        let conflict = match smallest(&alone) {
            Some(demands) => Some(told(&order.id, demand::words(&alone, &demands), true)),
            None if crowded < CROWDED => {
                crowded += 1;
                crowd::conflict(model, order)
            }
            None => None,
        };
        found.extend(conflict);
    }
    Ok(found)
}

/// An irreducible set of demands that cannot hold; `None` where the order alone can be planned.
fn smallest(alone: &Alone) -> Option<Vec<Demand>> {
    let mut kept = demand::all(alone);
    if alone.can_hold(&kept) {
        return None;
    }
    let mut index = 0;
    while index < kept.len() {
        let demand = kept.remove(index);
        if alone.can_hold(&kept) {
            kept.insert(index, demand);
            index += 1;
        }
    }
    Some(kept)
}

fn told(order: &str, demands: Vec<String>, proven: bool) -> Conflict {
    let all = demands.join("; ");
    let text = match (demands.len(), proven) {
        (0 | 1, _) => format!("{order} cannot be planned: {all}"),
        (_, true) => format!("{order} cannot be planned: {all}. Give up one of them"),
        (_, false) => format!("no plan was found for {order} together with: {all}. Give up one of them"),
    };
    Conflict { order: order.to_owned(), demands, proven, text }
}
