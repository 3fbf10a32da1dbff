//! What happened in a case, in order, by the time since its start.

use super::{judge::offset, played::Played};
use crate::{
    agent::Entry,
    run::{Change, Record, story},
    workflow::Workflow,
};
use chrono_tz::Tz;
use serde::Serialize;

#[derive(Debug, Clone, Serialize)]
pub struct TimelineLine {
    /// `+3m`.
    pub after: String,
    pub text: String,
}

pub(super) fn timeline(workflow: &Workflow, played: &Played, zone: Tz) -> Vec<TimelineLine> {
    retold(workflow, played, zone, &|_| None)
}

/// Of what happens at one moment, the world speaks before the runs. `words` may say a line of a run otherwise.
pub(super) fn retold(
    workflow: &Workflow,
    played: &Played,
    zone: Tz,
    words: &dyn Fn(&story::Line) -> Option<String>,
) -> Vec<TimelineLine> {
    let mut lines: Vec<_> = played.beside.iter().map(|(at, text)| (*at, 0, text.clone())).collect();
    for (index, run) in played.runs.iter().enumerate() {
        let name = if played.runs.len() > 1 { format!("run {}: ", index + 1) } else { String::new() };
        for line in story::lines(workflow, &run.records, zone) {
            let text = words(&line).unwrap_or(line.text);
            lines.push((line.at, 1, format!("{name}{text}")));
        }
        lines.extend(run.records.iter().filter_map(rejected));
    }
    lines.sort_by_key(|(at, kind, _)| (*at, *kind));
    let line = |(at, _, text)| TimelineLine { after: offset(played, at), text };
    lines.into_iter().map(line).collect()
}

/// Why an agent's answer was not taken: whoever scripted it must know.
fn rejected(record: &Record) -> Option<(chrono::DateTime<chrono::Utc>, i32, String)> {
    let Change::Noted { note } = &record.change else { return None };
    let Ok(Entry::Rejected { rejection, .. }) = serde_json::from_value(note.clone()) else { return None };
    let step = record.path.as_ref().map(ToString::to_string).unwrap_or_default();
    Some((record.at, 0, format!("{step}: the answer is not taken: {}", rejection.message)))
}
