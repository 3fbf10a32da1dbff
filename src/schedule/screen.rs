//! Orders that no sequence can plan: found before the search, each with the cause in words.

use super::answer::{Cause, Unscheduled};
use super::bound::ends_alone;
use super::calendar::Windows;
use super::facts::Facts;
use super::model::Minute;
use super::problem::{Alt, Op, OpIx, OrderIx, PoolIx, Problem};

pub(super) struct Impossible {
    pub(super) order: OrderIx,
    pub(super) report: Unscheduled,
}

/// The first impossible operation of every order that has one.
pub(super) fn impossible(problem: &Problem, facts: &Facts) -> Vec<Impossible> {
    let alone = ends_alone(problem, facts);
    let check = |(order, data): (OrderIx, &super::problem::Order)| {
        let (op, (cause, reason)) = data
            .ops
            .iter()
            .filter(|&&op| !facts.is_decided(op))
            .find_map(|&op| Some((op, why_never(problem, facts, &alone, op)?)))?;
        let op = problem.ops[op].name.clone();
        Some(Impossible { order, report: Unscheduled { order: data.id.clone(), op, cause, reason } })
    };
    problem.orders.iter().enumerate().filter_map(check).collect()
}

/// Alone in the plant `op` still has no place; the cause of its most hopeful alternative.
fn why_never(problem: &Problem, facts: &Facts, alone: &[Minute], ix: OpIx) -> Option<(Cause, String)> {
    let op = &problem.ops[ix];
    if op.alts.is_empty() {
        return Some((Cause::NoResource, format!("{} has no resource that can do it", op.name)));
    }
    let preds = op.preds.iter().map(|&pred| alone[pred].saturating_add(op.min_lag));
    let from = preds.fold(op.earliest, Minute::max);
    let mut causes = Vec::new();
    for alt in &op.alts {
        causes.push(why_not_on(problem, facts, op, alt, from)?);
    }
    causes.into_iter().max_by_key(|(cause, _)| hope(*cause))
}

/// Of several alternatives people want to hear about the one that is nearest to working.
fn hope(cause: Cause) -> u8 {
    match cause {
        Cause::NoResource | Cause::LongerThanAnyWindow => 0,
        Cause::BeyondHorizon => 1,
        Cause::PoolTooSmall => 2,
        _ => 3,
    }
}

fn why_not_on(problem: &Problem, facts: &Facts, op: &Op, alt: &Alt, from: Minute) -> Option<(Cause, String)> {
    let resource = &problem.resources[alt.resource];
    let (name, minutes) = (&op.name, alt.minutes);
    let longest = resource.open.longest_after(problem.now());
    if longest == 0 {
        let reason = format!("{} is closed or blocked up to the horizon, so {name} cannot run", resource.id);
        return Some((Cause::NoResource, reason));
    }
    if !op.splits && minutes > longest {
        let reason = format!(
            "{name} needs {minutes} min in one piece; the longest open window of {} is {longest} min",
            resource.id
        );
        return Some((Cause::LongerThanAnyWindow, reason));
    }
    if !can_run(op, &resource.open, from, minutes) {
        let reason = format!(
            "{name} needs {minutes} min on {} from {} on; the horizon is {}",
            resource.id,
            problem.clock(from),
            problem.clock(problem.model.horizon)
        );
        return Some((Cause::BeyondHorizon, reason));
    }
    alt.needs.iter().find_map(|&need| why_pool(problem, facts, op, alt, from, need))
}

fn why_pool(
    problem: &Problem,
    facts: &Facts,
    op: &Op,
    alt: &Alt,
    from: Minute,
    (ix, qty): (PoolIx, i64),
) -> Option<(Cause, String)> {
    let (pool, model) = (&problem.pools[ix], &problem.model.pools[ix]);
    let (name, id) = (&op.name, &pool.id);
    let most = pool.capacity.most();
    if qty > most {
        let reason = format!("{name} needs {qty} of {id}, which never has more than {most}");
        return Some((Cause::PoolTooSmall, reason));
    }
    let free = Windows::new(facts.pools[ix].spans_with(qty, problem.now(), problem.model.horizon));
    let resource = &problem.resources[alt.resource];
    let both = resource.open.intersect(&free);
    if can_run(op, &both, from, alt.minutes) {
        return None;
    }
    let end = |windows: &Windows| can_end(op, windows, from, alt.minutes);
    let expires = [
        (model.calibrated_until, Cause::CalibrationExpired, "out of calibration"),
        (model.certified_until, Cause::CertificationExpired, "not certified"),
    ];
    for (until, cause, words) in expires {
        if let Some(until) = until
            && end(&resource.open).is_some_and(|end| end > until)
        {
            let reason = format!("{name} needs {id}, which is {words} from {} on", problem.clock(until));
            return Some((cause, reason));
        }
    }
    let reason = format!(
        "{name} needs {} and {qty} of {id} for {} min; they are never free together",
        resource.id, alt.minutes
    );
    Some((Cause::NoCommonTime, reason))
}

fn can_run(op: &Op, windows: &Windows, from: Minute, minutes: Minute) -> bool {
    can_end(op, windows, from, minutes).is_some()
}

fn can_end(op: &Op, windows: &Windows, from: Minute, minutes: Minute) -> Option<Minute> {
    if op.splits {
        windows.work(from, minutes).map(|work| work.1)
    } else {
        windows.fit(from, minutes).map(|start| start + minutes)
    }
}
