//! What no makespan can beat: chains, one machine at a time, and the load of alternatives shared out.
//!
//! One machine: Jackson's preemptive schedule (Carlier 1982). Alternatives: the dual of spreading work
//! over machines in fractions; every set of prices gives a valid bound, and a few rounds find good ones.

use super::model::Minute;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An operation with the least that comes before and after it.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) head: Minute,
    pub(super) tail: Minute,
    /// `(machine, time)`
    pub(super) choices: Vec<(usize, Minute)>,
}

/// Passes over all operations while prices are adjusted.
const PASSES: usize = 1_000;
/// Fewer passes where a pass is long: this many alternatives priced in all.
const PRICED: usize = 600_000;

pub(super) fn bound(work: &[Work], machines: usize) -> Minute {
    let alone = work.iter().map(|work| work.head + fastest(work) + work.tail).max().unwrap_or(0);
    let mut on: Vec<Vec<(Minute, Minute, Minute)>> = vec![Vec::new(); machines];
    for work in work {
        if let [(machine, time)] = work.choices[..] {
            on[machine].push((work.head, time, work.tail));
        }
    }
    let machine = on.iter_mut().map(|jobs| preemptive(jobs)).max().unwrap_or(0);
    let best = alone.max(machine);
    if work.iter().any(|work| work.choices.len() > 1) { best.max(shared(work, machines, best)) } else { best }
}

fn fastest(work: &Work) -> Minute {
    work.choices.iter().map(|choice| choice.1).min().unwrap_or(0)
}

/// The makespan of one machine when work may be interrupted; `(head, time, tail)` by job.
fn preemptive(jobs: &mut [(Minute, Minute, Minute)]) -> Minute {
    jobs.sort_unstable();
    let mut waiting: BinaryHeap<(Minute, Reverse<Minute>)> = BinaryHeap::new();
    let (mut now, mut next, mut makespan) = (Minute::MIN, 0, 0);
    while next < jobs.len() || !waiting.is_empty() {
        if waiting.is_empty() {
            now = now.max(jobs[next].0);
        }
        while next < jobs.len() && jobs[next].0 <= now {
            waiting.push((jobs[next].2, Reverse(jobs[next].1)));
            next += 1;
        }
        let Some((tail, Reverse(left))) = waiting.pop() else { break };
        let until = jobs.get(next).map_or(Minute::MAX, |job| job.0);
        if now + left <= until {
            now += left;
            makespan = makespan.max(now + tail);
        } else {
            waiting.push((tail, Reverse(left - (until - now))));
            now = until;
        }
    }
    makespan
}

/// By prices that sum to 1: each operation on its cheapest machine, plus what each machine waits.
fn shared(work: &[Work], machines: usize, known: Minute) -> Minute {
    let mut idle = vec![(Minute::MAX, Minute::MAX); machines];
    for work in work {
        for &(machine, _) in &work.choices {
            idle[machine] = (idle[machine].0.min(work.head), idle[machine].1.min(work.tail));
        }
    }
    let idle: Vec<f64> = idle
        .iter()
        .map(|&(head, tail)| if head == Minute::MAX { 0.0 } else { (head + tail) as f64 })
        .collect();
    let choices: usize = work.iter().map(|work| work.choices.len()).sum();
    let passes = (PRICED / choices.max(1)).clamp(20, PASSES);
    let mut price = vec![1.0 / machines as f64; machines];
    let mut load = vec![0.0; machines];
    let mut best = 0.0_f64;
    for pass in 0..passes {
        load.copy_from_slice(&idle);
        let mut value: f64 = price.iter().zip(&idle).map(|(price, idle)| price * idle).sum();
        let sharpness = 10.0 * 30_f64.powf(pass as f64 / passes as f64);
        for work in work {
            let costs = || work.choices.iter().map(|&(machine, time)| price[machine] * time as f64);
            let cheapest = costs().fold(f64::MAX, f64::min).min(f64::MAX / 4.0);
            value += cheapest;
            // Near ties share the work; all of it to the cheapest would make the prices swing.
            let share = |cost: f64| (cheapest / cost.max(f64::MIN_POSITIVE)).powf(sharpness);
            let sum: f64 = costs().map(share).sum();
            for (&(machine, time), cost) in work.choices.iter().zip(costs()) {
                load[machine] += time as f64 * share(cost) / sum;
            }
        }
        best = best.max(value);
        let scale = best.max(known as f64).max(1.0);
        let step = 0.5 * 0.01_f64.powf(pass as f64 / passes as f64);
        for (price, load) in price.iter_mut().zip(&load) {
            *price *= (step * (load / scale - 1.0)).clamp(-1.0, 1.0).exp();
        }
        let sum: f64 = price.iter().sum();
        price.iter_mut().for_each(|price| *price /= sum);
    }
    // The tolerance keeps rounding noise from proving one minute too much.
    (best - 1e-6 * best.max(1.0)).ceil() as Minute
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_machine_with_preemption_gives_the_known_value() {
        // Carlier's example: the preemptive bound is 49, the best schedule 50.
        let mut jobs =
            vec![(10, 5, 7), (13, 6, 26), (11, 7, 24), (20, 4, 21), (30, 3, 8), (0, 6, 17), (30, 2, 0)];
        assert_eq!(preemptive(&mut jobs), 49);
    }

    proptest! {
        #[test]
        fn shared_loads_never_exceed_the_best_assignment(
            times in prop::collection::vec((1i64..9, 1i64..9, 0i64..5, 0i64..5), 1..8),
        ) {
            let work: Vec<Work> = times
                .iter()
                .map(|&(one, other, head, tail)| Work { head, tail, choices: vec![(0, one), (1, other)] })
                .collect();
            let least = |head: bool| times.iter().map(|job| if head { job.2 } else { job.3 }).min().unwrap();
            let chain = times.iter().map(|job| job.2 + job.0.min(job.1) + job.3).max().unwrap();
            let assigned = (0..1u32 << times.len()).map(|mask| {
                let mut load = [0, 0];
                for (index, job) in times.iter().enumerate() {
                    if mask >> index & 1 == 0 { load[0] += job.0 } else { load[1] += job.1 }
                }
                load.iter().map(|load| if *load > 0 { load + least(true) + least(false) } else { 0 }).max().unwrap()
            });
            prop_assert!(bound(&work, 2) <= assigned.min().unwrap().max(chain));
        }
    }
}
