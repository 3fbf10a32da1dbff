//! Starting from the current plan: kept as it is and only re-timed, or re-routed around what is blocked.

use super::decode::{Decoder, Sequence};
use super::model::{Minute, Weights};
use super::problem::{OpIx, Problem};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Doing nothing: every operation on its resource, in the current plan's sequence.
///
/// Operations that are not in the current plan go last, in order of due date, on their fastest resource.
pub(super) fn keep(problem: &Problem, free: &[OpIx]) -> Sequence {
    let alt = problem.ops.iter().map(|op| match op.current.and_then(|current| current.alt) {
        Some(alt) => alt,
        None => (0..op.alts.len()).min_by_key(|&alt| op.alts[alt].minutes).unwrap_or(0),
    });
    Sequence { order: planned_order(problem, free), alt: alt.collect() }
}

/// The current sequence, but each operation goes where it ends first; a change must be worth its cost.
pub(super) fn reroute(
    problem: &Problem,
    decoder: &mut Decoder,
    free: &[OpIx],
    weights: &Weights,
) -> Sequence {
    let mut sequence = keep(problem, free);
    decoder.begin();
    for index in 0..sequence.order.len() {
        let op = sequence.order[index];
        let data = &problem.ops[op];
        let kept = data.current.and_then(|current| current.alt);
        let cost = |alt: usize| {
            let (_, end, changeover) = decoder.estimate(op, alt)?;
            let moved = if kept.is_some_and(|kept| kept != alt) {
                (weights.moves + weights.machine_changes).ceil() as Minute
            } else {
                0
            };
            Some((end + moved, changeover, usize::from(Some(alt) != kept), alt))
        };
        let best = (0..data.alts.len()).filter_map(cost).min();
        if let Some((_, _, _, alt)) = best {
            sequence.alt[op] = alt;
        }
        // A dropped order keeps its place; the search may find one for it.
        let _ = decoder.append(op, sequence.alt[op]);
    }
    sequence
}

/// By start in the current plan, predecessors first.
fn planned_order(problem: &Problem, free: &[OpIx]) -> Vec<OpIx> {
    let key = |op: OpIx| {
        let data = &problem.ops[op];
        match data.current {
            Some(current) => (0, current.start, op),
            None => (1, problem.orders[data.order].due, op),
        }
    };
    let mut waiting: Vec<Option<usize>> = vec![None; problem.ops.len()];
    for &op in free {
        waiting[op] = Some(0);
    }
    for &op in free {
        let open = problem.ops[op].preds.iter().filter(|&&pred| waiting[pred].is_some()).count();
        waiting[op] = Some(open);
    }
    let mut ready: BinaryHeap<Reverse<(u8, Minute, OpIx)>> =
        free.iter().filter(|&&op| waiting[op] == Some(0)).map(|&op| Reverse(key(op))).collect();
    let mut order = Vec::with_capacity(free.len());
    while let Some(Reverse((_, _, op))) = ready.pop() {
        order.push(op);
        for &succ in &problem.ops[op].succs {
            if let Some(left) = &mut waiting[succ] {
                *left -= 1;
                if *left == 0 {
                    ready.push(Reverse(key(succ)));
                }
            }
        }
    }
    order
}
