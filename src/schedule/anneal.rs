//! Simulated annealing over sequence and resource choice, for every objective and every kind of plan.
//!
//! The temperature is steered by how many of the worsening moves are accepted, so that one setting
//! serves every size and objective. Walkers cool at different heights and meet at every exchange.

use super::budget::Budget;
use super::decode::Sequence;
use super::facts::Facts;
use super::model::Weights;
use super::moves::Mover;
use super::place::Hours;
use super::problem::Problem;
use super::rounds::{Tally, together, walkers};
use super::timing::Timing;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Share of worsening moves accepted in the beginning, by walker in turn, and in the end.
const WARM: [f64; 2] = [0.05, 0.01];
const COLD: f64 = 0.000_5;
/// Moves per operation of one cooling, times the square of the choices each has; a budget with room for
/// more is cut into several.
const CYCLE: f64 = 400.0;
/// All coolings but every fourth start that much warmer and from where the walker stands, to leave a valley.
const REHEAT: f64 = 4.0;
/// How fast the temperature follows.
const STEER: f64 = 0.02;
/// How far above the limit, in temperatures, the orders timed so far must cost before timing breaks off.
const MARGIN: f64 = 3.0;
/// Operations a walker times between two exchanges, roughly, and as a share of the budget: it cools from one to the next.
const ROUND: u64 = 1_500_000;
const ROUND_SHARE: f64 = 0.01;
const STEPS_MIN: u64 = 32;
/// A walker this many temperatures above another goes on from there.
const APART: f64 = 8.0;
/// Alternatives a walker keeps.
const RUNNERS_UP: usize = 4;
/// Moves sampled for the first temperature.
const SAMPLES: usize = 64;

/// What to optimise, and the random stream and threads to do it with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    pub(super) hours: Hours,
    pub(super) weights: Weights,
    pub(super) seed: u64,
    pub(super) threads: usize,
}

/// Improves the first of `starts`, their best; returns the best last, before it others that run elsewhere.
pub(super) fn anneal(
    problem: &Problem,
    facts: &Facts,
    question: Question,
    starts: &[Sequence],
    budget: &Budget,
    tally: &mut Tally,
) -> Vec<Sequence> {
    let threads = question.threads;
    let free = starts.first().map_or(&[][..], |start| start.order.as_slice());
    let mut walkers: Vec<Walk> =
        (0..walkers(threads)).map(|number| Walk::new(problem, facts, &question, number, starts)).collect();
    let count = walkers.len();
    let ops = free.len().max(1) as u64;
    let alts: usize = free.iter().map(|&op| problem.ops[op].alts.len()).sum();
    let choices = alts as f64 / ops as f64;
    let cooling = CYCLE * choices * choices * (ops * count as u64) as f64;
    let steps_max = (ROUND / ops).clamp(200, 20_000);
    walkers.iter_mut().for_each(Walk::warm_up);
    let mut cycle = Cycle { number: 0, from: 0.0, to: 0.0 };
    loop {
        let spent = budget.spent(tally.evaluated);
        if spent >= cycle.to {
            cycle = cycle.next(spent, tally.evaluated, cooling);
            walkers.iter_mut().filter(|_| cycle.number > 2).for_each(|walk| walk.restart(cycle.is_hot()));
        }
        let phase = cycle.phase(spent);
        let pace = tally.evaluated as f64 / spent.max(1e-6) / count as f64;
        let steps = ((pace * ROUND_SHARE) as u64).clamp(STEPS_MIN, steps_max);
        let left = budget.left(tally.evaluated).div_ceil(count as u64).min(steps);
        together(&mut walkers, threads, |walk| walk.run(left, phase, budget));
        for walk in &mut walkers {
            tally.evaluated += std::mem::take(&mut walk.tried);
            tally.idle += std::mem::take(&mut walk.idle);
        }
        let best = best_of(&walkers, |walk| walk.best.0);
        tally.improved(walkers[best].best.0, walkers[best].best_makespan);
        let is_stuck = walkers.iter_mut().map(|walk| std::mem::take(&mut walk.changes)).sum::<u64>() == 0;
        if budget.spent(tally.evaluated) >= 1.0 || walkers[best].best.0 == 0.0 || is_stuck {
            break;
        }
        // Where walkers meet too often they walk in the same valley.
        if !cycle.is_hot() {
            exchange(&mut walkers);
        }
    }
    let mut found: Vec<(f64, Sequence)> = Vec::new();
    for walk in walkers {
        found.push(walk.best);
        found.extend(walk.runners_up.into_iter().map(|(_, cost, sequence)| (cost, sequence)));
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|found| found.1).collect()
}

/// One cooling from warm to cold, as a stretch of the budget.
struct Cycle {
    number: u32,
    from: f64,
    to: f64,
}

impl Cycle {
    /// As many equal coolings as what is left of the budget has room for.
    fn next(&self, spent: f64, evaluated: u64, cooling: f64) -> Self {
        let number = self.number + 1;
        // The first rounds only tell how fast this goes.
        if number == 1 {
            return Self { number, from: 0.0, to: 0.02 };
        }
        let left = evaluated as f64 / spent.max(1e-6) * (1.0 - spent);
        let cycles = (left / cooling).round().max(1.0);
        Self { number, from: spent, to: spent + (1.0 - spent) / cycles }
    }

    fn is_hot(&self) -> bool {
        self.number > 2 && !self.number.is_multiple_of(4)
    }

    fn phase(&self, spent: f64) -> f64 {
        if self.number < 2 { 0.0 } else { ((spent - self.from) / (self.to - self.from)).clamp(0.0, 1.0) }
    }
}

fn best_of(walkers: &[Walk], cost: impl Fn(&Walk) -> f64) -> usize {
    (0..walkers.len()).min_by(|&a, &b| cost(&walkers[a]).total_cmp(&cost(&walkers[b]))).unwrap_or(0)
}

/// A walker far above the best place any of them stands at goes on from there.
fn exchange(walkers: &mut [Walk]) {
    let best = best_of(walkers, |walk| walk.timing.cost());
    let (cost, sequence) = (walkers[best].timing.cost(), walkers[best].timing.sequence());
    for walk in walkers.iter_mut() {
        if walk.timing.cost() - cost > APART * walk.heat {
            walk.go_to(&sequence);
        }
    }
}

struct Walk<'a> {
    timing: Timing<'a>,
    mover: Mover,
    rng: ChaCha8Rng,
    own_warm: f64,
    warm: f64,
    heat: f64,
    first_heat: f64,
    best: (f64, Sequence),
    best_makespan: i64,
    /// The best plans with pairwise different resources, where people want alternatives.
    runners_up: Vec<(u64, f64, Sequence)>,
    keeps_others: bool,
    /// Steps, whether or not they led to another sequence.
    tried: u64,
    /// Of them, those that did not.
    idle: u64,
    /// Moves since the last exchange that changed something.
    changes: u64,
}

impl<'a> Walk<'a> {
    fn new(
        problem: &'a Problem,
        facts: &'a Facts,
        question: &Question,
        number: usize,
        starts: &[Sequence],
    ) -> Self {
        let mut timing = Timing::new(problem, facts, question.hours, question.weights);
        let mut rng = ChaCha8Rng::seed_from_u64(question.seed);
        rng.set_stream(number as u64 + 1);
        let start = starts.first().cloned().unwrap_or_default();
        timing.set(&start);
        let best = (timing.cost(), start);
        let best_makespan = timing.makespan();
        let own_warm = WARM[number % WARM.len()];
        let mut walk = Self {
            timing,
            mover: Mover::of(problem),
            rng,
            own_warm,
            warm: own_warm,
            heat: 1.0,
            first_heat: 1.0,
            best,
            best_makespan,
            runners_up: Vec::new(),
            keeps_others: problem.model.policy.options > 1,
            tried: 0,
            idle: 0,
            changes: 0,
        };
        walk.mover.learn(&walk.timing);
        walk
    }

    fn go_to(&mut self, sequence: &Sequence) {
        self.timing.set(sequence);
        self.mover.learn(&self.timing);
    }

    /// Starts another cooling, from the best plan if it is not a hot one.
    fn restart(&mut self, is_hot: bool) {
        if !is_hot {
            let best = std::mem::take(&mut self.best.1);
            self.go_to(&best);
            self.best.1 = best;
        }
        self.warm = if is_hot { (self.own_warm * REHEAT).min(0.4) } else { self.own_warm };
        self.heat = self.first_heat * if is_hot { REHEAT } else { 1.0 };
    }

    /// A first temperature from the worsening of sampled moves.
    fn warm_up(&mut self) {
        let (mut worse, mut count) = (0.0, 0);
        for _ in 0..SAMPLES {
            let before = self.timing.cost();
            let Some(change) = self.mover.propose(&self.timing, &mut self.rng) else { continue };
            let Some(cost) = self.timing.try_change(change, f64::INFINITY) else { continue };
            self.timing.take_back();
            self.tried += 1;
            // A dropped order would set a temperature at which every plan is accepted.
            if cost > before && cost - before < self.timing.least_left_out() {
                worse += cost - before;
                count += 1;
            }
        }
        self.heat = if count == 0 { 1.0 } else { 0.3 * self.warm * worse / f64::from(count) };
        self.first_heat = self.heat;
    }

    fn run(&mut self, steps: u64, phase: f64, budget: &Budget) {
        let wanted = self.warm * (COLD / self.warm).powf(phase);
        for step in 0..steps {
            if step % 16 == 0 && budget.is_over() {
                break;
            }
            self.step(wanted);
        }
    }

    /// Keeps the plan just tried if few others with other resources are better.
    fn remember(&mut self, cost: f64) {
        let last = self.runners_up.last().map_or(f64::INFINITY, |last| last.1);
        let is_full = self.runners_up.len() == RUNNERS_UP;
        if !self.keeps_others || cost >= self.timing.least_left_out() || is_full && cost >= last {
            return;
        }
        let hash = self.timing.resources_hash();
        let replaced = match self.runners_up.iter().position(|known| known.0 == hash) {
            Some(known) if self.runners_up[known].1 <= cost => return,
            Some(known) => Some(self.runners_up.remove(known)),
            None if is_full => self.runners_up.pop(),
            None => None,
        };
        let mut sequence = replaced.map_or_else(Sequence::default, |replaced| replaced.2);
        self.timing.copy_to(&mut sequence);
        let place = self.runners_up.partition_point(|known| known.1 <= cost);
        self.runners_up.insert(place, (hash, cost, sequence));
    }

    fn step(&mut self, wanted: f64) {
        self.tried += 1;
        let before = self.timing.cost();
        let Some(change) = self.mover.propose(&self.timing, &mut self.rng) else {
            self.idle += 1;
            return;
        };
        // Drawn beforehand, so that timing can break off what is not going to be accepted.
        let allowed = -self.heat * (1.0 - self.rng.random::<f64>()).ln();
        let limit = before + allowed + MARGIN * self.heat;
        let Some(cost) = self.timing.try_change(change, limit) else {
            self.idle += 1;
            return;
        };
        self.changes += 1;
        self.remember(cost);
        let worse = cost - before;
        if worse > 0.0 {
            let is_accepted = worse <= allowed;
            let towards = if is_accepted { wanted - 1.0 } else { wanted };
            self.heat = (self.heat * (STEER * towards).exp()).max(1e-9);
            if !is_accepted {
                self.timing.take_back();
                return;
            }
        }
        self.timing.keep();
        if worse != 0.0 {
            self.mover.learn(&self.timing);
        }
        let cost = self.timing.cost();
        if cost < self.best.0 - 1e-9 {
            self.best.0 = cost;
            self.timing.copy_to(&mut self.best.1);
            self.best_makespan = self.timing.makespan();
        }
    }
}
