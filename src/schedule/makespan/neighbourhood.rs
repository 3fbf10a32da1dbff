//! Moves on a critical path and an estimate of what each leads to.
//!
//! Within a block: N7 (Zhang, Li, Guan & Rao 2007), every pair where setups make inner moves matter. To
//! other machines: insertion wherever heads and tails rule out a circle (Mastrolilli & Gambardella 2000).
//! The estimate is the longest path through the moved operations (Balas & Vazacopoulos 1998), with setups.

use super::graph::{Graph, Insertion};
use super::late::Late;
use super::price::NEVER;
use super::shop::{Node, Time};
use rand::Rng;

#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    pub(super) insertion: Insertion,
    pub(super) estimate: f64,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Behind operations that came later: `(from, to)` positions on the path.
    Later(u32, u32),
    Earlier(u32, u32),
    OtherMachine,
}

#[derive(Debug, Default)]
pub(super) struct Neighbourhood {
    /// A critical path from start to end.
    pub(super) path: Vec<Node>,
    pub(super) moves: Vec<Move>,
    /// What is moved and what it is moved past, with times, in the new order.
    queue: Vec<(Node, Time)>,
    heads: Vec<Time>,
    /// By priced order, of the estimate at hand.
    row: Vec<Time>,
    ends: Vec<Time>,
    old_ends: Vec<Time>,
    late: Late,
}

/// Longest stretch of a block whose inner pairs are all tried.
const INNER_MAX: usize = 12;
/// How far an operation moves within a block of a late order's path; short moves and many of them find more.
const LATE_MAX: usize = 2;

impl Neighbourhood {
    /// Collects the moves of one critical path, picked at random.
    pub(super) fn collect(&mut self, graph: &Graph, rng: &mut impl Rng) {
        self.moves.clear();
        if !graph.shop.prices.is_empty() {
            return self.collect_late(graph, rng);
        }
        self.find_path(graph, rng);
        let mut from = 0;
        while from < self.path.len() {
            let mut to = from;
            while to + 1 < self.path.len() && graph.items[self.path[to + 1] as usize].before == self.path[to]
            {
                to += 1;
            }
            if to > from {
                self.block(graph, from, to);
            }
            from = to + 1;
        }
        if graph.shop.is_flexible {
            for index in 0..self.path.len() {
                self.reassign(graph, self.path[index]);
            }
        }
    }

    /// Those of the paths of all late orders.
    fn collect_late(&mut self, graph: &Graph, rng: &mut impl Rng) {
        let mut late = std::mem::take(&mut self.late);
        late.find(graph, rng);
        self.path.clear();
        for &first in &late.nodes {
            // The first of a block is the one that does not wait for its machine.
            if late.waits(first) {
                continue;
            }
            let from = self.path.len();
            let mut at = first;
            loop {
                self.path.push(at);
                at = graph.items[at as usize].after;
                if at == graph.shop.none() || !late.waits(at) {
                    break;
                }
            }
            let to = self.path.len() - 1;
            for at in from..to {
                for other in at + 1..=to.min(at + LATE_MAX) {
                    self.later(graph, at, other);
                    if other > at + 1 {
                        self.earlier(graph, other, at);
                    }
                }
            }
        }
        self.late = late;
    }

    fn find_path(&mut self, graph: &Graph, rng: &mut impl Rng) {
        let none = graph.shop.none();
        self.path.clear();
        let ends = || graph.shop.lasts.iter().copied().filter(|&node| graph.end(node) == graph.makespan);
        let pick = rng.random_range(0..ends().count().max(1));
        let mut at = ends().nth(pick).unwrap_or(none);
        while at != none {
            self.path.push(at);
            let item = &graph.items[at as usize];
            let fixed = &graph.shop.fixed[at as usize];
            let by_machine =
                item.before != none && graph.machine_head(item.machine, item.before, at) == item.head;
            let by_order = fixed.pred != none && graph.end(fixed.pred) + fixed.lag == item.head;
            at = match (by_machine, by_order) {
                (true, true) if rng.random_bool(0.5) => fixed.pred,
                (true, _) => item.before,
                (false, true) => fixed.pred,
                (false, false) => none,
            };
        }
        self.path.reverse();
    }

    fn block(&mut self, graph: &Graph, from: usize, to: usize) {
        let has_setups = graph.shop.has_setups();
        // Swaps at the outer end of the first and last block cannot shorten the path.
        let opens = has_setups || from > 0;
        let closes = has_setups || to + 1 < self.path.len();
        for at in from..=to {
            if closes && at < to {
                self.later(graph, at, to);
            }
            if opens && at > from && !(closes && to == from + 1) {
                self.earlier(graph, at, from);
            }
            let is_inner = at > from && at < to;
            if is_inner && opens {
                self.later(graph, from, at);
            }
            if is_inner && closes {
                self.earlier(graph, to, at);
            }
        }
        if has_setups && to - from >= 3 {
            for at in from + 1..to {
                for other in at + 1..to.min(at + INNER_MAX) {
                    self.later(graph, at, other);
                    if other > at + 1 {
                        self.earlier(graph, other, at);
                    }
                }
            }
        }
    }

    /// The operation at `at` of the path goes right behind the one at `to`.
    fn later(&mut self, graph: &Graph, at: usize, to: usize) {
        let (node, target) = (self.path[at], self.path[to]);
        let succ = graph.shop.fixed[node as usize].succ;
        let (after, last) = (&graph.items[succ as usize], &graph.items[target as usize]);
        if succ == target || (after.tail >= last.tail + last.time && last.head >= after.head + after.time) {
            return;
        }
        let moved = graph.items[node as usize];
        self.queue.clear();
        self.queue.extend(self.path[at + 1..=to].iter().map(|&next| (next, graph.items[next as usize].time)));
        self.queue.push((node, moved.time));
        let estimate = self.estimate(graph, moved.machine, moved.before, last.after);
        let insertion = Insertion { node, machine: moved.machine, time: moved.time, behind: target };
        self.moves.push(Move { insertion, estimate, kind: Kind::Later(at as u32, to as u32) });
    }

    /// The operation at `at` of the path goes right before the one at `to`.
    fn earlier(&mut self, graph: &Graph, at: usize, to: usize) {
        let (node, target) = (self.path[at], self.path[to]);
        let pred = graph.shop.fixed[node as usize].pred;
        let (before, first) = (&graph.items[pred as usize], &graph.items[target as usize]);
        if pred == target
            || (before.head >= first.head + first.time && first.tail >= before.tail + before.time)
        {
            return;
        }
        let moved = graph.items[node as usize];
        self.queue.clear();
        self.queue.push((node, moved.time));
        self.queue.extend(self.path[to..at].iter().map(|&next| (next, graph.items[next as usize].time)));
        let estimate = self.estimate(graph, moved.machine, first.before, moved.after);
        let insertion = Insertion { node, machine: moved.machine, time: moved.time, behind: first.before };
        self.moves.push(Move { insertion, estimate, kind: Kind::Earlier(at as u32, to as u32) });
    }

    /// The cost if the queue stood on `machine` between `before` and `after`.
    fn estimate(&mut self, graph: &Graph, machine: u32, before: Node, after: Node) -> f64 {
        self.heads.clear();
        let mut ahead = before;
        let mut ends = 0;
        for &(next, time) in &self.queue {
            let machine_head = if self.heads.is_empty() {
                graph.machine_head(machine, before, next)
            } else {
                ends + graph.shop.setup(machine, ahead, next)
            };
            let head = machine_head.max(graph.order_head(next));
            ends = head + time;
            self.heads.push(head);
            ahead = next;
        }
        if graph.shop.prices.is_empty() {
            f64::from(self.longest(graph, machine, after))
        } else {
            self.price(graph, machine, after)
        }
    }

    fn longest(&self, graph: &Graph, machine: u32, after: Node) -> Time {
        let mut longest = 0;
        let mut tail = 0;
        let mut behind: Option<(Node, Time)> = None;
        for (&(next, time), &head) in self.queue.iter().zip(&self.heads).rev() {
            let machine_tail = match behind {
                None => graph.machine_tail(machine, next, after),
                Some((behind, time)) => tail + time + graph.shop.setup(machine, next, behind),
            };
            tail = machine_tail.max(graph.order_tail(next));
            longest = longest.max(head + time + tail);
            behind = Some((next, time));
        }
        longest
    }

    /// By order: the longest way over the queue, or the old end where that did not lead over it.
    fn price(&mut self, graph: &Graph, machine: u32, after: Node) -> f64 {
        let Self { queue, heads, row, ends, old_ends, .. } = self;
        let orders = graph.shop.prices.len();
        for times in [&mut *row, &mut *ends, &mut *old_ends] {
            times.clear();
            times.resize(orders, NEVER);
        }
        let mut behind: Option<(Node, Time)> = None;
        for (&(next, time), &head) in queue.iter().zip(&*heads).rev() {
            match behind {
                None => graph.row_behind(machine, next, after, row),
                Some((behind, time)) => {
                    let way = time + graph.shop.setup(machine, next, behind);
                    row.iter_mut().for_each(|tail| *tail += way);
                }
            }
            graph.row_within(next, row);
            let end = head + time;
            ends.iter_mut().zip(&*row).for_each(|(most, &tail)| *most = (*most).max(end + tail));
            let end = graph.end(next);
            old_ends
                .iter_mut()
                .zip(graph.row(next))
                .for_each(|(most, &tail)| *most = (*most).max(end + tail));
            behind = Some((next, time));
        }
        let mut cost = 0.0;
        for (order, price) in graph.shop.prices.iter().enumerate() {
            let elsewhere = if old_ends[order] < graph.ends[order] { graph.ends[order] } else { NEVER };
            cost += price.of(ends[order].max(elsewhere));
        }
        cost
    }

    /// Every place on the other machines that can do `node` and that cannot close a circle.
    fn reassign(&mut self, graph: &Graph, node: Node) {
        let none = graph.shop.none();
        let current = graph.items[node as usize].machine;
        let fixed = graph.shop.fixed[node as usize];
        let pred = graph.items[fixed.pred as usize];
        let succ = graph.items[fixed.succ as usize];
        for choice in &graph.shop.choices[node as usize] {
            let machine = choice.machine;
            if machine == current {
                continue;
            }
            let mut behind = none;
            loop {
                let after = if behind == none {
                    graph.first[machine as usize]
                } else {
                    graph.items[behind as usize].after
                };
                // In front of what surely ends before the order gets here only loses time.
                let is_too_early = after != none && {
                    let next = &graph.items[after as usize];
                    fixed.pred != none && (next.head + next.time <= pred.head)
                };
                if !is_too_early {
                    self.queue.clear();
                    self.queue.push((node, choice.time));
                    let estimate = self.estimate(graph, machine, behind, after);
                    let insertion = Insertion { node, machine, time: choice.time, behind };
                    self.moves.push(Move { insertion, estimate, kind: Kind::OtherMachine });
                }
                if after == none {
                    break;
                }
                // Behind what surely starts after the order's next operation would be a circle.
                if fixed.succ != none && graph.items[after as usize].head >= succ.head + succ.time {
                    break;
                }
                behind = after;
            }
        }
    }
}
