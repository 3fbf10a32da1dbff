//! Who does what on one shift: operators to jobs, certified, present and rested, as many jobs as can be
//! covered and those at the least cost.
//!
//! Where not every job can be covered, the answer names the smallest set of jobs that compete for too few
//! people, and why nobody else can help.

mod cheapest;
#[cfg(test)]
mod tests;

use cheapest::{Costs, cheapest, uncovered};
use chrono::{DateTime, Duration, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const JOBS_MAX: usize = 300;
pub const OPERATORS_MAX: usize = 500;
const TENDS_MAX: u32 = 10;
const PRIORITY_MAX: u32 = 100;
const COST_MAX: i64 = 1_000_000;

#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub id: String,
    #[serde(default)]
    pub work_center: Option<String>,
    /// What its operator must be certified for.
    pub skill: String,
    /// How experienced the operator must be.
    #[serde(default)]
    pub level: u32,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// 0 to 100; where not every job can be covered, higher ones are.
    #[serde(default)]
    pub priority: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    pub id: String,
    pub certified: Vec<Certificate>,
    pub present: Vec<Presence>,
    /// End of the last shift worked.
    #[serde(default)]
    pub last_worked: Option<DateTime<Utc>>,
    /// Hours worked this week.
    #[serde(default)]
    pub hours: f64,
    /// Where the operator stands now.
    #[serde(default)]
    pub at: Option<String>,
    /// Work centers of the shifts before, for rotation.
    #[serde(default)]
    pub recent: Vec<String>,
    /// How many jobs the operator can tend at a time.
    #[serde(default = "one")]
    pub tends: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    pub skill: String,
    #[serde(default)]
    pub level: u32,
    /// Absent means for ever.
    #[serde(default)]
    pub until: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// Site settings.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Between the end of a shift and the next one.
    pub rest_hours: f64,
    /// A week's hours, overtime included.
    pub hours_max: f64,
    /// Hours of a week that are no overtime.
    pub hours_regular: f64,
    /// Per level that an operator has and the job does not need: experts stay free for what needs them.
    pub cost_per_level: u32,
    /// For another work center than where the operator stands.
    pub cost_of_move: u32,
    /// For each of the shifts before at the same work center.
    pub cost_of_repetition: u32,
    /// Per hour of overtime.
    pub cost_of_overtime: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rest_hours: 11.0,
            hours_max: 48.0,
            hours_regular: 40.0,
            cost_per_level: 10,
            cost_of_move: 5,
            cost_of_repetition: 8,
            cost_of_overtime: 12,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Assignment {
    /// By job, in the order asked.
    pub assigned: Vec<Assigned>,
    pub cost: i64,
    /// Jobs nobody was found for.
    pub open: Vec<Open>,
    /// Jobs that compete for too few people; empty when every job is covered.
    pub shortage: Option<Shortage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Assigned {
    pub job: String,
    pub operator: String,
    /// The sum of the addends.
    pub cost: i64,
    pub addends: Vec<Addend>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Addend {
    pub factor: Factor,
    pub value: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    Level,
    Move,
    Repetition,
    Overtime,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Open {
    pub job: String,
    /// How many operators each rule keeps from it, and who may do it but does something else.
    pub why: String,
}

/// Without any one of these jobs the others could all be covered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Shortage {
    pub jobs: Vec<String>,
    /// Everybody who may do any of them.
    pub operators: Vec<String>,
    pub text: String,
}

/// What keeps an operator from a job, in the order it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bar {
    NotCertified,
    CertificateEnds,
    NotPresent,
    NotRested,
    TooManyHours,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AssignmentError {
    #[error("{0} jobs are more than the {JOBS_MAX} allowed")]
    TooManyJobs(usize),
    #[error("{0} operators are more than the {OPERATORS_MAX} allowed")]
    TooManyOperators(usize),
    #[error("the id `{0}` is used twice; ids must be unique")]
    Duplicate(String),
    #[error("job {job} ends before it begins")]
    EndsBefore { job: String },
    #[error("job {job}: priority must be 0 to {PRIORITY_MAX}, not {priority}")]
    Priority { job: String, priority: u32 },
    #[error("operator {operator}: {field} must be {rule}")]
    Operator { operator: String, field: &'static str, rule: &'static str },
    #[error("{field} must be {rule}")]
    Settings { field: &'static str, rule: &'static str },
}

fn one() -> u32 {
    1
}

pub fn assign(
    jobs: &[Job],
    operators: &[Operator],
    settings: &Settings,
) -> Result<Assignment, AssignmentError> {
    check(jobs, operators, settings)?;
    // One column for each job that an operator can tend.
    let slots: Vec<usize> = operators
        .iter()
        .enumerate()
        .flat_map(|(index, operator)| std::iter::repeat_n(index, operator.tends as usize))
        .collect();
    let prices: Vec<Vec<Result<Vec<Addend>, Bar>>> = jobs
        .iter()
        .map(|job| operators.iter().map(|operator| price(job, operator, settings)).collect())
        .collect();
    let costs: Costs = prices
        .iter()
        .map(|row| slots.iter().map(|&operator| row[operator].as_ref().ok().map(|a| sum(a))).collect())
        .collect();
    let found = cheapest(&costs, &left_out(jobs));
    let mut assignment = Assignment { assigned: Vec::new(), cost: 0, open: Vec::new(), shortage: None };
    for (row, (job, column)) in jobs.iter().zip(&found).enumerate() {
        let pair = column.map(|column| slots[column]).map(|ix| (&operators[ix], &prices[row][ix]));
        match pair {
            Some((operator, Ok(addends))) => {
                let (cost, addends) = (sum(addends), addends.clone());
                assignment.cost += cost;
                let (job, operator) = (job.id.clone(), operator.id.clone());
                assignment.assigned.push(Assigned { job, operator, cost, addends });
            }
            _ => assignment.open.push(Open { job: job.id.clone(), why: why(operators, &prices[row]) }),
        }
    }
    assignment.shortage = shortage(jobs, operators, &prices, &uncovered(&costs));
    Ok(assignment)
}

/// What it costs to leave each job open: first as few as possible, then the least priority, then cost.
fn left_out(jobs: &[Job]) -> Vec<i64> {
    let per_priority = COST_MAX * jobs.len() as i64;
    let any = per_priority * i64::from(PRIORITY_MAX) * jobs.len() as i64;
    jobs.iter().map(|job| any + 1 + per_priority * i64::from(job.priority)).collect()
}

fn sum(addends: &[Addend]) -> i64 {
    addends.iter().map(|addend| addend.value).sum()
}

fn price(job: &Job, operator: &Operator, settings: &Settings) -> Result<Vec<Addend>, Bar> {
    let held = operator.certified.iter().filter(|c| c.skill == job.skill && c.level >= job.level);
    let level = held.clone().map(|certificate| certificate.level).min().ok_or(Bar::NotCertified)?;
    if !held.clone().any(|certificate| certificate.until.is_none_or(|until| until >= job.to)) {
        return Err(Bar::CertificateEnds);
    }
    if !operator.present.iter().any(|presence| presence.from <= job.from && job.to <= presence.to) {
        return Err(Bar::NotPresent);
    }
    let rest = Duration::seconds((settings.rest_hours * 3600.0) as i64);
    if operator.last_worked.is_some_and(|end| end <= job.from && job.from < end + rest) {
        return Err(Bar::NotRested);
    }
    let hours = (job.to - job.from).num_seconds() as f64 / 3600.0;
    if operator.hours + hours > settings.hours_max {
        return Err(Bar::TooManyHours);
    }
    let overtime = (operator.hours + hours - settings.hours_regular).clamp(0.0, hours);
    let elsewhere = match (&job.work_center, &operator.at) {
        (Some(wanted), Some(at)) => wanted != at,
        _ => false,
    };
    let again = operator.recent.iter().filter(|recent| Some(*recent) == job.work_center.as_ref()).count();
    let addends = [
        (Factor::Level, i64::from(level - job.level) * i64::from(settings.cost_per_level)),
        (Factor::Move, i64::from(elsewhere) * i64::from(settings.cost_of_move)),
        (Factor::Repetition, again as i64 * i64::from(settings.cost_of_repetition)),
        (Factor::Overtime, (overtime * f64::from(settings.cost_of_overtime)).ceil() as i64),
    ];
    let capped = addends.map(|(factor, value)| Addend { factor, value: value.min(COST_MAX / 4) });
    Ok(capped.into_iter().filter(|addend| addend.value != 0).collect())
}

fn why(operators: &[Operator], row: &[Result<Vec<Addend>, Bar>]) -> String {
    let mut counts: BTreeMap<Bar, usize> = BTreeMap::new();
    row.iter().filter_map(|price| price.as_ref().err()).for_each(|bar| *counts.entry(*bar).or_default() += 1);
    let mut parts: Vec<String> = counts.into_iter().map(|(bar, count)| words(bar, count)).collect();
    let able: Vec<&str> = operators
        .iter()
        .zip(row)
        .filter(|(_, price)| price.is_ok())
        .map(|(operator, _)| operator.id.as_str())
        .collect();
    if !able.is_empty() {
        parts.push(format!(
            "{} could but {} needed elsewhere",
            list(&able),
            if able.len() == 1 { "is" } else { "are" }
        ));
    }
    if parts.is_empty() { "there are no operators".to_owned() } else { parts.join("; ") }
}

fn words(bar: Bar, count: usize) -> String {
    let (is, has) = if count == 1 { ("is", "has") } else { ("are", "have") };
    match bar {
        Bar::NotCertified => format!("{count} {is} not certified"),
        Bar::CertificateEnds => format!("{count} {has} a certificate that ends before the job does"),
        Bar::NotPresent => format!("{count} {is} not there all the time"),
        Bar::NotRested => format!("{count} {has} not rested long enough"),
        Bar::TooManyHours => format!("{count} would work too many hours this week"),
    }
}

fn list(ids: &[&str]) -> String {
    match ids {
        [] => "nobody".to_owned(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

fn shortage(
    jobs: &[Job],
    operators: &[Operator],
    prices: &[Vec<Result<Vec<Addend>, Bar>>],
    rows: &[usize],
) -> Option<Shortage> {
    if rows.is_empty() {
        return None;
    }
    let able: Vec<&Operator> = operators
        .iter()
        .enumerate()
        .filter(|(ix, _)| rows.iter().any(|&row| prices[row][*ix].is_ok()))
        .map(|(_, operator)| operator)
        .collect();
    let (names, people): (Vec<&str>, Vec<&str>) = (
        rows.iter().map(|&row| jobs[row].id.as_str()).collect(),
        able.iter().map(|operator| operator.id.as_str()).collect(),
    );
    let places: u32 = able.iter().map(|operator| operator.tends).sum();
    let text = match (names.len(), people.len()) {
        (1, _) => format!("nobody can do {}", names[0]),
        (count, _) => format!(
            "{} are {count} jobs; only {} can do any of them, {places} at a time",
            list(&names),
            list(&people)
        ),
    };
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    Some(Shortage { jobs: owned(&names), operators: owned(&people), text })
}

fn check(jobs: &[Job], operators: &[Operator], settings: &Settings) -> Result<(), AssignmentError> {
    if jobs.len() > JOBS_MAX {
        return Err(AssignmentError::TooManyJobs(jobs.len()));
    }
    if operators.len() > OPERATORS_MAX {
        return Err(AssignmentError::TooManyOperators(operators.len()));
    }
    let mut seen = std::collections::BTreeSet::new();
    let twice = jobs.iter().map(|job| ("job", &job.id)).chain(operators.iter().map(|o| ("operator", &o.id)));
    for id in twice {
        if !seen.insert(id) {
            return Err(AssignmentError::Duplicate(id.1.clone()));
        }
    }
    for job in jobs {
        if job.to <= job.from {
            return Err(AssignmentError::EndsBefore { job: job.id.clone() });
        }
        if job.priority > PRIORITY_MAX {
            return Err(AssignmentError::Priority { job: job.id.clone(), priority: job.priority });
        }
    }
    for operator in operators {
        let refused = |field, rule| AssignmentError::Operator { operator: operator.id.clone(), field, rule };
        if !(1..=TENDS_MAX).contains(&operator.tends) {
            return Err(refused("tends", "1 to 10"));
        }
        if !(0.0..=168.0).contains(&operator.hours) {
            return Err(refused("hours", "0 to 168"));
        }
    }
    let hours = [
        ("rest_hours", settings.rest_hours),
        ("hours_max", settings.hours_max),
        ("hours_regular", settings.hours_regular),
    ];
    match hours.into_iter().find(|(_, value)| !(0.0..=168.0).contains(value)) {
        Some((field, _)) => Err(AssignmentError::Settings { field, rule: "0 to 168 hours" }),
        None => Ok(()),
    }
}
