//! Rules 6 to 8: what happens on each resource, one thing after the other.

use super::super::answer::PlannedOp;
use super::super::model::{Minute, Model, Resource, SetupMatrix};
use super::view::{Item, Kind, Shift, View, minutes_in};
use super::{Findings, Rule};
use std::collections::HashMap;

/// The changeovers a plan really contains, by operation.
pub(super) type Changeovers = HashMap<String, Changeover>;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Changeover {
    pub(super) from: Minute,
    pub(super) minutes: Minute,
    pub(super) cost: f64,
}

pub(super) fn check(view: &View, found: &mut Findings) -> Changeovers {
    let mut changeovers = Changeovers::new();
    let mut by_resource: HashMap<&str, Vec<&Item>> = HashMap::new();
    for item in view.ops.iter().filter(|item| item.kind != Kind::Done) {
        if let Some(planned) = item.planned {
            by_resource.entry(&planned.resource).or_default().push(item);
        }
    }
    for shift in view.resources.values() {
        let mut items = by_resource.remove(shift.resource.id.as_str()).unwrap_or_default();
        items.sort_by_key(|item| item.planned.map(|planned| (planned.start, planned.end)));
        sequence(view, shift, &items, &mut changeovers, found);
        open_time(view, shift, &items, &changeovers, found);
    }
    changeovers
}

fn sequence(
    view: &View,
    shift: &Shift,
    items: &[&Item],
    changeovers: &mut Changeovers,
    found: &mut Findings,
) {
    let resource = shift.resource;
    let mut family = initial_family(view, resource);
    let mut busy_until = Minute::MIN;
    let mut was_fact = true;
    for item in items {
        let Some(planned) = item.planned else { continue };
        let begins = planned.setup_start.unwrap_or(planned.start).min(planned.start);
        if begins < busy_until && !(was_fact && item.kind.is_fact()) {
            let (begins, until) = (view.at(begins), view.at(busy_until));
            let message = format!("begins at {begins} on {}, which is busy until {until}", resource.id);
            found.add(Rule::Overlap, &item.name, message);
        }
        let to = item.op.family.as_deref();
        if !item.kind.is_fact() {
            match changeover(view.model, resource, family, to) {
                None => {
                    let pair = format!("{} → {}", family.unwrap_or(""), to.unwrap_or(""));
                    found.add(
                        Rule::Changeover,
                        &item.name,
                        format!(
                            "at {}: the changeover {pair} is forbidden on {}",
                            view.at(planned.start),
                            resource.id
                        ),
                    );
                }
                Some((minutes, cost)) => {
                    let pair = format!("{} → {} on {}", family.unwrap_or(""), to.unwrap_or(""), resource.id);
                    let from = time_for(view, item, planned, (minutes, &pair), found);
                    changeovers.insert(item.name.clone(), Changeover { from, minutes, cost });
                }
            }
        }
        family = to.or(family);
        busy_until = busy_until.max(planned.end);
        was_fact = item.kind.is_fact();
    }
}

/// Checks that the changeover of `minutes` has its place before `planned`, and returns where it starts.
fn time_for(
    view: &View,
    item: &Item,
    planned: &PlannedOp,
    (minutes, pair): (Minute, &str),
    found: &mut Findings,
) -> Minute {
    let at = view.at(planned.start);
    match planned.setup_start {
        None if minutes > 0 => {
            let message =
                format!("needs {minutes} min changeover {pair} before {at} and has none (no `setup_start`)");
            found.add(Rule::Changeover, &item.name, message);
        }
        Some(_) if minutes == 0 => {
            found.add(Rule::Changeover, &item.name, format!("at {at} has a changeover it does not need"));
        }
        Some(start) if start + minutes > planned.start => {
            let room = planned.start - start;
            let message = format!("at {at} has {room} min for the changeover {pair} of {minutes} min");
            found.add(Rule::Changeover, &item.name, message);
        }
        _ => {}
    }
    planned.setup_start.unwrap_or(planned.start)
}

/// What the resource is set up for before anything planned: its state, else what it did last.
pub(super) fn initial_family<'a>(view: &View<'a>, resource: &'a Resource) -> Option<&'a str> {
    let last_done = || {
        view.ops
            .iter()
            .filter(|item| item.kind == Kind::Done && item.op.family.is_some())
            .filter(|item| item.current.is_some_and(|current| current.resource == resource.id))
            .rev()
            .max_by_key(|item| item.current.map(|current| current.end))
            .and_then(|item| item.op.family.as_deref())
    };
    resource.state.as_deref().or_else(last_done)
}

/// Minutes and cost from one family to the next; `None` when the pair is forbidden.
pub(super) fn changeover(
    model: &Model,
    resource: &Resource,
    from: Option<&str>,
    to: Option<&str>,
) -> Option<(Minute, f64)> {
    let matrix = model.setups.iter().find(|matrix| Some(&matrix.id) == resource.setup.as_ref());
    let (Some(matrix), Some(from), Some(to)) = (matrix, from, to) else { return Some((0, 0.0)) };
    if matrix.forbidden.iter().any(|pair| pair.0 == from && pair.1 == to) {
        return None;
    }
    let (row, column) = (place(model, matrix, from)?, place(model, matrix, to)?);
    let cost = matrix.cost.get(row).and_then(|costs| costs.get(column)).copied().unwrap_or(0.0);
    Some((*matrix.minutes.get(row)?.get(column)?, cost))
}

fn place(model: &Model, matrix: &SetupMatrix, family: &str) -> Option<usize> {
    matrix.families.as_ref().unwrap_or(&model.families).iter().position(|name| name == family)
}

fn open_time(view: &View, shift: &Shift, items: &[&Item], changeovers: &Changeovers, found: &mut Findings) {
    for item in items.iter().filter(|item| !item.kind.is_fact()) {
        let Some(planned) = item.planned else { continue };
        let is_open = |from: Minute, to: Minute| minutes_in(&shift.open, from, to) == to - from;
        if !item.splits() && !is_open(planned.start, planned.end) {
            let (start, end) = (view.at(planned.start), view.at(planned.end));
            let message = format!("runs {start} to {end} while {} is closed or blocked", planned.resource);
            found.add(Rule::OpenTime, &item.name, message);
        }
        if let Some(changeover) = changeovers.get(&item.name).filter(|_| planned.setup_start.is_some())
            && !is_open(changeover.from, changeover.from + changeover.minutes)
        {
            let (from, to) = (view.at(changeover.from), view.at(changeover.from + changeover.minutes));
            let message =
                format!("has its changeover {from} to {to} while {} is closed or blocked", planned.resource);
            found.add(Rule::OpenTime, &item.name, message);
        }
    }
}
