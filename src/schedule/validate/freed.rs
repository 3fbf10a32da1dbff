//! Rule 13 from the other side: a frozen operation may be set free only where it cannot stay.
//!
//! Each one that a plan sets free is put back among what is done, runs or stays frozen; where that
//! breaks no rule it could have stayed.

use super::super::answer::{PlannedOp, Unfrozen};
use super::super::model::{Current, Minute, Model, Split};
use super::resources::{changeover, initial_family};
use super::view::{Kind, Shift, View};
use super::{Findings, Placed, Rule, place, pools, resources};

pub(super) fn check(model: &Model, placed: Placed, found: &mut Findings) {
    if placed.unfrozen.is_empty() {
        return;
    }
    let without = broken(model, placed.unfrozen);
    for (index, entry) in placed.unfrozen.iter().enumerate() {
        let others: Vec<Unfrozen> = placed
            .unfrozen
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, e)| e.clone())
            .collect();
        let is_known = model.current.iter().any(|current| current.op == entry.op);
        if is_known && broken(model, &others) <= without {
            let place = model.current.iter().find(|current| current.op == entry.op);
            let place = place.map_or(String::new(), |at| format!(" on {} from {}", at.resource, at.start));
            found.add(Rule::Fixed, &entry.op, format!("is set free though it can stay{place}"));
        }
    }
}

/// How many rules break when everything decided but `freed` stands where it is.
fn broken(model: &Model, freed: &[Unfrozen]) -> usize {
    let mut ignored = Findings::default();
    let nothing = Placed { ops: &[], unscheduled: &[], unfrozen: freed };
    let ops = standing_in(&View::of(model, nothing, &mut ignored));
    let placed = Placed { ops: &ops, ..nothing };
    let mut found = Findings::default();
    let view = View::of(model, placed, &mut found);
    place::check(&view, placed, &mut found);
    let changeovers = resources::check(&view, &mut found);
    pools::check(&view, &changeovers, &mut found);
    found.0.iter().filter(|violation| violation.rule != Rule::EachOnce).count()
}

/// Where everything that is done, runs or is frozen stands, whether or not it can.
pub(in crate::schedule) fn standing(model: &Model) -> Vec<PlannedOp> {
    let nothing = Placed { ops: &[], unscheduled: &[], unfrozen: &[] };
    standing_in(&View::of(model, nothing, &mut Findings::default()))
}

/// Done, running and frozen operations where the current plan has them, changeovers as late as they can be.
fn standing_in(view: &View) -> Vec<PlannedOp> {
    let mut ops = Vec::new();
    for item in view.ops.iter().filter(|item| item.kind != Kind::Free) {
        let Some(current) = item.current else { continue };
        let end = match view.resources.get(current.resource.as_str()) {
            Some(shift) => end_of(view, item.kind, current, item.op.split, shift, work(item.op, current)),
            None => current.end,
        };
        let (op, resource) = (item.name.clone(), current.resource.clone());
        ops.push(PlannedOp { op, resource, start: current.start, end, setup_start: None });
    }
    ops.sort_by(|a, b| (&a.resource, a.start, a.end).cmp(&(&b.resource, b.start, b.end)));
    for shift in view.resources.values() {
        let mut family = initial_family(view, shift.resource);
        let mut busy_until = view.model.now;
        for planned in ops.iter_mut().filter(|planned| planned.resource == shift.resource.id) {
            let Some(item) = view.item(&planned.op).filter(|item| item.kind != Kind::Done) else { continue };
            let to = item.op.family.as_deref();
            if let Some((minutes, _)) = changeover(view.model, shift.resource, family, to)
                && minutes > 0
                && !item.kind.is_fact()
            {
                planned.setup_start = latest(&shift.open, busy_until, planned.start, minutes);
            }
            family = to.or(family);
            busy_until = busy_until.max(planned.end);
        }
    }
    ops
}

fn work(op: &super::super::model::Op, current: &Current) -> Option<Minute> {
    op.alts.iter().find(|alt| alt.resource == current.resource).map(|alt| alt.minutes)
}

fn end_of(
    view: &View,
    kind: Kind,
    current: &Current,
    split: Split,
    shift: &Shift,
    minutes: Option<Minute>,
) -> Minute {
    let now = view.model.now;
    let worked = |from: Minute, minutes: Minute| {
        let mut left = minutes;
        for &(open, close) in shift.open.iter().filter(|span| span.1 > from) {
            let begin = open.max(from);
            if left <= close - begin {
                return begin + left;
            }
            left -= close - begin;
        }
        view.model.horizon
    };
    match (kind, minutes) {
        (Kind::Running, _) => match current.remaining.unwrap_or((current.end - now).max(0)) {
            0 => now,
            remaining => worked(now, remaining),
        },
        (Kind::Frozen, Some(minutes)) if split == Split::Breaks => worked(current.start, minutes),
        (Kind::Frozen, Some(minutes)) => current.start + minutes,
        _ => current.end,
    }
}

/// The latest place for `minutes` in one piece between `from` and `by`.
fn latest(open: &[(Minute, Minute)], from: Minute, by: Minute, minutes: Minute) -> Option<Minute> {
    let fits = open.iter().filter_map(|span| {
        let start = span.1.min(by) - minutes;
        (start >= span.0.max(from)).then_some(start)
    });
    fits.max()
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;
    use serde_json::json;

    fn model(second: serde_json::Value) -> Model {
        let order = |id: &str| json!({"id": id, "due": 500, "ops": [{"id": "10", "alts": [{"resource": "M1", "minutes": 60}]}]});
        serde_json::from_value(json!({
            "epoch": "2026-11-23T06:00:00Z", "horizon": 1000, "resources": [{"id": "M1"}],
            "orders": [order("A"), order("B")],
            "current": [{"op": "A/10", "resource": "M1", "start": 10, "end": 70, "state": "frozen"}, second],
        }))
        .unwrap()
    }

    fn freed(model: &Model, ops: &[&str]) -> Vec<String> {
        let unfrozen: Vec<Unfrozen> =
            ops.iter().map(|op| Unfrozen { op: (*op).into(), reason: String::new() }).collect();
        let mut found = Findings::default();
        check(model, Placed { ops: &[], unscheduled: &[], unfrozen: &unfrozen }, &mut found);
        found.0.into_iter().map(|violation| violation.item).collect()
    }

    #[test]
    fn of_two_frozen_operations_in_each_others_way_one_may_be_set_free() {
        let clash =
            model(json!({"op": "B/10", "resource": "M1", "start": 40, "end": 100, "state": "frozen"}));
        assert_eq!(freed(&clash, &["A/10"]), Vec::<String>::new());
        assert_eq!(freed(&clash, &["B/10"]), Vec::<String>::new());
        assert_eq!(freed(&clash, &["A/10", "B/10"]), ["A/10", "B/10"], "one of them can stay");
        let apart =
            model(json!({"op": "B/10", "resource": "M1", "start": 70, "end": 130, "state": "frozen"}));
        assert_eq!(freed(&apart, &["B/10"]), ["B/10"]);
    }

    #[test]
    fn what_the_solver_sets_free_could_not_stay() {
        for seed in 0..150 {
            let model = sample::random(seed);
            let problem = super::super::super::Problem::parse(model.clone()).unwrap();
            let facts = super::super::super::facts::Facts::of(&problem);
            let ops: Vec<&str> = facts.unfrozen.iter().map(|entry| entry.op.as_str()).collect();
            assert_eq!(freed(&model, &ops), Vec::<String>::new(), "seed {seed}");
        }
    }
}
