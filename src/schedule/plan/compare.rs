//! Two plans of one model side by side: figures with their differences, and what moves between them.

use super::super::answer::{Kpis, LateOrder, PlannedOp};
use super::super::model::{Minute, Model};
use super::super::validate::Violation;
use super::PlanFile;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    pub before: Judged,
    pub after: Judged,
    /// Every figure of both; `change` below zero is less.
    pub figures: Vec<Delta>,
    /// Operations that the two plans have at different places, by new start.
    pub differences: Vec<Difference>,
    /// Orders that are late in `after` and not in `before`, and the other way round.
    pub newly_late: Vec<String>,
    pub no_longer_late: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Judged {
    pub violations: Vec<Violation>,
    pub kpis: Kpis,
    pub late_orders: Vec<LateOrder>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Delta {
    pub figure: String,
    pub before: f64,
    pub after: f64,
    pub change: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    pub op: String,
    /// Absent where the plan leaves the operation out.
    pub before: Option<Place>,
    pub after: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Place {
    pub resource: String,
    pub start: Minute,
    pub end: Minute,
}

pub fn compare(model: &Model, before: &PlanFile, after: &PlanFile) -> Comparison {
    let judged = |plan: &PlanFile| {
        let reading = plan.read(model);
        Judged { violations: plan.violations(model), kpis: reading.kpis, late_orders: reading.late_orders }
    };
    let (judged_before, judged_after) = (judged(before), judged(after));
    let only_in = |a: &Judged, b: &Judged| {
        let late_too = |order: &LateOrder| b.late_orders.iter().any(|other| other.order == order.order);
        a.late_orders.iter().filter(|order| !late_too(order)).map(|order| order.order.clone()).collect()
    };
    Comparison {
        figures: figures(&judged_before.kpis, &judged_after.kpis),
        differences: differences(&before.ops, &after.ops),
        newly_late: only_in(&judged_after, &judged_before),
        no_longer_late: only_in(&judged_before, &judged_after),
        before: judged_before,
        after: judged_after,
    }
}

/// What is at another place, or in one plan only; a changeover alone does not count.
pub fn differences(before: &[PlannedOp], after: &[PlannedOp]) -> Vec<Difference> {
    let places = |ops: &[PlannedOp]| -> BTreeMap<String, Place> {
        let place = |op: &PlannedOp| Place { resource: op.resource.clone(), start: op.start, end: op.end };
        ops.iter().map(|op| (op.op.clone(), place(op))).collect()
    };
    let (old, mut new) = (places(before), places(after));
    let mut found: Vec<Difference> = old
        .into_iter()
        .map(|(op, place)| Difference { after: new.remove(&op), op, before: Some(place) })
        .filter(|difference| difference.before != difference.after)
        .collect();
    found.extend(new.into_iter().map(|(op, place)| Difference { op, before: None, after: Some(place) }));
    let start = |difference: &Difference| {
        difference.after.as_ref().or(difference.before.as_ref()).map(|place| place.start)
    };
    found.sort_by(|a, b| (start(a), &a.op).cmp(&(start(b), &b.op)));
    found
}

/// Every figure of both.
pub fn figures(before: &Kpis, after: &Kpis) -> Vec<Delta> {
    let all = [
        ("objective", before.objective, after.objective),
        ("weighted_tardiness", before.weighted_tardiness, after.weighted_tardiness),
        ("late_orders", before.late_orders as f64, after.late_orders as f64),
        ("max_late_minutes", before.max_late_minutes as f64, after.max_late_minutes as f64),
        ("makespan", before.makespan as f64, after.makespan as f64),
        ("changeover_minutes", before.changeover_minutes as f64, after.changeover_minutes as f64),
        ("changeovers", before.changeovers as f64, after.changeovers as f64),
        ("changeover_cost", before.changeover_cost, after.changeover_cost),
        ("overtime_minutes", before.overtime_minutes as f64, after.overtime_minutes as f64),
        ("utilisation", before.utilisation.unwrap_or_default(), after.utilisation.unwrap_or_default()),
        ("moved_ops", before.moved_ops as f64, after.moved_ops as f64),
        ("machine_changes", before.machine_changes as f64, after.machine_changes as f64),
        ("stability", before.stability, after.stability),
        ("unscheduled_orders", before.unscheduled_orders as f64, after.unscheduled_orders as f64),
    ];
    let mut deltas: Vec<Delta> = all
        .into_iter()
        .map(|(figure, before, after)| Delta { figure: figure.into(), before, after, change: after - before })
        .collect();
    for tier in before.late_by_tier.keys() {
        let count = |kpis: &Kpis| kpis.late_by_tier.get(tier).copied().unwrap_or(0) as f64;
        let (before, after) = (count(before), count(after));
        let figure = format!("late_orders of tier {tier}");
        deltas.push(Delta { figure, before, after, change: after - before });
    }
    deltas
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(op: &str, resource: &str, start: Minute) -> PlannedOp {
        PlannedOp { op: op.into(), resource: resource.into(), start, end: start + 10, setup_start: None }
    }

    #[test]
    fn differences_are_moves_and_what_only_one_plan_has() {
        let before = [op("A/10", "M1", 0), op("A/20", "M2", 10), op("B/10", "M1", 10)];
        let after = [op("A/10", "M1", 0), op("A/20", "M1", 10), op("C/10", "M1", 5)];
        let found = differences(&before, &after);
        let told: Vec<_> = found
            .iter()
            .map(|d| {
                let place = |place: &Option<Place>| place.as_ref().map(|p| (p.resource.clone(), p.start));
                (d.op.as_str(), place(&d.before), place(&d.after))
            })
            .collect();
        assert_eq!(
            told,
            [
                ("C/10", None, Some(("M1".to_owned(), 5))),
                ("A/20", Some(("M2".to_owned(), 10)), Some(("M1".to_owned(), 10))),
                ("B/10", Some(("M1".to_owned(), 10)), None),
            ]
        );
    }
}
