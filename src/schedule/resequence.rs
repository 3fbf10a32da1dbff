//! One question, one answer: facts, screening, searches, validation and the choice of options.

use super::answer::{Answer, Bound, PlanOption, Unscheduled};
use super::bound::bound;
use super::budget::Budget;
use super::decode::Decoder;
use super::error::ScheduleError;
use super::facts::Facts;
use super::finish::{Finished, baseline, chart, chart_before, finish, moved_ops, planned_ops};
use super::kpi;
use super::options;
use super::place::Hours;
use super::problem::{OpIx, Problem};
use super::remains;
use super::rounds::Tally;
use super::validate::{self, Claim};
use super::watch::Watch;
use super::{repair, screen, words};
use std::time::{Duration, Instant};

/// Up to `policy.options` distinct plans, best first, each accepted by the validator.
pub fn resequence(problem: &Problem) -> Result<Answer, ScheduleError> {
    resequence_until(problem, &())
}

/// Like [`resequence`]; `watch` follows the search and may end it with the best plans found so far.
pub fn resequence_until(problem: &Problem, watch: &dyn Watch) -> Result<Answer, ScheduleError> {
    Ok(answered(problem, watch, &Budget::of(&problem.model.policy, watch), false)?.0)
}

/// Like [`resequence_until`], within the same time, and says how late the orders of the best plan stay
/// without changeovers, where some take time and tardiness counts.
pub fn resequence_in_full(problem: &Problem, watch: &dyn Watch) -> Result<Answer, ScheduleError> {
    let budget = Budget::of(&problem.model.policy, watch);
    let has_more = remains::makes_a_difference(problem);
    let (mut answer, best) = answered(problem, watch, &budget, has_more)?;
    if has_more {
        let budget = budget.beside(remains::SHARE);
        let remains = remains::without_changeovers(problem, &best, &answer.unfrozen, &budget)?;
        answer.without_changeovers = remains;
    }
    Ok(answer)
}

/// The answer and its best plan; with `has_more` some of the time is left for what follows.
fn answered(
    problem: &Problem,
    watch: &dyn Watch,
    budget: &Budget,
    has_more: bool,
) -> Result<(Answer, Finished), ScheduleError> {
    let facts = Facts::of(problem);
    let impossible = screen::impossible(problem, &facts);
    let mut can_plan = vec![true; problem.orders.len()];
    impossible.iter().for_each(|order| can_plan[order.order] = false);
    let screened: Vec<Unscheduled> = impossible.into_iter().map(|order| order.report).collect();
    let free: Vec<OpIx> = (0..problem.ops.len())
        .filter(|&op| !facts.is_decided(op) && can_plan[problem.ops[op].order])
        .collect();
    let mut decoder = Decoder::new(problem, &facts, Hours::Open);
    let nothing = finish(problem, &facts, &mut decoder, repair::keep(problem, &free), &screened);
    let mut tally = Tally::new(watch, budget.started());
    tally.evaluated = decoder.decoded();
    let left_out = left_out(problem, &free, &nothing);
    tally.improved(nothing.kpis.objective + left_out, nothing.kpis.makespan);
    let mut bounds = Bounds::new(problem, &facts);
    // Nearly every plan leaves out the same orders; who cancels should not wait for it.
    bounds.of(&nothing);
    let judging = Instant::now();
    decoder.decode(&nothing.sequence);
    check(problem, &facts, &nothing, 0.0);
    // Every plan found is judged after the search; its time is part of the limit.
    let judged = options::judged_in_all(problem, &nothing.kpis) as u32;
    let (judged, more) = if has_more {
        (judged + remains::JUDGED, budget.part_of_time(remains::SHARE))
    } else {
        (judged, Duration::ZERO)
    };
    let budget = budget.less(judging.elapsed() * judged + more);
    let plans = options::search_all(problem, &facts, &free, &screened, &nothing.kpis, &budget, &mut tally);
    let mut warnings = [problem.warnings.clone(), facts.warnings.clone()].concat();
    let (plans, rejected) = accepted(problem, &facts, plans, &mut bounds);
    let mut chosen = options::choose(problem, plans, problem.model.policy.options);
    let Some(best) = chosen.first() else { return Err(ScheduleError::Rejected(rejected.join("; "))) };
    if let Some(order) = best.unscheduled.first().filter(|_| problem.model.policy.strict) {
        return Err(ScheduleError::Unschedulable {
            order: order.order.clone(),
            reason: order.reason.clone(),
        });
    }
    warnings.extend(rejected.iter().map(|reason| format!("the validator rejected a plan: {reason}")));
    if chosen.len() < problem.model.policy.options.min(2) {
        warnings.push("there is only one plan worth showing; the others found do not differ from it".into());
    }
    let unscheduled = best.unscheduled.iter().filter(|order| {
        chosen.iter().all(|plan| plan.unscheduled.iter().any(|other| other.order == order.order))
    });
    let answer = Answer {
        unscheduled: unscheduled.cloned().collect(),
        options: describe(problem, &facts, &chosen, &nothing, &mut bounds),
        baseline: baseline(problem, &facts, &nothing),
        before: chart_before(problem),
        evaluated: tally.timed(),
        unfrozen: facts.unfrozen.clone(),
        warnings,
        without_changeovers: None,
    };
    Ok((answer, chosen.swap_remove(0)))
}

/// The price of the orders among `free` that the plan leaves out, by the policy's weights.
fn left_out(problem: &Problem, free: &[OpIx], plan: &Finished) -> f64 {
    let mut is_left_out = vec![false; problem.orders.len()];
    free.iter().for_each(|&op| is_left_out[problem.ops[op].order] = true);
    plan.sequence.order.iter().for_each(|&op| is_left_out[problem.ops[op].order] = false);
    let orders = problem.orders.iter().zip(is_left_out).filter(|(_, is_left_out)| *is_left_out);
    let weight: f64 = orders.map(|(order, _)| order.weight).sum();
    kpi::left_out(problem, &problem.model.policy.weights) * weight
}

/// The bound of a plan depends only on the orders it leaves out, and takes a while.
struct Bounds<'a> {
    problem: &'a Problem,
    facts: &'a Facts,
    known: Vec<(Vec<String>, Bound)>,
}

impl<'a> Bounds<'a> {
    fn new(problem: &'a Problem, facts: &'a Facts) -> Self {
        Self { problem, facts, known: Vec::new() }
    }

    fn of(&mut self, plan: &Finished) -> Bound {
        let left_out: Vec<String> = plan.unscheduled.iter().map(|order| order.order.clone()).collect();
        if let Some((_, bound)) = self.known.iter().find(|known| known.0 == left_out) {
            return bound.clone();
        }
        let bound = bound(self.problem, self.facts, &plan.timed);
        self.known.push((left_out, bound.clone()));
        bound
    }
}

/// What the validator lets through, grouped as before, and why it refused the rest.
fn accepted(
    problem: &Problem,
    facts: &Facts,
    plans: Vec<Vec<Finished>>,
    bounds: &mut Bounds,
) -> (Vec<Vec<Finished>>, Vec<String>) {
    let mut rejected = Vec::new();
    let mut accept = |plan: &Finished| {
        let violations = check(problem, facts, plan, bounds.of(plan).value);
        if let Some(violation) = violations.first() {
            rejected.push(violation.to_string());
        }
        violations.is_empty()
    };
    let plans = plans.into_iter().map(|found| found.into_iter().filter(&mut accept).collect()).collect();
    rejected.sort();
    rejected.dedup();
    (plans, rejected)
}

pub(super) fn check(
    problem: &Problem,
    facts: &Facts,
    plan: &Finished,
    bound: f64,
) -> Vec<validate::Violation> {
    let claim = Claim {
        ops: &planned_ops(problem, &plan.timed),
        unscheduled: &plan.unscheduled,
        unfrozen: &facts.unfrozen,
        kpis: &plan.kpis,
        moved: &moved_ops(problem, &plan.timed),
        bound,
    };
    validate::check(&problem.model, &claim)
}

fn describe(
    problem: &Problem,
    facts: &Facts,
    chosen: &[Finished],
    nothing: &Finished,
    bounds: &mut Bounds,
) -> Vec<PlanOption> {
    let titles = words::titles(&chosen.iter().map(|plan| &plan.kpis).collect::<Vec<_>>());
    let option = |(plan, title): (&Finished, String)| PlanOption {
        title,
        rationale: words::rationale(&plan.kpis, &nothing.kpis),
        facts: words::facts(problem, &plan.kpis),
        kpis: plan.kpis.clone(),
        bound: bounds.of(plan),
        ops: planned_ops(problem, &plan.timed),
        moved: moved_ops(problem, &plan.timed),
        late_orders: kpi::late_orders(problem, facts, &plan.timed),
        unscheduled: plan.unscheduled.clone(),
        gantt: chart(problem, facts, &plan.timed),
    };
    chosen.iter().zip(titles).map(option).collect()
}
