//! Who may run what, shift by shift.

use super::{
    build::{Minutes, pool},
    context::{Crew, Machines, Operator},
};
use crate::{
    schedule::model::{Blocked, BlockedKind, Minute, Pool, PoolKind},
    site::{Shift, Site},
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Staff<'a> {
    crew: &'a Crew,
    /// Work centers by group.
    groups: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Staff<'a> {
    pub(super) fn new(crew: &'a Crew, machines: Option<&'a Machines>) -> Self {
        let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for machine in machines.iter().flat_map(|machines| &machines.work_centers) {
            groups.entry(&machine.group).or_default().insert(&machine.work_center);
        }
        Self { crew, groups }
    }

    /// A pool of operators for each group that is not fully staffed in some shift; the others cannot run out.
    pub(super) fn pools(&self, site: &Site, shifts: &[(&Shift, Minute, Minute)]) -> Vec<Pool> {
        let mut pools = Vec::new();
        for (group, work_centers) in &self.groups {
            let on = |shift: &str| {
                let able = |operator: &&Operator| {
                    operator.shift == shift
                        && operator.certified.iter().any(|c| work_centers.contains(c.work_center.as_str()))
                };
                self.crew
                    .operators
                    .iter()
                    .filter(able)
                    .map(|operator| &operator.employee)
                    .collect::<BTreeSet<_>>()
                    .len()
            };
            let is_short = site.shifts.iter().any(|shift| on(&shift.id) < work_centers.len());
            if is_short && let Some((first, _, _)) = shifts.first() {
                let profile = shifts
                    .iter()
                    .filter(|(_, from, _)| *from > 0)
                    .map(|(shift, from, _)| (*from, on(&shift.id) as i64));
                pools.push(pool(group, PoolKind::Operator, on(&first.id) as i64, profile.collect()));
            }
        }
        pools
    }
}

/// The shifts in which nobody certified for a work center is there.
pub(super) fn unstaffed(
    staff: &Staff,
    work_center: &str,
    shifts: &[(&Shift, Minute, Minute)],
    minutes: Minutes,
) -> Vec<Blocked> {
    let is_staffed = |shift: &str, last_day: &str| {
        let valid = |operator: &&Operator| {
            let mut held = operator.certified.iter().filter(|c| c.work_center == work_center);
            operator.shift == shift && held.any(|c| c.until.as_deref().is_none_or(|until| until >= last_day))
        };
        staff.crew.operators.iter().any(|operator| valid(&operator))
    };
    let mut blocked = Vec::new();
    for (shift, from, to) in shifts {
        let last_day = minutes.time(*to).date_naive().to_string();
        if !is_staffed(&shift.id, &last_day) {
            let why = format!("no certified operator on shift {}", shift.id);
            blocked.push(Blocked { from: (*from).max(0), to: *to, why, kind: BlockedKind::Maintenance });
        }
    }
    blocked
}
