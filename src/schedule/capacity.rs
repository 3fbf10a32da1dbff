//! When a resource, or a work center of several, is done at the soonest with what only it can do.
//!
//! Open time against work: for every minute from which on some of the work can begin, that work and all
//! that begins later has to fit behind it, as if it could be cut and spread over the resources at will.

use super::answer::Capacity;
use super::decode::Timed;
use super::facts::Facts;
use super::model::Minute;
use super::problem::{Problem, ResourceIx};
use std::collections::BTreeMap;

/// What people are shown.
const SHOWN: usize = 3;

struct Group<'p> {
    id: &'p str,
    on: Vec<ResourceIx>,
    /// When it can begin at the soonest, and its minutes on the fastest resource, by operation.
    work: Vec<(Minute, Minute)>,
}

/// Latest first, for the orders that `timed` plans; by `heads` each operation begins at the soonest.
pub(super) fn needed(problem: &Problem, facts: &Facts, timed: &Timed, heads: &[Minute]) -> Vec<Capacity> {
    let (mut groups, center_of) = groups(problem);
    for (op, data) in problem.ops.iter().enumerate() {
        if facts.is_decided(op) || timed.slots[op].is_none() {
            continue;
        }
        let Some(minutes) = data.alts.iter().map(|alt| alt.minutes).min() else { continue };
        let first = data.alts[0].resource;
        if data.alts.len() == 1 {
            groups[first].work.push((heads[op], minutes));
        }
        if let Some(center) = center_of[first]
            && data.alts.iter().all(|alt| center_of[alt.resource] == Some(center))
        {
            groups[center].work.push((heads[op], minutes));
        }
    }
    let mut needed: Vec<Capacity> =
        groups.into_iter().filter_map(|group| group.capacity(problem, facts)).collect();
    needed.sort_by(|a, b| b.until.cmp(&a.until).then_with(|| a.id.cmp(&b.id)));
    needed.truncate(SHOWN);
    needed
}

/// Every resource at its own place, then work centers of several; and which of them a resource is in.
fn groups(problem: &Problem) -> (Vec<Group<'_>>, Vec<Option<usize>>) {
    let mut groups: Vec<Group> = Vec::new();
    for (on, resource) in problem.resources.iter().enumerate() {
        groups.push(Group { id: &resource.id, on: vec![on], work: Vec::new() });
    }
    let mut centers: BTreeMap<&str, Vec<ResourceIx>> = BTreeMap::new();
    for (on, resource) in problem.model.resources.iter().enumerate() {
        if let Some(center) = &resource.work_center {
            centers.entry(center).or_default().push(on);
        }
    }
    let mut center_of = vec![None; groups.len()];
    for (id, on) in centers.into_iter().filter(|(_, on)| on.len() > 1) {
        on.iter().for_each(|&on| center_of[on] = Some(groups.len()));
        groups.push(Group { id, on, work: Vec::new() });
    }
    (groups, center_of)
}

impl Group<'_> {
    /// `None` where it has no work of its own, or not enough time for it.
    fn capacity(mut self, problem: &Problem, facts: &Facts) -> Option<Capacity> {
        self.work.retain(|work| work.1 > 0);
        self.work.sort_unstable();
        let first = self.work.first()?.0;
        let open = |from: Minute, to: Minute| -> Minute {
            let on = |&on: &ResourceIx| {
                let from = from.max(facts.ready[on]);
                if from < to { problem.resources[on].open.covered(from, to) } else { 0 }
            };
            self.on.iter().map(on).sum()
        };
        let work_minutes: Minute = self.work.iter().map(|work| work.1).sum();
        // Both in open time since the first of the work can begin.
        let (mut passed, mut needed) = (0, 0);
        let (mut at, mut left) = (first, work_minutes);
        for &(head, minutes) in &self.work {
            passed += open(at, head);
            at = head;
            needed = needed.max(passed + left);
            left -= minutes;
        }
        let (mut before, mut until) = (first, problem.model.horizon);
        if open(first, until) < needed {
            return None;
        }
        while before + 1 < until {
            let middle = before + (until - before) / 2;
            if open(first, middle) < needed { before = middle } else { until = middle }
        }
        Some(Capacity { id: self.id.to_owned(), work_minutes, until })
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Model;
    use super::super::{Problem, resequence, sample};
    use serde_json::json;

    fn needs(model: serde_json::Value) -> Vec<(String, i64, i64)> {
        let problem = Problem::parse(serde_json::from_value(model).unwrap()).unwrap();
        let option = resequence(&problem).unwrap().options.remove(0);
        assert!(option.bound.makespan <= option.kpis.makespan);
        option.bound.capacity.into_iter().map(|needs| (needs.id, needs.work_minutes, needs.until)).collect()
    }

    #[test]
    fn what_only_one_place_can_do_fills_its_open_time() {
        let order = |id: &str, op: serde_json::Value| json!({"id": id, "due": 500, "ops": [op]});
        let either = |id: &str| {
            let alts = json!([{"resource": "P1", "minutes": 60}, {"resource": "P2", "minutes": 90}]);
            order(id, json!({"id": "10", "alts": alts}))
        };
        let alone = |minutes: i64, from: i64| {
            json!({"id": "10", "material_at": from, "split": "breaks",
                   "alts": [{"resource": "M7", "minutes": minutes}]})
        };
        let found = needs(json!({
            "epoch": "2026-11-23T06:00:00Z", "horizon": 3000,
            "calendars": [{"id": "C", "open": [[0, 50], [100, 1000]]}],
            "resources": [{"id": "P1", "work_center": "PRESS"}, {"id": "P2", "work_center": "PRESS"},
                          {"id": "M7", "work_center": "M7", "calendar": "C"}],
            "orders": [either("A"), either("B"), either("C"), order("D", alone(80, 0)),
                       order("E", alone(50, 200))],
            "policy": {"evaluations": 200},
        }));
        // M7 has done D by 130 and waits for the material of E.
        assert_eq!(found, [("M7".to_owned(), 130, 250), ("PRESS".to_owned(), 180, 90)]);
    }

    #[test]
    fn no_plan_of_a_random_plant_is_done_sooner() {
        let mut seen = 0;
        for seed in 0..60 {
            let mut model: Model = sample::varied(seed);
            for (position, resource) in model.resources.iter_mut().enumerate() {
                resource.work_center = Some(format!("WC-{}", position / 3));
            }
            let answer = resequence(&Problem::parse(model).unwrap()).unwrap();
            for option in &answer.options {
                for needs in &option.bound.capacity {
                    assert!(needs.until <= option.kpis.makespan, "seed {seed}: {needs:?}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 60, "only {seen} places had work of their own");
    }
}
