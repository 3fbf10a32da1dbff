//! An order that has a place alone but not among the others: which of them cannot all be kept.
//!
//! A short search decides here, so what it finds is evidence and no proof.

use super::super::model::{Model, Order};
use super::super::watch::Watch;
use super::super::{Problem, resequence_until};
use super::alone::Alone;
use super::limit::Limit;
use super::{Found, told};

/// Of one short search.
const EVALUATIONS: u64 = 300;
/// Searches until the set is taken as it is.
const SEARCHES_MAX: usize = 40;
/// A plant with more operations is not searched over and over only to word a sentence.
const OPS_MAX: usize = 500;

pub(super) fn conflict(model: &Model, order: &Order, limit: &Limit) -> Found {
    let ops: usize = model.orders.iter().map(|order| order.ops.len()).sum();
    if ops > OPS_MAX {
        return Found::Nothing;
    }
    let others: Vec<&str> =
        model.orders.iter().map(|other| other.id.as_str()).filter(|id| *id != order.id).collect();
    let mut crowd = Crowd { model, order, limit, searches: 0 };
    let kept = match crowd.fits(&others) {
        None => return Found::TooLate,
        Some(true) => return Found::Nothing,
        Some(false) => crowd.reduce(others),
    };
    let Some(kept) = kept else { return Found::TooLate };
    let alone = Alone::new(model, order);
    let demand = |order: &Order| match order.deadline {
        Some(deadline) => format!("{} must be done by {}", order.id, alone.at(deadline)),
        None => format!("{} must be done by the horizon, {}", order.id, alone.at(model.horizon)),
    };
    let among = model.orders.iter().filter(|other| other.id == order.id || kept.contains(&other.id.as_str()));
    Found::Conflict(told(&order.id, among.map(demand).collect(), false, true))
}

struct Crowd<'a> {
    model: &'a Model,
    order: &'a Order,
    limit: &'a Limit<'a>,
    searches: usize,
}

impl Crowd<'_> {
    /// Drops blocks of others, half as large each round, while the order still has no place; `None` when time
    /// is up.
    fn reduce<'m>(&mut self, mut kept: Vec<&'m str>) -> Option<Vec<&'m str>> {
        let mut block = kept.len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            while at < kept.len() {
                let end = (at + block).min(kept.len());
                let rest: Vec<&str> = [&kept[..at], &kept[end..]].concat();
                if self.searches < SEARCHES_MAX && !self.fits(&rest)? {
                    kept = rest;
                } else {
                    at = end;
                }
            }
            if block == 1 {
                return Some(kept);
            }
            block = block.div_ceil(2);
        }
    }

    /// Whether a short search plans the order and all `others`; `None` when time is up before it does.
    fn fits(&mut self, others: &[&str]) -> Option<bool> {
        if self.limit.cancelled() {
            return None;
        }
        self.searches += 1;
        let mut part = self.model.clone();
        let is_in = |id: &str| id == self.order.id || others.contains(&id);
        part.orders.retain(|other| is_in(&other.id));
        part.current.retain(|entry| entry.op.split_once('/').is_some_and(|(id, _)| is_in(id)));
        part.policy.options = 1;
        part.policy.strict = false;
        (part.policy.budget_ms, part.policy.evaluations) = (None, Some(EVALUATIONS));
        let answer = Problem::parse(part).and_then(|problem| resequence_until(&problem, self.limit));
        let fits =
            answer.is_ok_and(|answer| answer.options.first().is_some_and(|best| best.unscheduled.is_empty()));
        // A search that was cut short has not shown that there is no plan.
        (fits || !self.limit.cancelled()).then_some(fits)
    }
}
