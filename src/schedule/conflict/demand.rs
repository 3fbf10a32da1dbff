//! What can be demanded of one order, and how each demand is said.

use super::super::model::{Minute, Op, Pool, PoolKind, Split};
use super::alone::Alone;
use std::collections::HashMap;

/// Closed times of one resource that are told one by one; more are told together.
const CLOSED_SHOWN: usize = 5;

/// By position in the model; `Op` positions are within the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Demand {
    MinLag(usize),
    OnePiece(usize),
    Horizon,
    Taken(usize),
    PoolTaken(usize),
    Blocked(usize, usize),
    Calendar(usize),
    PoolCalendar(usize),
    PoolProfile(usize),
    PoolCapacity(usize),
    Certification(usize),
    Calibration(usize),
    Release,
    Material(usize),
    MaxLag(usize),
    Need(usize, usize),
    Deadline,
}

/// Every demand on the order, those first that say least: they are given up first.
pub(super) fn all(alone: &Alone) -> Vec<Demand> {
    let (model, order) = (alone.model, alone.order);
    let ops = || order.ops.iter().enumerate();
    let mut all = Vec::new();
    all.extend(ops().filter(|(_, op)| op.min_lag > 0).map(|(op, _)| Demand::MinLag(op)));
    all.extend(ops().filter(|(_, op)| op.split == Split::No).map(|(op, _)| Demand::OnePiece(op)));
    all.push(Demand::Horizon);
    let resources: Vec<usize> = (0..model.resources.len())
        .filter(|&resource| {
            let id = &model.resources[resource].id;
            order.ops.iter().any(|op| op.alts.iter().any(|alt| alt.resource == *id))
        })
        .collect();
    let pools: Vec<usize> =
        (0..model.pools.len()).filter(|&pool| order.ops.iter().any(|op| alone.may_need(op, pool))).collect();
    all.extend(resources.iter().map(|&resource| Demand::Taken(resource)));
    all.extend(pools.iter().map(|&pool| Demand::PoolTaken(pool)));
    for &resource in &resources {
        let blocked = model.resources[resource].blocked.iter().enumerate();
        let ahead = blocked.filter(|(_, blocked)| blocked.to > model.now);
        all.extend(ahead.map(|(index, _)| Demand::Blocked(resource, index)));
    }
    all.extend(resources.iter().map(|&resource| Demand::Calendar(resource)));
    all.extend(pools.iter().map(|&pool| Demand::PoolCalendar(pool)));
    all.extend(pools.iter().map(|&pool| Demand::PoolProfile(pool)));
    all.extend(pools.iter().map(|&pool| Demand::PoolCapacity(pool)));
    all.extend(pools.iter().map(|&pool| Demand::Certification(pool)));
    all.extend(pools.iter().map(|&pool| Demand::Calibration(pool)));
    all.push(Demand::Release);
    all.extend(ops().filter(|(_, op)| op.material_at.is_some()).map(|(op, _)| Demand::Material(op)));
    all.extend(ops().filter(|(_, op)| op.max_lag.is_some()).map(|(op, _)| Demand::MaxLag(op)));
    for (op, data) in ops() {
        let needed = pools.iter().filter(|&&pool| alone.may_need(data, pool));
        all.extend(needed.map(|&pool| Demand::Need(op, pool)));
    }
    if order.deadline.is_some() {
        all.push(Demand::Deadline);
    }
    all
}

/// Each demand in words; a need is told together with what is wrong with its pool.
pub(super) fn words(alone: &Alone, demands: &[Demand]) -> Vec<String> {
    if let Some(op) = alone.order.ops.iter().find(|op| op.alts.is_empty()) {
        return vec![format!("{}/{} has no resource that can do it", alone.order.id, op.id)];
    }
    let needs_of = |pool: usize| {
        demands.iter().filter_map(move |demand| match demand {
            Demand::Need(op, needed) if *needed == pool => Some(*op),
            _ => None,
        })
    };
    let mut closed: HashMap<usize, Vec<usize>> = HashMap::new();
    for demand in demands {
        if let Demand::Blocked(resource, index) = *demand {
            closed.entry(resource).or_default().push(index);
        }
    }
    let mut told = Vec::new();
    for demand in demands {
        match *demand {
            Demand::Blocked(resource, index) if closed[&resource].len() > CLOSED_SHOWN => {
                if closed[&resource][0] == index {
                    told.push(often_closed(alone, resource, &closed[&resource]));
                }
            }
            Demand::Need(op, pool) if needs_of(pool).next() == Some(op) => {
                let ops: Vec<String> = needs_of(pool).map(|op| name(alone, &alone.order.ops[op])).collect();
                let troubles: Vec<String> =
                    demands.iter().filter_map(|demand| trouble(alone, *demand, pool)).collect();
                let verb = if ops.len() == 1 { "needs" } else { "need" };
                let mut text = format!("{} {verb} {}", ops.join(" and "), needed(alone, op, pool));
                if !troubles.is_empty() {
                    text.push_str(", ");
                    text.push_str(&troubles.join(", "));
                }
                told.push(text);
            }
            other => told.extend(one(alone, other)),
        }
    }
    told
}

fn needed(alone: &Alone, op: usize, pool: usize) -> String {
    let data = &alone.model.pools[pool];
    let kind = match data.kind {
        PoolKind::Operator => "operator",
        PoolKind::Tool => "tool",
        PoolKind::Utility => "utility",
    };
    match alone.order.ops[op].needs.iter().find(|need| need.pool == data.id).map_or(0, |need| need.qty) {
        0 | 1 => format!("{kind} {}", data.id),
        qty => format!("{qty} of {kind} {}", data.id),
    }
}

fn often_closed(alone: &Alone, resource: usize, indices: &[usize]) -> String {
    let resource = &alone.model.resources[resource];
    let blocked = || indices.iter().map(|&index| &resource.blocked[index]);
    let from = blocked().map(|blocked| blocked.from).min().unwrap_or(alone.model.now);
    let to = blocked().map(|blocked| blocked.to).max().unwrap_or(alone.model.horizon);
    format!("{} is closed {} times {}", resource.id, indices.len(), alone.span(from, to))
}

/// What is wrong with a pool, as a clause behind its name.
fn trouble(alone: &Alone, demand: Demand, wanted: usize) -> Option<String> {
    let pool = |ix: usize| (ix == wanted).then(|| &alone.model.pools[ix]);
    let text = match demand {
        Demand::PoolTaken(ix) => format!("in use by {}", pool(ix).map(|pool| alone.users(&pool.id))?),
        Demand::PoolCalendar(ix) => {
            let id = pool(ix)?.calendar.as_ref()?;
            format!("there {}", alone.shifts(id))
        }
        Demand::PoolProfile(ix) => format!("of which there are {}", profile(alone, pool(ix)?)),
        Demand::PoolCapacity(ix) => match pool(ix)?.capacity {
            0 => "of which there is none".to_owned(),
            1 => "of which there is one".to_owned(),
            capacity => format!("of which there are {capacity}"),
        },
        Demand::Certification(ix) => {
            format!("not certified from {} on", alone.at(pool(ix)?.certified_until?))
        }
        Demand::Calibration(ix) => {
            format!("out of calibration from {} on", alone.at(pool(ix)?.calibrated_until?))
        }
        _ => return None,
    };
    Some(text)
}

fn profile(alone: &Alone, pool: &Pool) -> String {
    let steps: Vec<String> = pool
        .profile
        .iter()
        .filter(|step| step.0 > alone.model.now)
        .take(3)
        .map(|&(from, capacity)| format!("{capacity} from {} on", alone.at(from)))
        .collect();
    let last = pool.profile.iter().rev().find(|step| step.0 <= alone.model.now);
    let now = last.map_or(pool.capacity, |step| step.1);
    [vec![format!("{now} now")], steps].concat().join(", ")
}

/// A demand that is not about a pool.
fn one(alone: &Alone, demand: Demand) -> Option<String> {
    let (model, order) = (alone.model, alone.order);
    let op = |ix: usize| (&order.ops[ix], name(alone, &order.ops[ix]));
    let text = match demand {
        Demand::MinLag(ix) => format!("{} waits {} min after what is before it", op(ix).1, op(ix).0.min_lag),
        Demand::MaxLag(ix) => {
            let most = op(ix).0.max_lag?;
            format!("{} starts at most {most} min after what is before it", op(ix).1)
        }
        Demand::OnePiece(ix) => {
            let minutes = op(ix).0.alts.iter().map(|alt| alt.minutes).min()?;
            format!("{} takes {minutes} min in one piece", op(ix).1)
        }
        Demand::Horizon => format!("the horizon is {}", alone.at(model.horizon)),
        Demand::Taken(ix) => {
            let id = &model.resources[ix].id;
            format!("{id} is taken by {}", alone.occupants(id))
        }
        Demand::Blocked(ix, index) => {
            let (id, blocked) = (&model.resources[ix].id, &model.resources[ix].blocked[index]);
            format!("{id} is closed {} ({})", alone.span(blocked.from, blocked.to), blocked.why)
        }
        Demand::Calendar(ix) => {
            let resource = &model.resources[ix];
            format!("{} works {}", resource.id, alone.shifts(resource.calendar.as_ref()?))
        }
        Demand::Release => format!("{} is released {}", order.id, alone.at(order.release?)),
        Demand::Material(ix) => {
            format!("{} has its material from {} on", op(ix).1, alone.at(op(ix).0.material_at?))
        }
        Demand::Deadline => format!("{} must be done by {}", order.id, alone.at(order.deadline?)),
        _ => return None,
    };
    Some(text)
}

fn name(alone: &Alone, op: &Op) -> String {
    format!("{}/{}", alone.order.id, op.id)
}

impl Alone<'_> {
    /// `Mon 06:00–14:00`, with the day again where it is another one.
    pub(super) fn span(&self, from: Minute, to: Minute) -> String {
        let (from, to) = (self.at(from), self.at(to));
        match (from.split_once(' '), to.split_once(' ')) {
            (Some((day, _)), Some((same, clock))) if day == same => format!("{from}–{clock}"),
            _ => format!("{from}–{to}"),
        }
    }

    /// The next open times of a calendar.
    fn shifts(&self, id: &str) -> String {
        const SHOWN: usize = 3;
        let calendar = self.model.calendars.iter().find(|calendar| calendar.id == id);
        let open = calendar.map(|calendar| calendar.open.as_slice()).unwrap_or_default();
        let mut next = open.iter().filter(|span| span.1 > self.model.now);
        let shown: Vec<String> = next.by_ref().take(SHOWN).map(|span| self.span(span.0, span.1)).collect();
        let more = if next.next().is_some() { ", …" } else { "" };
        match shown.is_empty() {
            true => format!("never after now (calendar {id})"),
            false => format!("{}{more} (calendar {id})", shown.join(", ")),
        }
    }
}
