//! When stock of a part runs out, given what takes from it and what arrives.
//!
//! A running balance over dated arrivals and withdrawals; an arrival counts before a withdrawal of the
//! same moment. Rates, safety stock and quantiles of delivery times are not modelled.

use chrono::{DateTime, Duration, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const MINUTES_PER_DAY: f64 = 24.0 * 60.0;

/// Stock, open work and open purchases of one part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    pub on_hand: f64,
    pub demand: Vec<Demand>,
    pub inbound: Vec<Inbound>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Demand {
    pub job: String,
    pub at: DateTime<Utc>,
    pub quantity: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inbound {
    pub po: String,
    pub quantity: f64,
    pub due: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// Days until the first job waits; the horizon when none does.
    pub cover_days: f64,
    pub runs_out_at: Option<DateTime<Utc>>,
    /// Most pieces missing at one time.
    pub short_quantity: f64,
    /// Days, within the horizon, on which pieces are missing.
    pub short_days: f64,
    /// Jobs that have to wait, in the order they need the part.
    pub waiting: Vec<Waiting>,
    /// The forecast in one sentence.
    pub summary: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Waiting {
    pub job: String,
    pub needed_at: DateTime<Utc>,
    pub missing: f64,
    /// When enough has arrived for it and everything before it; absent when nothing on order covers it.
    pub covered_at: Option<DateTime<Utc>>,
}

impl Position {
    /// The same position with every delivery of a purchase order at another time.
    #[must_use]
    pub fn with_delivery_at(mut self, po: &str, eta: DateTime<Utc>) -> Self {
        self.inbound.iter_mut().filter(|inbound| inbound.po == po).for_each(|inbound| inbound.due = eta);
        self
    }

    /// Pieces on the way with one purchase order.
    pub fn on_order(&self, po: &str) -> f64 {
        self.inbound.iter().filter(|inbound| inbound.po == po).map(|inbound| inbound.quantity).sum()
    }

    pub fn forecast(&self, now: DateTime<Utc>, horizon: Duration) -> Forecast {
        let end = now + horizon;
        let mut arrivals: Vec<_> = self.inbound.iter().map(|i| (i.due.max(now), i.quantity)).collect();
        arrivals.sort_by_key(|(at, _)| *at);
        // What should have been taken already is taken now.
        let mut demand: Vec<_> =
            self.demand.iter().map(|d| (d.at.max(now), d)).filter(|(at, _)| *at < end).collect();
        demand.sort_by_key(|(at, _)| *at);

        let (mut taken, mut waiting, mut short_quantity) = (0.0, Vec::new(), 0.0_f64);
        for (at, demand) in demand {
            taken += demand.quantity;
            let missing = taken - self.available(&arrivals, at);
            if missing > 0.0 && demand.quantity > 0.0 {
                short_quantity = short_quantity.max(missing);
                let covered_at =
                    arrivals.iter().map(|(due, _)| *due).find(|due| self.available(&arrivals, *due) >= taken);
                let missing = missing.min(demand.quantity);
                waiting.push(Waiting { job: demand.job.clone(), needed_at: at, missing, covered_at });
            }
        }
        let runs_out_at = waiting.first().map(|first| first.needed_at);
        let cover = runs_out_at.map_or(horizon, |at| at - now);
        let short_days = short_minutes(&waiting, end) as f64 / MINUTES_PER_DAY;
        let cover_days = cover.num_minutes() as f64 / MINUTES_PER_DAY;
        let summary = summary(&waiting, cover_days, short_quantity, short_days, horizon);
        Forecast { cover_days, runs_out_at, short_quantity, short_days, waiting, summary }
    }

    fn available(&self, arrivals: &[(DateTime<Utc>, f64)], at: DateTime<Utc>) -> f64 {
        let arrived: f64 =
            arrivals.iter().take_while(|(due, _)| *due <= at).map(|(_, quantity)| quantity).sum();
        self.on_hand + arrived
    }
}

/// Length of the union of the times in which some job waits, up to the horizon.
fn short_minutes(waiting: &[Waiting], end: DateTime<Utc>) -> i64 {
    let (mut total, mut until) = (0, None::<DateTime<Utc>>);
    for job in waiting {
        let covered = job.covered_at.unwrap_or(end).min(end);
        let from = until.map_or(job.needed_at, |until| until.max(job.needed_at));
        total += (covered - from).num_minutes().max(0);
        until = Some(until.map_or(covered, |until| until.max(covered)));
    }
    total
}

fn summary(waiting: &[Waiting], cover_days: f64, quantity: f64, days: f64, horizon: Duration) -> String {
    if waiting.is_empty() {
        return format!("Stock and orders cover the next {} days.", horizon.num_days());
    }
    let jobs = match waiting.len() {
        1 => "1 job waits".to_owned(),
        n => format!("{n} jobs wait"),
    };
    format!(
        "{jobs}, the first in {cover_days:.1} days; up to {quantity:.0} pieces are missing, for {days:.1} days."
    )
}

#[cfg(test)]
mod tests;
