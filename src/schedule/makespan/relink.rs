//! New starts from pairs of good schedules, in the spirit of TS/PR (Peng, Lü & Cheng 2015).
//!
//! A child lies between its parents: each job takes its places in time from a mixture of both. Both orders
//! respect the routings, and a mixture with one share per job does too, so a child never needs repair.

use super::shop::{Node, Shop};
use super::tabu::Kept;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// How far a child may stray from the middle of its parents.
const SPREAD: f64 = 0.35;

pub(super) fn child(shop: &Shop, one: &Kept, other: &Kept, rng: &mut ChaCha8Rng) -> (Vec<Node>, Vec<u32>) {
    let job = jobs(shop);
    let mean = rng.random_range(0.3..0.7);
    let shares: Vec<f64> =
        shop.lasts.iter().map(|_| (mean + rng.random_range(-SPREAD..SPREAD)).clamp(0.0, 1.0)).collect();
    let (at_one, at_other) = (places(one), places(other));
    let mut order = one.order.clone();
    let key = |node: Node| {
        let share = shares[job[node as usize] as usize];
        share * f64::from(at_one[node as usize]) + (1.0 - share) * f64::from(at_other[node as usize])
    };
    // Stable: where a share of 0 ties two operations of an order, the first parent's order is right.
    order.sort_by(|&a, &b| key(a).total_cmp(&key(b)));
    let choice =
        (0..shop.len())
            .map(|node| {
                if rng.random_bool(shares[job[node] as usize]) {
                    one.choice[node]
                } else {
                    other.choice[node]
                }
            })
            .collect();
    (order, choice)
}

/// By node: a number of its order.
fn jobs(shop: &Shop) -> Vec<u32> {
    let mut job = vec![0; shop.len()];
    for (number, &last) in shop.lasts.iter().enumerate() {
        let mut at = last;
        while at != shop.none() {
            job[at as usize] = number as u32;
            at = shop.fixed[at as usize].pred;
        }
    }
    job
}

fn places(kept: &Kept) -> Vec<u32> {
    let mut places = vec![0; kept.order.len()];
    for (place, &node) in kept.order.iter().enumerate() {
        places[node as usize] = place as u32;
    }
    places
}

/// Any order of the operations that respects the routings; each on the machine where it ends first then.
pub(super) fn random(shop: &Shop, rng: &mut ChaCha8Rng) -> (Vec<Node>, Vec<u32>) {
    let none = shop.none();
    let mut next: Vec<Node> = (0..none).filter(|&node| shop.fixed[node as usize].pred == none).collect();
    let mut order = Vec::with_capacity(shop.len());
    let mut choice = vec![0; shop.len()];
    let mut free = shop.ready.clone();
    let mut last = vec![none; shop.machines];
    let mut end = vec![0; shop.len() + 1];
    while !next.is_empty() {
        let pick = rng.random_range(0..next.len());
        let node = next[pick];
        let fixed = shop.fixed[node as usize];
        let from = fixed.release.max(end[fixed.pred as usize] + fixed.lag);
        let ends = |index: usize| {
            let on = shop.choices[node as usize][index];
            let machine = on.machine as usize;
            let ready = match last[machine] {
                before if before == none => shop.first_start(on.machine, node),
                before => free[machine] + shop.setup(on.machine, before, node),
            };
            ready.max(from) + on.time
        };
        let best = (0..shop.choices[node as usize].len()).min_by_key(|&index| ends(index)).unwrap_or(0);
        let machine = shop.choices[node as usize][best].machine as usize;
        end[node as usize] = ends(best);
        (free[machine], last[machine], choice[node as usize]) = (end[node as usize], node, best as u32);
        order.push(node);
        if fixed.succ == none {
            next.swap_remove(pick);
        } else {
            next[pick] = fixed.succ;
        }
    }
    (order, choice)
}

/// Share of pairs of neighbours of one that the other has the other way round or elsewhere, 0 to 1.
pub(super) fn distance(shop: &Shop, one: &Kept, other: &Kept) -> f64 {
    let at = places(other);
    let mut last: Vec<Node> = vec![shop.none(); shop.machines];
    let mut differ = 0;
    for &node in &one.order {
        let picked = one.choice[node as usize];
        if picked != other.choice[node as usize] {
            differ += 1;
        }
        let machine = shop.choices[node as usize][picked as usize].machine as usize;
        let before = std::mem::replace(&mut last[machine], node);
        if before != shop.none() && at[before as usize] > at[node as usize] {
            differ += 1;
        }
    }
    f64::from(differ) / shop.len() as f64
}
