//! What a question rests on: what its run had found out when it asked, line by line, each with the way to the step that
//! found it. Read from the journal, so it is what was known then.

use super::super::run::definition;
use crate::{
    http::{console::when::Clock, state::Shared},
    notify::clip,
    run::{
        Change, Record, RunId,
        story::{self, Mark},
    },
    store::{PgConnection, StoreError, gates::Gate, journal},
};
use serde::Serialize;
use serde_json::Value;

/// The last ones count most.
const LINES_MAX: usize = 24;
const POINTS_MAX: usize = 8;
const POINT_CHARS_MAX: usize = 300;

#[derive(Serialize)]
pub(super) struct Line {
    at: String,
    text: String,
    /// What an agent names for what it says.
    points: Vec<String>,
    /// The step on the run's page.
    anchor: Option<String>,
}

pub(super) async fn read(
    door: &Shared,
    db: &mut PgConnection,
    gate: &Gate,
    clock: &Clock,
) -> Result<Vec<Line>, StoreError> {
    let records = journal::load(db, RunId(gate.run_id)).await?;
    let Some(definition) = definition(door, db, &records).await else { return Ok(Vec::new()) };
    let is_before = |record: &&Record| record.path.as_ref().is_none_or(|path| path.as_str() != gate.path);
    let known: Vec<Record> = records.iter().take_while(is_before).cloned().collect();
    let mut told = story::lines(&definition.workflow, &known, clock.zone);
    told.retain(|line| {
        matches!(
            line.mark,
            Mark::Began | Mark::Fact | Mark::Thought | Mark::Answered | Mark::Wrote | Mark::Trouble
        )
    });
    let first = told.len().saturating_sub(LINES_MAX);
    let line = |line: story::Line| Line {
        at: clock.exact(line.at),
        points: known.iter().find(|record| record.seq == line.seq).map(points).unwrap_or_default(),
        anchor: line.path.map(|path| path.as_str().replace(['.', '[', ']'], "-")),
        text: line.text,
    };
    Ok(told.into_iter().skip(first).map(line).collect())
}

fn points(record: &Record) -> Vec<String> {
    let Change::Done { output } = &record.change else { return Vec::new() };
    let named = output.get("evidence").and_then(Value::as_array).into_iter().flatten();
    named.filter_map(Value::as_str).take(POINTS_MAX).map(|point| clip(point, POINT_CHARS_MAX)).collect()
}
