//! The model and the plan side by side: every planned operation with what the model says about it.

use super::super::answer::PlannedOp;
use super::super::model::{Current, Minute, Model, Op, Order, Resource, Span, Split, State};
use super::{Findings, Placed, Rule};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

/// Five years either side of the epoch.
const RANGE: Minute = 5 * 366 * 24 * 60;

pub(super) struct View<'a> {
    pub(super) model: &'a Model,
    /// In the order of the model; operations the plan leaves out have no `planned`.
    pub(super) ops: Vec<Item<'a>>,
    pub(super) by_name: HashMap<String, usize>,
    /// Where the operations of an order stand in `ops`.
    pub(super) by_order: HashMap<&'a str, Range<usize>>,
    pub(super) resources: BTreeMap<&'a str, Shift<'a>>,
    pub(super) unscheduled: HashSet<&'a str>,
}

pub(super) struct Item<'a> {
    pub(super) name: String,
    pub(super) order: &'a Order,
    pub(super) op: &'a Op,
    /// Names of its predecessors.
    pub(super) preds: Vec<String>,
    pub(super) current: Option<&'a Current>,
    pub(super) planned: Option<&'a PlannedOp>,
    pub(super) kind: Kind,
}

/// How much of the operation is decided already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Free,
    Frozen,
    Running,
    Done,
}

impl Kind {
    /// A fact on the floor, whatever the plan would like.
    pub(super) fn is_fact(self) -> bool {
        matches!(self, Kind::Running | Kind::Done)
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Kind::Free => "is free",
            Kind::Frozen => "is frozen",
            Kind::Running => "runs",
            Kind::Done => "was done",
        }
    }
}

/// A resource with its time, as plain lists.
pub(super) struct Shift<'a> {
    pub(super) resource: &'a Resource,
    pub(super) open: Vec<(Minute, Minute)>,
    pub(super) regular: Vec<(Minute, Minute)>,
}

impl Item<'_> {
    /// Work minutes on the resource it is planned on.
    pub(super) fn minutes(&self) -> Option<Minute> {
        let planned = self.planned?;
        self.op.alts.iter().find(|alt| alt.resource == planned.resource).map(|alt| alt.minutes)
    }

    pub(super) fn splits(&self) -> bool {
        self.op.split == Split::Breaks
    }
}

impl<'a> View<'a> {
    pub(super) fn of(model: &'a Model, placed: Placed<'a>, found: &mut Findings) -> View<'a> {
        let current: HashMap<&str, &Current> =
            model.current.iter().map(|entry| (entry.op.as_str(), entry)).collect();
        let unfrozen: HashSet<&str> = placed.unfrozen.iter().map(|entry| entry.op.as_str()).collect();
        let mut ops = Vec::new();
        let mut by_order = HashMap::new();
        for order in &model.orders {
            by_order.insert(order.id.as_str(), ops.len()..ops.len() + order.ops.len());
            for (position, op) in order.ops.iter().enumerate() {
                let name = format!("{}/{}", order.id, op.id);
                let current = current.get(name.as_str()).copied();
                let kind = kind(model, current, unfrozen.contains(name.as_str()));
                let preds = match (&op.after, position) {
                    (Some(after), _) => after.iter().map(|id| format!("{}/{id}", order.id)).collect(),
                    (None, 0) => Vec::new(),
                    (None, position) => vec![format!("{}/{}", order.id, order.ops[position - 1].id)],
                };
                ops.push(Item { name, order, op, preds, current, planned: None, kind });
            }
        }
        let by_name: HashMap<String, usize> =
            ops.iter().enumerate().map(|(index, item)| (item.name.clone(), index)).collect();
        for planned in placed.ops {
            match by_name.get(&planned.op).map(|&index| &mut ops[index]) {
                None => found.add(Rule::EachOnce, &planned.op, "is planned but not in the model"),
                Some(item) if item.planned.is_some() => {
                    found.add(Rule::EachOnce, &planned.op, "is planned more than once");
                }
                Some(_) if !in_range(planned) => {
                    let (start, end) = (planned.start, planned.end);
                    let message = format!("has times out of range: {start} to {end}");
                    found.add(Rule::Limits, &planned.op, message);
                }
                Some(item) => item.planned = Some(planned),
            }
        }
        for entry in placed.unfrozen {
            if by_name.get(&entry.op).is_none_or(|&index| ops[index].kind.is_fact()) {
                found.add(Rule::Fixed, &entry.op, "is set free though it runs, is done or does not exist");
            }
        }
        let resources = model.resources.iter().map(|resource| (resource.id.as_str(), shift(model, resource)));
        let unscheduled = placed.unscheduled.iter().map(|order| order.order.as_str()).collect();
        View { model, ops, by_name, by_order, resources: resources.collect(), unscheduled }
    }

    /// A minute as people read it: `70 (Mon 07:10)`.
    pub(super) fn at(&self, minute: Minute) -> String {
        let time = chrono::TimeDelta::try_minutes(minute)
            .and_then(|delta| self.model.epoch.checked_add_signed(delta));
        time.map_or_else(|| minute.to_string(), |time| format!("{minute} ({})", time.format("%a %H:%M")))
    }

    pub(super) fn item(&self, name: &str) -> Option<&Item<'a>> {
        self.by_name.get(name).map(|&index| &self.ops[index])
    }
}

/// What lies beyond is a mistake, and arithmetic on it could overflow.
fn in_range(planned: &PlannedOp) -> bool {
    let times = [planned.start, planned.end, planned.setup_start.unwrap_or(planned.start)];
    times.iter().all(|time| (-RANGE..=RANGE).contains(time)) && planned.start <= planned.end
}

fn kind(model: &Model, current: Option<&Current>, is_unfrozen: bool) -> Kind {
    let Some(current) = current else { return Kind::Free };
    let until = model.policy.frozen_until.unwrap_or(model.now);
    match current.state {
        State::Done => Kind::Done,
        State::Running => Kind::Running,
        _ if is_unfrozen => Kind::Free,
        State::Frozen => Kind::Frozen,
        State::Planned if current.start >= model.now && current.start < until => Kind::Frozen,
        State::Planned => Kind::Free,
    }
}

fn shift<'a>(model: &'a Model, resource: &'a Resource) -> Shift<'a> {
    let all_day = [Span(Minute::MIN / 4, model.horizon)];
    let calendar = model.calendars.iter().find(|calendar| Some(&calendar.id) == resource.calendar.as_ref());
    let (open, regular) = match calendar {
        Some(calendar) => {
            (&calendar.open[..], calendar.regular.as_ref().unwrap_or(&calendar.open).as_slice())
        }
        None => (&all_day[..], &all_day[..]),
    };
    let usable = |spans: &[Span]| {
        let mut left: Vec<(Minute, Minute)> =
            spans.iter().map(|span| (span.0, span.1.min(model.horizon))).collect();
        for blocked in &resource.blocked {
            let pieces = left
                .into_iter()
                .flat_map(|(from, to)| [(from, to.min(blocked.from)), (from.max(blocked.to), to)]);
            left = pieces.filter(|(from, to)| from < to).collect();
        }
        left
    };
    let open = usable(open);
    // Regular hours count where the resource is open at all.
    let regular = usable(regular)
        .into_iter()
        .flat_map(|(from, to)| open.iter().map(move |open| (from.max(open.0), to.min(open.1))))
        .filter(|(from, to)| from < to)
        .collect();
    Shift { resource, open, regular }
}

/// Minutes of `[from, to)` that lie in `spans`.
pub(super) fn minutes_in(spans: &[(Minute, Minute)], from: Minute, to: Minute) -> Minute {
    spans.iter().map(|span| (span.1.min(to) - span.0.max(from)).max(0)).sum()
}

/// The parts of `[from, to)` that lie in `spans`.
pub(super) fn parts_in(spans: &[(Minute, Minute)], from: Minute, to: Minute) -> Vec<(Minute, Minute)> {
    spans.iter().map(|span| (span.0.max(from), span.1.min(to))).filter(|(from, to)| from < to).collect()
}
