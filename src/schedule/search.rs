//! Simulated annealing over sequence and resource choice, led by the critical chains of late orders.
//!
//! The temperature is calibrated on sampled moves, so that one setting serves every size and objective.

use super::budget::Budget;
use super::decode::{Decoder, Sequence};
use super::facts::Facts;
use super::kpi::{DROPPED, Figures};
use super::model::Weights;
use super::moves::Mover;
use super::problem::Problem;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Cooling runs; each starts from the best sequence, at a lower temperature than the one before.
const CYCLES: f64 = 3.0;
/// Moves sampled to calibrate the first temperature, as a share of their mean worsening.
const SAMPLES: usize = 40;
const WARMTH: f64 = 0.03;
/// Every later cycle begins at this share of the temperature of the one before.
const REHEAT: f64 = 0.4;
/// The last temperature of a cycle, as a share of its first.
const COLD: f64 = 1e-2;

/// Sequences kept beside the best, in case people want an alternative and the profiles agree.
const RUNNERS_UP: usize = 4;
/// Moves in a row that change nothing before the search gives up.
const IDLE_MAX: usize = 1_000;

/// Improves the best of `starts` under `weights` until the budget is spent.
///
/// Returns runners-up on other resources, the best sequence of each cycle and, last, the best of all.
pub(super) fn anneal<'p>(
    problem: &'p Problem,
    facts: &'p Facts,
    decoder: &mut Decoder<'p>,
    starts: &[Sequence],
    weights: &Weights,
    seed: u64,
    budget: &Budget,
) -> Vec<Sequence> {
    let Some(mut walk) = Walk::begin(problem, facts, decoder, starts, weights, seed) else {
        return Vec::new();
    };
    let first = walk.temperature(budget);
    let mut cycle = 0.0;
    let mut idle = 0;
    while idle < IDLE_MAX {
        let spent = budget.spent(walk.decoded());
        if spent >= 1.0 {
            break;
        }
        let phase = spent * CYCLES;
        if phase.floor() > cycle {
            cycle = phase.floor();
            walk.restart();
        }
        let heat = first * REHEAT.powf(cycle) * COLD.powf(phase - cycle);
        idle = if walk.step(heat) { 0 } else { idle + 1 };
    }
    let runners_up = walk.runners_up.into_iter().rev().map(|runner| runner.1.1);
    runners_up.chain(walk.found).chain([walk.best.1]).collect()
}

type Scored = (f64, Sequence);

struct Walk<'s, 'p> {
    problem: &'p Problem,
    facts: &'p Facts,
    decoder: &'s mut Decoder<'p>,
    weights: &'s Weights,
    rng: ChaCha8Rng,
    mover: Mover<'p>,
    decoded_before: u64,
    current: Scored,
    trial: Sequence,
    cycle_best: Scored,
    best: Scored,
    /// The best sequences with pairwise different resources, best first, by a hash of these.
    runners_up: Vec<(u64, Scored)>,
    found: Vec<Sequence>,
}

impl<'s, 'p> Walk<'s, 'p> {
    fn begin(
        problem: &'p Problem,
        facts: &'p Facts,
        decoder: &'s mut Decoder<'p>,
        starts: &[Sequence],
        weights: &'s Weights,
        seed: u64,
    ) -> Option<Self> {
        let decoded_before = decoder.decoded();
        let scored = starts
            .iter()
            .map(|start| (Figures::of(problem, facts, decoder.decode(start)).objective(weights), start))
            .min_by(|a, b| a.0.total_cmp(&b.0))?;
        let best = (scored.0, scored.1.clone());
        let mut walk = Self {
            problem,
            facts,
            decoder,
            weights,
            rng: ChaCha8Rng::seed_from_u64(seed),
            mover: Mover::new(problem),
            decoded_before,
            current: best.clone(),
            trial: best.1.clone(),
            cycle_best: best.clone(),
            best,
            runners_up: Vec::new(),
            found: Vec::new(),
        };
        walk.restart();
        walk.found.clear();
        Some(walk)
    }

    fn decoded(&self) -> u64 {
        self.decoder.decoded() - self.decoded_before
    }

    /// Goes back to the best sequence for the next cycle.
    fn restart(&mut self) {
        self.found.push(self.cycle_best.1.clone());
        self.current.clone_from(&self.best);
        self.cycle_best.clone_from(&self.best);
        self.decoder.decode(&self.current.1);
        self.mover.learn(&self.current.1, self.decoder.timed());
    }

    fn score(&mut self) -> f64 {
        let timed = self.decoder.decode(&self.trial);
        Figures::of(self.problem, self.facts, timed).objective(self.weights)
    }

    fn propose(&mut self) -> bool {
        self.trial.clone_from(&self.current.1);
        self.mover.change(&mut self.trial, &mut self.rng)
    }

    /// Keeps the sequence just tried if few others on other resources are better.
    fn remember(&mut self, value: f64) {
        let is_full = self.runners_up.len() == RUNNERS_UP;
        if is_full && self.runners_up.last().is_some_and(|last| value >= last.1.0) {
            return;
        }
        let mut hasher = DefaultHasher::new();
        self.trial.alt.hash(&mut hasher);
        let resources = hasher.finish();
        match self.runners_up.iter().position(|runner| runner.0 == resources) {
            Some(known) if self.runners_up[known].1.0 <= value => return,
            Some(known) => drop(self.runners_up.remove(known)),
            None if is_full => drop(self.runners_up.pop()),
            None => {}
        }
        let place = self.runners_up.partition_point(|runner| runner.1.0 <= value);
        self.runners_up.insert(place, (resources, (value, self.trial.clone())));
    }

    fn temperature(&mut self, budget: &Budget) -> f64 {
        let (mut worse, mut count) = (0.0, 0);
        for _ in 0..SAMPLES {
            if budget.spent(self.decoded()) < 1.0 && self.propose() {
                let change = self.score() - self.current.0;
                // A dropped order would set a temperature at which every plan is accepted.
                if change > 0.0 && change < DROPPED {
                    worse += change;
                    count += 1;
                }
            }
        }
        if count == 0 { 1.0 } else { WARMTH * worse / f64::from(count) }
    }

    /// Tries one move; false when the sequence was left as it was.
    fn step(&mut self, heat: f64) -> bool {
        if !self.propose() {
            return false;
        }
        let value = self.score();
        self.remember(value);
        let worse = value - self.current.0;
        if worse > 0.0 && self.rng.random::<f64>() >= (-worse / heat).exp() {
            return true;
        }
        std::mem::swap(&mut self.current.1, &mut self.trial);
        self.current.0 = value;
        self.mover.learn(&self.current.1, self.decoder.timed());
        if value < self.cycle_best.0 {
            self.cycle_best.clone_from(&self.current);
        }
        if value < self.best.0 {
            self.best.clone_from(&self.current);
        }
        true
    }
}
