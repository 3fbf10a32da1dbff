//! The same plant in another guise: other names, another clock, one constraint less.

use super::super::model::{BlockedKind, Model, Split};
use super::super::plan::PlanFile;
use super::super::sample;
use super::{brute, solved};

fn rename(model: &Model, name: impl Fn(&str) -> String) -> Model {
    let mut model = model.clone();
    for resource in &mut model.resources {
        resource.id = name(&resource.id);
    }
    for alt in model.orders.iter_mut().flat_map(|order| &mut order.ops).flat_map(|op| &mut op.alts) {
        alt.resource = name(&alt.resource);
    }
    for entry in &mut model.current {
        entry.resource = name(&entry.resource);
    }
    model
}

#[test]
fn other_names_of_machines_give_the_same_plan_under_other_names() {
    for seed in 0..20 {
        let model = sample::random(seed);
        let renamed = rename(&model, |id| format!("renamed {id}"));
        let (a, b) = (solved(&model), solved(&renamed));
        assert_eq!(a.options.len(), b.options.len());
        for (a, b) in a.options.iter().zip(&b.options) {
            assert_eq!((&a.kpis, a.bound.value), (&b.kpis, b.bound.value), "seed {seed}");
            let mut ops = a.ops.clone();
            ops.iter_mut().for_each(|op| op.resource = format!("renamed {}", op.resource));
            assert_eq!(ops, b.ops, "seed {seed}");
        }
    }
}

#[test]
fn the_order_in_which_machines_are_listed_changes_neither_bound_nor_optimum() {
    for seed in 0..25 {
        let model = brute::tiny(seed);
        let mut turned = model.clone();
        turned.resources.reverse();
        turned.orders.iter_mut().flat_map(|order| &mut order.ops).for_each(|op| op.alts.reverse());
        let (a, b) = (&solved(&model).options[0], &solved(&turned).options[0]);
        assert!((a.bound.value - b.bound.value).abs() < 1e-6, "seed {seed}");
        assert!((a.kpis.objective - b.kpis.objective).abs() < 1e-6, "seed {seed}");
    }
}

fn shift(model: &Model, by: i64) -> Model {
    let mut model = model.clone();
    (model.now, model.horizon) = (model.now + by, model.horizon + by);
    model.epoch -= chrono::TimeDelta::minutes(by);
    for calendar in &mut model.calendars {
        for span in calendar.open.iter_mut().chain(calendar.regular.iter_mut().flatten()) {
            (span.0, span.1) = (span.0 + by, span.1 + by);
        }
    }
    for blocked in model.resources.iter_mut().flat_map(|resource| &mut resource.blocked) {
        (blocked.from, blocked.to) = (blocked.from + by, blocked.to + by);
    }
    for pool in &mut model.pools {
        pool.profile.iter_mut().for_each(|step| step.0 += by);
        for until in [&mut pool.calibrated_until, &mut pool.certified_until].into_iter().flatten() {
            *until += by;
        }
    }
    for order in &mut model.orders {
        order.due += by;
        for time in [&mut order.release, &mut order.deadline].into_iter().flatten() {
            *time += by;
        }
        order.ops.iter_mut().filter_map(|op| op.material_at.as_mut()).for_each(|at| *at += by);
    }
    for entry in &mut model.current {
        (entry.start, entry.end) = (entry.start + by, entry.end + by);
    }
    if let Some(until) = &mut model.policy.frozen_until {
        *until += by;
    }
    model
}

#[test]
fn another_clock_gives_the_same_plan_at_other_minutes() {
    for seed in 0..20 {
        let mut model = sample::random(seed);
        // The end of the plan is a time of day, so it must not count here.
        model.policy.weights.makespan = 0.0;
        let by = 1_000 + seed as i64;
        let (a, b) = (solved(&model), solved(&shift(&model, by)));
        for (a, b) in a.options.iter().zip(&b.options) {
            let mut ops = a.ops.clone();
            for op in &mut ops {
                (op.start, op.end) = (op.start + by, op.end + by);
                op.setup_start = op.setup_start.map(|start| start + by);
            }
            assert_eq!(ops, b.ops, "seed {seed}");
            assert_eq!(a.kpis.weighted_tardiness, b.kpis.weighted_tardiness, "seed {seed}");
        }
        assert_eq!(a.unscheduled.len(), b.unscheduled.len(), "seed {seed}");
    }
}

#[test]
fn one_constraint_less_never_raises_the_bound_and_never_breaks_the_plan() {
    let mut compared = 0;
    let relaxations: [fn(&mut Model); 5] = [
        |model| {
            model
                .resources
                .iter_mut()
                .for_each(|resource| resource.blocked.retain(|b| b.kind == BlockedKind::Breakdown))
        },
        |model| model.orders.iter_mut().for_each(|order| order.release = None),
        |model| model.orders.iter_mut().flat_map(|order| &mut order.ops).for_each(|op| op.material_at = None),
        |model| model.pools.iter_mut().for_each(|pool| pool.capacity += 1),
        |model| model.resources.iter_mut().for_each(|resource| resource.power_kw = 0),
    ];
    for seed in 0..25 {
        let mut model = sample::random(seed);
        // With nothing decided and nothing that stops in breaks, whatever was possible stays possible.
        model.current.clear();
        model.orders.iter_mut().flat_map(|order| &mut order.ops).for_each(|op| op.split = Split::No);
        let tight = solved(&model);
        let option = &tight.options[0];
        let plan = PlanFile::of("tight", &model, &tight, option);
        for relax in relaxations {
            let mut loose = model.clone();
            relax(&mut loose);
            // The same work is another share of more open time.
            let mut broken = plan.violations(&loose);
            broken.retain(|violation| violation.item != "utilisation");
            assert_eq!(broken, [], "seed {seed}: a plan of the tighter plant");
            let answer = solved(&loose);
            if tight.unscheduled.is_empty() && answer.unscheduled.is_empty() {
                let (bound, before) = (answer.options[0].bound.value, option.bound.value);
                assert!(bound <= before + 1e-6, "seed {seed}: {bound} above {before}");
                compared += 1;
            }
        }
    }
    assert!(compared > 30, "only {compared} bounds were compared");
}
