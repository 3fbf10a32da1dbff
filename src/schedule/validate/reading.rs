//! What a plan amounts to, read from the plan and the model alone: figures, moved operations, late
//! orders, changeovers, and what each resource does with its time.

use super::super::answer::{Kpis, LateOrder};
use super::super::model::{Minute, Model};
use super::usage::{self, Usage};
use super::view::View;
use super::{Findings, Placed, figures, resources};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Reading {
    pub kpis: Kpis,
    /// Operations that are elsewhere than in the model's current plan, by start.
    pub moved: Vec<String>,
    /// Worst first.
    pub late_orders: Vec<LateOrder>,
    /// By resource and time.
    pub changeovers: Vec<ChangeoverTime>,
    /// In the order of the model.
    pub usage: Vec<Usage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChangeoverTime {
    /// The operation it is made for.
    pub op: String,
    pub resource: String,
    pub from: Minute,
    pub minutes: Minute,
}

/// Reads a plan without judging it; [`super::check_reported`] judges.
pub fn read(model: &Model, placed: Placed) -> Reading {
    let mut ignored = Findings::default();
    let view = View::of(model, placed, &mut ignored);
    let changeovers = resources::check(&view, &mut ignored);
    let kpis = figures::recompute(&view, &changeovers, placed.unscheduled.len());
    let mut moved: Vec<_> = figures::moved(&view).collect();
    moved.sort_by_key(|item| (item.planned.map(|planned| planned.start), &item.name));
    let mut times: Vec<ChangeoverTime> = changeovers
        .iter()
        .filter(|(_, changeover)| changeover.minutes > 0)
        .filter_map(|(op, changeover)| {
            let resource = view.item(op)?.planned?.resource.clone();
            Some(ChangeoverTime {
                op: op.clone(),
                resource,
                from: changeover.from,
                minutes: changeover.minutes,
            })
        })
        .collect();
    times.sort_by(|a, b| (&a.resource, a.from, &a.op).cmp(&(&b.resource, b.from, &b.op)));
    let moved = moved.into_iter().map(|item| item.name.clone()).collect();
    let usage = usage::of(&view, &changeovers, kpis.makespan);
    Reading { moved, late_orders: late_orders(&view), usage, changeovers: times, kpis }
}

fn late_orders(view: &View) -> Vec<LateOrder> {
    let late = view.model.orders.iter().map(|order| LateOrder {
        order: order.id.clone(),
        tier: order.tier.clone(),
        due: order.must_end(view.model.now),
        minutes_late: figures::lateness(view, &order.id),
    });
    let mut late: Vec<LateOrder> = late.filter(|order| order.minutes_late > 0).collect();
    late.sort_by(|a, b| b.minutes_late.cmp(&a.minutes_late).then_with(|| a.order.cmp(&b.order)));
    late
}
