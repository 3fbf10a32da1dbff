//! Makespan, or the price of late orders, on plain shops: tabu runs from children of an elite pool, on
//! a fixed set of walkers; a pool that gets nothing new is left for another one.
//!
//! Every walker spends the same number of iterations between two exchanges, so the answer does not
//! depend on how many threads carry the walkers.

mod graph;
mod late;
mod neighbourhood;
mod price;
mod relink;
mod shop;
mod tabu;
#[cfg(test)]
mod tests;

pub(super) use shop::Shop;

use super::budget::Budget;
use super::decode::Sequence;
use super::load::{self, Work};
use super::rounds::{Tally, together, walkers};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shop::Node;
use tabu::{Kept, Tabu};

/// Good and mutually different schedules that children are made from.
const POOL: usize = 12;
/// Iterations without improvement that end a tabu run.
const IDLE: u64 = 12_000;
/// The same for each operation where there is a choice of machines, up to [`IDLE`]: more and shorter runs do better there.
const IDLE_BY_OP: u64 = 20;
const IDLE_MIN: u64 = 500;
/// The same where late orders count: their valleys are many and narrow.
const IDLE_LATE: u64 = 1_000;
/// Runs that bring the pool nothing new before it is left for another one.
const STALE: usize = 100;
/// Schedules closer than this share of pairs count as the same.
const NEAR: f64 = 0.02;
/// Work of a walker between two exchanges, in operations timed.
const ROUND: u64 = 3_000_000;

/// Improves `starts`; the last one returned is the best, those before it differ from it.
pub(super) fn search(
    shop: &Shop,
    starts: &[Sequence],
    seed: u64,
    threads: usize,
    budget: &Budget,
    tally: &mut Tally,
) -> Vec<Sequence> {
    let (mut pool, mut left_pools) = (Vec::new(), Vec::new());
    let mut stale = 0;
    let kept = starts.iter().map(|start| start_of(shop, start));
    let mut kept: Vec<Kept> = kept.collect();
    kept.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    let bound = bound(shop);
    let mut walkers: Vec<Walk> = (0..walkers(threads) as u64)
        .map(|number| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(number + 1);
            Walk::new(shop, &kept, number as usize, rng)
        })
        .collect();
    let steps = (ROUND / shop.len() as u64).clamp(100, 20_000);
    loop {
        let left = budget.left(tally.evaluated).div_ceil(walkers.len() as u64).min(steps);
        together(&mut walkers, threads, |walk| walk.run(left, bound, budget));
        for walk in &mut walkers {
            tally.evaluated += std::mem::take(&mut walk.steps);
            tally.idle += std::mem::take(&mut walk.unmoved);
            for kept in walk.take_found() {
                stale = if admit(shop, &mut pool, kept) { 0 } else { stale + 1 };
            }
        }
        if stale > STALE {
            left_pools.extend(pool.drain(..).next());
            stale = 0;
        }
        let found = walkers.iter().map(|walk| &walk.tabu.best).chain(pool.first()).chain(&left_pools);
        let Some(best) = found.min_by(|a, b| a.cost.total_cmp(&b.cost)) else { break };
        tally.improved(best.cost + shop.decided, i64::from(best.makespan));
        if best.cost <= bound || budget.spent(tally.evaluated) >= 1.0 {
            break;
        }
        walkers.iter_mut().for_each(|walk| walk.pool.clone_from(&pool));
    }
    for kept in walkers.into_iter().map(|walk| walk.tabu.best).chain(left_pools) {
        admit(shop, &mut pool, kept);
    }
    pool.iter().rev().map(|kept| sequence(shop, kept)).collect()
}

/// Keeps the pool sorted, small and diverse: a near twin stays only if it is better. Whether it was taken in.
fn admit(shop: &Shop, pool: &mut Vec<Kept>, kept: Kept) -> bool {
    let twins: Vec<usize> =
        (0..pool.len()).filter(|&index| relink::distance(shop, &kept, &pool[index]) < NEAR).collect();
    if twins.iter().any(|&twin| pool[twin].cost <= kept.cost) {
        return false;
    }
    for twin in twins.into_iter().rev() {
        pool.remove(twin);
    }
    let place = pool.partition_point(|other| other.cost <= kept.cost);
    pool.insert(place, kept);
    pool.truncate(POOL);
    place < POOL
}

struct Walk<'s> {
    shop: &'s Shop,
    tabu: Tabu<'s>,
    rng: ChaCha8Rng,
    idle: u64,
    pool: Vec<Kept>,
    found: Vec<Kept>,
    steps: u64,
    /// Of the steps, those without a move.
    unmoved: u64,
}

impl<'s> Walk<'s> {
    fn new(shop: &'s Shop, starts: &[Kept], number: usize, mut rng: ChaCha8Rng) -> Self {
        let start = starts.get(number).cloned().unwrap_or_else(|| {
            let (order, choice) = relink::random(shop, &mut rng);
            Kept { cost: 0.0, makespan: 0, order, choice }
        });
        let tabu = Tabu::new(shop, &start);
        let is_flexible = shop.choices.iter().any(|choices| choices.len() > 1);
        let idle = match (shop.prices.is_empty(), is_flexible) {
            (false, _) => IDLE_LATE,
            (true, true) => (IDLE_BY_OP * shop.len() as u64).clamp(IDLE_MIN, IDLE),
            (true, false) => IDLE,
        };
        Self { shop, tabu, rng, idle, pool: Vec::new(), found: Vec::new(), steps: 0, unmoved: 0 }
    }

    fn run(&mut self, steps: u64, bound: f64, budget: &Budget) {
        for step in 0..steps {
            if step % 32 == 0 && budget.is_over() || self.tabu.best.cost <= bound {
                return;
            }
            self.steps += 1;
            let moved = self.tabu.step(&mut self.rng);
            self.unmoved += u64::from(!moved);
            if !moved || self.tabu.idle() > self.idle {
                self.next_run();
            }
        }
    }

    fn next_run(&mut self) {
        let kept = self.tabu.best.clone();
        self.found.push(kept.clone());
        admit(self.shop, &mut self.pool, kept);
        let (order, choice) = if self.pool.len() < POOL {
            relink::random(self.shop, &mut self.rng)
        } else {
            let one = self.rng.random_range(0..self.pool.len());
            let other = (one + self.rng.random_range(1..self.pool.len())) % self.pool.len();
            relink::child(self.shop, &self.pool[one], &self.pool[other], &mut self.rng)
        };
        self.tabu.restart(&order, &choice);
    }

    fn take_found(&mut self) -> Vec<Kept> {
        std::mem::take(&mut self.found)
    }
}

fn start_of(shop: &Shop, start: &Sequence) -> Kept {
    let mut node_of = vec![shop.none(); start.alt.len()];
    for (node, &op) in shop.ops.iter().enumerate() {
        node_of[op] = node as Node;
    }
    let order: Vec<Node> = start.order.iter().map(|&op| node_of[op]).collect();
    let choice: Vec<u32> = shop.ops.iter().map(|&op| start.alt[op] as u32).collect();
    Kept::of(&graph::Graph::new(shop, &order, &choice))
}

fn sequence(shop: &Shop, kept: &Kept) -> Sequence {
    let mut alt = vec![0; shop.all_ops];
    for (node, &op) in shop.ops.iter().enumerate() {
        alt[op] = kept.choice[node] as usize;
    }
    Sequence { order: kept.order.iter().map(|&node| shop.ops[node as usize]).collect(), alt }
}

/// What no schedule can beat.
fn bound(shop: &Shop) -> f64 {
    if !shop.prices.is_empty() {
        return 0.0;
    }
    let mut head = vec![0; shop.len() + 1];
    let mut tail = vec![0; shop.len() + 1];
    let fastest = |node: Node| {
        let times = shop.choices[node as usize].iter().map(|choice| i64::from(choice.time));
        times.min().unwrap_or(0)
    };
    for &last in &shop.lasts {
        let mut chain = Vec::new();
        let mut at = last;
        while at != shop.none() {
            chain.push(at);
            at = shop.fixed[at as usize].pred;
        }
        for &node in &chain {
            let fixed = &shop.fixed[node as usize];
            if fixed.pred != shop.none() {
                tail[fixed.pred as usize] = tail[node as usize] + fastest(node) + i64::from(fixed.lag);
            }
        }
        let mut end = 0;
        for &node in chain.iter().rev() {
            let fixed = &shop.fixed[node as usize];
            head[node as usize] = i64::from(fixed.release).max(end + i64::from(fixed.lag));
            end = head[node as usize] + fastest(node);
        }
    }
    let work = |node: usize| Work {
        head: head[node],
        tail: tail[node],
        choices: shop.choices[node]
            .iter()
            .map(|choice| (choice.machine as usize, i64::from(choice.time)))
            .collect(),
    };
    let work: Vec<Work> = (0..shop.len()).map(work).collect();
    load::bound(&work, shop.machines) as f64
}
