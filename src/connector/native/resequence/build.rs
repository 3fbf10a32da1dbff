//! From the context of a plant to the optimizer's model.

use super::{
    Input, Objective,
    context::{Approved, Context, Job, Operation, Route},
    staff::{Staff, unstaffed},
    stock::Stock,
};
use crate::{
    schedule::model::{
        Alternative, Blocked, BlockedKind, Calendar, Current, Minute, Model, Need, Op, Order, Policy, Pool,
        PoolKind, Resource, SetupMatrix, Span, Split, State, VERSION, Weights,
    },
    site::{Shift, Site},
    tool::ToolError,
};
use chrono::{DateTime, Datelike, Days, FixedOffset, SubsecRound, Timelike, Utc, Weekday};
use std::collections::{BTreeMap, BTreeSet};

/// How far ahead the plant's calendar is laid out; nothing is planned after it.
const HORIZON_DAYS: u64 = 14;
const CALENDAR: &str = "plant";
/// What a machine is set up for when nobody knows: every family then needs its setup.
const UNKNOWN_FAMILY: &str = "?";
/// A start that shifts by less is for the floor to absorb; Plex is not written for it.
const MOVE_TOLERANCE: Minute = 30;
/// What one moved operation costs, in weighted minutes late: every move is work for people.
const MOVE_WEIGHT: f64 = 30.0;

/// The plant's clock in the optimizer's minutes.
#[derive(Clone, Copy)]
pub(super) struct Minutes {
    pub epoch: DateTime<FixedOffset>,
}

impl Minutes {
    pub(super) fn of(self, time: DateTime<Utc>) -> Minute {
        (time - self.epoch.with_timezone(&Utc)).num_seconds().div_euclid(60)
    }

    pub(super) fn time(self, minute: Minute) -> DateTime<FixedOffset> {
        self.epoch + chrono::Duration::minutes(minute)
    }
}

pub(super) struct Built {
    pub model: Model,
    pub minutes: Minutes,
    pub lead: Minute,
    /// What had to be left out, in words.
    pub warnings: Vec<String>,
}

pub(super) fn build(input: &Input, site: &Site, now: DateTime<Utc>) -> Result<Built, ToolError> {
    let local = now.with_timezone(&site.time_zone).fixed_offset();
    let epoch = local.with_second(0).unwrap_or(local).trunc_subsecs(0);
    let plant = Plant::new(input, site, Minutes { epoch });
    plant.model()
}

struct Plant<'a> {
    input: &'a Input,
    context: &'a Context,
    site: &'a Site,
    minutes: Minutes,
    routes: BTreeMap<&'a str, &'a Route>,
    horizon: Minute,
    /// Nothing is moved to begin sooner.
    lead: Minute,
    /// Work centers whose work may begin before today's plan has it. Elsewhere it stays or becomes later:
    /// pulling the whole plant forward for one machine is a plan that nobody approves.
    may_be_earlier: BTreeSet<&'a str>,
    jobs_in_trouble: BTreeSet<&'a str>,
    /// When the last operation of today's plan ends.
    planned_until: Minute,
}

impl<'a> Plant<'a> {
    fn new(input: &'a Input, site: &'a Site, minutes: Minutes) -> Self {
        let context = &input.context;
        let routes =
            context.routes.routes.iter().map(|route| (route.part_operation_id.as_str(), route)).collect();
        let ends = context.orders.board.operations.iter().map(|op| minutes.of(op.start) + occupied(op));
        let planned_until = ends.max().unwrap_or(0).max(0);
        let horizon = (HORIZON_DAYS * 24 * 60) as Minute;
        let lead = whole(input.lead_minutes);
        let hit = in_trouble(input);
        let may_be_earlier =
            hit.iter().map(|op| op.work_center.as_str()).chain(input.down.as_deref()).collect();
        let jobs_in_trouble = hit.iter().map(|op| op.job_id.as_str()).collect();
        Self {
            input,
            context,
            site,
            minutes,
            routes,
            horizon,
            lead,
            may_be_earlier,
            jobs_in_trouble,
            planned_until,
        }
    }

    fn model(&self) -> Result<Built, ToolError> {
        let staff = self.context.crew.as_ref().map(|crew| Staff::new(crew, self.context.machines.as_ref()));
        let resources = self.resources(staff.as_ref());
        if let Some(down) = &self.input.down
            && !resources.iter().any(|resource| resource.id == *down)
        {
            return Err(ToolError::invalid(format!(
                "no routing operation is approved for work center {down}"
            )));
        }
        let mut warnings = Vec::new();
        let mut stock =
            Stock::new(self.context.material.as_ref(), self.input.late_material.as_ref(), self.minutes);
        let (mut orders, mut current) = (Vec::new(), Vec::new());
        let mut pools = staff.map(|staff| staff.pools(self.site, &self.shifts())).unwrap_or_default();
        pools.extend(self.shared_tools());
        for (job, operations) in self.jobs(&mut warnings) {
            orders.push(self.order(job, &operations, &pools, &mut stock));
            current.extend(operations.iter().map(|op| self.current(job, op)));
        }
        let families: BTreeSet<&str> =
            self.approved().map(|(_, approved)| approved.family.as_str()).collect();
        let families = families.into_iter().chain([UNKNOWN_FAMILY]).map(str::to_owned).collect::<Vec<_>>();
        let setups = resources.iter().map(|resource| self.setup(&resource.id, &families)).collect();
        let model = Model {
            version: VERSION,
            epoch: self.minutes.epoch,
            now: 0,
            horizon: self.horizon,
            calendars: vec![self.calendar()],
            families,
            setups,
            resources,
            pools,
            orders,
            current,
            policy: self.policy(),
        };
        Ok(Built { model, minutes: self.minutes, lead: self.lead, warnings })
    }

    fn policy(&self) -> Policy {
        let default = Weights::default();
        let weight = |wanted, weight: f64| if self.input.objective.contains(&wanted) { weight } else { 0.0 };
        Policy {
            frozen_until: Some(self.lead),
            weights: Weights {
                tardiness: weight(Objective::DueDates, default.tardiness),
                changeover: weight(Objective::SetupTime, default.changeover),
                overtime: weight(Objective::Overtime, default.overtime),
                moves: MOVE_WEIGHT,
                ..default
            },
            options: self.input.options,
            budget_ms: Some(self.input.budget_ms),
            threads: std::thread::available_parallelism().map_or(1, |n| n.get().min(2)),
            move_tolerance: MOVE_TOLERANCE,
            ..Policy::default()
        }
    }

    fn approved(&self) -> impl Iterator<Item = (&'a Route, &'a Approved)> {
        self.context.routes.routes.iter().flat_map(|route| route.approved.iter().map(move |a| (route, a)))
    }

    /// Every shift of the horizon with its minutes, the one that is on included.
    fn shifts(&self) -> Vec<(&'a Shift, Minute, Minute)> {
        let days = (0..=HORIZON_DAYS + 1).filter_map(|n| {
            self.minutes.epoch.date_naive().checked_sub_days(Days::new(1))?.checked_add_days(Days::new(n))
        });
        let spans = days.flat_map(|day| self.site.shift_spans_on(day));
        let mut shifts: Vec<_> = spans
            .map(|span| (span.shift, self.minutes.of(span.starts), self.minutes.of(span.ends)))
            .filter(|(_, _, to)| *to > 0)
            .collect();
        shifts.sort_by_key(|(_, from, _)| *from);
        shifts
    }

    /// Open in normal hours and overtime; a shift belongs to the day it starts on.
    fn calendar(&self) -> Calendar {
        let spans = |works: &dyn Fn(&Shift, Weekday) -> bool| {
            let mut spans: Vec<Span> = Vec::new();
            for (shift, from, to) in self.shifts() {
                let day = self.minutes.time(from).weekday();
                match spans.last_mut() {
                    _ if !works(shift, day) => {}
                    Some(last) if from <= last.1 => last.1 = last.1.max(to),
                    _ => spans.push(Span(from, to)),
                }
            }
            spans
        };
        let regular = spans(&|shift, day| shift.days.contains(&day));
        let open = spans(&|shift, day| shift.days.contains(&day) || shift.overtime.contains(&day));
        Calendar { id: CALENDAR.to_owned(), open, regular: Some(regular) }
    }

    fn resources(&self, staff: Option<&Staff>) -> Vec<Resource> {
        let ids: BTreeSet<&str> =
            self.approved().map(|(_, approved)| approved.work_center.as_str()).collect();
        let shifts = self.shifts();
        let resource = |id: &str| {
            let mut blocked = Vec::new();
            if self.input.down.as_deref() == Some(id) {
                let (to, why) = (whole(self.input.down_minutes).max(1), "down".to_owned());
                blocked.push(Blocked { from: 0, to, why, kind: BlockedKind::Breakdown });
            }
            blocked.extend(self.upkeep(id));
            blocked
                .extend(staff.map(|staff| unstaffed(staff, id, &shifts, self.minutes)).unwrap_or_default());
            Resource {
                id: id.to_owned(),
                work_center: Some(id.to_owned()),
                calendar: Some(CALENDAR.to_owned()),
                setup: Some(id.to_owned()),
                state: Some(self.state(id)),
                blocked,
                power_kw: 0,
            }
        };
        ids.into_iter().map(resource).collect()
    }

    fn upkeep(&self, work_center: &str) -> Vec<Blocked> {
        let windows = self.context.upkeep.iter().flat_map(|upkeep| &upkeep.windows);
        let here = windows.filter(|window| window.work_center == work_center);
        let spans = here.map(|w| (self.minutes.of(w.starts).max(0), self.minutes.of(w.ends), &w.title));
        spans
            .filter(|(from, to, _)| from < to)
            .map(|(from, to, title)| Blocked { from, to, why: title.clone(), kind: BlockedKind::Maintenance })
            .collect()
    }

    /// What it makes now; else what its next operation is known to need no setup for.
    fn state(&self, work_center: &str) -> String {
        let machines = self.context.machines.iter().flat_map(|machines| &machines.work_centers);
        let part =
            machines.filter(|m| m.work_center == work_center).find_map(|machine| machine.part.as_deref());
        let family_of_part = part.and_then(|part| {
            self.approved()
                .find(|(route, a)| route.part == part && a.work_center == work_center)
                .map(|(_, a)| &a.family)
        });
        let family_of_next = || {
            let here = self.context.orders.board.operations.iter().filter(|op| op.work_center == work_center);
            let next = here.min_by_key(|op| op.start).filter(|op| op.setup_minutes <= 0.0)?;
            Some(&self.on(next, work_center)?.family)
        };
        family_of_part.or_else(family_of_next).map_or_else(|| UNKNOWN_FAMILY.to_owned(), Clone::clone)
    }

    fn setup(&self, work_center: &str, families: &[String]) -> SetupMatrix {
        let mut minutes_to: BTreeMap<&str, Minute> = BTreeMap::new();
        for (_, approved) in self.approved().filter(|(_, approved)| approved.work_center == work_center) {
            let longest = minutes_to.entry(&approved.family).or_default();
            *longest = (*longest).max(whole(approved.setup_minutes));
        }
        let to = |to: &String| minutes_to.get(to.as_str()).copied().unwrap_or(0);
        let row = |from: &String| families.iter().map(|f| if f == from { 0 } else { to(f) }).collect();
        let minutes = families.iter().map(row).collect();
        let (cost, needs, forbidden) = (Vec::new(), Vec::new(), Vec::new());
        SetupMatrix { id: work_center.to_owned(), families: None, minutes, cost, needs, forbidden }
    }

    /// Jobs with the operations they still have, in routing order; a job on hold is left alone.
    fn jobs(&self, warnings: &mut Vec<String>) -> Vec<(&'a Job, Vec<&'a Operation>)> {
        let board = &self.context.orders.board;
        let mut by_job: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
        for operation in &board.operations {
            by_job.entry(&operation.job_id).or_default().push(operation);
        }
        let mut jobs = Vec::new();
        for job in &board.jobs {
            let Some(mut operations) = by_job.remove(job.job_id.as_str()) else { continue };
            operations.sort_by_key(|operation| operation.number);
            let routed = |op: &&&Operation| self.on(op, &op.work_center).is_none();
            if operations.iter().any(|operation| operation.status == "Hold") {
                warnings.push(format!("{} is on hold and stays as it is", job.job));
            } else if let Some(lost) = operations.iter().find(routed) {
                warnings.push(format!(
                    "{}: {} is not approved for operation {}",
                    job.job, lost.work_center, lost.number
                ));
            } else {
                jobs.push((job, operations));
            }
        }
        // Components go to who is planned first.
        jobs.sort_by_key(|(_, operations)| operations.iter().map(|operation| operation.start).min());
        jobs
    }

    fn order(&self, job: &Job, operations: &[&Operation], pools: &[Pool], stock: &mut Stock) -> Order {
        let release = job.earliest_start.map(|time| self.minutes.of(time)).filter(|minute| *minute > 0);
        let due = self.minutes.of(job.due);
        Order {
            id: job.job.clone(),
            // A due date before the release is a fact of the plant, not a mistake in the question.
            release: release.filter(|release| *release <= due),
            due,
            deadline: None,
            tier: job.tier.clone(),
            weight: match job.tier.as_str() {
                "A" => 4.0,
                "B" => 2.0,
                _ => 1.0,
            },
            penalty_per_hour: None,
            shelf_life: None,
            ops: operations.iter().map(|operation| self.op(job, operation, pools, stock)).collect(),
        }
    }

    fn op(&self, job: &Job, operation: &Operation, pools: &[Pool], stock: &mut Stock) -> Op {
        let here = self.on(operation, &operation.work_center);
        let is_running = operation.status == "In Process";
        // Only jobs in trouble change machines; the others make room where they are.
        let may_change = self.jobs_in_trouble.contains(job.job_id.as_str());
        let route = self.routes.get(operation.part_operation_id.as_str());
        let approved = route.map(|route| route.approved.as_slice()).unwrap_or_default();
        let usable =
            approved.iter().filter(|a| a.work_center == operation.work_center || self.is_tool_ready(a));
        let alts: Vec<Alternative> = usable
            .filter(|a| a.work_center == operation.work_center || (may_change && !is_running))
            .map(|a| Alternative { resource: a.work_center.clone(), minutes: self.run_minutes(operation, a) })
            .collect();
        let material_at = stock.take(&job.job, operation, whole(self.input.staging_minutes));
        let setup = approved.iter().map(|a| whole(a.setup_minutes)).max().unwrap_or(0);
        // The setup counts: it must not begin before the lead time is over either. What today's plan has
        // is taken to be possible: staging records lag behind the floor.
        let planned = (self.minutes.of(operation.start) + whole(operation.setup_minutes)).max(self.lead);
        let earliest = if self.may_be_earlier.contains(operation.work_center.as_str()) {
            material_at.max(self.lead + setup).min(planned)
        } else {
            planned
        };
        Op {
            id: operation.number.to_string(),
            after: None,
            family: here.map(|approved| approved.family.clone()),
            material_at: (self.state_of(operation) == State::Planned).then_some(earliest),
            needs: self.needs(&operation.work_center, approved, pools),
            alts,
            split: Split::No,
            min_lag: 0,
            max_lag: None,
        }
    }

    /// Running, free to move, or fixed: what starts before anybody can answer, on a machine that runs.
    fn state_of(&self, operation: &Operation) -> State {
        let starts_soon = (0..self.lead).contains(&self.minutes.of(operation.start));
        let is_down = self.input.down.as_deref() == Some(&operation.work_center);
        match operation.status.as_str() {
            "In Process" => State::Running,
            _ if is_down || !starts_soon => State::Planned,
            _ => State::Frozen,
        }
    }

    fn run_minutes(&self, operation: &Operation, approved: &Approved) -> Minute {
        let by_pieces = operation.pieces_left * approved.minutes_per_piece;
        let minutes = if approved.work_center != operation.work_center {
            by_pieces
        } else if operation.status == "In Process" {
            // Plex keeps the whole run time of an operation that has begun.
            by_pieces.min(operation.run_minutes)
        } else {
            operation.run_minutes
        };
        whole(minutes).max(1)
    }

    fn current(&self, job: &Job, operation: &Operation) -> Current {
        let begins = self.minutes.of(operation.start);
        let is_running = operation.status == "In Process";
        let start = begins + whole(operation.setup_minutes);
        let here = self.on(operation, &operation.work_center);
        let run = here.map_or_else(|| whole(operation.run_minutes), |here| self.run_minutes(operation, here));
        Current {
            op: format!("{}/{}", job.job, operation.number),
            resource: operation.work_center.clone(),
            start: if is_running { begins.min(0) } else { start },
            end: if is_running { run } else { start + run },
            state: self.state_of(operation),
            remaining: is_running.then_some(run),
        }
    }

    fn on(&self, operation: &Operation, work_center: &str) -> Option<&'a Approved> {
        let route = self.routes.get(operation.part_operation_id.as_str())?;
        route.approved.iter().find(|approved| approved.work_center == work_center)
    }

    /// Neither in repair nor out of calibration before today's plan ends.
    fn is_tool_ready(&self, approved: &Approved) -> bool {
        let tools = self.context.tooling.iter().flat_map(|tooling| &tooling.tools);
        let mut named = tools.filter(|tool| Some(&tool.tool) == approved.tool.as_ref());
        named.all(|tool| {
            let calibrated =
                tool.calibrated_until.is_none_or(|until| self.minutes.of(until) > self.planned_until);
            tool.status != "REPAIR" && calibrated
        })
    }

    /// Tools that move between work centers; one that stays with its machine needs no counting.
    fn shared_tools(&self) -> Vec<Pool> {
        let mut places: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (_, approved) in self.approved() {
            let Some(tool) = &approved.tool else { continue };
            places.entry(tool).or_default().insert(&approved.work_center);
        }
        let shared = places.into_iter().filter(|(_, places)| places.len() > 1);
        shared.map(|(tool, _)| pool(tool, PoolKind::Tool, 1, Vec::new())).collect()
    }

    fn needs(&self, work_center: &str, approved: &[Approved], pools: &[Pool]) -> Vec<Need> {
        let group = self.context.machines.iter().flat_map(|machines| &machines.work_centers);
        let group =
            group.filter(|machine| machine.work_center == work_center).map(|machine| machine.group.as_str());
        let tool = approved.first().and_then(|first| {
            let everywhere = approved.iter().all(|approved| approved.tool == first.tool);
            first.tool.as_deref().filter(|_| everywhere)
        });
        let wanted: Vec<&str> = group.chain(tool).collect();
        let known = pools.iter().filter(|pool| wanted.contains(&pool.id.as_str()));
        known.map(|pool| Need { pool: pool.id.clone(), qty: 1 }).collect()
    }
}

/// Operations on the work center that is down, or that need the late component; all of them when neither is given.
fn in_trouble(input: &Input) -> Vec<&Operation> {
    let late = input.late_material.as_ref().map(|late| late.component.as_str());
    let lines = input.context.material.iter().flat_map(|material| &material.components);
    let waiting: BTreeSet<&str> = lines
        .filter(|line| Some(line.component.as_str()) == late)
        .map(|line| line.part_operation_id.as_str())
        .collect();
    let is_hit = |op: &&Operation| match &input.down {
        Some(down) => op.work_center == *down,
        None => late.is_none() || waiting.contains(op.part_operation_id.as_str()),
    };
    input.context.orders.board.operations.iter().filter(is_hit).collect()
}

pub(super) fn pool(id: &str, kind: PoolKind, capacity: i64, profile: Vec<(Minute, i64)>) -> Pool {
    let (calendar, calibrated_until, certified_until) = (None, None, None);
    Pool { id: id.to_owned(), kind, capacity, profile, calendar, calibrated_until, certified_until }
}

fn whole(minutes: f64) -> Minute {
    minutes.ceil() as Minute
}

fn occupied(operation: &Operation) -> Minute {
    whole(operation.setup_minutes) + whole(operation.run_minutes)
}
