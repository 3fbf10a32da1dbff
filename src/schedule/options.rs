//! Several weightings searched, and from what they find two or three plans that really differ.

use super::anneal::{self, Question};
use super::answer::{Kpis, Unscheduled};
use super::budget::Budget;
use super::decode::{Decoder, Sequence};
use super::facts::Facts;
use super::finish::{Finished, finish};
use super::kpi::Figures;
use super::makespan::{self, Shop};
use super::model::Weights;
use super::place::Hours;
use super::problem::{OpIx, Problem};
use super::rounds::Tally;
use super::words::stands_out;
use super::{construct, repair};
use std::collections::{BTreeSet, HashMap};

/// Below this share of swapped pairs, and on the same resources, two plans are the same to people.
const KENDALL_MIN: f64 = 0.05;
/// How much dearer the profile's own figure gets against the policy.
const EMPHASIS: f64 = 20.0;
/// Stands in for a 0 in the policy when a profile wants to emphasise changeovers.
const CHANGEOVER_FLOOR: f64 = 0.2;

/// What one search optimises for.
#[derive(Debug, Clone, Copy)]
struct Profile {
    weights: Weights,
    hours: Hours,
}

/// The policy first; the others only where the problem has something to trade.
fn profiles(problem: &Problem, nothing: &Kpis) -> Vec<Profile> {
    let policy = problem.model.policy.weights;
    let mut profiles = vec![Profile { weights: policy, hours: Hours::Open }];
    if problem.model.policy.options == 1 {
        return profiles;
    }
    let placed = problem.ops.iter().filter(|op| op.current.is_some()).count();
    if placed > 0 {
        // Moving everything weighs as much as doing nothing, so that each move has to earn its place.
        let moves = (policy.moves * EMPHASIS).max(nothing.objective / placed as f64).max(1.0);
        let weights = Weights { moves, machine_changes: moves, ..policy };
        profiles.push(Profile { weights, hours: Hours::Open });
    }
    if problem.resources.iter().any(|resource| resource.setup.is_some()) {
        let changeover = policy.changeover.max(CHANGEOVER_FLOOR) * EMPHASIS;
        profiles.push(Profile { weights: Weights { changeover, ..policy }, hours: Hours::Open });
    }
    if problem.resources.iter().any(|resource| resource.has_overtime) {
        profiles.push(Profile { weights: policy, hours: Hours::Regular });
    }
    if profiles.len() < 3 {
        let weights = Weights { makespan: policy.makespan.max(1.0) * EMPHASIS, ..policy };
        profiles.push(Profile { weights, hours: Hours::Open });
    }
    profiles
}

/// The best of what is constructed, to start from.
const STARTS: usize = 4;
/// The policy's own weighting gets this share of the budget; the others share the rest.
const POLICY_SHARE: f64 = 0.6;

/// Searches every profile; plans come back grouped by profile, each profile's best first.
pub(super) fn search_all(
    problem: &Problem,
    facts: &Facts,
    free: &[OpIx],
    screened: &[Unscheduled],
    nothing: &Kpis,
    budget: &Budget,
    tally: &mut Tally,
) -> Vec<Vec<Finished>> {
    let profiles = profiles(problem, nothing);
    let mut plans: Vec<Vec<Finished>> = Vec::new();
    let mut known: Vec<Sequence> = Vec::new();
    for (number, profile) in profiles.iter().enumerate() {
        if number > 0 && budget.is_cancelled() {
            break;
        }
        tally.turn_to(number);
        let part = match (number, profiles.len() - number) {
            (_, 1) => 1.0,
            (0, _) => POLICY_SHARE,
            (_, left) => 1.0 / left as f64,
        };
        let share = budget.share(tally.total(), part);
        let task = Task { problem, facts, free, profile: *profile, seed: number as u64, budget: &share };
        let mut decoder = Decoder::new(problem, facts, profile.hours);
        let mut found: Vec<Finished> = Vec::new();
        let sequences = task.run(&mut decoder, &known, tally);
        let judged = if budget.is_cancelled() { 1 } else { judged(problem) };
        for sequence in sequences.into_iter().rev().take(judged) {
            let plan = finish(problem, facts, &mut decoder, sequence, screened);
            if found.iter().all(|known| known.timed.slots != plan.timed.slots) {
                found.push(plan);
            }
        }
        // What the policy found is a good start for every other weighting.
        known.extend(found.first().map(|plan| plan.sequence.clone()));
        plans.push(found);
    }
    plans
}

/// How many plans of one weighting are finished and judged: the best, and others to choose from.
fn judged(problem: &Problem) -> usize {
    if problem.model.policy.options == 1 { 2 } else { 5 }
}

/// How many plans a search ends up judging, at most.
pub(super) fn judged_in_all(problem: &Problem, nothing: &Kpis) -> usize {
    judged(problem) * profiles(problem, nothing).len()
}

struct Task<'a> {
    problem: &'a Problem,
    facts: &'a Facts,
    free: &'a [OpIx],
    profile: Profile,
    seed: u64,
    budget: &'a Budget<'a>,
}

impl<'a> Task<'a> {
    /// The best plan last.
    fn run(&self, decoder: &mut Decoder<'a>, known: &[Sequence], tally: &mut Tally) -> Vec<Sequence> {
        let Task { problem, facts, free, profile: Profile { weights, .. }, budget, .. } = *self;
        let mut starts: Vec<(f64, Sequence)> = Vec::new();
        let mut add = |decoder: &mut Decoder, start: Sequence| {
            let figures = Figures::of(problem, facts, decoder.decode(&start));
            let objective = figures.cost(problem, &weights);
            tally.evaluated += 1;
            tally.improved(objective, figures.makespan);
            let place = starts.partition_point(|known| known.0 <= objective);
            starts.insert(place, (objective, start));
            starts.truncate(STARTS);
        };
        add(decoder, repair::keep(problem, free));
        let rerouted = repair::reroute(problem, decoder, free, &weights);
        add(decoder, rerouted);
        // A known plan may lack the orders that its weighting left out.
        for known in known.iter().filter(|known| known.order.len() == free.len()) {
            add(decoder, known.clone());
        }
        construct::dispatched(problem, decoder, free, budget, &mut add);
        let starts: Vec<Sequence> = starts.into_iter().map(|start| start.1).collect();
        // The searches simplify a few figures, so what was best before them stays a candidate.
        let mut found = if budget.is_over() { Vec::new() } else { self.search(&starts, tally) };
        let best = found.len().saturating_sub(1);
        found.splice(best..best, starts.first().cloned());
        found
    }

    fn search(&self, starts: &[Sequence], tally: &mut Tally) -> Vec<Sequence> {
        let Task { problem, facts, free, profile: Profile { weights, hours }, seed, budget } = *self;
        let threads = problem.model.policy.threads;
        let seed = problem.model.policy.seed.wrapping_add(seed);
        if ends_only(problem, &weights)
            && let Some(shop) = Shop::of(problem, facts, free)
            && let Some(shop) =
                if weights.makespan > 0.0 { Some(shop) } else { shop.priced(problem, facts, &weights) }
        {
            return makespan::search(&shop, starts, seed, threads, budget, tally);
        }
        anneal::anneal(problem, facts, Question { hours, weights, seed, threads }, starts, budget, tally)
    }
}

/// Whether two plans differ in the makespan and nothing else, or in when orders end and nothing else.
pub(super) fn ends_only(problem: &Problem, weights: &Weights) -> bool {
    let has_setups = problem.resources.iter().any(|resource| resource.setup.is_some());
    let has_plan = problem.ops.iter().any(|op| op.current.is_some());
    let has_overtime = problem.resources.iter().any(|resource| resource.has_overtime);
    (weights.makespan > 0.0) != (weights.tardiness + weights.late_orders > 0.0)
        && (weights.changeover == 0.0 || !has_setups)
        && (weights.moves + weights.machine_changes == 0.0 || !has_plan)
        && (weights.overtime == 0.0 || !has_overtime)
}

/// At most `wanted` plans, best by the policy first, all distinct.
///
/// Those that beat the chosen ones in something come first, then efficient ones, then the best of each
/// profile; among equals the one farthest from what is chosen already.
pub(super) fn choose(problem: &Problem, plans: Vec<Vec<Finished>>, wanted: usize) -> Vec<Finished> {
    let mut candidates: Vec<(bool, Finished)> = plans
        .into_iter()
        .flat_map(|found| found.into_iter().enumerate().map(|(index, plan)| (index == 0, plan)))
        .collect();
    let efficient: Vec<bool> = candidates
        .iter()
        .map(|(_, plan)| !candidates.iter().any(|(_, other)| dominates(other, plan)))
        .collect();
    let mut chosen: Vec<Finished> = Vec::new();
    let best = (0..candidates.len()).min_by(|&a, &b| order(&candidates[a].1, &candidates[b].1));
    let Some(best) = best else { return chosen };
    let mut ranked: Vec<(bool, bool, Finished)> = candidates
        .drain(..)
        .zip(efficient)
        .map(|((winner, plan), efficient)| (efficient, winner, plan))
        .collect();
    chosen.push(ranked.swap_remove(best).2);
    while chosen.len() < wanted {
        let known: Vec<&Kpis> = chosen.iter().map(|plan| &plan.kpis).collect();
        let next = ranked
            .iter()
            .enumerate()
            .filter(|(_, (_, _, plan))| chosen.iter().all(|other| are_distinct(problem, plan, other)))
            .map(|(index, (efficient, winner, plan))| {
                let nearest =
                    chosen.iter().map(|other| distance(problem, plan, other)).fold(f64::MAX, f64::min);
                let worth = (stands_out(&plan.kpis, &known), *efficient, *winner);
                (index, worth, nearest)
            })
            .max_by(|a, b| a.1.cmp(&b.1).then(a.2.total_cmp(&b.2)).then(b.0.cmp(&a.0)));
        match next {
            // Two plans are a choice in any case; a third one must add something.
            Some((index, worth, _)) if worth.0 || chosen.len() < 2 => {
                chosen.push(ranked.swap_remove(index).2)
            }
            _ => break,
        }
    }
    chosen.sort_by(order);
    chosen
}

/// Fewer orders left out first, then the policy's objective.
fn order(a: &Finished, b: &Finished) -> std::cmp::Ordering {
    let left_out = a.unscheduled.len().cmp(&b.unscheduled.len());
    left_out.then(a.kpis.objective.total_cmp(&b.kpis.objective))
}

/// At least as good in everything people trade against each other, and better in something.
fn dominates(a: &Finished, b: &Finished) -> bool {
    let key = |plan: &Finished| {
        let kpis = &plan.kpis;
        [
            plan.unscheduled.len() as f64,
            kpis.weighted_tardiness,
            kpis.changeover_minutes as f64,
            kpis.overtime_minutes as f64,
            kpis.moved_ops as f64,
            kpis.makespan as f64,
        ]
    };
    let (a, b) = (key(a), key(b));
    a.iter().zip(&b).all(|(a, b)| a <= b) && a != b
}

/// Another resource for some operation, or enough pairs in another order.
pub(super) fn are_distinct(problem: &Problem, a: &Finished, b: &Finished) -> bool {
    reassigned(a, b) > 0 || left_out(a) != left_out(b) || kendall(problem, a, b) >= KENDALL_MIN
}

fn left_out(plan: &Finished) -> BTreeSet<&str> {
    plan.unscheduled.iter().map(|order| order.order.as_str()).collect()
}

fn distance(problem: &Problem, a: &Finished, b: &Finished) -> f64 {
    let ops = a.sequence.order.len().max(1) as f64;
    kendall(problem, a, b) + reassigned(a, b) as f64 / ops
}

fn reassigned(a: &Finished, b: &Finished) -> usize {
    let pairs = a.timed.slots.iter().zip(&b.timed.slots);
    pairs.filter(|(a, b)| matches!((a, b), (Some(a), Some(b)) if a.resource != b.resource)).count()
}

/// Share of pairs of free operations whose starts come in another order, 0 to 1.
fn kendall(problem: &Problem, a: &Finished, b: &Finished) -> f64 {
    let by_start = |plan: &Finished| {
        let start = |op: OpIx| plan.timed.slots[op].map(|slot| slot.start);
        let mut ops: Vec<OpIx> = plan.sequence.order.clone();
        ops.sort_by_key(|&op| (start(op), &problem.ops[op].name));
        ops
    };
    let place: HashMap<OpIx, usize> =
        by_start(b).into_iter().enumerate().map(|(place, op)| (op, place)).collect();
    let mut places: Vec<usize> = by_start(a).iter().filter_map(|op| place.get(op).copied()).collect();
    let pairs = places.len() * places.len().saturating_sub(1) / 2;
    if pairs == 0 { 0.0 } else { inversions(&mut places) as f64 / pairs as f64 }
}

/// Sorts, counting the swaps of neighbours that takes.
fn inversions(values: &mut [usize]) -> usize {
    if values.len() < 2 {
        return 0;
    }
    let (left, right) = values.split_at_mut(values.len() / 2);
    let mut count = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    while i < left.len() || j < right.len() {
        if j == right.len() || (i < left.len() && left[i] <= right[j]) {
            merged.push(left[i]);
            i += 1;
        } else {
            count += left.len() - i;
            merged.push(right[j]);
            j += 1;
        }
    }
    values.copy_from_slice(&merged);
    count
}

#[cfg(test)]
mod tests {
    use super::inversions;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn inversions_are_counted_as_by_the_definition(values in prop::collection::vec(0usize..50, 0..40)) {
            let pairs = (0..values.len()).flat_map(|i| (0..i).map(move |j| (j, i)));
            let expected = pairs.filter(|&(j, i)| values[j] > values[i]).count();
            prop_assert_eq!(inversions(&mut values.clone()), expected);
        }
    }
}
