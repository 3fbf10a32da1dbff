//! The greedy start: Giffler–Thompson schedules with the ATCS priority, in log space.
//!
//! ATCS: Lee, Bhaskaran & Pinedo 1997. The logarithm keeps the ranking where `exp` underflows to 0. What
//! is left of an order is its work at first, then the time it took in the pass before (lead time iteration,
//! Vepsalainen & Morton 1988).

use super::budget::Budget;
use super::decode::{Decoder, Sequence, Timed};
use super::model::Minute;
use super::problem::{OpIx, Problem};

/// Look-ahead for slack and for changeovers, in means; a short grid replaces tuning per plant.
const GRID: [(f64, f64); 6] = [(2.0, 0.5), (2.0, 2.0), (4.5, 0.5), (4.5, 2.0), (8.0, 1.0), (1.0, 1.0)];
/// Above this many operations one pass is all the first plan may cost.
const GRID_OPS: usize = 3_000;
/// Passes per pair, each with what the one before it made orders wait.
const LEAD_ROUNDS: usize = 4;
/// Passes end when this share of the time is gone.
const TIME_SHARE: f64 = 0.08;
/// Operations times orders, above which even one pass takes longer than a quick answer may.
const PASS_MAX: usize = 30_000_000;

/// One dispatched sequence per look-ahead pair, each handed over when it is made.
pub(super) fn dispatched(
    problem: &Problem,
    decoder: &mut Decoder,
    free: &[OpIx],
    budget: &Budget,
    mut found: impl FnMut(&mut Decoder, Sequence),
) {
    if free.len() * problem.orders.len() > PASS_MAX {
        return;
    }
    let mut rule = Rule::new(problem, free);
    let alone = rule.tail.clone();
    let grid = if free.len() > GRID_OPS { &GRID[..1] } else { &GRID[..] };
    for &(slack, setup) in grid {
        rule.tail.clone_from(&alone);
        for _ in 0..if free.len() > GRID_OPS { 1 } else { LEAD_ROUNDS } {
            if budget.spent(0) > TIME_SHARE {
                return;
            }
            let Some(sequence) = rule.dispatch(decoder, free, (slack, setup), budget) else { return };
            rule.learn_waits(decoder.timed());
            found(decoder, sequence);
        }
    }
}

struct Rule<'a> {
    problem: &'a Problem,
    /// By operation: the shortest way from its end to the end of its order.
    tail: Vec<Minute>,
    mean_minutes: f64,
    mean_setup: f64,
}

impl<'a> Rule<'a> {
    fn new(problem: &'a Problem, free: &[OpIx]) -> Self {
        let minutes = free.iter().flat_map(|&op| &problem.ops[op].alts).map(|alt| alt.minutes);
        let count = minutes.clone().count().max(1);
        let setups: Vec<f64> = problem.setups.iter().filter_map(super::problem::Setup::mean).collect();
        Self {
            problem,
            tail: tails(problem),
            mean_minutes: minutes.sum::<Minute>() as f64 / count as f64,
            mean_setup: setups.iter().sum::<f64>() / setups.len().max(1) as f64,
        }
    }

    /// Halfway from the remaining times supposed so far to those of a plan.
    fn learn_waits(&mut self, timed: &Timed) {
        for order in &self.problem.orders {
            let end =
                order.ops.iter().filter_map(|&op| timed.slots[op]).map(|slot| slot.end).max().unwrap_or(0);
            for &op in &order.ops {
                if let Some(slot) = timed.slots[op] {
                    self.tail[op] = (self.tail[op] + end - slot.end) / 2;
                }
            }
        }
    }

    /// `None` when the budget ends meanwhile.
    fn dispatch(
        &self,
        decoder: &mut Decoder,
        free: &[OpIx],
        (slack, setup): (f64, f64),
        budget: &Budget,
    ) -> Option<Sequence> {
        let problem = self.problem;
        let mut sequence =
            Sequence { order: Vec::with_capacity(free.len()), alt: vec![0; problem.ops.len()] };
        let mut waiting: Vec<usize> = vec![usize::MAX; problem.ops.len()];
        for &op in free {
            waiting[op] = 0;
        }
        for &op in free {
            waiting[op] = problem.ops[op].preds.iter().filter(|&&pred| waiting[pred] != usize::MAX).count();
        }
        let mut ready: Vec<OpIx> = free.iter().copied().filter(|&op| waiting[op] == 0).collect();
        decoder.begin();
        while !ready.is_empty() {
            if sequence.order.len().is_multiple_of(64) && budget.is_over() {
                return None;
            }
            let (index, alt) = self.choose(decoder, &ready, slack, setup);
            let op = ready.swap_remove(index);
            // A dropped order keeps its place in the sequence; another weighting may plan it.
            let _ = decoder.append(op, alt);
            sequence.order.push(op);
            sequence.alt[op] = alt;
            for &succ in &problem.ops[op].succs {
                if waiting[succ] != usize::MAX {
                    waiting[succ] -= 1;
                    if waiting[succ] == 0 {
                        ready.push(succ);
                    }
                }
            }
        }
        Some(sequence)
    }

    /// Among the operations that could start before the earliest possible end, the most urgent one.
    fn choose(&self, decoder: &Decoder, ready: &[OpIx], slack: f64, setup: f64) -> (usize, usize) {
        let mut estimates = Vec::with_capacity(ready.len() * 2);
        let mut first: Option<(Minute, OpIx, usize)> = None;
        for (index, &op) in ready.iter().enumerate() {
            let data = &self.problem.ops[op];
            if decoder.is_dropped(data.order) {
                return (index, 0);
            }
            for (alt, choice) in data.alts.iter().enumerate() {
                let Some((start, end, changeover)) = decoder.estimate(op, alt) else { continue };
                estimates.push((index, alt, start, changeover));
                if first.is_none_or(|first| (end, op) < (first.0, first.1)) {
                    first = Some((end, op, choice.resource));
                }
            }
        }
        let Some((end, _, resource)) = first else { return (0, 0) };
        let rival = estimates.iter().filter(|&&(index, alt, start, _)| {
            self.problem.ops[ready[index]].alts[alt].resource == resource && start < end
        });
        let urgency = |&&(index, alt, start, changeover): &&(usize, usize, Minute, Minute)| {
            let start = start - changeover;
            self.log_priority(ready[index], alt, start, changeover as f64, slack, setup)
        };
        rival
            .max_by(|a, b| urgency(a).total_cmp(&urgency(b)).then_with(|| ready[b.0].cmp(&ready[a.0])))
            .map_or((0, 0), |&(index, alt, _, _)| (index, alt))
    }

    fn log_priority(&self, op: OpIx, alt: usize, at: Minute, changeover: f64, slack: f64, setup: f64) -> f64 {
        let data = &self.problem.ops[op];
        let order = &self.problem.orders[data.order];
        let minutes = data.alts[alt].minutes;
        let spare = (order.due - self.tail[op] - minutes - at).max(0) as f64;
        let mut log = order.weight.ln() - (minutes.max(1) as f64).ln() - spare / (slack * self.mean_minutes);
        if self.mean_setup > 0.0 {
            log -= changeover / (setup * self.mean_setup);
        }
        log
    }
}

/// By operation: minutes of work and lags behind it, on the fastest resources.
pub(super) fn tails(problem: &Problem) -> Vec<Minute> {
    let mut tail = vec![None; problem.ops.len()];
    let mut stack: Vec<OpIx> = Vec::new();
    for op in 0..problem.ops.len() {
        stack.push(op);
        while let Some(&at) = stack.last() {
            let open = problem.ops[at].succs.iter().copied().find(|&succ| tail[succ].is_none());
            if let Some(succ) = open {
                stack.push(succ);
                continue;
            }
            let behind = problem.ops[at].succs.iter().map(|&succ| {
                let data = &problem.ops[succ];
                let minutes = data.alts.iter().map(|alt| alt.minutes).min().unwrap_or(1);
                data.min_lag + minutes + tail[succ].unwrap_or(0)
            });
            tail[at] = Some(behind.max().unwrap_or(0));
            stack.pop();
        }
    }
    tail.into_iter().map(|tail| tail.unwrap_or(0)).collect()
}
