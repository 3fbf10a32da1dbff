//! Orders, operations and the current plan of the model.

use super::super::error::ScheduleError;
use super::super::model::{self, Minute, Model, Split, State};
use super::super::problem::{Alt, FamilyIx, Op, OpIx, Order, PoolIx, Position, ResourceIx, Status};
use super::shop::{Shop, parse_needs};
use super::{MINUTE_MAX, WEIGHT_MAX, duration, find, in_range, index, minute, work_minutes};
use std::collections::HashMap;

pub(super) struct Work {
    pub(super) orders: Vec<Order>,
    pub(super) ops: Vec<Op>,
}

pub(super) fn parse(model: &Model, shop: &Shop) -> Result<Work, ScheduleError> {
    index("orders", model.orders.iter().map(|order| order.id.as_str()))?;
    let mut work = Work { orders: Vec::new(), ops: Vec::new() };
    for (position, order) in model.orders.iter().enumerate() {
        parse_order(model, order, position, shop, &mut work)?;
    }
    let names = work.ops.iter().map(|op| op.name.clone()).collect::<Vec<_>>();
    let names = index("orders (as order/operation)", names.iter().map(String::as_str))?;
    current(model, shop, &names, &mut work.ops)?;
    Ok(work)
}

fn parse_order(
    model: &Model,
    order: &model::Order,
    position: usize,
    shop: &Shop,
    work: &mut Work,
) -> Result<(), ScheduleError> {
    let path = format!("orders[{position}]");
    minute(&format!("{path}.due"), order.due)?;
    for bound in [order.release, order.deadline].into_iter().flatten() {
        minute(&path, bound)?;
    }
    if let Some(release) = order.release.filter(|&release| order.due < release) {
        return Err(ScheduleError::DueBeforeRelease { path, due: order.due, release });
    }
    let allowed = order.weight > 0.0 && order.weight <= WEIGHT_MAX;
    in_range(&format!("{path}.weight"), order.weight, allowed, "it must be a number above 0, up to 1e9")?;
    if let Some(penalty) = order.penalty_per_hour {
        let allowed = (0.0..=WEIGHT_MAX).contains(&penalty);
        let path = format!("{path}.penalty_per_hour");
        in_range(&path, penalty, allowed, "it must be a number from 0 to 1e9")?;
    }
    if let Some(life) = order.shelf_life {
        let allowed = (1..=MINUTE_MAX).contains(&life);
        let path = format!("{path}.shelf_life");
        in_range(&path, life, allowed, "it must be at least one minute, and at most five years")?;
    }
    let first = work.ops.len();
    let ids = index(&format!("{path}.ops"), order.ops.iter().map(|op| op.id.as_str()))?;
    for (offset, op) in order.ops.iter().enumerate() {
        let path = format!("{path}.ops[{offset}]");
        let mut parsed = parse_op(op, &path, shop)?;
        parsed.name = format!("{}/{}", order.id, op.id);
        parsed.order = position;
        let released = order.release.unwrap_or(Minute::MIN).max(op.material_at.unwrap_or(Minute::MIN));
        parsed.earliest = released.max(model.now);
        parsed.preds = match &op.after {
            None => (offset > 0).then(|| first + offset - 1).into_iter().collect(),
            Some(after) => preds(after, &ids, first, &path)?,
        };
        work.ops.push(parsed);
    }
    for op in first..work.ops.len() {
        for pred in work.ops[op].preds.clone() {
            work.ops[pred].succs.push(op);
        }
    }
    acyclic(&order.id, &work.ops[first..], first)?;
    work.orders.push(Order {
        id: order.id.clone(),
        due: order.must_end(model.now),
        deadline: order.deadline,
        tier: order.tier.clone(),
        weight: order.minute_weight(),
        ops: (first..work.ops.len()).collect(),
    });
    Ok(())
}

fn preds(
    after: &[String],
    ids: &HashMap<&str, usize>,
    first: OpIx,
    path: &str,
) -> Result<Vec<OpIx>, ScheduleError> {
    index(&format!("{path}.after"), after.iter().map(String::as_str))?;
    let place =
        |id: &String| Ok(first + find(ids, || format!("{path}.after"), "operation in this order", id)?);
    after.iter().map(place).collect()
}

fn parse_op(op: &model::Op, path: &str, shop: &Shop) -> Result<Op, ScheduleError> {
    if let Some(at) = op.material_at {
        minute(&format!("{path}.material_at"), at)?;
    }
    duration(&format!("{path}.min_lag"), op.min_lag)?;
    if let Some(lag) = op.max_lag {
        let allowed = lag >= op.min_lag;
        in_range(&format!("{path}.max_lag"), lag, allowed, "it must not be below min_lag")?;
        duration(&format!("{path}.max_lag"), lag)?;
    }
    let family = match &op.family {
        Some(id) => Some(find(&shop.families, || format!("{path}.family"), "family", id)?),
        None => None,
    };
    let needs = parse_needs(&op.needs, &shop.pool_index, path)?;
    index(&format!("{path}.alts"), op.alts.iter().map(|alt| alt.resource.as_str()))?;
    let alts = op
        .alts
        .iter()
        .enumerate()
        .map(|(position, alt)| parse_alt(alt, &format!("{path}.alts[{position}]"), family, op, &needs, shop))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Op {
        name: String::new(),
        order: 0,
        preds: Vec::new(),
        succs: Vec::new(),
        family,
        earliest: 0,
        alts,
        needs,
        splits: op.split == Split::Breaks,
        min_lag: op.min_lag,
        max_lag: op.max_lag,
        current: None,
    })
}

fn parse_alt(
    alt: &model::Alternative,
    path: &str,
    family: Option<FamilyIx>,
    op: &model::Op,
    needs: &[(PoolIx, i64)],
    shop: &Shop,
) -> Result<Alt, ScheduleError> {
    work_minutes(&format!("{path}.minutes"), alt.minutes, shop.zero_minutes)?;
    let resource = find(&shop.resource_index, || format!("{path}.resource"), "resource", &alt.resource)?;
    if let (Some(family), Some(setup), Some(id)) = (family, shop.resources[resource].setup, &op.family)
        && !shop.covers[setup][family]
    {
        let kind = "row in the setup matrix of this resource for family";
        return Err(ScheduleError::Unknown { path: path.into(), kind, id: id.clone() });
    }
    Ok(Alt { resource, minutes: alt.minutes, needs: with_power(needs, shop.resources[resource].power) })
}

/// What an operation uses together with the draw of its resource.
pub(in crate::schedule) fn with_power(
    needs: &[(PoolIx, i64)],
    power: Option<(PoolIx, i64)>,
) -> Vec<(PoolIx, i64)> {
    let mut all = needs.to_vec();
    if let Some((pool, draw)) = power {
        match all.iter_mut().find(|need| need.0 == pool) {
            Some(need) => need.1 += draw,
            None => all.push((pool, draw)),
        }
    }
    all
}

/// Takes away what has no predecessor left; what remains holds a circle.
fn acyclic(order: &str, ops: &[Op], first: OpIx) -> Result<(), ScheduleError> {
    let mut waiting: Vec<usize> = ops.iter().map(|op| op.preds.len()).collect();
    let mut ready: Vec<usize> = (0..ops.len()).filter(|&op| waiting[op] == 0).collect();
    while let Some(op) = ready.pop() {
        for &succ in &ops[op].succs {
            waiting[succ - first] -= 1;
            if waiting[succ - first] == 0 {
                ready.push(succ - first);
            }
        }
    }
    let Some(mut at) = waiting.iter().position(|&left| left > 0) else { return Ok(()) };
    let mut path = Vec::new();
    while !path.contains(&at) {
        path.push(at);
        // An operation that still waits has a predecessor that still waits.
        at = ops[at].preds.iter().map(|pred| pred - first).find(|&pred| waiting[pred] > 0).unwrap_or(at);
    }
    let start = path.iter().position(|&op| op == at).unwrap_or(0);
    let mut ids: Vec<String> = path[start..].iter().rev().map(|&op| ops[op].name.clone()).collect();
    ids.push(ids[0].clone());
    Err(ScheduleError::Cycle { order: order.into(), ids })
}

fn current(
    model: &Model,
    shop: &Shop,
    names: &HashMap<&str, OpIx>,
    ops: &mut [Op],
) -> Result<(), ScheduleError> {
    index("current", model.current.iter().map(|entry| entry.op.as_str()))?;
    for (position, entry) in model.current.iter().enumerate() {
        let path = format!("current[{position}]");
        let op = find(names, || format!("{path}.op"), "operation", &entry.op)?;
        let resource =
            find(&shop.resource_index, || format!("{path}.resource"), "resource", &entry.resource)?;
        let alt = ops[op].alts.iter().position(|alt| alt.resource == resource);
        if alt.is_none() && matches!(entry.state, State::Planned | State::Frozen) {
            let (op, resource) = (entry.op.clone(), entry.resource.clone());
            return Err(ScheduleError::NotAnAlternative { path, op, resource });
        }
        ops[op].current = Some(place(entry, &path, model.now, resource, alt)?);
    }
    Ok(())
}

fn place(
    entry: &model::Current,
    path: &str,
    now: Minute,
    resource: ResourceIx,
    alt: Option<usize>,
) -> Result<Position, ScheduleError> {
    minute(&format!("{path}.start"), entry.start)?;
    minute(&format!("{path}.end"), entry.end)?;
    if entry.end < entry.start {
        return Err(ScheduleError::BadInterval { path: path.into(), from: entry.start, to: entry.end });
    }
    let status = match entry.state {
        State::Planned => Status::Planned,
        State::Frozen => Status::Frozen,
        State::Done => Status::Done,
        State::Running => {
            let started = entry.start <= now;
            in_range(
                &format!("{path}.start"),
                entry.start,
                started,
                "a running operation has started by `now`",
            )?;
            let remaining = entry.remaining.unwrap_or((entry.end - now).max(0));
            duration(&format!("{path}.remaining"), remaining)?;
            Status::Running { remaining }
        }
    };
    Ok(Position { resource, alt, start: entry.start, end: entry.end, status })
}
