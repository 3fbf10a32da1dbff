//! Changing the sequence itself: the order of operations and their neighbours on resources.

use super::super::problem::OpIx;
use super::{Change, NONE, Timing};

/// What surrounds a segment of the order on each resource it touches.
#[derive(Debug)]
pub(super) struct Scratch {
    marked: Vec<bool>,
    goes: Vec<u32>,
    resources: Vec<usize>,
    is_listed: Vec<bool>,
    entry: Vec<u32>,
    exit: Vec<u32>,
}

impl Scratch {
    pub(super) fn new(ops: usize, resources: usize) -> Self {
        Self {
            marked: vec![false; ops],
            goes: Vec::new(),
            resources: Vec::new(),
            is_listed: vec![false; resources],
            entry: vec![NONE; resources],
            exit: vec![NONE; resources],
        }
    }
}

/// A number for one choice; the combined ones of a plan tell plans apart (Zobrist hashing).
pub(super) fn mixed(op: OpIx, alt: u32) -> u64 {
    let mut bits = (op as u64) << 16 | u64::from(alt);
    for factor in [0x9E37_79B9_7F4A_7C15_u64, 0xBF58_476D_1CE4_E5B9] {
        bits = (bits ^ bits >> 29).wrapping_add(1).wrapping_mul(factor);
    }
    bits ^ bits >> 32
}

impl Timing<'_> {
    /// Applies the change to the sequence and marks whose place may differ; the first place touched.
    pub(super) fn resequence(&mut self, change: Change) -> Option<usize> {
        let Change { op, target, alt } = change;
        let from = self.place[op] as usize;
        let old_alt = self.alt[op];
        let is_elsewhere = old_alt as usize != alt;
        let (low, high) = (from.min(target), from.max(target));
        self.undo.segment.clear();
        self.undo.segment.extend_from_slice(&self.order[low..=high]);
        if !self.permute(op, low, high, target < from) && !is_elsewhere {
            return None;
        }
        self.undo.low = low;
        self.undo.moved = is_elsewhere.then_some((op, old_alt));
        self.undo.has_arrived = false;
        // Neighbours are still those of the old order here.
        let new_resource = self.tables.alt(op, alt as u32).resource as usize;
        self.surround(low, high, is_elsewhere.then_some(new_resource));
        if is_elsewhere {
            self.use_pools(op, -1);
            self.resources_hash ^= mixed(op, old_alt) ^ mixed(op, alt as u32);
            self.alt[op] = alt as u32;
            self.resource[op] = new_resource as u32;
        }
        self.connect(low, high, true);
        if is_elsewhere {
            self.dirty.add(self.place[op] as usize);
        }
        if !self.pools.is_empty() {
            // Who comes first to a pool changed within the segment, whatever the resources.
            (low..=high).for_each(|place| self.dirty.add(place));
        }
        Some(low)
    }

    /// Undoes sequence and states of the last change.
    pub(super) fn unmake(&mut self) {
        for index in 0..self.undo.states.len() {
            self.use_pools(self.undo.states[index].0 as usize, -1);
        }
        let (low, high) = (self.undo.low, self.undo.low + self.undo.segment.len() - 1);
        let moved = self.undo.moved.take();
        let back_to = moved.map(|(op, alt)| self.tables.alt(op, alt).resource as usize);
        self.surround_new(low, high, back_to);
        if let Some((op, alt)) = moved {
            self.resources_hash ^= mixed(op, self.alt[op]) ^ mixed(op, alt);
            self.alt[op] = alt;
            self.resource[op] = self.tables.alt(op, alt).resource;
        }
        self.order[low..=high].copy_from_slice(&self.undo.segment);
        for place in low..=high {
            self.place[self.order[place] as usize] = place as u32;
        }
        self.connect(low, high, false);
        if let Some((op, _)) = moved.filter(|_| !self.undo.has_arrived) {
            self.use_pools(op, 1);
        }
        while let Some((op, state)) = self.undo.states.pop() {
            self.states[op as usize] = state;
            self.use_pools(op as usize, 1);
        }
    }

    /// Puts `op` at one end of the segment, with what it waits for there (forward: what waits for it).
    ///
    /// What its companions wait for on their resources moves along, so that nobody else's place in a
    /// queue changes; where that would take the far end along too, queues give way.
    fn permute(&mut self, op: OpIx, low: usize, high: usize, backward: bool) -> bool {
        if low == high {
            return false;
        }
        self.mark(op, low, high, backward, true);
        let target = self.order[if backward { low } else { high }] as usize;
        if self.links.marked[target] {
            for place in low..=high {
                self.links.marked[self.order[place] as usize] = false;
            }
            self.mark(op, low, high, backward, false);
        }
        self.part(low, high, backward)
    }

    fn mark(&mut self, op: OpIx, low: usize, high: usize, backward: bool, with_queues: bool) {
        let problem = self.rules.problem;
        let Self { order, links, tables, before, after, .. } = self;
        let marked = &mut links.marked;
        marked[op] = true;
        let neighbours = if backward { after } else { before };
        for step in 1..=high - low {
            let at = order[if backward { high - step } else { low + step }] as usize;
            let fixed = &tables.fixed[at];
            let mut is_marked = if fixed.branches {
                let data = &problem.ops[at];
                let next = if backward { &data.succs } else { &data.preds };
                next.iter().any(|&next| marked[next])
            } else {
                let next = if backward { fixed.succ } else { fixed.pred };
                next != NONE && marked[next as usize]
            };
            if with_queues {
                let next = neighbours[at];
                is_marked |= next != NONE && next as usize != op && marked[next as usize];
            }
            marked[at] = is_marked;
        }
    }

    /// Parts the marked ones of the segment from the others, both in their order; false if nothing moves.
    fn part(&mut self, low: usize, high: usize, backward: bool) -> bool {
        let Self { order, place, links, .. } = self;
        let segment = &mut order[low..=high];
        links.goes.clear();
        let mut stays = 0;
        let (mut read, mut write) = (0, 0);
        let len = segment.len();
        while read < len {
            let index = if backward { len - 1 - read } else { read };
            let at = segment[index];
            if std::mem::take(&mut links.marked[at as usize]) {
                links.goes.push(at);
            } else {
                segment[if backward { len - 1 - write } else { write }] = at;
                write += 1;
                stays += 1;
            }
            read += 1;
        }
        if backward {
            links.goes.reverse();
            segment[..links.goes.len()].copy_from_slice(&links.goes);
        } else {
            segment[write..].copy_from_slice(&links.goes);
        }
        for (offset, &at) in segment.iter().enumerate() {
            place[at as usize] = (low + offset) as u32;
        }
        stays > 0
    }

    /// Notes the neighbours outside the segment, read from the segment as it was.
    fn surround(&mut self, low: usize, high: usize, joined: Option<usize>) {
        for index in 0..self.undo.segment.len() {
            self.list(self.undo.segment[index] as usize);
        }
        self.join(low, high, joined);
    }

    /// As [`Timing::surround`], read from the order.
    fn surround_new(&mut self, low: usize, high: usize, joined: Option<usize>) {
        for place in low..=high {
            self.list(self.order[place] as usize);
        }
        self.join(low, high, joined);
    }

    fn list(&mut self, op: OpIx) {
        let resource = self.resource[op] as usize;
        if !std::mem::replace(&mut self.links.is_listed[resource], true) {
            self.links.resources.push(resource);
            self.links.entry[resource] = self.before[op];
        }
        self.links.exit[resource] = self.after[op];
    }

    /// A resource that gets its first operation of the segment: its neighbours have to be looked for.
    fn join(&mut self, low: usize, high: usize, joined: Option<usize>) {
        let Some(resource) = joined.filter(|&resource| !self.links.is_listed[resource]) else { return };
        self.links.is_listed[resource] = true;
        self.links.resources.push(resource);
        let on_it = |op: &&u32| self.resource[**op as usize] as usize == resource;
        let entry = self.order[..low].iter().rev().find(on_it).copied();
        let exit = match entry {
            Some(entry) => self.after[entry as usize],
            None => self.order[high + 1..].iter().find(on_it).copied().unwrap_or(NONE),
        };
        (self.links.entry[resource], self.links.exit[resource]) = (entry.unwrap_or(NONE), exit);
    }

    /// Links the segment in its present order between the noted neighbours.
    fn connect(&mut self, low: usize, high: usize, is_new: bool) {
        for place in low..=high {
            let op = self.order[place] as usize;
            let resource = self.resource[op] as usize;
            let before = std::mem::replace(&mut self.links.entry[resource], op as u32);
            if self.before[op] != before {
                self.before[op] = before;
                if is_new {
                    self.dirty.add(place);
                }
            }
            if before != NONE {
                self.after[before as usize] = op as u32;
            }
        }
        while let Some(resource) = self.links.resources.pop() {
            self.links.is_listed[resource] = false;
            let (last, next) = (self.links.entry[resource], self.links.exit[resource]);
            if last != NONE {
                self.after[last as usize] = next;
            }
            if next != NONE && self.before[next as usize] != last {
                self.before[next as usize] = last;
                if is_new {
                    self.dirty.add(self.place[next as usize] as usize);
                }
            }
        }
    }
}
