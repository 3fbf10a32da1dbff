//! The moves of the search: earlier on a resource, to another resource, or anywhere at random.
//!
//! Moves never break precedence: what an operation waits for in the moved segment moves with it.

use super::decode::{Sequence, Timed};
use super::model::Minute;
use super::problem::{OpIx, OrderIx, Problem};
use rand::Rng;

/// Share of moves that start from the critical chain of a late order, while there is one.
const CRITICAL: f64 = 0.75;
/// Share of moves that change the resource, where there is a choice.
const REASSIGN: f64 = 0.3;
/// Longest critical chain looked at.
const CHAIN_MAX: usize = 256;

pub(super) struct Mover<'p> {
    problem: &'p Problem,
    /// By operation: its place in the order of the accepted sequence.
    position: Vec<usize>,
    behind: Vec<Option<OpIx>>,
    waited_for_resource: Vec<bool>,
    end: Vec<Option<Minute>>,
    late: Vec<OrderIx>,
    chain: Vec<OpIx>,
    /// Scratch: members of the segment that move along.
    marked: Vec<bool>,
    stays: Vec<OpIx>,
    goes: Vec<OpIx>,
}

impl<'p> Mover<'p> {
    pub(super) fn new(problem: &'p Problem) -> Self {
        let ops = problem.ops.len();
        Self {
            problem,
            position: vec![usize::MAX; ops],
            behind: Vec::new(),
            waited_for_resource: Vec::new(),
            end: Vec::new(),
            late: Vec::new(),
            chain: Vec::new(),
            marked: vec![false; ops],
            stays: Vec::new(),
            goes: Vec::new(),
        }
    }

    /// Takes in the sequence that moves start from, and its times.
    pub(super) fn learn(&mut self, sequence: &Sequence, timed: &Timed) {
        self.position.fill(usize::MAX);
        for (index, &op) in sequence.order.iter().enumerate() {
            self.position[op] = index;
        }
        self.behind.clone_from(&timed.behind);
        self.waited_for_resource.clone_from(&timed.waited_for_resource);
        self.end.clear();
        self.end.extend(timed.slots.iter().map(|slot| slot.map(|slot| slot.end)));
        self.late.clear();
        for (ix, order) in self.problem.orders.iter().enumerate() {
            let ends = order.ops.iter().map(|&op| self.end[op].unwrap_or(Minute::MAX)).max();
            let is_free = order.ops.iter().any(|&op| self.position[op] != usize::MAX);
            if is_free && ends.is_some_and(|end| end > order.due) {
                self.late.push(ix);
            }
        }
    }

    /// Changes `sequence`, a copy of the learned one; false when the drawn move does nothing.
    pub(super) fn change(&mut self, sequence: &mut Sequence, rng: &mut impl Rng) -> bool {
        if sequence.order.is_empty() {
            return false;
        }
        let critical = !self.late.is_empty() && rng.random_bool(CRITICAL);
        let op = if critical {
            self.critical_op(rng)
        } else {
            Some(sequence.order[rng.random_range(0..sequence.order.len())])
        };
        let Some(op) = op else { return false };
        if self.problem.ops[op].alts.len() > 1 && rng.random_bool(REASSIGN) {
            return self.reassign(sequence, op, rng);
        }
        if critical || rng.random_bool(0.5) {
            self.earlier(sequence, op, rng)
        } else {
            self.anywhere(sequence, op, rng)
        }
    }

    /// A random operation of what a random late order waits for.
    fn critical_op(&mut self, rng: &mut impl Rng) -> Option<OpIx> {
        let order = &self.problem.orders[self.late[rng.random_range(0..self.late.len())]];
        let mut at = order.ops.iter().copied().max_by_key(|&op| (self.end[op].unwrap_or(Minute::MAX), op))?;
        self.chain.clear();
        while self.position[at] != usize::MAX && self.chain.len() < CHAIN_MAX {
            self.chain.push(at);
            let behind = self.behind[at].filter(|_| self.waited_for_resource[at]);
            let pred = || self.problem.ops[at].preds.iter().copied().max_by_key(|&pred| self.end[pred]);
            match behind.or_else(pred) {
                Some(next) => at = next,
                None => break,
            }
        }
        (!self.chain.is_empty()).then(|| self.chain[rng.random_range(0..self.chain.len())])
    }

    fn reassign(&mut self, sequence: &mut Sequence, op: OpIx, rng: &mut impl Rng) -> bool {
        let alts = self.problem.ops[op].alts.len();
        let other = rng.random_range(0..alts - 1);
        sequence.alt[op] = if other >= sequence.alt[op] { other + 1 } else { other };
        if rng.random_bool(0.5) {
            self.anywhere(sequence, op, rng);
        }
        true
    }

    /// Before one of the operations its resource does right before it.
    fn earlier(&mut self, sequence: &mut Sequence, op: OpIx, rng: &mut impl Rng) -> bool {
        let Some(mut target) = self.behind[op] else { return false };
        while let Some(before) = self.behind[target].filter(|_| rng.random_bool(0.4)) {
            target = before;
        }
        self.move_to(sequence, op, self.position[target])
    }

    fn anywhere(&mut self, sequence: &mut Sequence, op: OpIx, rng: &mut impl Rng) -> bool {
        let reach = (sequence.order.len() / 4).max(2);
        let from = self.position[op].saturating_sub(reach);
        let to = (self.position[op] + reach).min(sequence.order.len() - 1);
        self.move_to(sequence, op, rng.random_range(from..=to))
    }

    /// Puts `op` at `target`, with its predecessors (going forward: successors) of the segment.
    fn move_to(&mut self, sequence: &mut Sequence, op: OpIx, target: usize) -> bool {
        let from = self.position[op];
        let backward = target < from;
        let (low, high) = (from.min(target), from.max(target));
        self.marked[op] = true;
        let mut mark = |at: OpIx| {
            let data = &self.problem.ops[at];
            let neighbours = if backward { &data.succs } else { &data.preds };
            self.marked[at] |= neighbours.iter().any(|&next| self.marked[next]);
        };
        let segment = &mut sequence.order[low..=high];
        if backward {
            segment.iter().rev().copied().for_each(&mut mark);
        } else {
            segment.iter().copied().for_each(&mut mark);
        }
        self.goes.clear();
        self.stays.clear();
        for &at in segment.iter() {
            if std::mem::take(&mut self.marked[at]) { self.goes.push(at) } else { self.stays.push(at) }
        }
        let moves = !self.goes.is_empty() && !self.stays.is_empty();
        let (first, second) = if backward { (&self.goes, &self.stays) } else { (&self.stays, &self.goes) };
        segment.iter_mut().zip(first.iter().chain(second)).for_each(|(place, &op)| *place = op);
        moves
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::schedule::decode::{Decoder, Hours};
    use crate::schedule::facts::Facts;
    use crate::schedule::repair;
    use proptest::prelude::*;
    use rand::SeedableRng;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn moves_keep_every_operation_once_and_behind_its_predecessors(seed in any::<u64>()) {
            let problem = Problem::parse(sample::random(seed)).unwrap();
            let facts = Facts::of(&problem);
            let free: Vec<OpIx> = (0..problem.ops.len()).filter(|&op| !facts.is_decided(op)).collect();
            let mut sequence = repair::keep(&problem, &free);
            let mut decoder = Decoder::new(&problem, &facts, Hours::Open);
            let mut mover = Mover::new(&problem);
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            for _ in 0..30 {
                decoder.decode(&sequence);
                mover.learn(&sequence, decoder.timed());
                mover.change(&mut sequence, &mut rng);
                let mut seen = sequence.order.clone();
                seen.sort_unstable();
                prop_assert_eq!(&seen, &free);
                for (index, &op) in sequence.order.iter().enumerate() {
                    prop_assert!(sequence.alt[op] < problem.ops[op].alts.len());
                    let behind = &sequence.order[index..];
                    prop_assert!(problem.ops[op].preds.iter().all(|pred| !behind.contains(pred)));
                }
            }
        }
    }
}
