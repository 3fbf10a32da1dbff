//! The critical paths of all late orders at once: what lies on one, and where it waits for its machine.

use super::graph::Graph;
use super::shop::Node;
use rand::Rng;

#[derive(Debug, Default)]
pub(super) struct Late {
    /// On the path of a late order, each once.
    pub(super) nodes: Vec<Node>,
    /// By node: the round it was last found in, and whether it waited for its machine then.
    seen: Vec<(u32, bool)>,
    round: u32,
}

impl Late {
    /// Follows each late order from its end; of two reasons to wait, one at random.
    pub(super) fn find(&mut self, graph: &Graph, rng: &mut impl Rng) {
        let none = graph.shop.none();
        self.round += 1;
        self.seen.resize(graph.shop.len(), (0, false));
        self.nodes.clear();
        for &last in &graph.shop.lasts {
            let order = graph.shop.order[last as usize] as usize;
            let end = graph.end(last);
            if end < graph.ends[order] || graph.shop.prices[order].of(end) == 0.0 {
                continue;
            }
            let mut at = last;
            while at != none && self.seen[at as usize].0 != self.round {
                let item = &graph.items[at as usize];
                let fixed = &graph.shop.fixed[at as usize];
                let by_machine =
                    item.before != none && graph.machine_head(item.machine, item.before, at) == item.head;
                let by_order = fixed.pred != none && graph.end(fixed.pred) + fixed.lag == item.head;
                let waits = by_machine && !(by_order && rng.random_bool(0.5));
                self.nodes.push(at);
                self.seen[at as usize] = (self.round, waits);
                at = match (waits, by_order) {
                    (true, _) => item.before,
                    (false, true) => fixed.pred,
                    (false, false) => none,
                };
            }
        }
    }

    /// Whether `node` lies on a path that comes from what is before it on its machine.
    pub(super) fn waits(&self, node: Node) -> bool {
        self.seen[node as usize] == (self.round, true)
    }
}
