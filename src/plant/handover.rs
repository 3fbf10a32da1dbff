//! The facts of a shift as a draft note and as points that the incoming lead answers one by one.
//!
//! What could not be read is named in the note: a quiet section must not look like a quiet shift.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Longest list of one section; the rest is counted.
const LINES_MAX: usize = 12;

/// One answer of each source; `null` where the source was not available.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Facts {
    pub machines: Option<Machines>,
    pub stops: Option<Stops>,
    pub scrap: Option<Scrap>,
    pub calls: Option<Calls>,
    pub holds: Option<Holds>,
    pub positions: Option<Positions>,
    pub maintenance: Option<Maintenance>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Machines {
    pub work_centers: Vec<Machine>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Machine {
    pub work_center: String,
    pub status: String,
    pub since: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Stops {
    pub stops: Vec<Stop>,
    pub minutes_down: f64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Stop {
    pub work_center: String,
    pub status: String,
    pub at: DateTime<Utc>,
    pub minutes: f64,
    pub note: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Scrap {
    pub entries: Vec<Scrapped>,
    pub pieces: f64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Scrapped {
    pub work_center: String,
    pub part: String,
    pub reason: String,
    pub quantity: f64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Calls {
    pub calls: Vec<AndonCall>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct AndonCall {
    pub id: String,
    pub work_center: String,
    pub category: String,
    pub raised_at: DateTime<Utc>,
    pub line_stop: bool,
    pub text: String,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Holds {
    pub holds: Vec<Hold>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Hold {
    pub deviation: String,
    pub reason: String,
    pub pieces: Option<f64>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Positions {
    pub due_soon: Vec<DueSoon>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct DueSoon {
    pub order: String,
    pub job: String,
    pub tier: String,
    pub due: DateTime<Utc>,
    pub quantity: f64,
    pub done: f64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Maintenance {
    pub work_orders: Vec<WorkOrder>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct WorkOrder {
    pub work_order: String,
    pub asset: String,
    pub title: String,
    pub priority: String,
    pub status: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Draft {
    pub shift: String,
    /// Plain text with one heading a section.
    pub note: String,
    /// What the incoming lead answers one by one.
    pub items: Vec<Item>,
    /// The sources that gave no answer, in words that the note uses.
    pub missing_sources: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Item {
    pub title: String,
    pub detail: String,
}

/// One section: its heading, what its source is called, and its lines.
struct Section {
    heading: &'static str,
    source: &'static str,
    lines: Option<Vec<String>>,
    empty: &'static str,
}

pub fn draft(shift: &str, facts: &Facts, zone: Tz) -> Draft {
    let clock = |time: DateTime<Utc>| time.with_timezone(&zone).format("%a %H:%M").to_string();
    let mut items = Vec::new();
    let sections = [
        machines(facts.machines.as_ref(), &clock, &mut items),
        calls(facts.calls.as_ref(), &clock, &mut items),
        holds(facts.holds.as_ref(), &mut items),
        stops(facts.stops.as_ref(), &clock),
        scrap(facts.scrap.as_ref()),
        positions(facts.positions.as_ref(), &clock, &mut items),
        maintenance(facts.maintenance.as_ref(), &mut items),
    ];
    let missing: Vec<String> = sections
        .iter()
        .filter(|section| section.lines.is_none())
        .map(|section| section.source.to_owned())
        .collect();
    for source in &missing {
        let detail = "Nothing in the note comes from here: look yourself.".to_owned();
        items.push(Item { title: format!("Not available: {source}"), detail });
    }
    Draft { shift: shift.to_owned(), note: note(shift, &sections, &missing), items, missing_sources: missing }
}

fn note(shift: &str, sections: &[Section], missing: &[String]) -> String {
    let mut note = format!("Shift {shift} handover\n");
    if !missing.is_empty() {
        let _ = writeln!(note, "\nNot available: {}", missing.join(", "));
    }
    for section in sections {
        let Some(lines) = &section.lines else { continue };
        let _ = writeln!(note, "\n{}", section.heading);
        for line in lines.iter().take(LINES_MAX) {
            let _ = writeln!(note, "- {line}");
        }
        let _ = match lines.len() {
            0 => writeln!(note, "- {}", section.empty),
            count if count > LINES_MAX => writeln!(note, "- and {} more", count - LINES_MAX),
            _ => Ok(()),
        };
    }
    note
}

fn machines(
    facts: Option<&Machines>,
    clock: &impl Fn(DateTime<Utc>) -> String,
    items: &mut Vec<Item>,
) -> Section {
    let lines = facts.map(|facts| {
        let stopped = facts
            .work_centers
            .iter()
            .filter(|m| !matches!(m.status.as_str(), "Production" | "Setup" | "Idle" | "Off"));
        let line = |machine: &Machine| {
            let since = machine.since.map_or(String::new(), |since| format!(" since {}", clock(since)));
            let detail = format!("{}{since}", machine.status);
            items.push(Item {
                title: format!("{} is not running", machine.work_center),
                detail: detail.clone(),
            });
            format!("{}: {detail}", machine.work_center)
        };
        stopped.map(line).collect()
    });
    Section {
        heading: "Machines that are not running",
        source: "machine states",
        lines,
        empty: "all are running",
    }
}

fn calls(facts: Option<&Calls>, clock: &impl Fn(DateTime<Utc>) -> String, items: &mut Vec<Item>) -> Section {
    let lines = facts.map(|facts| {
        let line = |call: &AndonCall| {
            let stop = if call.line_stop { ", line stopped" } else { "" };
            let detail = format!("{} since {}{stop}: {}", call.category, clock(call.raised_at), call.text);
            items.push(Item {
                title: format!("Andon call {} at {}", call.id, call.work_center),
                detail: detail.clone(),
            });
            format!("{} {}: {detail}", call.id, call.work_center)
        };
        facts.calls.iter().map(line).collect()
    });
    Section { heading: "Open andon calls", source: "andon board", lines, empty: "none" }
}

fn holds(facts: Option<&Holds>, items: &mut Vec<Item>) -> Section {
    let lines = facts.map(|facts| {
        let line = |hold: &Hold| {
            let pieces = hold.pieces.map_or(String::new(), |pieces| format!(", {pieces:.0} pieces"));
            let detail = format!("{}{pieces}", hold.reason);
            items.push(Item { title: format!("Quality hold {}", hold.deviation), detail: detail.clone() });
            format!("{}: {detail}", hold.deviation)
        };
        facts.holds.iter().map(line).collect()
    });
    Section { heading: "Quality holds", source: "quality holds", lines, empty: "none" }
}

fn stops(facts: Option<&Stops>, clock: &impl Fn(DateTime<Utc>) -> String) -> Section {
    let lines = facts.map(|facts| {
        let line = |stop: &Stop| {
            let note = stop.note.as_ref().map_or(String::new(), |note| format!(", {note}"));
            format!(
                "{} {:.0} min, {} at {}{note}",
                stop.work_center,
                stop.minutes,
                stop.status,
                clock(stop.at)
            )
        };
        let mut longest: Vec<&Stop> = facts.stops.iter().collect();
        longest.sort_by(|a, b| b.minutes.total_cmp(&a.minutes));
        let mut lines: Vec<String> = longest.into_iter().map(line).collect();
        if !lines.is_empty() {
            lines.insert(0, format!("{:.0} min of unplanned downtime in all", facts.minutes_down));
        }
        lines
    });
    Section { heading: "Stops of this shift", source: "downtime records", lines, empty: "none" }
}

fn scrap(facts: Option<&Scrap>) -> Section {
    let lines = facts.map(|facts| {
        let line = |entry: &Scrapped| {
            format!("{} {:.0} × {}: {}", entry.work_center, entry.quantity, entry.part, entry.reason)
        };
        let mut lines: Vec<String> = facts.entries.iter().map(line).collect();
        if !lines.is_empty() {
            lines.insert(0, format!("{:.0} pieces in all", facts.pieces));
        }
        lines
    });
    Section { heading: "Scrap of this shift", source: "scrap records", lines, empty: "none" }
}

fn positions(
    facts: Option<&Positions>,
    clock: &impl Fn(DateTime<Utc>) -> String,
    items: &mut Vec<Item>,
) -> Section {
    let lines = facts.map(|facts| {
        let line = |job: &DueSoon| {
            let detail = format!("{:.0} of {:.0} done, due {}", job.done, job.quantity, clock(job.due));
            if job.tier == "A" {
                items.push(Item {
                    title: format!("{} ({}), tier A", job.order, job.job),
                    detail: detail.clone(),
                });
            }
            format!("{} ({}), tier {}: {detail}", job.order, job.job, job.tier)
        };
        facts.due_soon.iter().filter(|job| job.done < job.quantity).map(line).collect()
    });
    Section { heading: "Due within a day", source: "job positions", lines, empty: "nothing open" }
}

fn maintenance(facts: Option<&Maintenance>, items: &mut Vec<Item>) -> Section {
    let lines = facts.map(|facts| {
        let line = |order: &WorkOrder| {
            let detail = format!(
                "{}, {}, priority {}",
                order.title,
                order.status.to_lowercase().replace('_', " "),
                order.priority.to_lowercase()
            );
            if order.status == "IN_PROGRESS" {
                items.push(Item {
                    title: format!("{} on {}", order.work_order, order.asset),
                    detail: detail.clone(),
                });
            }
            format!("{} {}: {detail}", order.work_order, order.asset)
        };
        facts.work_orders.iter().map(line).collect()
    });
    Section { heading: "Maintenance", source: "maintenance orders", lines, empty: "nothing open" }
}

#[cfg(test)]
mod tests;
