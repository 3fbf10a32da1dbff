//! How urgent a job is, as a sum of addends that people can read: the logarithm of the ATCS index
//! (apparent tardiness cost with setups; Lee, Bhaskaran and Pinedo 1997), with shelf life, penalties and
//! hungry downstream buffers.
//!
//! In logarithms, because the index itself underflows on long setups and the ranking would be lost.

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one currency unit of penalty per hour adds to a weight.
const PENALTY_SCALE: f64 = 0.01;
/// Least and most that the look-ahead constants may be; outside them the rule ranks by one factor alone.
const K1: (f64, f64) = (0.5, 10.0);
const K2: (f64, f64) = (0.1, 10.0);

/// Comes before every score: a promise or an order of the plant's management.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Promised to start next; stays first.
    Frozen,
    Expedite,
    #[default]
    Normal,
}

#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub id: String,
    #[serde(default)]
    pub class: Class,
    /// By customer tier; above 0.
    pub weight: f64,
    /// What an hour late costs, on top of the weight.
    #[serde(default)]
    pub penalty_per_hour: f64,
    /// Work left on this operation; above 0.
    pub minutes: f64,
    /// Changeover from what the work center is set up for.
    #[serde(default)]
    pub setup_minutes: f64,
    pub due: DateTime<Utc>,
    /// When material of the job spoils.
    #[serde(default)]
    pub expires: Option<DateTime<Utc>>,
    /// Work that follows this operation.
    #[serde(default)]
    pub route_minutes_left: f64,
    /// Hours of work that wait at the bottleneck this job feeds; absent where it feeds none.
    #[serde(default)]
    pub buffer_hours: Option<f64>,
}

/// Site settings.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What an empty bottleneck buffer adds.
    pub starvation_weight: f64,
    /// A bottleneck with more hours of work than this is not hungry.
    pub buffer_target_hours: f64,
    /// Kept between the end of the route and the shelf life.
    pub shelf_life_margin_minutes: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { starvation_weight: 1.0, buffer_target_hours: 4.0, shelf_life_margin_minutes: 60.0 }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Scored {
    pub job: String,
    pub class: Class,
    /// The sum of the addends; higher goes first within a class.
    pub score: f64,
    pub addends: Vec<Addend>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Addend {
    pub factor: Factor,
    pub value: f64,
    /// The numbers it comes from.
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    Weight,
    Work,
    Slack,
    Setup,
    Starvation,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{job}: {field} is {value}; {rule}")]
pub struct PriorityError {
    job: String,
    field: &'static str,
    value: f64,
    rule: &'static str,
}

/// What all jobs of a work center are measured against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// How far the rule looks ahead for due dates, and for setups.
    pub k1: f64,
    pub k2: f64,
    pub mean_minutes: f64,
    /// Of the setups that take time; 0 where there are none.
    pub mean_setup: f64,
}

impl Scale {
    /// Pinedo's starting values, from how tight and how spread the due dates are.
    pub fn of(jobs: &[Job], now: DateTime<Utc>) -> Scale {
        let count = jobs.len().max(1) as f64;
        let mean_minutes = (jobs.iter().map(|job| job.minutes).sum::<f64>() / count).max(1.0);
        let setups: Vec<f64> = jobs.iter().map(|job| job.setup_minutes).filter(|&s| s > 0.0).collect();
        let mean_setup =
            if setups.is_empty() { 0.0 } else { setups.iter().sum::<f64>() / setups.len() as f64 };
        let all_done = (count * (mean_minutes + mean_setup)).max(1.0);
        let due = |job: &Job| minutes_until(job.due, now);
        let mean_due = jobs.iter().map(due).sum::<f64>() / count;
        let (first, last) = jobs.iter().map(due).fold((f64::MAX, f64::MIN), |(a, b), d| (a.min(d), b.max(d)));
        let tightness = (1.0 - mean_due / all_done).clamp(0.0, 1.0);
        let spread = ((last - first) / all_done).max(0.0);
        let k1 = if spread <= 0.5 { 4.5 + spread } else { 6.0 - 2.0 * spread };
        let severity = mean_setup / mean_minutes;
        let k2 = if severity > 0.0 { tightness / (2.0 * severity.sqrt()) } else { K2.1 };
        Scale { k1: k1.clamp(K1.0, K1.1), k2: k2.clamp(K2.0, K2.1), mean_minutes, mean_setup }
    }
}

/// Most urgent first; equal ones by due date, then by id.
pub fn ranked(jobs: &[Job], settings: &Settings, now: DateTime<Utc>) -> Result<Vec<Scored>, PriorityError> {
    jobs.iter().try_for_each(check)?;
    let scale = Scale::of(jobs, now);
    let mut scored: Vec<(&Job, Scored)> =
        jobs.iter().map(|job| (job, score(job, &scale, settings, now))).collect();
    scored.sort_by(|(a, x), (b, y)| {
        x.class.cmp(&y.class).then(y.score.total_cmp(&x.score)).then((a.due, &a.id).cmp(&(b.due, &b.id)))
    });
    Ok(scored.into_iter().map(|(_, scored)| scored).collect())
}

/// One job against a scale.
pub fn score(job: &Job, scale: &Scale, settings: &Settings, now: DateTime<Utc>) -> Scored {
    let weight = job.weight + job.penalty_per_hour * PENALTY_SCALE;
    let expires = job
        .expires
        .map(|at| minutes_until(at, now) - job.route_minutes_left - settings.shelf_life_margin_minutes);
    let due = minutes_until(job.due, now);
    let must_end = expires.map_or(due, |expires| due.min(expires));
    let slack = (must_end - job.minutes).max(0.0);
    let reason = if must_end < due { "its material spoils" } else { "it is due" };
    let mut addends = vec![
        Addend { factor: Factor::Weight, value: weight.ln(), why: format!("weight {weight:.2}") },
        Addend {
            factor: Factor::Work,
            value: -job.minutes.ln(),
            why: format!("{:.0} min of work", job.minutes),
        },
        Addend {
            factor: Factor::Slack,
            value: -slack / (scale.k1 * scale.mean_minutes),
            why: format!("{slack:.0} min to spare before {reason}"),
        },
    ];
    if scale.mean_setup > 0.0 {
        addends.push(Addend {
            factor: Factor::Setup,
            value: -job.setup_minutes / (scale.k2 * scale.mean_setup),
            why: format!("{:.0} min of setup", job.setup_minutes),
        });
    }
    if let Some(hours) = job.buffer_hours {
        let hunger = (1.0 - hours / settings.buffer_target_hours).max(0.0);
        addends.push(Addend {
            factor: Factor::Starvation,
            value: settings.starvation_weight * hunger,
            why: format!("the bottleneck behind it has {hours:.1} h of work left"),
        });
    }
    let score = addends.iter().map(|addend| addend.value).sum();
    Scored { job: job.id.clone(), class: job.class, score, addends }
}

fn check(job: &Job) -> Result<(), PriorityError> {
    let positive = |value: f64| value > 0.0 && value < 1e9;
    let not_negative = |value: f64| (0.0..1e9).contains(&value);
    let fields = [
        ("weight", job.weight, positive(job.weight), "it must be above 0"),
        ("minutes", job.minutes, positive(job.minutes), "it must be above 0"),
        (
            "penalty_per_hour",
            job.penalty_per_hour,
            not_negative(job.penalty_per_hour),
            "it must be 0 or more",
        ),
        ("setup_minutes", job.setup_minutes, not_negative(job.setup_minutes), "it must be 0 or more"),
        (
            "route_minutes_left",
            job.route_minutes_left,
            not_negative(job.route_minutes_left),
            "it must be 0 or more",
        ),
        (
            "buffer_hours",
            job.buffer_hours.unwrap_or(0.0),
            not_negative(job.buffer_hours.unwrap_or(0.0)),
            "it must be 0 or more",
        ),
    ];
    match fields.into_iter().find(|(_, _, is_fine, _)| !is_fine) {
        Some((field, value, _, rule)) => Err(PriorityError { job: job.id.clone(), field, value, rule }),
        None => Ok(()),
    }
}

fn minutes_until(time: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
    (time - now).num_seconds() as f64 / 60.0
}
