//! One schedule as machine sequences: heads, tails and a topological order, kept up to date move by move.
//!
//! `head` is the earliest start, `tail` the longest way from an operation's end to the end of everything.
//! Where orders have a price, a row of tails tells the longest way to the end of each order.

use super::price::NEVER;
use super::shop::{Node, Shop, Time};

#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) machine: u32,
    pub(super) before: Node,
    pub(super) after: Node,
    pub(super) time: Time,
    pub(super) head: Time,
    pub(super) tail: Time,
}

/// Puts `node` right behind `behind` on `machine`; the sentinel means in front of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Insertion {
    pub(super) node: Node,
    pub(super) machine: u32,
    pub(super) time: Time,
    pub(super) behind: Node,
}

#[derive(Debug)]
pub(super) struct Graph<'s> {
    pub(super) shop: &'s Shop,
    /// By node, and a sentinel at the end whose times are 0.
    pub(super) items: Vec<Item>,
    pub(super) first: Vec<Node>,
    pub(super) makespan: Time,
    /// What is searched for: the price of late orders, or the makespan.
    pub(super) cost: f64,
    /// By priced order: its end.
    pub(super) ends: Vec<Time>,
    /// By node, and the sentinel: its tails by priced order.
    rows: Vec<Time>,
    row: Vec<Time>,
    /// Topological, and each node's place in it.
    order: Vec<Node>,
    place: Vec<u32>,
    marked: Vec<bool>,
    goes: Vec<Node>,
}

impl<'s> Graph<'s> {
    /// From a topological order with a choice by node.
    pub(super) fn new(shop: &'s Shop, order: &[Node], choice: &[u32]) -> Self {
        let none = shop.none();
        let blank = Item { machine: 0, before: none, after: none, time: 0, head: 0, tail: 0 };
        let mut graph = Self {
            shop,
            items: vec![blank; shop.len() + 1],
            first: Vec::new(),
            makespan: 0,
            cost: 0.0,
            ends: vec![0; shop.prices.len()],
            rows: vec![NEVER; (shop.len() + 1) * shop.prices.len()],
            row: vec![NEVER; shop.prices.len()],
            order: Vec::new(),
            place: vec![0; shop.len() + 1],
            marked: vec![false; shop.len() + 1],
            goes: Vec::new(),
        };
        graph.set(order, choice);
        graph
    }

    pub(super) fn set(&mut self, order: &[Node], choice: &[u32]) {
        let none = self.shop.none();
        self.order.clear();
        self.order.extend_from_slice(order);
        self.first.clear();
        self.first.resize(self.shop.machines, none);
        let mut last = vec![none; self.shop.machines];
        for (place, &node) in order.iter().enumerate() {
            self.place[node as usize] = place as u32;
            let picked = self.shop.choices[node as usize][choice[node as usize] as usize];
            let before = std::mem::replace(&mut last[picked.machine as usize], node);
            let item = &mut self.items[node as usize];
            (item.machine, item.time, item.before, item.after) = (picked.machine, picked.time, before, none);
            if before == none {
                self.first[picked.machine as usize] = node;
            } else {
                self.items[before as usize].after = node;
            }
        }
        self.heads_from(0);
        self.tails_from(order.len());
    }

    pub(super) fn order(&self) -> &[Node] {
        &self.order
    }

    /// By node: its position among the alternatives.
    pub(super) fn choices(&self) -> Vec<u32> {
        let choice = |node: usize| {
            let on = self.items[node].machine;
            self.shop.choices[node].iter().position(|choice| choice.machine == on).unwrap_or(0) as u32
        };
        (0..self.shop.len()).map(choice).collect()
    }

    #[inline]
    pub(super) fn end(&self, node: Node) -> Time {
        let item = &self.items[node as usize];
        item.head + item.time
    }

    /// The end of what `node` waits for within its order.
    #[inline]
    pub(super) fn order_head(&self, node: Node) -> Time {
        let fixed = &self.shop.fixed[node as usize];
        fixed.release.max(self.end(fixed.pred) + fixed.lag)
    }

    /// What follows `node` within its order, as seen from its end.
    #[inline]
    pub(super) fn order_tail(&self, node: Node) -> Time {
        let succ = self.shop.fixed[node as usize].succ;
        let item = &self.items[succ as usize];
        item.tail + item.time + self.shop.fixed[succ as usize].lag
    }

    /// The start `node` gets on `machine` behind `before`.
    #[inline]
    pub(super) fn machine_head(&self, machine: u32, before: Node, node: Node) -> Time {
        if before == self.shop.none() {
            self.shop.first_start(machine, node)
        } else {
            self.end(before) + self.shop.setup(machine, before, node)
        }
    }

    #[inline]
    pub(super) fn machine_tail(&self, machine: u32, node: Node, after: Node) -> Time {
        if after == self.shop.none() {
            return 0;
        }
        let item = &self.items[after as usize];
        item.tail + item.time + self.shop.setup(machine, node, after)
    }

    fn heads_from(&mut self, place: usize) {
        for index in place..self.order.len() {
            let node = self.order[index];
            let Item { machine, before, .. } = self.items[node as usize];
            let head = self.order_head(node).max(self.machine_head(machine, before, node));
            self.items[node as usize].head = head;
        }
        self.makespan = self.shop.lasts.iter().map(|&node| self.end(node)).max().unwrap_or(0);
        self.cost = f64::from(self.makespan);
        if self.shop.prices.is_empty() {
            return;
        }
        self.ends.fill(NEVER);
        for &last in &self.shop.lasts {
            let (order, end) = (self.shop.order[last as usize] as usize, self.end(last));
            self.ends[order] = self.ends[order].max(end);
        }
        self.cost = self.shop.prices.iter().zip(&self.ends).map(|(price, &end)| price.of(end)).sum();
    }

    /// By priced order: the longest way from the end of `node` to the end of the order.
    #[inline]
    pub(super) fn row(&self, node: Node) -> &[Time] {
        let orders = self.shop.prices.len();
        &self.rows[node as usize * orders..][..orders]
    }

    fn note_row(&mut self, node: Node) {
        let mut row = std::mem::take(&mut self.row);
        let Item { machine, after, .. } = self.items[node as usize];
        row.fill(NEVER);
        self.row_behind(machine, node, after, &mut row);
        self.row_within(node, &mut row);
        let from = node as usize * row.len();
        self.rows[from..from + row.len()].copy_from_slice(&row);
        self.row = row;
    }

    /// Takes in the ways over `after`, the next on the machine.
    #[inline]
    pub(super) fn row_behind(&self, machine: u32, node: Node, after: Node, row: &mut [Time]) {
        if after != self.shop.none() {
            let way = self.items[after as usize].time + self.shop.setup(machine, node, after);
            row.iter_mut().zip(self.row(after)).for_each(|(row, &tail)| *row = (*row).max(tail + way));
        }
    }

    /// Takes in the ways over what follows `node` within its order.
    #[inline]
    pub(super) fn row_within(&self, node: Node, row: &mut [Time]) {
        let succ = self.shop.fixed[node as usize].succ;
        if succ == self.shop.none() {
            let own = &mut row[self.shop.order[node as usize] as usize];
            *own = (*own).max(0);
        } else {
            let way = self.items[succ as usize].time + self.shop.fixed[succ as usize].lag;
            row.iter_mut().zip(self.row(succ)).for_each(|(row, &tail)| *row = (*row).max(tail + way));
        }
    }

    /// Everything up to `places` in the order.
    fn tails_from(&mut self, places: usize) {
        for index in (0..places).rev() {
            let node = self.order[index];
            let Item { machine, after, .. } = self.items[node as usize];
            self.items[node as usize].tail =
                self.order_tail(node).max(self.machine_tail(machine, node, after));
            if !self.shop.prices.is_empty() {
                self.note_row(node);
            }
        }
    }

    /// False, with nothing changed, when the insertion would make operations wait for each other.
    pub(super) fn insert(&mut self, insertion: Insertion) -> bool {
        let Insertion { node, machine, time, behind } = insertion;
        let Item { machine: old_machine, before, after, time: old_time, .. } = self.items[node as usize];
        if behind == node || (behind == before && machine == old_machine) {
            return false;
        }
        self.unlink(node);
        self.link(node, machine, time, behind);
        let Some((low, high)) = self.reorder(node) else {
            self.unlink(node);
            self.link(node, old_machine, old_time, before);
            return false;
        };
        let none = self.shop.none();
        let mut low = low.min(self.place[node as usize] as usize);
        let mut high = high.max(self.place[node as usize] as usize);
        for changed in [before, after, behind, self.items[node as usize].after] {
            if changed != none {
                low = low.min(self.place[changed as usize] as usize);
                high = high.max(self.place[changed as usize] as usize);
            }
        }
        self.heads_from(low);
        self.tails_from(high + 1);
        true
    }

    fn unlink(&mut self, node: Node) {
        let none = self.shop.none();
        let Item { machine, before, after, .. } = self.items[node as usize];
        if before == none {
            self.first[machine as usize] = after;
        } else {
            self.items[before as usize].after = after;
        }
        if after != none {
            self.items[after as usize].before = before;
        }
    }

    fn link(&mut self, node: Node, machine: u32, time: Time, behind: Node) {
        let none = self.shop.none();
        let after = if behind == none {
            std::mem::replace(&mut self.first[machine as usize], node)
        } else {
            std::mem::replace(&mut self.items[behind as usize].after, node)
        };
        if after != none {
            self.items[after as usize].before = node;
        }
        let item = &mut self.items[node as usize];
        (item.machine, item.time, item.before, item.after) = (machine, time, behind, after);
    }

    /// Makes the order topological again after `node` was linked; `None` is a circle.
    fn reorder(&mut self, node: Node) -> Option<(usize, usize)> {
        let none = self.shop.none();
        let Item { before, after, .. } = self.items[node as usize];
        let at = self.place[node as usize] as usize;
        let place = |other: Node| self.place[other as usize] as usize;
        if before != none && place(before) > at {
            let high = place(before);
            self.shift(node, before, at, high, true).then_some((at, high))
        } else if after != none && place(after) < at {
            let low = place(after);
            self.shift(node, after, low, at, false).then_some((low, at))
        } else {
            Some((at, at))
        }
    }

    /// Moves `node` to the other end of the segment with what has to stay on its far side.
    fn shift(&mut self, node: Node, bound: Node, low: usize, high: usize, forward: bool) -> bool {
        self.marked[node as usize] = true;
        for step in 1..=high - low {
            let at = self.order[if forward { low + step } else { high - step }];
            let (fixed, item) = (&self.shop.fixed[at as usize], &self.items[at as usize]);
            let (one, other) = if forward { (fixed.pred, item.before) } else { (fixed.succ, item.after) };
            self.marked[at as usize] = self.marked[one as usize] || self.marked[other as usize];
        }
        if self.marked[bound as usize] {
            for index in low..=high {
                self.marked[self.order[index] as usize] = false;
            }
            return false;
        }
        self.goes.clear();
        // What stays closes up towards the end the others leave, so the segment is rewritten in place.
        if forward {
            let mut write = low;
            for read in low..=high {
                let at = self.order[read];
                if std::mem::take(&mut self.marked[at as usize]) {
                    self.goes.push(at);
                } else {
                    self.order[write] = at;
                    write += 1;
                }
            }
            self.order[write..=high].copy_from_slice(&self.goes);
        } else {
            let mut write = high + 1;
            for read in (low..=high).rev() {
                let at = self.order[read];
                if std::mem::take(&mut self.marked[at as usize]) {
                    self.goes.push(at);
                } else {
                    write -= 1;
                    self.order[write] = at;
                }
            }
            self.goes.reverse();
            self.order[low..write].copy_from_slice(&self.goes);
        }
        for index in low..=high {
            self.place[self.order[index] as usize] = index as u32;
        }
        true
    }
}
