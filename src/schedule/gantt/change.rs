//! What differs between two plans: which operations moved, from where to where.

use super::plan::{Bar, Plan};
use super::scale::Scale;
use std::collections::{HashMap, HashSet};

pub(super) struct Changes<'p> {
    moves: Vec<Move<'p>>,
    by_op: HashMap<(&'p str, &'p str), usize>,
}

/// An operation marked as moved, with its old place where it had one.
#[derive(Clone, Copy)]
pub(super) struct Move<'p> {
    pub(super) from: Option<&'p Bar>,
    pub(super) to: &'p Bar,
}

impl Move<'_> {
    pub(super) fn changes_resource(&self) -> bool {
        self.from.is_some_and(|from| from.resource != self.to.resource)
    }
}

impl<'p> Changes<'p> {
    pub(super) fn between(before: &'p Plan, after: &'p Plan) -> Self {
        let old: HashMap<(&str, &str), &Bar> = before.bars.iter().map(|bar| (key(bar), bar)).collect();
        let mut moves: Vec<Move> = after
            .bars
            .iter()
            .filter(|bar| bar.moved)
            .map(|to| Move { from: old.get(&key(to)).copied(), to })
            .collect();
        moves.sort_by(|a, b| (a.to.start, key(a.to)).cmp(&(b.to.start, key(b.to))));
        let by_op = moves.iter().enumerate().map(|(index, change)| (key(change.to), index)).collect();
        Self { moves, by_op }
    }

    /// By new start.
    pub(super) fn moves(&self) -> &[Move<'p>] {
        &self.moves
    }

    pub(super) fn of(&self, bar: &Bar) -> Option<&Move<'p>> {
        self.by_op.get(&key(bar)).map(|&index| &self.moves[index])
    }

    /// The resources to draw, in the order of the plan: all, or those that change within sight or are down.
    pub(super) fn rows(&self, before: &'p Plan, after: &'p Plan, scale: &Scale, all: bool) -> Vec<&'p str> {
        let mut resources: Vec<&str> = after.resources.iter().map(String::as_str).collect();
        let known: HashSet<&str> = resources.iter().copied().collect();
        // A bar on a resource that the list forgot would otherwise vanish.
        let forgotten = before.bars.iter().chain(&after.bars).map(|bar| bar.resource.as_str());
        let mut forgotten: Vec<&str> = forgotten.filter(|resource| !known.contains(resource)).collect();
        forgotten.sort_unstable();
        forgotten.dedup();
        resources.extend(forgotten);
        let mut touched: HashSet<&str> = HashSet::new();
        for change in &self.moves {
            touched.extend(
                [Some(change.to), change.from]
                    .into_iter()
                    .flatten()
                    .filter(|bar| scale.sees(bar.start, bar.end))
                    .map(|bar| bar.resource.as_str()),
            );
        }
        let broken = after.down.iter().filter(|down| down.breakdown && scale.sees(down.from, down.to));
        touched.extend(broken.map(|down| down.resource.as_str()));
        if all || touched.is_empty() {
            return resources;
        }
        resources.retain(|resource| touched.contains(resource));
        resources
    }
}

fn key(bar: &Bar) -> (&str, &str) {
    (&bar.job, &bar.op)
}
