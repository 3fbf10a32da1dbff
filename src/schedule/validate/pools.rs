//! Rules 9 to 12: operators, tools and utilities at every moment of the plan.

use super::super::model::{Minute, Need, Pool, PoolKind};
use super::resources::Changeovers;
use super::view::{Item, Kind, View, minutes_in, parts_in};
use super::{Findings, Rule};

struct Use<'a> {
    item: &'a str,
    from: Minute,
    to: Minute,
    qty: i64,
    /// A running operation uses what it uses; only what is planned can be refused.
    is_fact: bool,
}

pub(super) fn check(view: &View, changeovers: &Changeovers, found: &mut Findings) {
    for pool in &view.model.pools {
        let mut uses = Vec::new();
        for item in view.ops.iter().filter(|item| item.kind != Kind::Done) {
            work(view, item, pool, &mut uses);
            changeover(view, item, pool, changeovers, &mut uses);
        }
        validity(view, pool, &uses, found);
        capacity(view, pool, &uses, found);
    }
}

fn work<'a>(view: &View, item: &'a Item, pool: &Pool, uses: &mut Vec<Use<'a>>) {
    let Some(planned) = item.planned else { return };
    let Some(shift) = view.resources.get(planned.resource.as_str()) else { return };
    let is_only_utility = pool.kind == PoolKind::Utility
        && view.model.pools.iter().filter(|pool| pool.kind == PoolKind::Utility).count() == 1;
    let draw = if is_only_utility { shift.resource.power_kw } else { 0 };
    let qty = wanted(&item.op.needs, pool) + draw;
    if qty == 0 {
        return;
    }
    let is_fact = item.kind == Kind::Running;
    let from = if is_fact { planned.start.max(view.model.now) } else { planned.start };
    let pauses_over_overtime = minutes_in(&shift.open, from, planned.end) != item.minutes().unwrap_or(0);
    let hours = if pauses_over_overtime && !is_fact { &shift.regular } else { &shift.open };
    let stops_in_breaks = (item.splits() || is_fact) && pool.kind != PoolKind::Tool;
    let parts = if stops_in_breaks { parts_in(hours, from, planned.end) } else { vec![(from, planned.end)] };
    uses.extend(parts.into_iter().map(|(from, to)| Use { item: &item.name, from, to, qty, is_fact }));
}

fn changeover<'a>(
    view: &View,
    item: &'a Item,
    pool: &Pool,
    changeovers: &Changeovers,
    uses: &mut Vec<Use<'a>>,
) {
    let (Some(planned), Some(changeover)) = (item.planned, changeovers.get(&item.name)) else { return };
    // One that is missing is rule 7's to report, and uses nothing.
    if planned.setup_start.is_none() {
        return;
    }
    let Some(shift) = view.resources.get(planned.resource.as_str()) else { return };
    let matrix = view.model.setups.iter().find(|matrix| Some(&matrix.id) == shift.resource.setup.as_ref());
    let qty = matrix.map_or(0, |matrix| wanted(&matrix.needs, pool));
    if qty > 0 && changeover.minutes > 0 {
        let (from, to) = (changeover.from, changeover.from + changeover.minutes);
        uses.push(Use { item: &item.name, from, to, qty, is_fact: false });
    }
}

fn wanted(needs: &[Need], pool: &Pool) -> i64 {
    needs.iter().filter(|need| need.pool == pool.id).map(|need| need.qty).sum()
}

fn validity(view: &View, pool: &Pool, uses: &[Use], found: &mut Findings) {
    let rules = [
        (Rule::Certification, pool.certified_until, "certified"),
        (Rule::Calibration, pool.calibrated_until, "calibrated"),
    ];
    for (rule, until, word) in rules {
        let Some(until) = until else { continue };
        for used in uses.iter().filter(|used| !used.is_fact && used.to > until) {
            let (until, to) = (view.at(until), view.at(used.to));
            found.add(rule, used.item, format!("uses {} up to {to}; it is {word} until {until}", pool.id));
        }
    }
}

fn capacity(view: &View, pool: &Pool, uses: &[Use], found: &mut Findings) {
    let mut times: Vec<Minute> = uses.iter().map(|used| used.from).collect();
    times.extend(pool.profile.iter().map(|step| step.0));
    if let Some(calendar) =
        view.model.calendars.iter().find(|calendar| Some(&calendar.id) == pool.calendar.as_ref())
    {
        times.extend(calendar.open.iter().flat_map(|span| [span.0, span.1]));
    }
    times.sort_unstable();
    times.dedup();
    let mut starts: Vec<&Use> = uses.iter().collect();
    starts.sort_by_key(|used| used.from);
    let mut waiting = starts.into_iter().peekable();
    let mut active: Vec<&Use> = Vec::new();
    for at in times {
        active.retain(|used| used.to > at);
        while let Some(used) = waiting.next_if(|used| used.from <= at) {
            if used.to > at {
                active.push(used);
            }
        }
        let total: i64 = active.iter().map(|used| used.qty).sum();
        let limit = capacity_at(view, pool, at);
        if let Some(planned) = active.iter().find(|used| !used.is_fact).filter(|_| total > limit) {
            let rule = if pool.kind == PoolKind::Utility { Rule::Utility } else { Rule::PoolCapacity };
            let at = view.at(at);
            let message =
                format!("and what runs beside it need {total} of {} at {at}; there are {limit}", pool.id);
            found.add(rule, planned.item, message);
        }
    }
}

fn capacity_at(view: &View, pool: &Pool, at: Minute) -> i64 {
    let calendar = view.model.calendars.iter().find(|calendar| Some(&calendar.id) == pool.calendar.as_ref());
    if calendar.is_some_and(|calendar| !calendar.open.iter().any(|span| span.0 <= at && at < span.1)) {
        return 0;
    }
    pool.profile.iter().rev().find(|step| step.0 <= at).map_or(pool.capacity, |step| step.1)
}
