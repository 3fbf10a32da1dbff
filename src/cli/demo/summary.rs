//! The end of the story: what changed outside, how long it took, and that nothing was done twice.

use super::{
    DemoError, Scenario,
    narrator::{Ended, Narrator},
};
use crate::{
    connector::http,
    run::{Change, Record},
};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::Value;
use std::net::SocketAddr;

/// Operations that are listed.
const MOVES_SHOWN: usize = 6;
/// Outcomes with which a story ends well.
const GOOD: [&str; 5] = ["done", "handled_manually", "watch_only", "no_shortage", "handed_over_in_person"];

#[derive(Debug, Deserialize)]
struct Summary {
    applied: u64,
    repeated: u64,
    refused: u64,
    duplicate_effects: u64,
    keys: Vec<KeySummary>,
}

#[derive(Debug, Deserialize)]
struct KeySummary {
    system: String,
    applied: u64,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    target: String,
    applied: u64,
}

pub(super) async fn print(
    narrator: &Narrator,
    ended: &Ended,
    simulator: &str,
    bind: SocketAddr,
) -> Result<(), DemoError> {
    let client = http::client()?;
    let url = format!("{simulator}/sim/writes/summary");
    let summary: Summary = client.get(url).send().await?.error_for_status()?.json().await?;
    println!("\nOutcome: {}", ended.outcome.replace('_', " "));
    println!(
        "Writes the plant received: {} took effect, {} repeated without effect, {} refused, {} done twice",
        summary.applied, summary.repeated, summary.refused, summary.duplicate_effects
    );
    for key in summary.keys.iter().filter(|key| key.applied > 0) {
        let changed = key.targets.iter().filter(|target| target.applied > 0);
        let names: Vec<&str> = changed.map(|target| target.target.as_str()).collect();
        println!("  {:8} one call changed {}: {}", key.system, count(names.len()), brief(&names));
    }
    print_moves(&ended.records, narrator.plant.site.time_zone);
    let began = event_time(&ended.records).unwrap_or_else(|| narrator.started());
    for (what, at) in
        [("acknowledge", acknowledged(&ended.records)), ("coordinate", coordinated(&ended.records))]
    {
        if let Some(at) = at {
            println!("Time to {what}: {} (plant time)", span(at - began));
        }
    }
    println!("Look at it again: {}", narrator.place.command("show", ended.run.0));
    if !narrator.is_scripted() {
        println!("  or open http://{bind}/runs/{}", ended.run);
    }
    if summary.duplicate_effects > 0 {
        return Err(DemoError::Repeated(simulator.to_owned()));
    }
    if narrator.is_scripted() && ended.outcome == "done" {
        wrote_what_was_due(&summary, narrator.scenario())?;
    }
    if GOOD.contains(&ended.outcome.as_str()) {
        Ok(())
    } else {
        Err(DemoError::EndedBadly(ended.outcome.clone()))
    }
}

/// Tickets and notices are no schedule: one key of Plex has to have had an effect, and no second.
fn wrote_what_was_due(summary: &Summary, scenario: Scenario) -> Result<(), DemoError> {
    let schedules = summary.keys.iter().filter(|key| key.system == "plex" && key.applied > 0).count();
    match scenario {
        Scenario::DowntimeEscalation if schedules != 1 => Err(DemoError::Schedules(schedules)),
        _ if summary.applied == 0 => Err(DemoError::NothingWritten),
        _ => Ok(()),
    }
}

/// The schedule write in a person's words: which job goes where, and when.
fn print_moves(records: &[Record], zone: Tz) {
    let chosen = records.iter().find_map(|record| match &record.change {
        Change::Done { output } => output["chosen"]["sequence"].as_array(),
        _ => None,
    });
    let Some(moves) = chosen else { return };
    println!("  The plan, {} operations:", moves.len());
    for step in moves.iter().take(MOVES_SHOWN) {
        let word = |field: &str| step[field].as_str().unwrap_or_default();
        let start = word("start").parse::<DateTime<Utc>>();
        let start = start.map_or(String::new(), |at| at.with_timezone(&zone).format("%a %H:%M").to_string());
        println!("    {} to {} at {start}, {} min", word("job"), word("work_center"), step["minutes"]);
    }
    if moves.len() > MOVES_SHOWN {
        println!("    … and {} more, in the console", moves.len() - MOVES_SHOWN);
    }
}

fn count(targets: usize) -> String {
    if targets == 1 { "1 thing".into() } else { format!("{targets} things") }
}

fn brief(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(", …");
    }
    text
}

fn event_time(records: &[Record]) -> Option<DateTime<Utc>> {
    let Change::RunStarted(start) = &records.first()?.change else { return None };
    start.trigger["time"].as_str()?.parse().ok()
}

/// When somebody first acknowledged.
fn acknowledged(records: &[Record]) -> Option<DateTime<Utc>> {
    decided(records, &["acknowledge"])
}

/// Mean time to coordinate ends with the first approved plan.
fn coordinated(records: &[Record]) -> Option<DateTime<Utc>> {
    decided(records, &["choose", "approve", "edit"])
}

fn decided(records: &[Record], decisions: &[&str]) -> Option<DateTime<Utc>> {
    records.iter().find_map(|record| match &record.change {
        Change::Done { output } => {
            let decision = output.get("decision").and_then(Value::as_str)?;
            decisions.contains(&decision).then_some(record.at)
        }
        _ => None,
    })
}

fn span(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {} s", seconds / 60, seconds % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(systems: &[&str]) -> Summary {
        let key =
            |system: &&str| KeySummary { system: (*system).to_owned(), applied: 1, targets: Vec::new() };
        let applied = systems.len() as u64;
        let keys = systems.iter().map(key).collect();
        Summary { applied, repeated: 0, refused: 0, duplicate_effects: 0, keys }
    }

    #[test]
    fn a_ticket_does_not_stand_for_the_schedule_that_was_due() {
        let due = |systems: &[&str], scenario| wrote_what_was_due(&summary(systems), scenario).is_ok();
        assert!(due(&["tickets", "plex", "tickets"], Scenario::DowntimeEscalation));
        assert!(!due(&["tickets", "tickets"], Scenario::DowntimeEscalation));
        assert!(!due(&["plex", "tickets", "plex"], Scenario::DowntimeEscalation));
        assert!(due(&["tickets"], Scenario::SupplierDelay));
        assert!(!due(&[], Scenario::ShiftHandover));
    }
}
