//! What may start now on each work center, and for every job that may not, the first rule it breaks.
//!
//! Rules are asked in the order of [`Rule`]. What they leave is released greedily, expedited jobs first and
//! then by score less penalties, one job for each free work center, within the limits of work in process
//! and of energy in every quarter of an hour.

#[cfg(test)]
mod tests;

use chrono::{DateTime, Duration, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Energy is counted in quarters of an hour.
const QUARTER: i64 = 15 * 60;
const MINUTES_MAX: f64 = 14.0 * 24.0 * 60.0;

#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub id: String,
    pub work_center: String,
    /// As the priority rule gives it; higher goes first.
    pub score: f64,
    #[serde(default)]
    pub expedite: bool,
    pub minutes: f64,
    /// Drawn while it runs.
    #[serde(default)]
    pub kilowatts: f64,
    /// Components that are not at the work center yet.
    #[serde(default)]
    pub missing: Vec<String>,
    #[serde(default)]
    pub tool: Option<Tool>,
    /// Whether a certified operator is there for all of it.
    #[serde(default = "yes")]
    pub operator_ready: bool,
    /// Another job is promised to start here before it.
    #[serde(default)]
    pub behind_frozen: Option<String>,
    /// The loop whose work in process it counts towards.
    #[serde(default)]
    pub loop_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    pub id: String,
    #[serde(default)]
    pub calibrated_until: Option<DateTime<Utc>>,
    #[serde(default)]
    pub in_repair: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkCenter {
    pub id: String,
    /// When what runs there ends; absent means it is free.
    #[serde(default)]
    pub busy_until: Option<DateTime<Utc>>,
    #[serde(default)]
    pub maintenance: Vec<Window>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub why: String,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Jobs at most in each loop (CONWIP), with those in it now.
    pub loops: Vec<Loop>,
    /// For the plant, in every quarter of an hour; absent means no limit.
    pub kilowatts: Option<f64>,
    /// What already draws, by quarter from now on; the last one holds on.
    pub drawn: Vec<f64>,
    /// Taken off a score for maintenance that begins within two hours after the job, per hour nearer.
    pub maintenance_penalty: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loop {
    pub id: String,
    pub limit: u32,
    pub running: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Dispatch {
    /// In the order they were chosen.
    pub released: Vec<Released>,
    /// The others, in the order they would have been chosen.
    pub held: Vec<Held>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Released {
    pub job: String,
    pub work_center: String,
    /// The score less its penalties.
    pub rank: f64,
    pub ends: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Held {
    pub job: String,
    /// The first rule it breaks.
    pub rule: Rule,
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    UnknownWorkCenter,
    ComponentsMissing,
    ToolNotReady,
    NoOperator,
    Maintenance,
    FrozenFirst,
    WorkCenterBusy,
    OtherJobFirst,
    WorkInProcess,
    Energy,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DispatchError {
    #[error("the id `{0}` is used twice; ids must be unique")]
    Duplicate(String),
    #[error("job {job}: {field} is {value}; {rule}")]
    Job { job: String, field: &'static str, value: f64, rule: &'static str },
    #[error("{field} is {value}; it must be a number of 0 or more")]
    Limit { field: &'static str, value: f64 },
}

fn yes() -> bool {
    true
}

pub fn dispatch(
    jobs: &[Job],
    work_centers: &[WorkCenter],
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<Dispatch, DispatchError> {
    check(jobs, limits)?;
    let places: BTreeMap<&str, &WorkCenter> =
        work_centers.iter().map(|place| (place.id.as_str(), place)).collect();
    let rank = |job: &Job| match places.get(job.work_center.as_str()) {
        Some(place) => job.score - penalty(job, place, limits, now),
        None => job.score,
    };
    let mut ranked: Vec<(f64, &Job)> = jobs.iter().map(|job| (rank(job), job)).collect();
    ranked.sort_by(|(x, a), (y, b)| b.expedite.cmp(&a.expedite).then(y.total_cmp(x)).then(a.id.cmp(&b.id)));
    let mut floor = Floor::new(limits);
    let mut result = Dispatch { released: Vec::new(), held: Vec::new() };
    for (rank, job) in ranked {
        let first =
            never(job, places.get(job.work_center.as_str()).copied(), now).or_else(|| floor.refuses(job));
        match first {
            Some((rule, why)) => result.held.push(Held { job: job.id.clone(), rule, why }),
            None => {
                floor.take(job);
                let (work_center, ends) = (job.work_center.clone(), now + length(job));
                result.released.push(Released { job: job.id.clone(), work_center, rank, ends });
            }
        }
    }
    Ok(result)
}

/// The first rule that keeps a job back whatever else is released.
fn never(job: &Job, place: Option<&WorkCenter>, now: DateTime<Utc>) -> Option<(Rule, String)> {
    let Some(place) = place else {
        return Some((
            Rule::UnknownWorkCenter,
            format!("{} is not a work center of the list", job.work_center),
        ));
    };
    if !job.missing.is_empty() {
        return Some((Rule::ComponentsMissing, format!("not staged: {}", job.missing.join(", "))));
    }
    let ends = now + length(job);
    if let Some(tool) = &job.tool {
        if tool.in_repair {
            return Some((Rule::ToolNotReady, format!("tool {} is in repair", tool.id)));
        }
        if let Some(until) = tool.calibrated_until.filter(|until| *until < ends) {
            let why = format!("tool {} is out of calibration from {} on", tool.id, clock(until));
            return Some((Rule::ToolNotReady, why));
        }
    }
    if !job.operator_ready {
        return Some((Rule::NoOperator, "no certified operator is there for all of it".to_owned()));
    }
    if let Some(window) = place.maintenance.iter().find(|window| window.from < ends && now < window.to) {
        let why = format!("{} from {} to {}", window.why, clock(window.from), clock(window.to));
        return Some((Rule::Maintenance, why));
    }
    if let Some(frozen) = &job.behind_frozen {
        return Some((Rule::FrozenFirst, format!("{frozen} is promised to start here before it")));
    }
    let until = place.busy_until.filter(|until| *until > now)?;
    Some((Rule::WorkCenterBusy, format!("{} is busy until {}", place.id, clock(until))))
}

/// What the released jobs take up.
struct Floor<'a> {
    limits: &'a Limits,
    taken: BTreeMap<String, String>,
    in_loop: BTreeMap<String, u32>,
    /// By quarter from now on.
    drawn: Vec<f64>,
}

impl<'a> Floor<'a> {
    fn new(limits: &'a Limits) -> Self {
        let in_loop = limits.loops.iter().map(|one| (one.id.clone(), one.running)).collect();
        Self { limits, taken: BTreeMap::new(), in_loop, drawn: limits.drawn.clone() }
    }

    fn refuses(&self, job: &Job) -> Option<(Rule, String)> {
        if let Some(first) = self.taken.get(&job.work_center) {
            return Some((Rule::OtherJobFirst, format!("{first} goes first on {}", job.work_center)));
        }
        if let Some(one) = self.limits.loops.iter().find(|one| Some(&one.id) == job.loop_id.as_ref()) {
            let running = self.in_loop.get(&one.id).copied().unwrap_or(0);
            if running >= one.limit {
                return Some((
                    Rule::WorkInProcess,
                    format!("loop {} has {running} jobs of {}", one.id, one.limit),
                ));
            }
        }
        let limit = self.limits.kilowatts?;
        let over =
            (0..quarters(job)).map(|quarter| self.drawn(quarter) + job.kilowatts).find(|sum| *sum > limit)?;
        let why = format!("it would draw {over:.0} kW in one quarter of an hour; the limit is {limit:.0} kW");
        Some((Rule::Energy, why))
    }

    fn drawn(&self, quarter: usize) -> f64 {
        self.drawn.get(quarter).or(self.drawn.last()).copied().unwrap_or(0.0)
    }

    fn take(&mut self, job: &Job) {
        self.taken.insert(job.work_center.clone(), job.id.clone());
        if let Some(running) = job.loop_id.as_ref().and_then(|id| self.in_loop.get_mut(id)) {
            *running += 1;
        }
        // One quarter more, so that what holds on afterwards stays without this job.
        let needed = quarters(job) + 1;
        while self.drawn.len() < needed {
            self.drawn.push(self.drawn.last().copied().unwrap_or(0.0));
        }
        self.drawn[..needed - 1].iter_mut().for_each(|drawn| *drawn += job.kilowatts);
    }
}

fn quarters(job: &Job) -> usize {
    (length(job).num_seconds() as usize).div_ceil(QUARTER as usize)
}

fn length(job: &Job) -> Duration {
    Duration::seconds((job.minutes * 60.0).ceil() as i64)
}

/// A job that ends right before maintenance leaves no room when it takes longer.
fn penalty(job: &Job, place: &WorkCenter, limits: &Limits, now: DateTime<Utc>) -> f64 {
    let ends = now + length(job);
    let next = place.maintenance.iter().map(|window| window.from).filter(|from| *from >= ends).min();
    let hours = next.map_or(2.0, |from| (from - ends).num_seconds() as f64 / 3600.0);
    limits.maintenance_penalty * (2.0 - hours).max(0.0)
}

fn clock(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn check(jobs: &[Job], limits: &Limits) -> Result<(), DispatchError> {
    let mut seen = std::collections::BTreeSet::new();
    for job in jobs {
        if !seen.insert(&job.id) {
            return Err(DispatchError::Duplicate(job.id.clone()));
        }
        let fields = [
            ("score", job.score, job.score.is_finite(), "it must be a number"),
            (
                "minutes",
                job.minutes,
                job.minutes > 0.0 && job.minutes <= MINUTES_MAX,
                "it must be above 0, two weeks at most",
            ),
            ("kilowatts", job.kilowatts, (0.0..1e9).contains(&job.kilowatts), "it must be 0 or more"),
        ];
        if let Some((field, value, _, rule)) = fields.into_iter().find(|(_, _, is_fine, _)| !is_fine) {
            return Err(DispatchError::Job { job: job.id.clone(), field, value, rule });
        }
    }
    let figures = limits.drawn.iter().map(|&drawn| ("drawn", drawn));
    let figures = figures.chain(limits.kilowatts.map(|limit| ("kilowatts", limit)));
    let mut figures = figures.chain([("maintenance_penalty", limits.maintenance_penalty)]);
    match figures.find(|(_, value)| !(0.0..1e12).contains(value)) {
        Some((field, value)) => Err(DispatchError::Limit { field, value }),
        None => Ok(()),
    }
}
