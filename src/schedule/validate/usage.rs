//! How each resource spends its time, from now until the plan's last operation ends.

use super::super::model::Minute;
use super::resources::Changeovers;
use super::view::{Kind, View, minutes_in};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashMap;

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

/// In the order of the model.
pub(super) fn of(view: &View, changeovers: &Changeovers, until: Minute) -> Vec<Usage> {
    let now = view.model.now;
    let mut busy: HashMap<&str, (Minute, Minute)> = HashMap::new();
    for item in view.ops.iter().filter(|item| item.kind != Kind::Done) {
        let Some(planned) = item.planned else { continue };
        let Some(shift) = view.resources.get(planned.resource.as_str()) else { continue };
        let (work, changing) = busy.entry(&planned.resource).or_default();
        *work += match item.minutes().filter(|_| !item.kind.is_fact()) {
            Some(minutes) => minutes,
            None => minutes_in(&shift.open, planned.start.max(now), planned.end),
        };
        *changing += changeovers.get(&item.name).map_or(0, |changeover| changeover.minutes);
    }
    let usage = |resource: &super::super::model::Resource| {
        let shift = view.resources.get(resource.id.as_str())?;
        let (work_minutes, changeover_minutes) = busy.get(resource.id.as_str()).copied().unwrap_or_default();
        let open_minutes = minutes_in(&shift.open, now, until.max(now));
        let utilisation = share(work_minutes + changeover_minutes, open_minutes);
        let resource = resource.id.clone();
        Some(Usage { resource, work_minutes, changeover_minutes, open_minutes, utilisation })
    };
    view.model.resources.iter().filter_map(usage).collect()
}

/// Of the resources that do anything, taken together.
pub(super) fn utilisation(usage: &[Usage]) -> f64 {
    let times = usage.iter().map(|of| (of.work_minutes + of.changeover_minutes, of.open_minutes));
    let (busy, open) = times.filter(|of| of.0 > 0).fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    share(busy, open)
}

fn share(busy: Minute, open: Minute) -> f64 {
    if open == 0 { 0.0 } else { busy as f64 / open as f64 }
}
