//! Rule 15: everything said about the plan, computed again from the plan.

use super::super::answer::Kpis;
use super::super::model::Minute;
use super::super::parse::weights;
use super::resources::Changeovers;
use super::usage;
use super::view::{Item, Kind, View, minutes_in};
use super::{Findings, Placed, Reported, Rule};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(
    view: &View,
    changeovers: &Changeovers,
    placed: Placed,
    reported: Reported,
    found: &mut Findings,
) {
    let kpis = recompute(view, changeovers, placed.unscheduled.len());
    if let Some(said) = reported.kpis {
        // A plan that does not report it is not judged by it.
        let utilisation = said.utilisation.and_then(|said| Some(("utilisation", kpis.utilisation?, said)));
        for (name, computed, said) in compare(&kpis, said).into_iter().chain(utilisation) {
            if (computed - said).abs() > 1e-6 * computed.abs().max(1.0) || said.is_nan() {
                found.add(Rule::Figures, name, format!("is {computed}, reported as {said}"));
            }
        }
        if kpis.late_by_tier != said.late_by_tier {
            found.add(Rule::Figures, "late_by_tier", "differs from the plan");
        }
    }
    if let Some(list) = reported.moved {
        let moved: BTreeSet<&str> = moved(view).map(|item| item.name.as_str()).collect();
        let said: BTreeSet<&str> = list.iter().map(String::as_str).collect();
        if moved != said || list.len() != moved.len() {
            let differs = moved.symmetric_difference(&said).next().copied().unwrap_or("an entry twice");
            found.add(Rule::Figures, "moved", format!("differs from the plan: {differs}"));
        }
    }
    if let Some(bound) = reported.bound
        && (bound.is_nan() || bound > kpis.objective * (1.0 + 1e-9) + 1e-6)
    {
        found.add(Rule::Figures, "bound", format!("{bound} is above the objective {}", kpis.objective));
    }
}

/// The operations that are elsewhere than in the current plan.
pub(super) fn moved<'v, 'a>(view: &'v View<'a>) -> impl Iterator<Item = &'v Item<'a>> {
    view.ops.iter().filter(|item| is_moved(view, item))
}

fn compare(computed: &Kpis, said: &Kpis) -> [(&'static str, f64, f64); 13] {
    let figures = |kpis: &Kpis| {
        [
            kpis.objective,
            kpis.weighted_tardiness,
            kpis.late_orders as f64,
            kpis.max_late_minutes as f64,
            kpis.makespan as f64,
            kpis.changeover_minutes as f64,
            kpis.changeovers as f64,
            kpis.changeover_cost,
            kpis.overtime_minutes as f64,
            kpis.moved_ops as f64,
            kpis.machine_changes as f64,
            kpis.stability,
            kpis.unscheduled_orders as f64,
        ]
    };
    let names = [
        "objective",
        "weighted_tardiness",
        "late_orders",
        "max_late_minutes",
        "makespan",
        "changeover_minutes",
        "changeovers",
        "changeover_cost",
        "overtime_minutes",
        "moved_ops",
        "machine_changes",
        "stability",
        "unscheduled_orders",
    ];
    let (computed, said) = (figures(computed), figures(said));
    std::array::from_fn(|index| (names[index], computed[index], said[index]))
}

pub(super) fn recompute(view: &View, changeovers: &Changeovers, unscheduled: usize) -> Kpis {
    let mut kpis = Kpis { unscheduled_orders: unscheduled, ..Kpis::default() };
    let mut late_by_tier: BTreeMap<String, usize> = BTreeMap::new();
    for order in &view.model.orders {
        let late = lateness(view, &order.id);
        let tier = late_by_tier.entry(order.tier.clone()).or_default();
        if late > 0 {
            *tier += 1;
            kpis.late_orders += 1;
            kpis.max_late_minutes = kpis.max_late_minutes.max(late);
            kpis.weighted_tardiness += order.minute_weight() * late as f64;
        }
    }
    kpis.late_by_tier = late_by_tier;
    for changeover in changeovers.values() {
        kpis.changeover_minutes += changeover.minutes;
        kpis.changeovers += usize::from(changeover.minutes > 0);
        kpis.changeover_cost += changeover.cost;
    }
    let mut movable = 0usize;
    for item in &view.ops {
        let Some(planned) = item.planned else { continue };
        kpis.makespan = kpis.makespan.max(planned.end);
        kpis.overtime_minutes += overtime(view, changeovers, item);
        if is_moved(view, item) {
            kpis.moved_ops += 1;
            let elsewhere = item.current.is_some_and(|current| current.resource != planned.resource);
            kpis.machine_changes += usize::from(elsewhere);
        }
        movable += usize::from(item.current.is_some() && !item.kind.is_fact());
    }
    kpis.utilisation = Some(usage::utilisation(&usage::of(view, changeovers, kpis.makespan)));
    kpis.stability = if movable == 0 { 1.0 } else { 1.0 - kpis.moved_ops as f64 / movable as f64 };
    // A list of figures stands for weights; one that makes none is refused before it gets here.
    let weights = weights(view.model).unwrap_or(view.model.policy.weights);
    kpis.objective = weights.tardiness * kpis.weighted_tardiness
        + weights.late_orders * kpis.late_orders as f64
        + weights.makespan * kpis.makespan as f64
        + weights.changeover * (kpis.changeover_minutes as f64 + kpis.changeover_cost)
        + weights.moves * kpis.moved_ops as f64
        + weights.machine_changes * kpis.machine_changes as f64
        + weights.overtime * kpis.overtime_minutes as f64;
    kpis
}

/// Of an order planned in full and not over yet.
pub(super) fn lateness(view: &View, order: &str) -> Minute {
    let items: &[Item] = view.by_order.get(order).map_or(&[], |range| &view.ops[range.clone()]);
    let ends: Option<Vec<Minute>> =
        items.iter().map(|item| item.planned.map(|planned| planned.end)).collect();
    let is_open = items.iter().any(|item| item.kind != Kind::Done);
    match (ends.and_then(|ends| ends.into_iter().max()), items.first()) {
        (Some(end), Some(item)) if is_open => (end - item.order.must_end(view.model.now)).max(0),
        _ => 0,
    }
}

fn is_moved(view: &View, item: &Item) -> bool {
    let (Some(planned), Some(current)) = (item.planned, item.current) else { return false };
    let far = (planned.start - current.start).abs() > view.model.policy.move_tolerance;
    !item.kind.is_fact() && (planned.resource != current.resource || far)
}

fn overtime(view: &View, changeovers: &Changeovers, item: &Item) -> Minute {
    let Some(planned) = item.planned.filter(|_| item.kind != Kind::Done) else { return 0 };
    let Some(shift) = view.resources.get(planned.resource.as_str()) else { return 0 };
    let outside =
        |from: Minute, to: Minute| minutes_in(&shift.open, from, to) - minutes_in(&shift.regular, from, to);
    let setup = changeovers.get(&item.name).filter(|changeover| changeover.minutes > 0);
    let setup = setup.map_or(0, |changeover| outside(changeover.from, changeover.from + changeover.minutes));
    let from = planned.start.max(view.model.now);
    let pauses = item.splits()
        && item.kind != Kind::Running
        && item.minutes() == Some(minutes_in(&shift.regular, from, planned.end));
    setup + if pauses { 0 } else { outside(from, planned.end) }
}
