//! What a plan amounts to, read from the plan and the model alone: figures, moved operations, late
//! orders, changeovers, and what each resource does with its time.

use super::super::answer::{Kpis, LateOrder};
use super::super::model::{Minute, Model};
use super::view::{Kind, View, minutes_in};
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

/// A resource from now until the plan's last operation ends.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Usage {
    pub resource: String,
    pub work_minutes: Minute,
    pub changeover_minutes: Minute,
    pub open_minutes: Minute,
    /// Work and changeovers as a share of open time, 0 to 1; 0 where it is never open.
    pub utilisation: f64,
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
    let usage = usage(&view, &times, kpis.makespan);
    Reading { moved, late_orders: late_orders(&view), usage, changeovers: times, kpis }
}

fn late_orders(view: &View) -> Vec<LateOrder> {
    let late = view.model.orders.iter().map(|order| LateOrder {
        order: order.id.clone(),
        tier: order.tier.clone(),
        due: order.due,
        minutes_late: figures::lateness(view, &order.id),
    });
    let mut late: Vec<LateOrder> = late.filter(|order| order.minutes_late > 0).collect();
    late.sort_by(|a, b| b.minutes_late.cmp(&a.minutes_late).then_with(|| a.order.cmp(&b.order)));
    late
}

fn usage(view: &View, changeovers: &[ChangeoverTime], until: Minute) -> Vec<Usage> {
    let now = view.model.now;
    let of = |resource: &super::super::model::Resource| {
        let shift = view.resources.get(resource.id.as_str())?;
        let here = view.ops.iter().filter(|item| item.kind != Kind::Done);
        let work_minutes = here
            .filter_map(|item| Some((item, item.planned.filter(|planned| planned.resource == resource.id)?)))
            .map(|(item, planned)| match item.minutes().filter(|_| !item.kind.is_fact()) {
                Some(minutes) => minutes,
                None => minutes_in(&shift.open, planned.start.max(now), planned.end),
            })
            .sum();
        let changeovers = changeovers.iter().filter(|changeover| changeover.resource == resource.id);
        let changeover_minutes = changeovers.map(|changeover| changeover.minutes).sum();
        let open_minutes = minutes_in(&shift.open, now, until.max(now));
        let busy: Minute = work_minutes + changeover_minutes;
        let utilisation = if open_minutes == 0 { 0.0 } else { busy as f64 / open_minutes as f64 };
        let resource = resource.id.clone();
        Some(Usage { resource, work_minutes, changeover_minutes, open_minutes, utilisation })
    };
    view.model.resources.iter().filter_map(of).collect()
}
