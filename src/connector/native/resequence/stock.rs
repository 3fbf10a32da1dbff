//! When the components of an operation are at its work center.

use super::{
    LateMaterial,
    build::Minutes,
    context::{Component, Material, Operation},
};
use crate::schedule::model::Minute;
use std::collections::BTreeMap;

/// What is staged for whom, and what is free; free stock and deliveries go to who asks first.
pub(super) struct Stock<'a> {
    lines: BTreeMap<&'a str, Vec<&'a Component>>,
    staged: BTreeMap<(&'a str, &'a str), f64>,
    /// Minute and quantity, by component, soonest first.
    supply: BTreeMap<&'a str, Vec<(Minute, f64)>>,
}

impl<'a> Stock<'a> {
    pub(super) fn new(
        material: Option<&'a Material>,
        late: Option<&'a LateMaterial>,
        minutes: Minutes,
    ) -> Self {
        let mut stock = Self { lines: BTreeMap::new(), staged: BTreeMap::new(), supply: BTreeMap::new() };
        let Some(material) = material else { return stock };
        for component in &material.components {
            stock.lines.entry(&component.part_operation_id).or_default().push(component);
        }
        for staged in &material.staged {
            *stock.staged.entry((&staged.job, &staged.component)).or_default() += staged.quantity;
        }
        for free in &material.free {
            stock.supply.entry(&free.component).or_default().push((0, free.quantity));
        }
        for inbound in &material.inbound {
            let until =
                late.filter(|late| late.component == inbound.component).map(|late| minutes.of(late.until));
            let due = minutes.of(inbound.due).max(until.unwrap_or(0)).max(0);
            stock.supply.entry(&inbound.component).or_default().push((due, inbound.quantity));
        }
        stock.supply.values_mut().for_each(|supply| supply.sort_by_key(|(minute, _)| *minute));
        stock
    }

    /// The minute from which everything is staged. What is neither here nor on order does not hold the
    /// plan up: buying it is another question.
    pub(super) fn take(&mut self, job: &str, operation: &Operation, staging: Minute) -> Minute {
        let lines = self.lines.get(operation.part_operation_id.as_str()).cloned().unwrap_or_default();
        lines.into_iter().map(|line| self.take_line(job, line, operation, staging)).max().unwrap_or(0)
    }

    fn take_line(
        &mut self,
        job: &str,
        line: &'a Component,
        operation: &Operation,
        staging: Minute,
    ) -> Minute {
        let staged = self.staged.get(&(job, line.component.as_str())).copied().unwrap_or(0.0);
        let mut missing = line.per_piece * operation.pieces_left - staged;
        let mut ready = 0;
        let Some(supply) = self.supply.get_mut(line.component.as_str()) else { return ready };
        for (minute, quantity) in supply.iter_mut() {
            if missing <= 0.0 {
                break;
            }
            let taken = missing.min(*quantity);
            *quantity -= taken;
            missing -= taken;
            if taken > 0.0 {
                ready = *minute + staging;
            }
        }
        ready
    }
}
