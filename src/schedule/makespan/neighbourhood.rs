//! Moves on a critical path and an estimate of what each leads to.
//!
//! Within a block: N7 (Zhang, Li, Guan & Rao 2007), every pair where setups make inner moves matter. To
//! other machines: insertion wherever heads and tails rule out a circle (Mastrolilli & Gambardella 2000).
//! The estimate is the longest path through the moved operations (Balas & Vazacopoulos 1998), with setups.

use super::graph::{Graph, Insertion};
use super::shop::{Node, Time};
use rand::Rng;

#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    pub(super) insertion: Insertion,
    pub(super) estimate: Time,
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
    heads: Vec<Time>,
}

/// Longest stretch of a block whose inner pairs are all tried.
const INNER_MAX: usize = 12;

impl Neighbourhood {
    /// Collects the moves of one critical path, picked at random.
    pub(super) fn collect(&mut self, graph: &Graph, rng: &mut impl Rng) {
        self.find_path(graph, rng);
        self.moves.clear();
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
        let machine = moved.machine;
        self.heads.clear();
        let mut before = moved.before;
        let mut ends = 0;
        for &next in &self.path[at + 1..=to] {
            let machine_head = if next == self.path[at + 1] {
                graph.machine_head(machine, before, next)
            } else {
                ends + graph.shop.setup(machine, before, next)
            };
            let head = machine_head.max(graph.order_head(next));
            ends = head + graph.items[next as usize].time;
            self.heads.push(head);
            before = next;
        }
        let head = (ends + graph.shop.setup(machine, before, node)).max(graph.order_head(node));
        let mut tail = graph.machine_tail(machine, node, last.after).max(graph.order_tail(node));
        let mut estimate = head + moved.time + tail;
        let mut behind = (node, moved.time);
        for (&next, &head) in self.path[at + 1..=to].iter().zip(&self.heads).rev() {
            let machine_tail = tail + behind.1 + graph.shop.setup(machine, next, behind.0);
            tail = machine_tail.max(graph.order_tail(next));
            let time = graph.items[next as usize].time;
            estimate = estimate.max(head + time + tail);
            behind = (next, time);
        }
        let insertion = Insertion { node, machine, time: moved.time, behind: target };
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
        let machine = moved.machine;
        let head = graph.machine_head(machine, first.before, node).max(graph.order_head(node));
        let mut ends = head + moved.time;
        let mut ahead = node;
        self.heads.clear();
        for &next in &self.path[to..at] {
            let head = (ends + graph.shop.setup(machine, ahead, next)).max(graph.order_head(next));
            ends = head + graph.items[next as usize].time;
            self.heads.push(head);
            ahead = next;
        }
        let mut estimate = 0;
        let mut tail = 0;
        let mut behind = moved.after;
        for (index, (&next, &head)) in self.path[to..at].iter().zip(&self.heads).rev().enumerate() {
            let machine_tail = if index == 0 {
                graph.machine_tail(machine, next, behind)
            } else {
                tail + graph.items[behind as usize].time + graph.shop.setup(machine, next, behind)
            };
            tail = machine_tail.max(graph.order_tail(next));
            estimate = estimate.max(head + graph.items[next as usize].time + tail);
            behind = next;
        }
        let machine_tail = tail + first.time + graph.shop.setup(machine, node, target);
        estimate = estimate.max(head + moved.time + machine_tail.max(graph.order_tail(node)));
        let insertion = Insertion { node, machine, time: moved.time, behind: first.before };
        self.moves.push(Move { insertion, estimate, kind: Kind::Earlier(at as u32, to as u32) });
    }

    /// Every place on the other machines that can do `node` and that cannot close a circle.
    fn reassign(&mut self, graph: &Graph, node: Node) {
        let none = graph.shop.none();
        let current = graph.items[node as usize].machine;
        let fixed = graph.shop.fixed[node as usize];
        let (head, tail) = (graph.order_head(node), graph.order_tail(node));
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
                    let starts = graph.machine_head(machine, behind, node).max(head);
                    let ends = graph.machine_tail(machine, node, after).max(tail);
                    let insertion = Insertion { node, machine, time: choice.time, behind };
                    let estimate = starts + choice.time + ends;
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
