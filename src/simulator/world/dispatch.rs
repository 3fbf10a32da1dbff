//! The plant's planner: places jobs on work centers by simple dispatching, and says what an outage would do.

use super::model::{Group, Instant, JobOperation, Routing};
use chrono::TimeDelta;
use std::collections::HashMap;
use uuid::Uuid;

/// A job before it has a number: what is to be made, and how much.
#[derive(Debug, Clone)]
pub struct Draft {
    pub part: Uuid,
    pub quantity: f64,
}

/// A stretch in which a work center takes no work.
#[derive(Debug, Clone)]
pub struct Reserved {
    pub work_center: Uuid,
    pub from: Instant,
    pub to: Instant,
}

/// One operation of a draft, placed.
#[derive(Debug, Clone)]
pub struct Placed {
    pub draft: usize,
    pub routing: Uuid,
    pub number: i32,
    pub group: Group,
    pub work_center: Uuid,
    pub start: Instant,
    pub setup_minutes: i64,
    pub run_minutes: i64,
}

impl Placed {
    pub fn end(&self) -> Instant {
        self.start + TimeDelta::minutes(self.setup_minutes + self.run_minutes)
    }
}

/// What is on a work center after what was placed so far.
struct Machine<'a> {
    free: Instant,
    family: &'a str,
    streak: u32,
}

/// Sets of one family run at most so many jobs before another family gets its turn.
const CAMPAIGN: u32 = 3;

/// Places every operation of every draft without overlap: always the operation that can start first,
/// and among equals the one that needs no change of setup.
pub fn dispatch(
    routings: &[Routing],
    drafts: &[Draft],
    machines: impl Iterator<Item = Uuid>,
    begin: Instant,
    reserved: &[Reserved],
) -> Vec<Placed> {
    let mut machines: HashMap<Uuid, Machine<'_>> =
        machines.map(|id| (id, Machine { free: begin, family: "", streak: 0 })).collect();
    let plans: Vec<Vec<&Routing>> = drafts
        .iter()
        .map(|draft| routings.iter().filter(|routing| routing.part == draft.part).collect())
        .collect();
    let mut ready: Vec<(usize, Instant)> = vec![(0, begin); drafts.len()];
    let mut placed = Vec::new();
    loop {
        let candidates = plans.iter().enumerate().filter_map(|(draft, plan)| {
            let routing = plan.get(ready[draft].0)?;
            best_place(routing, draft, drafts[draft].quantity, ready[draft].1, &machines, reserved)
        });
        let chosen = candidates.min_by_key(|(place, family)| {
            let machine = &machines[&place.work_center];
            let stays = machine.family == *family && machine.streak < CAMPAIGN;
            (place.start, !stays, place.draft)
        });
        let Some((place, family)) = chosen else { return placed };
        ready[place.draft] = (ready[place.draft].0 + 1, place.end());
        if let Some(machine) = machines.get_mut(&place.work_center) {
            machine.streak = if machine.family == family { machine.streak + 1 } else { 1 };
            machine.family = family;
            machine.free = place.end();
        }
        placed.push(place);
    }
}

/// The earliest finish among the work centers the planner would use.
fn best_place<'a>(
    routing: &'a Routing,
    draft: usize,
    quantity: f64,
    ready: Instant,
    machines: &HashMap<Uuid, Machine<'a>>,
    reserved: &[Reserved],
) -> Option<(Placed, &'a str)> {
    let press_4 = super::catalog::work_center_id("PRESS-4");
    // What fits PRESS-4 runs there: that is the habit which makes its alternatives worth something.
    let only_first = routing.approved.first().is_some_and(|first| first.work_center == press_4);
    let usable = if only_first { &routing.approved[..1] } else { &routing.approved[..] };
    usable
        .iter()
        .filter_map(|approved| {
            let machine = machines.get(&approved.work_center)?;
            let setup_minutes = if machine.family == approved.family { 0 } else { approved.setup_minutes };
            let run_minutes = approved.run_minutes(quantity);
            let length = TimeDelta::minutes(setup_minutes + run_minutes);
            let start = first_gap(approved.work_center, ready.max(machine.free), length, reserved);
            let place = Placed {
                draft,
                routing: routing.id,
                number: routing.number,
                group: routing.group,
                work_center: approved.work_center,
                start,
                setup_minutes,
                run_minutes,
            };
            Some((place, approved.family.as_str()))
        })
        .min_by_key(|(place, _)| place.end())
}

fn first_gap(work_center: Uuid, mut start: Instant, length: TimeDelta, reserved: &[Reserved]) -> Instant {
    while let Some(block) = reserved
        .iter()
        .find(|block| block.work_center == work_center && block.from < start + length && start < block.to)
    {
        start = block.to;
    }
    start
}

/// When each operation would end if a work center stood still, nobody reacted and everything just moved later.
pub fn ends_after_outage(
    operations: &[JobOperation],
    work_center: Uuid,
    down: Instant,
    outage: TimeDelta,
) -> HashMap<Uuid, Instant> {
    let mut by_start: Vec<&JobOperation> = operations.iter().collect();
    by_start.sort_by_key(|operation| (operation.start, operation.number));
    let mut machine_free: HashMap<Uuid, Instant> = HashMap::new();
    let mut job_free: HashMap<Uuid, Instant> = HashMap::new();
    let mut ends = HashMap::new();
    for operation in by_start {
        let mut start = operation.start;
        for free in
            [machine_free.get(&operation.work_center), job_free.get(&operation.job)].into_iter().flatten()
        {
            start = start.max(*free);
        }
        let length = TimeDelta::minutes(operation.minutes());
        let mut end = start + length;
        if operation.work_center == work_center && end > down {
            if start >= down {
                start = start.max(down + outage);
                end = start + length;
            } else {
                end += outage;
            }
        }
        machine_free.insert(operation.work_center, end);
        job_free.insert(operation.job, end);
        ends.insert(operation.id, end);
    }
    ends
}
