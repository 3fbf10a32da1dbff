//! The compact plan of any planned operations, and of the model's current plan.

use super::super::answer::PlannedOp;
use super::super::model::{BlockedKind, Model, Order, State};
use super::super::validate::Reading;
use super::{Bar, Closed, Plan};
use std::collections::{BTreeMap, HashMap, HashSet};

impl Plan {
    /// A plan's operations that are not done yet; those in `moved` are marked.
    pub fn of(model: &Model, ops: &[PlannedOp], reading: &Reading, moved: &HashSet<&str>) -> Plan {
        let late: HashSet<&str> = reading.late_orders.iter().map(|order| order.order.as_str()).collect();
        let setups: HashMap<&str, i64> = reading
            .changeovers
            .iter()
            .map(|changeover| (changeover.op.as_str(), changeover.minutes))
            .collect();
        let done: HashSet<&str> = model
            .current
            .iter()
            .filter(|entry| entry.state == State::Done)
            .map(|entry| entry.op.as_str())
            .collect();
        // Ids may hold slashes themselves, so names are looked up and not taken apart.
        let names: HashMap<String, (&Order, &str)> = model
            .orders
            .iter()
            .flat_map(|order| order.ops.iter().map(move |op| (order, op.id.as_str())))
            .map(|(order, op)| (format!("{}/{op}", order.id), (order, op)))
            .collect();
        let open = ops.iter().filter(|op| !done.contains(op.op.as_str()));
        let bars = open.filter_map(|op| {
            let &(order, step) = names.get(&op.op)?;
            let mut bar = bar(op, order, step);
            bar.late = late.contains(bar.job.as_str());
            bar.moved = moved.contains(op.op.as_str());
            bar.setup_minutes = setups.get(op.op.as_str()).copied().filter(|_| bar.setup_start.is_some());
            Some(bar)
        });
        frame(model, bars.collect())
    }
}

fn bar(op: &PlannedOp, order: &Order, step: &str) -> Bar {
    Bar {
        resource: op.resource.clone(),
        job: order.id.clone(),
        op: step.to_owned(),
        start: op.start,
        end: op.end,
        setup_start: op.setup_start,
        setup_minutes: None,
        late: false,
        moved: false,
        tier: order.tier.clone(),
    }
}

fn frame(model: &Model, mut bars: Vec<Bar>) -> Plan {
    let row: BTreeMap<&str, usize> =
        model.resources.iter().enumerate().map(|(row, resource)| (resource.id.as_str(), row)).collect();
    bars.sort_by(|a, b| {
        let key = |bar: &Bar| (row.get(bar.resource.as_str()).copied(), bar.start);
        key(a).cmp(&key(b)).then_with(|| (&a.job, &a.op).cmp(&(&b.job, &b.op)))
    });
    let down = model.resources.iter().flat_map(|resource| {
        resource.blocked.iter().map(|blocked| Closed {
            resource: resource.id.clone(),
            from: blocked.from,
            to: blocked.to,
            why: blocked.why.clone(),
            breakdown: blocked.kind == BlockedKind::Breakdown,
        })
    });
    let resources = model.resources.iter().map(|resource| resource.id.clone()).collect();
    Plan { epoch: model.epoch, now: model.now, resources, bars, down: down.collect() }
}
