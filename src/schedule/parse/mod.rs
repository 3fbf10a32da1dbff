//! From model to problem: every id resolved, every number in range, or an error that names the place.

mod ranking;
mod shop;
#[cfg(test)]
mod tests;
mod work;

pub(super) use work::with_power;

use super::error::ScheduleError;
use super::model::{Calendar, Minute, Model, Policy, Span, VERSION, Weights};
use super::problem::Problem;
use std::collections::HashMap;

/// Five years either side of the epoch; sums over a whole plant stay far inside 64 bits.
const MINUTE_MAX: Minute = 5 * 366 * 24 * 60;
const QTY_MAX: i64 = 1_000_000_000;
const WEIGHT_MAX: f64 = 1e9;
const OPS_MAX: usize = 20_000;
const ENTRIES_MAX: usize = 100_000;
/// Pairs of families in all setup matrices, each as wide as all families: some 100 MB.
const PAIRS_MAX: usize = 4_000_000;
/// Intervals of calendars, again for each resource and pool that has one.
const WINDOWS_MAX: usize = 2_000_000;
const OPTIONS_MAX: usize = 5;
const THREADS_MAX: usize = 64;

impl Problem {
    pub fn parse(mut model: Model) -> Result<Problem, ScheduleError> {
        if model.version != VERSION {
            return Err(ScheduleError::Version(model.version));
        }
        sizes(&model)?;
        minute("now", model.now)?;
        minute("horizon", model.horizon)?;
        in_range("horizon", model.horizon, model.horizon > model.now, "it must be after `now`")?;
        policy(&model.policy)?;
        model.policy.weights = weights(&model)?;
        let mut warnings = Vec::new();
        let shop = shop::parse(&model, &mut warnings)?;
        let work = work::parse(&model, &shop)?;
        let frozen_until = model.policy.frozen_until.unwrap_or(model.now);
        Ok(Problem {
            ranges: ranking::ranges(&model),
            orders: work.orders,
            ops: work.ops,
            resources: shop.resources,
            pools: shop.pools,
            setups: shop.setups,
            frozen_until,
            warnings,
            model,
        })
    }
}

impl TryFrom<Model> for Problem {
    type Error = ScheduleError;

    fn try_from(model: Model) -> Result<Self, Self::Error> {
        Problem::parse(model)
    }
}

/// What the figures weigh: as the policy says, or made from its list.
pub(super) fn weights(model: &Model) -> Result<Weights, ScheduleError> {
    if model.policy.lexicographic.is_empty() { Ok(model.policy.weights) } else { ranking::weights(model) }
}

fn sizes(model: &Model) -> Result<(), ScheduleError> {
    let ops: usize = model.orders.iter().map(|order| order.ops.len()).sum();
    at_most("orders", ops, "operations", OPS_MAX)?;
    at_most("orders", model.orders.len(), "orders", OPS_MAX)?;
    at_most("current", model.current.len(), "entries", ENTRIES_MAX)?;
    at_most("resources", model.resources.len(), "resources", 5_000)?;
    at_most("pools", model.pools.len(), "pools", 5_000)?;
    at_most("families", model.families.len(), "families", 1_000)?;
    let alts: usize = model.orders.iter().flat_map(|order| &order.ops).map(|op| op.alts.len()).sum();
    at_most("orders", alts, "alternatives", 10 * ENTRIES_MAX)?;
    let regular = |calendar: &Calendar| calendar.regular.as_ref().map_or(0, Vec::len);
    let spans = model.calendars.iter().map(|calendar| calendar.open.len() + regular(calendar)).sum::<usize>()
        + model.resources.iter().map(|resource| resource.blocked.len()).sum::<usize>()
        + model.pools.iter().map(|pool| pool.profile.len()).sum::<usize>();
    at_most("calendars", spans, "intervals", ENTRIES_MAX)
}

fn at_most(path: &str, count: usize, what: &str, limit: usize) -> Result<(), ScheduleError> {
    if count <= limit {
        return Ok(());
    }
    Err(ScheduleError::TooLarge { path: path.into(), what: format!("{count} {what}"), limit })
}

fn policy(policy: &Policy) -> Result<(), ScheduleError> {
    let weights = [
        ("tardiness", policy.weights.tardiness),
        ("late_orders", policy.weights.late_orders),
        ("makespan", policy.weights.makespan),
        ("changeover", policy.weights.changeover),
        ("moves", policy.weights.moves),
        ("machine_changes", policy.weights.machine_changes),
        ("overtime", policy.weights.overtime),
    ];
    for (name, weight) in weights {
        let path = format!("policy.weights.{name}");
        in_range(&path, weight, (0.0..=WEIGHT_MAX).contains(&weight), "it must be a number from 0 to 1e9")?;
    }
    if let Some(until) = policy.frozen_until {
        minute("policy.frozen_until", until)?;
    }
    let options = policy.options;
    in_range("policy.options", options, (1..=OPTIONS_MAX).contains(&options), "ask for 1 to 5 options")?;
    let threads = policy.threads;
    in_range("policy.threads", threads, (1..=THREADS_MAX).contains(&threads), "use 1 to 64 threads")?;
    let tolerance = policy.move_tolerance;
    in_range(
        "policy.move_tolerance",
        tolerance,
        (0..=MINUTE_MAX).contains(&tolerance),
        "it must not be negative",
    )
}

/// Positions by id, refusing an id used twice.
fn index<'a>(
    path: &str,
    ids: impl Iterator<Item = &'a str>,
) -> Result<HashMap<&'a str, usize>, ScheduleError> {
    let mut index = HashMap::new();
    for (position, id) in ids.enumerate() {
        if index.insert(id, position).is_some() {
            return Err(ScheduleError::DuplicateId { path: format!("{path}[{position}]"), id: id.into() });
        }
    }
    Ok(index)
}

fn find(
    index: &HashMap<&str, usize>,
    path: impl FnOnce() -> String,
    kind: &'static str,
    id: &str,
) -> Result<usize, ScheduleError> {
    index.get(id).copied().ok_or_else(|| ScheduleError::Unknown { path: path(), kind, id: id.into() })
}

fn in_range(
    path: &str,
    value: impl ToString,
    allowed: bool,
    rule: &'static str,
) -> Result<(), ScheduleError> {
    if allowed {
        return Ok(());
    }
    Err(ScheduleError::OutOfRange { path: path.into(), value: value.to_string(), rule })
}

fn minute(path: &str, value: Minute) -> Result<(), ScheduleError> {
    in_range(
        path,
        value,
        (-MINUTE_MAX..=MINUTE_MAX).contains(&value),
        "times lie within five years of the epoch",
    )
}

fn duration(path: &str, value: Minute) -> Result<(), ScheduleError> {
    in_range(path, value, (0..=MINUTE_MAX).contains(&value), "it must be 0 or more minutes")
}

fn work_minutes(path: &str, value: Minute, may_be_zero: bool) -> Result<(), ScheduleError> {
    if may_be_zero {
        return duration(path, value);
    }
    in_range(path, value, (1..=MINUTE_MAX).contains(&value), "work takes at least one minute")
}

fn qty(path: &str, value: i64) -> Result<(), ScheduleError> {
    in_range(path, value, (1..=QTY_MAX).contains(&value), "it must be at least 1")
}

fn capacity(path: &str, value: i64) -> Result<(), ScheduleError> {
    in_range(path, value, (0..=QTY_MAX).contains(&value), "it must not be negative")
}

fn spans(path: &str, spans: &[Span]) -> Result<Vec<(Minute, Minute)>, ScheduleError> {
    let mut last = -MINUTE_MAX;
    for (position, &Span(from, to)) in spans.iter().enumerate() {
        let path = || format!("{path}[{position}]");
        minute(&path(), from)?;
        minute(&path(), to)?;
        if from < last || to <= from {
            return Err(ScheduleError::BadInterval { path: path(), from, to });
        }
        last = to;
    }
    Ok(spans.iter().map(|span| (span.0, span.1)).collect())
}
