//! How late the orders of a plan stay where no changeover takes time: what is late for other reasons.
//!
//! A short search in a copy of the model without changeovers, from the plan's own sequence. The plan as it is
//! keeps that model's rules too, so the figure is never above the plan's own. It is no bound.

use super::anneal::{self, Question};
use super::answer::{Unfrozen, WithoutChangeovers};
use super::budget::Budget;
use super::decode::Decoder;
use super::error::ScheduleError;
use super::facts::{Facts, Slot};
use super::finish::{Finished, finish};
use super::kpi;
use super::model::{Model, Weights};
use super::place::Hours;
use super::problem::Problem;
use super::resequence::check;
use super::rounds::Tally;
use std::collections::HashSet;

/// Of a search's limits, what this one takes.
pub(super) const SHARE: f64 = 0.03;
/// Plans judged for it: the one given, its sequence timed anew, and the best one found.
pub(super) const JUDGED: u32 = 3;

const LATENESS: Weights = Weights { tardiness: 1.0, ..Weights::NOTHING };

/// Whether some changeover takes time, and being late costs something.
pub(super) fn makes_a_difference(problem: &Problem) -> bool {
    let takes_time = |setup: usize| problem.setups[setup].mean().is_some();
    problem.model.policy.weights.tardiness > 0.0
        && problem.resources.iter().any(|resource| resource.setup.is_some_and(takes_time))
}

/// `None` when the caller does not wait for it.
pub(super) fn without_changeovers(
    problem: &Problem,
    best: &Finished,
    unfrozen: &[Unfrozen],
    budget: &Budget,
) -> Result<Option<WithoutChangeovers>, ScheduleError> {
    if budget.is_cancelled() {
        return Ok(None);
    }
    let relaxed = Problem::parse(relaxed(&problem.model, unfrozen))?;
    let facts = Facts::of(&relaxed);
    let mut decoder = Decoder::new(&relaxed, &facts, Hours::Open);
    let start = best.sequence.clone();
    let retimed = finish(&relaxed, &facts, &mut decoder, start.clone(), &best.unscheduled);
    let mut plans = vec![standing(&relaxed, &facts, best), retimed];
    let mut tally = Tally::new(&(), budget.started());
    if !budget.is_over() && plans.iter().all(|plan| plan.kpis.weighted_tardiness > 0.0) {
        let (seed, threads) = (relaxed.model.policy.seed, relaxed.model.policy.threads);
        let question = Question { hours: Hours::Open, weights: LATENESS, seed, threads };
        let found = anneal::anneal(&relaxed, &facts, question, &[start], budget, &mut tally);
        let found = found.into_iter().next_back();
        plans.extend(
            found.map(|sequence| finish(&relaxed, &facts, &mut decoder, sequence, &best.unscheduled)),
        );
    }
    if budget.is_cancelled() {
        return Ok(None);
    }
    // A plan that leaves out more orders has it easier.
    let accepted = plans.into_iter().filter(|plan| {
        plan.unscheduled.len() == best.unscheduled.len() && check(&relaxed, &facts, plan, 0.0).is_empty()
    });
    let least = accepted.min_by(|a, b| a.kpis.weighted_tardiness.total_cmp(&b.kpis.weighted_tardiness));
    Ok(least.map(|plan| WithoutChangeovers {
        weighted_tardiness: plan.kpis.weighted_tardiness,
        late_orders: plan.kpis.late_orders,
        evaluated: decoder.decoded() + tally.timed(),
    }))
}

/// The same plant with nothing to set up; what the plan set free is free here as well.
fn relaxed(model: &Model, unfrozen: &[Unfrozen]) -> Model {
    let mut model = model.clone();
    model.setups.clear();
    model.families.clear();
    for resource in &mut model.resources {
        (resource.setup, resource.state) = (None, None);
    }
    model.orders.iter_mut().flat_map(|order| &mut order.ops).for_each(|op| op.family = None);
    let freed: HashSet<&str> = unfrozen.iter().map(|entry| entry.op.as_str()).collect();
    model.current.retain(|entry| !freed.contains(entry.op.as_str()));
    model.policy.weights = LATENESS;
    model.policy.lexicographic.clear();
    model.policy.options = 1;
    model
}

/// The plan with every operation where it is.
fn standing(relaxed: &Problem, facts: &Facts, best: &Finished) -> Finished {
    let mut plan = best.clone();
    for slot in plan.timed.slots.iter_mut().flatten() {
        *slot = Slot::without_setup(slot.resource, slot.start, slot.end);
    }
    plan.kpis = kpi::kpis(relaxed, facts, &plan.timed, plan.unscheduled.len());
    plan
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Problem, resequence, resequence_in_full, sample};
    use super::*;
    use serde_json::json;
    use std::sync::atomic::AtomicBool;

    fn in_full(model: &Model) -> Answer {
        resequence_in_full(&Problem::parse(model.clone()).unwrap(), &()).unwrap()
    }

    /// Two orders of two families on one machine; the second is late by its changeover.
    fn plant() -> Model {
        let order = |id: &str, family: &str, due: i64| {
            json!({"id": id, "due": due, "ops": [
                {"id": "10", "family": family, "alts": [{"resource": "M1", "minutes": 60}]}]})
        };
        serde_json::from_value(json!({
            "epoch": "2026-11-23T06:00:00Z", "horizon": 2000, "families": ["RED", "BLUE"],
            "setups": [{"id": "S", "minutes": [[0, 100], [100, 0]]}],
            "resources": [{"id": "M1", "setup": "S", "state": "RED"}],
            "orders": [order("A", "RED", 60), order("B", "BLUE", 110)],
            "policy": {"evaluations": 200, "options": 1},
        }))
        .unwrap()
    }

    #[test]
    fn what_is_late_for_other_reasons_than_changeovers_remains() {
        let answer = in_full(&plant());
        assert_eq!(answer.options[0].kpis.weighted_tardiness, 110.0);
        let remains = answer.without_changeovers.unwrap();
        assert_eq!((remains.weighted_tardiness, remains.late_orders), (10.0, 1));
    }

    #[test]
    fn it_is_told_only_where_changeovers_could_make_orders_late() {
        let mut plain = plant();
        plain.setups[0].minutes = vec![vec![0, 0], vec![0, 0]];
        assert_eq!(in_full(&plain).without_changeovers, None);
        let mut untimed = plant();
        untimed.policy.weights = Weights { makespan: 1.0, ..Weights::NOTHING };
        assert_eq!(in_full(&untimed).without_changeovers, None);
        let problem = Problem::parse(plant()).unwrap();
        let answer = resequence_in_full(&problem, &AtomicBool::new(true)).unwrap();
        assert_eq!(answer.options.len(), 1);
        assert_eq!(answer.without_changeovers, None, "who cancels does not wait");
    }

    #[test]
    fn of_random_plants_it_is_never_above_the_plan_and_changes_nothing_else() {
        let mut seen = 0;
        for seed in 0..60 {
            let mut model = sample::varied(seed);
            let problem = Problem::parse(model.clone()).unwrap();
            let answer = in_full(&model);
            model.policy.threads = 2;
            assert_eq!(answer, in_full(&model), "seed {seed} on two threads");
            if let Some(remains) = &answer.without_changeovers {
                let late = answer.options[0].kpis.weighted_tardiness;
                assert!(remains.weighted_tardiness <= late + 1e-9, "seed {seed}: {remains:?} {late}");
                seen += 1;
            } else {
                assert!(!makes_a_difference(&problem), "seed {seed}");
            }
            let rest = Answer { without_changeovers: None, ..answer };
            assert_eq!(rest, resequence(&problem).unwrap(), "seed {seed}");
        }
        assert!(seen > 15, "only {seen} plants had changeovers");
    }
}
