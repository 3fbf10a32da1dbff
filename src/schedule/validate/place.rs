//! Rules 1 to 5, 13 and 14: each operation by itself and against its own order.

use super::super::model::{Current, Minute};
use super::view::{Item, Kind, Shift, View, minutes_in};
use super::{Claim, Findings, Rule};

pub(super) fn check(view: &View, claim: &Claim, found: &mut Findings) {
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
        length(item, shift, found);
        precedence(view, item, found);
        earliest(view, item, found);
        limits(view, item, found);
    }
    for order in claim.unscheduled {
        if !view.model.orders.iter().any(|known| known.id == order.order) {
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

fn length(item: &Item, shift: &Shift, found: &mut Findings) {
    let Some(planned) = item.planned else { return };
    let Some(minutes) = item.minutes() else {
        found.add(Rule::Eligible, &item.name, format!("has no alternative on {}", planned.resource));
        return;
    };
    let spans = planned.end - planned.start;
    if !item.splits() {
        if spans != minutes {
            found.add(Rule::Length, &item.name, format!("spans {spans} min and takes {minutes}"));
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
        found.add(Rule::Length, &item.name, format!("has {open} open min and takes {minutes}"));
    }
}

fn precedence(view: &View, item: &Item, found: &mut Findings) {
    let Some(planned) = item.planned else { return };
    for pred in &item.preds {
        let Some(before) = view.item(pred).and_then(|pred| pred.planned) else {
            found.add(Rule::Precedence, &item.name, format!("its predecessor {pred} is not planned"));
            continue;
        };
        if planned.start < before.end + item.op.min_lag {
            let least = item.op.min_lag;
            found.add(
                Rule::Precedence,
                &item.name,
                format!("starts less than {least} min after {pred} ends"),
            );
        }
        if item.op.max_lag.is_some_and(|most| planned.start > before.end + most) {
            found.add(Rule::Precedence, &item.name, format!("starts too long after {pred} ends"));
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
        if bound.is_some_and(|bound| planned.start < bound) {
            found.add(Rule::Earliest, &item.name, format!("starts before {what}"));
        }
    }
    if planned.setup_start.is_some_and(|start| start < view.model.now) {
        found.add(Rule::Earliest, &item.name, "its changeover starts before now");
    }
}

fn limits(view: &View, item: &Item, found: &mut Findings) {
    let Some(planned) = item.planned else { return };
    if planned.end > view.model.horizon {
        found.add(Rule::Limits, &item.name, "ends after the horizon");
    }
    let is_left_out = view.unscheduled.contains(item.order.id.as_str());
    if !is_left_out && item.order.deadline.is_some_and(|deadline| planned.end > deadline) {
        found.add(Rule::Limits, &item.name, "ends after the deadline of its order");
    }
}

fn fixed(view: &View, item: &Item, shift: &Shift, found: &mut Findings) {
    let (Some(planned), Some(current)) = (item.planned, item.current) else { return };
    if item.kind == Kind::Free {
        return;
    }
    if planned.resource != current.resource || planned.start != current.start {
        let message =
            format!("{:?} since {} on {} and must stay", item.kind, current.start, current.resource);
        found.add(Rule::Fixed, &item.name, message);
        return;
    }
    match item.kind {
        Kind::Done if planned.end != current.end => {
            found.add(Rule::Fixed, &item.name, "is done and ends elsewhere")
        }
        Kind::Running if !runs_on(view, current, shift, planned.end) => {
            found.add(Rule::Fixed, &item.name, "does not end when its remaining minutes are worked");
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
