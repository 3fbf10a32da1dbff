//! A search that forgets a rule is caught by that rule: plans are made for a copy of a random plant in
//! which the rule does not exist, and judged in the plant itself.

use super::super::model::{Alternative, State};
use super::super::{Problem, resequence, sample};
use super::*;

/// Plants of which at least one must be caught, for each thing forgotten.
const PLANTS: std::ops::Range<u64> = 0..30;

/// How many of the real plants break `rules` when the search does not know of them; `follows` may break too.
fn caught(forget: impl Fn(&mut Model), rules: &[Rule], follows: &[Rule]) -> usize {
    let mut plants = 0;
    for seed in PLANTS {
        let model = sample::random(seed);
        let mut forgetful = model.clone();
        forget(&mut forgetful);
        let answer = resequence(&Problem::parse(forgetful).unwrap()).unwrap();
        let best = &answer.options[0];
        let placed = Placed { ops: &best.ops, unscheduled: &best.unscheduled, unfrozen: &answer.unfrozen };
        let found = check_reported(&model, placed, Reported::default());
        for violation in &found {
            // What is set free for a reason that the real plant does not have, or the other way round.
            let follows = violation.rule == Rule::Fixed || follows.contains(&violation.rule);
            assert!(rules.contains(&violation.rule) || follows, "seed {seed}: {violation}");
        }
        plants += usize::from(found.iter().any(|violation| rules.contains(&violation.rule)));
    }
    plants
}

#[test]
fn a_search_that_skips_setups_is_caught() {
    let forget = |model: &mut Model| {
        model.resources.iter_mut().for_each(|resource| (resource.setup, resource.state) = (None, None));
    };
    assert!(caught(forget, &[Rule::Changeover], &[]) >= 5);
}

#[test]
fn a_search_that_ignores_calendars_is_caught() {
    let forget = |model: &mut Model| {
        model.resources.iter_mut().for_each(|resource| {
            resource.calendar = None;
            resource.blocked.clear();
        });
    };
    // What splits and runs through closed time has the wrong length; its pools are then counted otherwise.
    let follows = [Rule::PoolCapacity, Rule::Utility];
    assert!(caught(forget, &[Rule::OpenTime, Rule::Length], &follows) >= 5);
}

#[test]
fn a_search_that_ignores_pools_is_caught() {
    let forget = |model: &mut Model| {
        model.orders.iter_mut().flat_map(|order| &mut order.ops).for_each(|op| op.needs.clear());
        model.setups.iter_mut().for_each(|setup| setup.needs.clear());
        model.resources.iter_mut().for_each(|resource| resource.power_kw = 0);
    };
    let allowed = [Rule::PoolCapacity, Rule::Certification, Rule::Calibration, Rule::Utility];
    assert!(caught(forget, &allowed, &[]) >= 5);
}

#[test]
fn a_search_that_ignores_calibration_and_certificates_is_caught() {
    let forget = |model: &mut Model| {
        for pool in &mut model.pools {
            (pool.calibrated_until, pool.certified_until) = (None, None);
        }
    };
    assert!(caught(forget, &[Rule::Calibration, Rule::Certification], &[]) >= 1);
}

#[test]
fn a_search_that_does_not_wait_for_predecessors_is_caught() {
    let forget = |model: &mut Model| {
        for op in model.orders.iter_mut().flat_map(|order| &mut order.ops) {
            (op.after, op.min_lag, op.max_lag) = (Some(Vec::new()), 0, None);
        }
    };
    assert!(caught(forget, &[Rule::Precedence], &[]) >= 5);
}

#[test]
fn a_search_that_does_not_wait_for_release_and_material_is_caught() {
    let forget = |model: &mut Model| {
        for order in &mut model.orders {
            order.release = None;
            order.ops.iter_mut().for_each(|op| op.material_at = None);
        }
    };
    assert!(caught(forget, &[Rule::Earliest], &[]) >= 5);
}

#[test]
fn a_search_that_uses_any_resource_is_caught() {
    let forget = |model: &mut Model| {
        let resources: Vec<String> = model.resources.iter().map(|resource| resource.id.clone()).collect();
        for op in model.orders.iter_mut().flat_map(|order| &mut order.ops) {
            for resource in &resources {
                if op.alts.iter().all(|alt| alt.resource != *resource) {
                    op.alts.push(Alternative { resource: resource.clone(), minutes: 10 });
                }
            }
        }
    };
    assert!(caught(forget, &[Rule::Eligible], &[]) >= 5);
}

#[test]
fn a_search_that_moves_what_is_frozen_or_runs_is_caught() {
    let forget = |model: &mut Model| {
        model.policy.frozen_until = None;
        model.current.iter_mut().for_each(|entry| entry.state = State::Planned);
        let able = |model: &Model, entry: &super::super::model::Current| {
            model.orders.iter().any(|order| {
                order.ops.iter().any(|op| {
                    format!("{}/{}", order.id, op.id) == entry.op
                        && op.alts.iter().any(|alt| alt.resource == entry.resource)
                })
            })
        };
        let kept = model.current.iter().filter(|entry| able(model, entry)).cloned().collect();
        model.current = kept;
    };
    // What runs began without a changeover in the plan, and what it was set up for follows from that.
    let follows = [Rule::Changeover, Rule::Overlap, Rule::OpenTime, Rule::PoolCapacity, Rule::Utility];
    assert!(caught(forget, &[Rule::Fixed], &follows) >= 5);
}

#[test]
fn a_search_that_ignores_deadlines_is_caught() {
    let forget = |model: &mut Model| model.orders.iter_mut().for_each(|order| order.deadline = None);
    assert!(caught(forget, &[Rule::Limits], &[]) >= 1);
}

/// A correct plan spoiled in one place, at random places of random plants.
#[test]
fn a_spoiled_plan_is_caught_by_the_right_rule() {
    type Spoil = fn(&mut Vec<PlannedOp>, usize);
    let spoils: [(Rule, Spoil); 6] = [
        (Rule::EachOnce, |ops, at| drop(ops.remove(at))),
        (Rule::EachOnce, |ops, at| ops.push(ops[at].clone())),
        (Rule::EachOnce, |ops, at| ops[at].op.push('x')),
        (Rule::Eligible, |ops, at| ops[at].resource = "M-unknown".into()),
        (Rule::Length, |ops, at| ops[at].end -= 1),
        (Rule::Earliest, |ops, at| {
            (ops[at].start, ops[at].end) = (ops[at].start - 5_000, ops[at].end - 5_000)
        }),
    ];
    for seed in PLANTS {
        let model = sample::random(seed);
        let answer = resequence(&Problem::parse(model.clone()).unwrap()).unwrap();
        let best = &answer.options[0];
        let is_free = |op: &PlannedOp| {
            model.current.iter().all(|entry| entry.op != op.op || entry.state == State::Planned)
        };
        let free: Vec<usize> = best
            .ops
            .iter()
            .enumerate()
            .filter(|(_, op)| is_free(op) && op.start >= model.now)
            .map(|(at, _)| at)
            .collect();
        for (count, &(rule, spoil)) in spoils.iter().enumerate() {
            let Some(&at) = free.get((seed as usize * 7 + count) % free.len().max(1)) else { continue };
            let mut ops = best.ops.clone();
            spoil(&mut ops, at);
            let placed = Placed { ops: &ops, unscheduled: &best.unscheduled, unfrozen: &answer.unfrozen };
            let found = check_reported(&model, placed, Reported::default());
            assert!(found.iter().any(|violation| violation.rule == rule), "seed {seed}, {rule:?}: {found:?}");
        }
    }
}
