//! Why an order cannot be planned, as the smallest set of demands that cannot hold together.
//!
//! The order is looked at alone among what is done, runs or is frozen, so what is found here is proven.
//! Demands are dropped one by one as long as the rest still cannot hold (a deletion filter): what is left
//! needs each of its members. Demands of other free orders are weighed in `crowd`. All of it ends with the
//! caller's patience (`limit`).

mod alone;
mod crowd;
mod demand;
mod limit;
#[cfg(test)]
mod tests;

use super::model::{Model, Order};
use super::watch::Watch;
use super::{Problem, ScheduleError};
use alone::Alone;
use demand::Demand;
use limit::Limit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Demands that cannot hold together; without any one of them the rest could, unless they were too many to
/// try all.
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

/// What could be explained of the orders asked about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Explained {
    pub conflicts: Vec<Conflict>,
    /// Orders for which the time was over first.
    pub unexplained: Vec<String>,
}

impl Explained {
    /// Says so where something is missing.
    pub fn warning(&self) -> Option<String> {
        const NAMED: usize = 5;
        let count = self.unexplained.len();
        let named = self.unexplained[..count.min(NAMED)].join(", ");
        let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
        (count > 0)
            .then(|| format!("the time was over before it was clear what is in the way of {named}{more}"))
    }
}

/// Orders for which the others are tried out: that takes searches, and people ask about the first ones.
const CROWDED: usize = 3;
/// Sets tried for one order; with many demands fewer of them.
const CHECKS_MAX: usize = 1_000;
/// Closed times that are looked at last when there are more of them.
const BLOCKED_MANY: usize = 200;
/// Demands times sets tried, for one order.
const WORK_MAX: usize = 400_000;

/// Explains why the named orders cannot be planned; those that can, or that nobody knows, have no entry.
///
/// Takes a tenth of the time limit in the model's policy, and ends when `watch` is cancelled.
pub fn conflicts(model: &Model, orders: &[&str], watch: &dyn Watch) -> Result<Explained, ScheduleError> {
    let limit = Limit::of(&model.policy, watch);
    Problem::parse(model.clone())?;
    let asked = orders.iter().filter_map(|id| model.orders.iter().find(|order| order.id == *id));
    // What is proven takes no searches, so it comes first.
    let proven: Vec<(&Order, Found)> = asked.map(|order| (order, on_its_own(model, order, &limit))).collect();
    let mut explained = Explained::default();
    let mut crowded = 0;
    for (order, found) in proven {
        let found = match found {
            Found::Nothing if crowded < CROWDED => {
                crowded += 1;
                crowd::conflict(model, order, &limit)
            }
            found => found,
        };
        match found {
            Found::Nothing => {}
            Found::Conflict(conflict) => explained.conflicts.push(conflict),
            Found::TooLate => explained.unexplained.push(order.id.clone()),
        }
    }
    Ok(explained)
}

/// What looking for one order's conflict came to.
enum Found {
    Conflict(Conflict),
    Nothing,
    TooLate,
}

fn on_its_own(model: &Model, order: &Order, limit: &Limit) -> Found {
    let alone = Alone::new(model, order);
    match smallest(&alone, limit) {
        None => Found::TooLate,
        Some(Smallest::Nothing) => Found::Nothing,
        Some(Smallest::Of { demands, is_tried }) => {
            Found::Conflict(told(&order.id, demand::words(&alone, &demands), true, is_tried))
        }
    }
}

enum Smallest {
    /// The order alone can be planned.
    Nothing,
    Of {
        demands: Vec<Demand>,
        /// Whether each of them was tried to be given up.
        is_tried: bool,
    },
}

/// A set of demands that cannot hold, irreducible unless there are very many; `None` when time is up.
fn smallest(alone: &Alone, limit: &Limit) -> Option<Smallest> {
    let mut kept = demand::all(alone);
    if limit.cancelled() {
        return None;
    }
    if alone.can_hold(&kept) {
        return Some(Smallest::Nothing);
    }
    if kept.iter().filter(|demand| is_blocked(demand)).count() > BLOCKED_MANY {
        // Tries would run out before the other demands had their turn.
        kept.sort_by_key(is_blocked);
    }
    let checks = (WORK_MAX / kept.len().max(1)).clamp(64, CHECKS_MAX);
    let mut filter = Filter { alone, limit, left: checks };
    let len = kept.len();
    filter.thin(&mut kept, 0, len)?;
    Some(Smallest::Of { demands: kept, is_tried: filter.left > 0 })
}

fn is_blocked(demand: &Demand) -> bool {
    matches!(demand, Demand::Blocked(..))
}

/// Gives demands up as long as the rest still cannot hold.
struct Filter<'a> {
    alone: &'a Alone<'a>,
    limit: &'a Limit<'a>,
    /// Sets that may still be tried.
    left: usize,
}

impl Filter<'_> {
    /// Gives up what it can of `len` demands from `at` on, all at once or else half by half, so that of many
    /// that say nothing few sets are tried; how many stay. `None` when time is up.
    fn thin(&mut self, kept: &mut Vec<Demand>, at: usize, len: usize) -> Option<usize> {
        if self.limit.cancelled() {
            return None;
        }
        if self.left == 0 || len == 0 {
            return Some(len);
        }
        self.left -= 1;
        let rest = [&kept[..at], &kept[at + len..]].concat();
        if !self.alone.can_hold(&rest) {
            *kept = rest;
            return Some(0);
        }
        if len == 1 {
            return Some(1);
        }
        let half = len / 2;
        let stay = self.thin(kept, at, half)?;
        Some(stay + self.thin(kept, at + stay, len - half)?)
    }
}

fn told(order: &str, demands: Vec<String>, proven: bool, is_smallest: bool) -> Conflict {
    let all = demands.join("; ");
    let text = match (demands.len(), proven) {
        (0 | 1, _) => format!("{order} cannot be planned: {all}"),
        (_, true) if !is_smallest => format!("{order} cannot be planned with all of this: {all}"),
        (_, true) => format!("{order} cannot be planned: {all}. Give up one of them"),
        (_, false) => format!("no plan was found for {order} together with: {all}. Give up one of them"),
    };
    Conflict { order: order.to_owned(), demands, proven, text }
}
