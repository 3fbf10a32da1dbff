//! From a sequence to a plan that can be shown: orders that do not fit are taken out whole.

use super::answer::{Baseline, Cause, Kpis, PlannedOp, Unscheduled};
use super::decode::{Decoder, Dropped, Sequence, Timed};
use super::facts::{Facts, Slot};
use super::gantt;
use super::kpi;
use super::model::BlockedKind;
use super::problem::{OpIx, Problem, Status};

#[derive(Debug, Clone)]
pub(super) struct Finished {
    pub(super) sequence: Sequence,
    pub(super) timed: Timed,
    pub(super) kpis: Kpis,
    /// Screened orders first, then those taken out here.
    pub(super) unscheduled: Vec<Unscheduled>,
}

/// Decodes until no order is dropped any more; each round takes the dropped ones out.
pub(super) fn finish(
    problem: &Problem,
    facts: &Facts,
    decoder: &mut Decoder,
    mut sequence: Sequence,
    screened: &[Unscheduled],
) -> Finished {
    let mut unscheduled = screened.to_vec();
    loop {
        let dropped = decoder.decode(&sequence).dropped.clone();
        if dropped.is_empty() {
            break;
        }
        sequence.order.retain(|&op| dropped.iter().all(|dropped| dropped.order != problem.ops[op].order));
        unscheduled.extend(dropped.iter().map(|dropped| report(problem, dropped)));
    }
    let timed = decoder.timed().clone();
    let kpis = kpi::kpis(problem, facts, &timed, unscheduled.len());
    Finished { sequence, timed, kpis, unscheduled }
}

fn report(problem: &Problem, dropped: &Dropped) -> Unscheduled {
    let order = &problem.orders[dropped.order];
    let name = &problem.ops[dropped.op].name;
    let (cause, reason) = match dropped.cause {
        Cause::MissesDeadline => {
            let deadline = problem.clock(order.deadline.unwrap_or(problem.model.horizon));
            (
                Cause::MissesDeadline,
                format!("{name} would end after the deadline of {}, {deadline}", order.id),
            )
        }
        Cause::ForbiddenChangeover => {
            (Cause::ForbiddenChangeover, format!("{name} would need a forbidden changeover"))
        }
        Cause::MaxLag => {
            let lag = problem.ops[dropped.op].max_lag.unwrap_or(0);
            (Cause::MaxLag, format!("{name} cannot start within {lag} min of the end of its predecessor"))
        }
        _ => no_place(problem, dropped.op),
    };
    Unscheduled { order: order.id.clone(), op: name.clone(), cause, reason }
}

/// The first of the horizon and the end of a calibration or certification it depends on.
fn no_place(problem: &Problem, op: OpIx) -> (Cause, String) {
    let name = &problem.ops[op].name;
    let expires = problem.ops[op].needs.iter().flat_map(|&(pool, _)| {
        let pool = &problem.model.pools[pool];
        let calibration = pool.calibrated_until.map(|until| (until, &pool.id, Cause::CalibrationExpired));
        let certification = pool.certified_until.map(|until| (until, &pool.id, Cause::CertificationExpired));
        calibration.into_iter().chain(certification)
    });
    match expires.min_by_key(|(until, ..)| *until).filter(|(until, ..)| *until < problem.model.horizon) {
        Some((until, id, cause)) => {
            let lost = if cause == Cause::CalibrationExpired { "calibration" } else { "certification" };
            (cause, format!("{name} finds no place before {id} loses its {lost}, {}", problem.clock(until)))
        }
        None => {
            let horizon = problem.clock(problem.model.horizon);
            (Cause::BeyondHorizon, format!("{name} finds no place before the horizon, {horizon}"))
        }
    }
}

/// By start, then resource.
pub(super) fn planned_ops(problem: &Problem, timed: &Timed) -> Vec<PlannedOp> {
    let mut placed: Vec<(OpIx, Slot)> =
        timed.slots.iter().enumerate().filter_map(|(op, slot)| Some((op, (*slot)?))).collect();
    placed.sort_by_key(|&(op, slot)| (slot.start, slot.resource, op));
    placed
        .into_iter()
        .map(|(op, slot)| PlannedOp {
            op: problem.ops[op].name.clone(),
            resource: problem.resources[slot.resource].id.clone(),
            start: slot.start,
            end: slot.end,
            setup_start: (slot.setup_minutes > 0).then_some(slot.setup_start),
        })
        .collect()
}

/// Ids of the operations that differ from the current plan, by start.
pub(super) fn moved_ops(problem: &Problem, timed: &Timed) -> Vec<String> {
    let mut moved: Vec<(OpIx, Slot)> = timed
        .slots
        .iter()
        .enumerate()
        .filter_map(|(op, slot)| Some((op, (*slot)?)))
        .filter(|(op, slot)| kpi::moved(problem, *op, slot))
        .collect();
    moved.sort_by_key(|&(op, slot)| (slot.start, slot.resource, op));
    moved.into_iter().map(|(op, _)| problem.ops[op].name.clone()).collect()
}

pub(super) fn baseline(problem: &Problem, facts: &Facts, finished: &Finished) -> Baseline {
    Baseline {
        kpis: finished.kpis.clone(),
        ops: planned_ops(problem, &finished.timed),
        late_orders: kpi::late_orders(problem, facts, &finished.timed),
        unscheduled: finished.unscheduled.clone(),
        gantt: chart(problem, facts, &finished.timed),
    }
}

/// What is not done yet, as a chart's plan.
pub(super) fn chart(problem: &Problem, facts: &Facts, timed: &Timed) -> gantt::Plan {
    let mut bars = Vec::new();
    for (op, slot) in timed.slots.iter().enumerate() {
        let Some(slot) = slot.filter(|_| !facts.is_done[op]) else { continue };
        let order = problem.ops[op].order;
        let late = kpi::is_late(problem, facts, timed, order);
        let mut bar = bar(problem, op, (slot.resource, slot.start, slot.end));
        (bar.late, bar.moved) = (late, kpi::moved(problem, op, &slot));
        if slot.setup_minutes > 0 {
            bar.setup_start = Some(slot.setup_start);
            bar.setup_minutes = Some(slot.setup_minutes);
        }
        bars.push(bar);
    }
    plan_of(problem, bars)
}

/// The current plan as it was made.
pub(super) fn chart_before(problem: &Problem) -> gantt::Plan {
    let mut ends = vec![i64::MIN; problem.orders.len()];
    for op in &problem.ops {
        if let Some(current) = op.current {
            ends[op.order] = ends[op.order].max(current.end);
        }
    }
    let mut bars = Vec::new();
    for (op, data) in problem.ops.iter().enumerate() {
        if let Some(current) = data.current.filter(|current| current.status != Status::Done) {
            let mut bar = bar(problem, op, (current.resource, current.start, current.end));
            bar.late = ends[data.order] > problem.orders[data.order].due;
            bars.push(bar);
        }
    }
    plan_of(problem, bars)
}

fn bar(problem: &Problem, op: OpIx, (resource, start, end): (usize, i64, i64)) -> gantt::Bar {
    let order = &problem.orders[problem.ops[op].order];
    gantt::Bar {
        resource: problem.resources[resource].id.clone(),
        job: order.id.clone(),
        op: problem.ops[op].name[order.id.len() + 1..].to_owned(),
        start,
        end,
        setup_start: None,
        setup_minutes: None,
        late: false,
        moved: false,
        tier: order.tier.clone(),
    }
}

fn plan_of(problem: &Problem, mut bars: Vec<gantt::Bar>) -> gantt::Plan {
    let row: std::collections::HashMap<&str, usize> =
        problem.resources.iter().enumerate().map(|(row, resource)| (resource.id.as_str(), row)).collect();
    bars.sort_by(|a, b| {
        let key = |bar: &gantt::Bar| (row.get(bar.resource.as_str()).copied(), bar.start);
        key(a).cmp(&key(b)).then_with(|| (&a.job, &a.op).cmp(&(&b.job, &b.op)))
    });
    let model = &problem.model;
    let down = model.resources.iter().flat_map(|resource| {
        resource.blocked.iter().map(|blocked| gantt::Closed {
            resource: resource.id.clone(),
            from: blocked.from,
            to: blocked.to,
            why: blocked.why.clone(),
            breakdown: blocked.kind == BlockedKind::Breakdown,
        })
    });
    gantt::Plan {
        epoch: model.epoch,
        now: model.now,
        resources: model.resources.iter().map(|resource| resource.id.clone()).collect(),
        bars,
        down: down.collect(),
    }
}
