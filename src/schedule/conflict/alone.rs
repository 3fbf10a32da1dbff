//! One order among what is decided already: whether it can be planned under a set of demands.
//!
//! A relaxation: changeovers and operations of the same order do not get into each other's way here. So
//! "cannot" is certain and "can" is not.

use super::super::answer::PlannedOp;
use super::super::calendar::Windows;
use super::super::model::{Minute, Model, Op, Order, Pool, PoolKind, Resource};
use super::super::validate::standing;
use super::demand::Demand;
use std::collections::{HashMap, HashSet};

/// Longer than any horizon.
const FAR: Minute = 20 * 366 * 24 * 60;

pub(super) struct Alone<'a> {
    pub(super) model: &'a Model,
    pub(super) order: &'a Order,
    /// Done, running and frozen operations of the whole plant, by name.
    standing: HashMap<String, PlannedOp>,
    /// Those of them that occupy anything from now on, with what they need.
    busy: Vec<(PlannedOp, &'a Op)>,
}

impl<'a> Alone<'a> {
    pub(super) fn new(model: &'a Model, order: &'a Order) -> Self {
        let ops: HashMap<String, &Op> = model
            .orders
            .iter()
            .flat_map(|order| order.ops.iter().map(move |op| (format!("{}/{}", order.id, op.id), op)))
            .collect();
        let standing: HashMap<String, PlannedOp> =
            standing(model).into_iter().map(|planned| (planned.op.clone(), planned)).collect();
        let mut busy: Vec<(PlannedOp, &Op)> = standing
            .values()
            .filter(|planned| planned.end > model.now)
            .filter_map(|planned| Some((planned.clone(), *ops.get(&planned.op)?)))
            .collect();
        busy.sort_by(|a, b| (a.0.start, &a.0.op).cmp(&(b.0.start, &b.0.op)));
        Self { model, order, standing, busy }
    }

    /// Whether the order has a place when only `kept` is demanded.
    pub(super) fn can_hold(&self, kept: &[Demand]) -> bool {
        let kept: HashSet<Demand> = kept.iter().copied().collect();
        let mut ends: HashMap<&str, Minute> = HashMap::new();
        let mut waiting: Vec<usize> = (0..self.order.ops.len()).collect();
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut fits = true;
            waiting.retain(|&ix| {
                let Some(from) = self.from(ix, &ends, &kept) else { return true };
                match from.and_then(|from| self.end(ix, from, &kept)) {
                    Some(end) => {
                        ends.insert(&self.order.ops[ix].id, end);
                        false
                    }
                    None => {
                        fits = false;
                        true
                    }
                }
            });
            if !fits || waiting.len() == before {
                return false;
            }
        }
        let deadline = self.order.deadline.filter(|_| kept.contains(&Demand::Deadline));
        let last = ends.values().copied().max();
        deadline.is_none_or(|deadline| last.is_none_or(|last| last <= deadline))
    }

    /// When an operation may begin: outer `None` while a predecessor is open, inner where it never may.
    fn from(
        &self,
        ix: usize,
        ends: &HashMap<&str, Minute>,
        kept: &HashSet<Demand>,
    ) -> Option<Option<Minute>> {
        let op = &self.order.ops[ix];
        let mut from = self.model.now;
        if kept.contains(&Demand::Release) {
            from = from.max(self.order.release.unwrap_or(from));
        }
        if kept.contains(&Demand::Material(ix)) {
            from = from.max(op.material_at.unwrap_or(from));
        }
        let lag = if kept.contains(&Demand::MinLag(ix)) { op.min_lag } else { 0 };
        let mut latest = FAR;
        for pred in self.preds(ix) {
            from = from.max(*ends.get(pred.as_str())? + lag);
            // A predecessor that is free can wait; one that is decided cannot.
            if let (Some(standing), Some(most)) = (self.standing.get(&self.name(&pred)), op.max_lag)
                && kept.contains(&Demand::MaxLag(ix))
            {
                latest = latest.min(standing.end + most);
            }
        }
        let is_decided = self.standing.contains_key(&self.name(&op.id));
        Some((is_decided || from <= latest).then_some(from))
    }

    fn preds(&self, ix: usize) -> Vec<String> {
        match (&self.order.ops[ix].after, ix) {
            (Some(after), _) => after.clone(),
            (None, 0) => Vec::new(),
            (None, _) => vec![self.order.ops[ix - 1].id.clone()],
        }
    }

    fn name(&self, op: &str) -> String {
        format!("{}/{op}", self.order.id)
    }

    /// When the operation ends at the earliest.
    fn end(&self, ix: usize, from: Minute, kept: &HashSet<Demand>) -> Option<Minute> {
        let op = &self.order.ops[ix];
        if let Some(standing) = self.standing.get(&self.name(&op.id)) {
            return Some(standing.end);
        }
        let on = |alt: &super::super::model::Alternative| {
            let place = self.model.resources.iter().position(|resource| resource.id == alt.resource)?;
            let mut open = self.open(place, kept);
            for pool in 0..self.model.pools.len() {
                let qty = self.qty(op, &self.model.resources[place], pool);
                if qty > 0 && kept.contains(&Demand::Need(ix, pool)) {
                    open = open.intersect(&self.free(pool, qty, kept));
                }
            }
            if kept.contains(&Demand::OnePiece(ix)) {
                open.fit(from, alt.minutes).map(|start| start + alt.minutes)
            } else {
                open.work(from, alt.minutes).map(|work| work.1)
            }
        };
        op.alts.iter().filter_map(on).min()
    }

    fn until(&self, kept: &HashSet<Demand>) -> Minute {
        if kept.contains(&Demand::Horizon) { self.model.horizon } else { FAR }
    }

    fn open(&self, ix: usize, kept: &HashSet<Demand>) -> Windows {
        let resource = &self.model.resources[ix];
        let until = self.until(kept);
        let calendar = resource.calendar.as_ref().filter(|_| kept.contains(&Demand::Calendar(ix)));
        let open = match calendar.and_then(|id| self.model.calendars.iter().find(|known| known.id == *id)) {
            Some(calendar) => calendar.open.iter().map(|span| (span.0, span.1.min(until))).collect(),
            None => vec![(self.model.now, until)],
        };
        let mut closed: Vec<(Minute, Minute)> = Vec::new();
        for (index, blocked) in resource.blocked.iter().enumerate() {
            if kept.contains(&Demand::Blocked(ix, index)) {
                closed.push((blocked.from, blocked.to));
            }
        }
        if kept.contains(&Demand::Taken(ix)) {
            let here = self.busy.iter().filter(|(planned, _)| planned.resource == resource.id);
            closed.extend(here.map(|(planned, _)| (planned.start, planned.end)));
        }
        Windows::new(open).minus(&Windows::new(closed))
    }

    /// When `qty` of a pool is free.
    fn free(&self, ix: usize, qty: i64, kept: &HashSet<Demand>) -> Windows {
        let pool = &self.model.pools[ix];
        let until = self.until(kept);
        let start = self.model.now;
        let mut cuts = vec![start, until];
        if kept.contains(&Demand::PoolProfile(ix)) {
            cuts.extend(pool.profile.iter().map(|step| step.0));
        }
        let taken: Vec<(Minute, Minute, i64)> = match kept.contains(&Demand::PoolTaken(ix)) {
            true => self.uses(pool).map(|(planned, qty)| (planned.start, planned.end, qty)).collect(),
            false => Vec::new(),
        };
        cuts.extend(taken.iter().flat_map(|used| [used.0, used.1]));
        cuts.retain(|cut| (start..=until).contains(cut));
        cuts.sort_unstable();
        cuts.dedup();
        let capacity = |at: Minute| {
            let profile = pool.profile.iter().rev().find(|step| step.0 <= at);
            match profile.filter(|_| kept.contains(&Demand::PoolProfile(ix))) {
                Some(step) => step.1,
                None if kept.contains(&Demand::PoolCapacity(ix)) => pool.capacity,
                None => i64::MAX,
            }
        };
        let used = |at: Minute| -> i64 {
            taken.iter().filter(|used| used.0 <= at && at < used.1).map(|used| used.2).sum()
        };
        let pieces = cuts.windows(2).filter(|cut| capacity(cut[0]).saturating_sub(used(cut[0])) >= qty);
        let mut free = Windows::new(pieces.map(|cut| (cut[0], cut[1])).collect());
        let calendar = pool.calendar.as_ref().filter(|_| kept.contains(&Demand::PoolCalendar(ix)));
        if let Some(calendar) =
            calendar.and_then(|id| self.model.calendars.iter().find(|known| known.id == *id))
        {
            free = free.intersect(&Windows::new(calendar.open.iter().map(|span| (span.0, span.1)).collect()));
        }
        let ends = [
            (Demand::Calibration(ix), pool.calibrated_until),
            (Demand::Certification(ix), pool.certified_until),
        ];
        for (demand, end) in ends {
            if let Some(end) = end.filter(|_| kept.contains(&demand)) {
                free = free.intersect(&Windows::new(vec![(Minute::MIN / 4, end)]));
            }
        }
        free
    }

    fn uses<'s>(&'s self, pool: &'s Pool) -> impl Iterator<Item = (&'s PlannedOp, i64)> {
        self.busy.iter().filter_map(move |(planned, op)| {
            let need = op.needs.iter().find(|need| need.pool == pool.id)?;
            Some((planned, need.qty))
        })
    }

    fn qty(&self, op: &Op, resource: &Resource, ix: usize) -> i64 {
        let pool = &self.model.pools[ix];
        let is_only_utility = pool.kind == PoolKind::Utility
            && self.model.pools.iter().filter(|pool| pool.kind == PoolKind::Utility).count() == 1;
        let draw = if is_only_utility { resource.power_kw } else { 0 };
        op.needs.iter().filter(|need| need.pool == pool.id).map(|need| need.qty).sum::<i64>() + draw
    }

    /// Whether the operation needs the pool on any of its resources.
    pub(super) fn may_need(&self, op: &Op, pool: usize) -> bool {
        op.alts.iter().any(|alt| {
            let resource = self.model.resources.iter().find(|resource| resource.id == alt.resource);
            resource.is_some_and(|resource| self.qty(op, resource, pool) > 0)
        })
    }

    /// A minute as people read it: weekday and local time.
    pub(super) fn at(&self, minute: Minute) -> String {
        let time = chrono::TimeDelta::try_minutes(minute)
            .and_then(|delta| self.model.epoch.checked_add_signed(delta));
        time.map_or_else(|| format!("minute {minute}"), |time| time.format("%a %H:%M").to_string())
    }

    pub(super) fn occupants(&self, resource: &str) -> String {
        self.told(self.busy.iter().map(|(planned, _)| planned).filter(|planned| planned.resource == resource))
    }

    pub(super) fn users(&self, pool: &str) -> String {
        let pool = self.model.pools.iter().find(|known| known.id == pool);
        pool.map_or_else(String::new, |pool| self.told(self.uses(pool).map(|(planned, _)| planned)))
    }

    fn told<'p>(&self, ops: impl Iterator<Item = &'p PlannedOp>) -> String {
        let told: Vec<String> =
            ops.take(4).map(|op| format!("{} {}", op.op, self.span(op.start, op.end))).collect();
        told.join(", ")
    }
}
