//! Tabu search on the machine-sequence graph: one run from a given schedule until nothing improves.

use super::graph::Graph;
use super::neighbourhood::{Kind, Move, Neighbourhood};
use super::shop::{Node, Shop, Time};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A schedule to keep: topological order by start, and the choice of each node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    pub(super) cost: f64,
    pub(super) makespan: Time,
    pub(super) order: Vec<Node>,
    pub(super) choice: Vec<u32>,
}

impl Kept {
    pub(super) fn of(graph: &Graph) -> Self {
        let mut order = graph.order().to_vec();
        // Stable, so what starts at the same time keeps its topological order.
        order.sort_by_key(|&node| graph.items[node as usize].head);
        Self { cost: graph.cost, makespan: graph.makespan, order, choice: graph.choices() }
    }
}

/// Forbidden until an iteration, by a hash of the pair; a rare collision only forbids one move more.
struct Forbidden {
    until: Vec<u32>,
}

const SLOTS_LOG: u32 = 16;

impl Forbidden {
    fn slot(first: u32, second: u32) -> usize {
        let mixed = first.wrapping_mul(0x9E37_79B1) ^ second.wrapping_mul(0x85EB_CA77).rotate_left(15);
        (mixed.wrapping_mul(0xC2B2_AE3D) >> (32 - SLOTS_LOG)) as usize
    }

    fn is_set(&self, first: u32, second: u32, now: u32) -> bool {
        self.until[Self::slot(first, second)] > now
    }

    fn set(&mut self, first: u32, second: u32, until: u32) {
        self.until[Self::slot(first, second)] = until;
    }
}

pub(super) struct Tabu<'s> {
    pub(super) graph: Graph<'s>,
    neighbourhood: Neighbourhood,
    forbidden: Forbidden,
    iteration: u32,
    tenure: u32,
    pub(super) best: Kept,
    idle: u64,
    pub(super) estimated: u64,
}

impl<'s> Tabu<'s> {
    pub(super) fn new(shop: &'s Shop, start: &Kept) -> Self {
        let graph = Graph::new(shop, &start.order, &start.choice);
        let best = Kept::of(&graph);
        let used = shop.choices.iter().flatten().map(|choice| choice.machine).max().unwrap_or(0) + 1;
        Self {
            graph,
            neighbourhood: Neighbourhood::default(),
            forbidden: Forbidden { until: vec![0; 1 << SLOTS_LOG] },
            iteration: 0,
            tenure: 10 + shop.lasts.len() as u32 / used.max(1),
            best,
            idle: 0,
            estimated: 0,
        }
    }

    pub(super) fn restart(&mut self, order: &[Node], choice: &[u32]) {
        self.graph.set(order, choice);
        self.best = Kept::of(&self.graph);
        // What was forbidden on the way to another schedule says nothing about this one.
        self.forbidden.until.fill(0);
        self.iteration = 0;
        self.idle = 0;
    }

    /// Iterations since the best of this run was found.
    pub(super) fn idle(&self) -> u64 {
        self.idle
    }

    /// One move; false when there is none, which proves the schedule optimal where nothing is flexible.
    pub(super) fn step(&mut self, rng: &mut ChaCha8Rng) -> bool {
        self.neighbourhood.collect(&self.graph, rng);
        self.estimated += self.neighbourhood.moves.len() as u64;
        self.iteration += 1;
        self.idle += 1;
        let Some(mut pick) = self.choose(rng) else { return false };
        loop {
            let chosen = self.neighbourhood.moves[pick];
            let machine = self.graph.items[chosen.insertion.node as usize].machine;
            if self.graph.insert(chosen.insertion) {
                self.forbid(chosen, machine, rng);
                break;
            }
            self.neighbourhood.moves.swap_remove(pick);
            match self.choose(rng) {
                Some(next) => pick = next,
                None => return false,
            }
        }
        if self.graph.cost < self.best.cost {
            self.best = Kept::of(&self.graph);
            self.idle = 0;
        }
        true
    }

    /// The best estimate that is not forbidden, or better than the best; else any at random.
    fn choose(&self, rng: &mut ChaCha8Rng) -> Option<usize> {
        let moves = &self.neighbourhood.moves;
        let mut best: Option<usize> = None;
        let mut ties = 0;
        for (index, candidate) in moves.iter().enumerate() {
            let bound = best.map_or(f64::INFINITY, |best| moves[best].estimate);
            if candidate.estimate > bound {
                continue;
            }
            if candidate.estimate >= self.best.cost && self.is_forbidden(candidate) {
                continue;
            }
            if candidate.estimate < bound {
                best = Some(index);
                ties = 1;
            } else {
                ties += 1;
                if rng.random_range(0..ties) == 0 {
                    best = Some(index);
                }
            }
        }
        best.or_else(|| (!moves.is_empty()).then(|| rng.random_range(0..moves.len())))
    }

    fn is_forbidden(&self, candidate: &Move) -> bool {
        let node = candidate.insertion.node;
        let path = &self.neighbourhood.path;
        let now = self.iteration;
        match candidate.kind {
            Kind::Later(at, to) => {
                path[at as usize + 1..=to as usize].iter().any(|&next| self.forbidden.is_set(next, node, now))
            }
            Kind::Earlier(at, to) => {
                path[to as usize..at as usize].iter().any(|&next| self.forbidden.is_set(node, next, now))
            }
            Kind::OtherMachine => {
                let machine = self.graph.shop.none() + 1 + candidate.insertion.machine;
                self.forbidden.is_set(node, machine, now)
            }
        }
    }

    /// Forbids what would undo the move.
    fn forbid(&mut self, done: Move, from: u32, rng: &mut ChaCha8Rng) {
        let node = done.insertion.node;
        let until = self.iteration + self.tenure + rng.random_range(0..=self.tenure);
        let path = &self.neighbourhood.path;
        match done.kind {
            Kind::Later(at, to) => {
                for &next in &path[at as usize + 1..=to as usize] {
                    self.forbidden.set(node, next, until);
                }
            }
            Kind::Earlier(at, to) => {
                for &next in &path[to as usize..at as usize] {
                    self.forbidden.set(next, node, until);
                }
            }
            Kind::OtherMachine => self.forbidden.set(node, self.graph.shop.none() + 1 + from, until),
        }
    }
}
