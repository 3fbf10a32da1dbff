//! The part of a problem a plain machine-sequence graph can stand for: no closed time, pools or lags
//! that bound from above, operations of an order in one chain.

use super::super::facts::Facts;
use super::super::problem::{OpIx, Problem};
use super::price::Price;

/// Stands for "no operation"; also the index of the sentinel node behind the last one.
pub(in super::super) type Node = u32;
pub(super) type Time = i32;

/// Sums of everything stay below it, so that 32 bits are enough.
const TIME_MAX: i64 = 1 << 29;

#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed {
    pub(super) pred: Node,
    pub(super) succ: Node,
    pub(super) release: Time,
    /// Minutes after the end of `pred`.
    pub(super) lag: Time,
    pub(super) family: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) machine: u32,
    pub(super) time: Time,
}

#[derive(Debug)]
pub(in super::super) struct Shop {
    /// By node: the operation of the problem.
    pub(super) ops: Vec<OpIx>,
    /// How many operations the problem has, decided ones included.
    pub(super) all_ops: usize,
    /// By node, and a sentinel at the end.
    pub(super) fixed: Vec<Fixed>,
    /// By node, in the order of the problem's alternatives.
    pub(super) choices: Vec<Vec<Choice>>,
    pub(super) machines: usize,
    /// By machine: when it is free first, and what it is set up for then.
    pub(super) ready: Vec<Time>,
    state: Vec<Option<u32>>,
    /// By machine: where its matrix starts in `setups`.
    matrix: Vec<Option<usize>>,
    families: usize,
    setups: Vec<Time>,
    /// Nodes without a successor of their order.
    pub(super) lasts: Vec<Node>,
    pub(super) is_flexible: bool,
    /// What the end of an order costs, for orders with something free; none where the makespan counts.
    pub(super) prices: Vec<Price>,
    /// By node: its order among the priced ones.
    pub(super) order: Vec<u32>,
    /// The price of orders with nothing free.
    pub(super) decided: f64,
}

impl Shop {
    /// `None` when something of the problem has no place in such a graph.
    pub(in super::super) fn of(problem: &Problem, facts: &Facts, free: &[OpIx]) -> Option<Shop> {
        let is_plain = facts.pins.iter().all(Vec::is_empty)
            && problem
                .resources
                .iter()
                .all(|resource| matches!(resource.open.spans(), [(from, _)] if *from <= problem.now()));
        if !is_plain || free.is_empty() || free.len() > 20_000 {
            return None;
        }
        let mut node_of = vec![None; problem.ops.len()];
        for (node, &op) in free.iter().enumerate() {
            node_of[op] = Some(node as Node);
        }
        let none = free.len() as Node;
        let mut fixed = Vec::with_capacity(free.len() + 1);
        let mut choices = Vec::with_capacity(free.len());
        for &op in free {
            let data = &problem.ops[op];
            let has_needs = data.alts.iter().any(|alt| !alt.needs.is_empty());
            if has_needs || data.max_lag.is_some() || problem.orders[data.order].deadline.is_some() {
                return None;
            }
            let only = |nodes: &[OpIx]| {
                let mut nodes = nodes.iter().filter_map(|&op| node_of[op]);
                let first = nodes.next().unwrap_or(none);
                nodes.next().is_none().then_some(first)
            };
            let decided = data.preds.iter().filter_map(|&pred| facts.slots[pred]);
            let release = decided.map(|slot| slot.end + data.min_lag).fold(data.earliest, i64::max);
            let (pred, succ) = (only(&data.preds)?, only(&data.succs)?);
            fixed.push(Fixed {
                pred,
                succ,
                release: small(release)?,
                lag: if pred == none { 0 } else { small(data.min_lag)? },
                family: data.family.map_or(u32::MAX, |family| family as u32),
            });
            let choice = |alt: &super::super::problem::Alt| {
                Some(Choice { machine: alt.resource as u32, time: small(alt.minutes)? })
            };
            choices.push(data.alts.iter().map(choice).collect::<Option<Vec<_>>>()?);
        }
        let fits = choices
            .iter()
            .map(|alts| alts.iter().map(|alt| i64::from(alt.time)).max())
            .sum::<Option<i64>>()?;
        fixed.push(Fixed { pred: none, succ: none, release: 0, lag: 0, family: u32::MAX });
        let mut shop = Shop {
            ops: free.to_vec(),
            all_ops: problem.ops.len(),
            is_flexible: choices.iter().any(|alts| alts.len() > 1),
            lasts: (0..none).filter(|&node| fixed[node as usize].succ == none).collect(),
            fixed,
            choices,
            machines: problem.resources.len(),
            ready: facts.ready.iter().map(|&ready| small(ready)).collect::<Option<_>>()?,
            state: facts.family.iter().map(|family| family.map(|family| family as u32)).collect(),
            matrix: vec![None; problem.resources.len()],
            families: 0,
            setups: Vec::new(),
            prices: Vec::new(),
            order: Vec::new(),
            decided: 0.0,
        };
        let longest = shop.take_setups(problem)?;
        let latest = shop.fixed.iter().map(|node| i64::from(node.release + node.lag)).max()?;
        (fits + latest + longest * free.len() as i64 <= TIME_MAX).then_some(shop)
    }

    /// Copies the matrices; returns the longest setup, `None` where a pair is forbidden or unknown.
    fn take_setups(&mut self, problem: &Problem) -> Option<i64> {
        let mut on = vec![Vec::new(); self.machines];
        for (node, choices) in self.choices.iter().enumerate() {
            for choice in choices {
                on[choice.machine as usize].push(self.fixed[node].family);
            }
        }
        let used = |machine: &usize| problem.resources[*machine].setup.is_some() && !on[*machine].is_empty();
        let with_setup: Vec<usize> = (0..self.machines).filter(used).collect();
        let families = on.iter().flatten().filter(|&&family| family != u32::MAX).max();
        self.families = families.map_or(0, |&family| family as usize + 1);
        for state in self.state.iter().flatten() {
            self.families = self.families.max(*state as usize + 1);
        }
        if with_setup.len() * self.families * self.families > 20_000_000 {
            return None;
        }
        let mut longest = 0;
        for machine in with_setup {
            let mut from = on[machine].clone();
            from.sort_unstable();
            from.dedup();
            let to = from.clone();
            if from.last() == Some(&u32::MAX) {
                return None;
            }
            from.extend(self.state[machine]);
            let start = self.setups.len();
            self.setups.resize(start + self.families * self.families, 0);
            for &from in &from {
                for &to in &to {
                    let minutes = problem.setup_minutes(machine, Some(from as usize), Some(to as usize))?;
                    longest = longest.max(minutes);
                    self.setups[start + from as usize * self.families + to as usize] = small(minutes)?;
                }
            }
            self.matrix[machine] = Some(start);
        }
        Some(longest)
    }

    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    pub(super) fn none(&self) -> Node {
        self.ops.len() as Node
    }

    pub(super) fn has_setups(&self) -> bool {
        !self.setups.is_empty()
    }

    /// Between two operations that follow each other on `machine`.
    #[inline]
    pub(super) fn setup(&self, machine: u32, from: Node, to: Node) -> Time {
        match self.matrix[machine as usize] {
            None => 0,
            Some(start) => {
                let (from, to) = (self.fixed[from as usize].family, self.fixed[to as usize].family);
                self.setups[start + from as usize * self.families + to as usize]
            }
        }
    }

    /// When `node` can start as the first on `machine`, as far as the machine is concerned.
    #[inline]
    pub(super) fn first_start(&self, machine: u32, node: Node) -> Time {
        let setup = match (self.matrix[machine as usize], self.state[machine as usize]) {
            (Some(start), Some(state)) => {
                let to = self.fixed[node as usize].family;
                self.setups[start + state as usize * self.families + to as usize]
            }
            _ => 0,
        };
        self.ready[machine as usize] + setup
    }
}

fn small(minutes: i64) -> Option<Time> {
    // Negative release dates and ready times are long past; nothing starts before `now` anyway.
    (minutes.abs() <= TIME_MAX).then_some(minutes as Time)
}
