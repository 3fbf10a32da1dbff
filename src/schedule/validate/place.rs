//! Rules 1 to 5, 13 and 14: each operation by itself and against its own order.

use super::super::model::{Current, Minute};
use super::view::{Item, Kind, Shift, View, minutes_in};
use super::{Findings, Placed, Rule};

pub(super) fn check(view: &View, placed: Placed, found: &mut Findings) {
    for item in &view.ops {
        each_once(view, item, found);
        let Some(planned) = item.planned else { continue };
        let Some(shift) = view.resources.get(planned.resource.as_str()) else {
            found.add(Rule::Eligible, &item.name, format!("is on the unknown resource {}", planned.resource));
            continue;
        };
        fixed(view, item, shift, found);
        if item.kind.is_fact() {
            continue;
        }
        length(view, item, shift, found);
        precedence(view, item, found);
        earliest(view, item, found);
        limits(view, item, found);
    }
    for order in placed.unscheduled {
        if !view.by_order.contains_key(order.order.as_str()) {
            found.add(Rule::EachOnce, &order.order, "is left out but not in the model");
        }
    }
}

fn each_once(view: &View, item: &Item, found: &mut Findings) {
    let is_left_out = view.unscheduled.contains(item.order.id.as_str());
    match (item.planned.is_some(), is_left_out) {
        (false, false) => found.add(Rule::EachOnce, &item.name, "is not planned"),
        (true, true) if item.kind == Kind::Free => {
            found.add(Rule::EachOnce, &item.name, "is planned though its order is left out");
        }
        (false, true) if item.kind != Kind::Free => {
            found.add(Rule::Fixed, &item.name, "is done, running or frozen and must stay in the plan");
        }
        _ => {}
    }
}

fn length(view: &View, item: &Item, shift: &Shift, found: &mut Findings) {
    let Some(planned) = item.planned else { return };
    let Some(minutes) = item.minutes() else {
        let able: Vec<&str> = item.op.alts.iter().map(|alt| alt.resource.as_str()).collect();
        let message = format!("cannot be done on {}, only on {}", planned.resource, able.join(", "));
        found.add(Rule::Eligible, &item.name, message);
        return;
    };
    let spans = planned.end - planned.start;
    if !item.splits() {
        if spans != minutes {
            let (start, end) = (view.at(planned.start), view.at(planned.end));
            let message =
                format!("runs {spans} min, {start} to {end}, and takes {minutes} on {}", planned.resource);
            found.add(Rule::Length, &item.name, message);
        }
        return;
    }
    // Where nobody works overtime, the operation pauses over it like over any break.
    let works = |hours: &[(Minute, Minute)]| {
        minutes_in(hours, planned.start, planned.end) == minutes
            && minutes_in(hours, planned.start, planned.start + 1) == 1
            && minutes_in(hours, planned.end - 1, planned.end) == 1
    };
    if !works(&shift.open) && !works(&shift.regular) {
        let open = minutes_in(&shift.open, planned.start, planned.end);
        let (start, end) = (view.at(planned.start), view.at(planned.end));
        let message = format!(
            "has {open} open min on {} from {start} to {end} and takes {minutes}; it starts and ends in open time",
            planned.resource
        );
        found.add(Rule::Length, &item.name, message);
    }
}

fn precedence(view: &View, item: &Item, found: &mut Findings) {
    let Some(planned) = item.planned else { return };
    for pred in &item.preds {
        let Some(before) = view.item(pred).and_then(|pred| pred.planned) else {
            found.add(Rule::Precedence, &item.name, format!("its predecessor {pred} is not planned"));
            continue;
        };
        let (start, end) = (view.at(planned.start), view.at(before.end));
        if planned.start < before.end + item.op.min_lag {
            let message = match item.op.min_lag {
                0 => format!("starts at {start}, before {pred} ends at {end}"),
                lag => format!("starts at {start}, less than {lag} min after {pred} ends at {end}"),
            };
            found.add(Rule::Precedence, &item.name, message);
        }
        if let Some(lag) = item.op.max_lag.filter(|lag| planned.start > before.end + lag) {
            let message = format!("starts at {start}, more than {lag} min after {pred} ends at {end}");
            found.add(Rule::Precedence, &item.name, message);
        }
    }
}

fn earliest(view: &View, item: &Item, found: &mut Findings) {
    let Some(planned) = item.planned else { return };
    let bounds = [
        ("now", Some(view.model.now)),
        ("its release", item.order.release),
        ("its material", item.op.material_at),
    ];
    for (what, bound) in bounds {
        if let Some(bound) = bound.filter(|&bound| planned.start < bound) {
            let message =
                format!("starts at {}, before {what} at {}", view.at(planned.start), view.at(bound));
            found.add(Rule::Earliest, &item.name, message);
        }
    }
    if let Some(start) = planned.setup_start.filter(|&start| start < view.model.now) {
        let (start, now) = (view.at(start), view.at(view.model.now));
        found.add(
            Rule::Earliest,
            &item.name,
            format!("has a changeover from {start} on, before now at {now}"),
        );
    }
}

fn limits(view: &View, item: &Item, found: &mut Findings) {
    let Some(planned) = item.planned else { return };
    let end = view.at(planned.end);
    if planned.end > view.model.horizon {
        let horizon = view.at(view.model.horizon);
        found.add(Rule::Limits, &item.name, format!("ends at {end}, after the horizon {horizon}"));
    }
    let is_left_out = view.unscheduled.contains(item.order.id.as_str());
    if let Some(deadline) = item.order.deadline.filter(|&deadline| !is_left_out && planned.end > deadline) {
        let deadline = view.at(deadline);
        found.add(Rule::Limits, &item.name, format!("ends at {end}, after its order's deadline {deadline}"));
    }
}

fn fixed(view: &View, item: &Item, shift: &Shift, found: &mut Findings) {
    let (Some(planned), Some(current)) = (item.planned, item.current) else { return };
    if item.kind == Kind::Free {
        return;
    }
    if planned.resource != current.resource || planned.start != current.start {
        let message = format!(
            "{} on {} from {} and must stay; the plan has it on {} from {}",
            item.kind.words(),
            current.resource,
            view.at(current.start),
            planned.resource,
            view.at(planned.start)
        );
        found.add(Rule::Fixed, &item.name, message);
        return;
    }
    match item.kind {
        Kind::Done if planned.end != current.end => {
            let (end, planned) = (view.at(current.end), view.at(planned.end));
            found.add(Rule::Fixed, &item.name, format!("ended at {end}; the plan has it end at {planned}"));
        }
        Kind::Running if !runs_on(view, current, shift, planned.end) => {
            let end = view.at(planned.end);
            let message = format!("ends at {end}, which is not when its remaining minutes are worked");
            found.add(Rule::Fixed, &item.name, message);
        }
        _ => {}
    }
}

/// Whether the remaining work of a running operation ends exactly at `end`.
fn runs_on(view: &View, current: &Current, shift: &Shift, end: Minute) -> bool {
    let now = view.model.now;
    let remaining = current.remaining.unwrap_or((current.end - now).max(0));
    let works = |end| minutes_in(&shift.open, now, end);
    if remaining == 0 {
        return end == now;
    }
    if works(view.model.horizon) < remaining {
        return end == view.model.horizon;
    }
    works(end) == remaining && works(end - 1) < remaining
}
