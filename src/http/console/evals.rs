//! The report of the last `takt eval --keep`: what got worse, what can no longer be told, what holds. The page reads
//! a file of the site; it replays nothing.

use super::{
    PageError,
    template::{Frame, render},
    when::{Clock, When},
};
use crate::{
    http::{auth::SignedIn, state::Shared},
    store::clock,
};
use axum::{extract::State, response::Html};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

const REPORT: &str = "evals/report.json";
/// A larger report is not one of `takt eval`'s.
const REPORT_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Serialize)]
struct Page {
    /// Why there is nothing to show.
    notice: Option<String>,
    kept: Option<When>,
    lines: Vec<String>,
    models: Vec<String>,
    prompts: Vec<Prompt>,
    missing: Vec<String>,
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Prompt {
    name: String,
    cells: Vec<String>,
}

#[derive(Serialize)]
struct Group {
    title: &'static str,
    count: usize,
    tone: &'static str,
    cases: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    case: String,
    verdict: String,
    origin: String,
    outcome: String,
    trials: String,
    problems: Vec<String>,
    changed: Vec<String>,
}

/// What is read of the file; the rest of it is for machines.
#[derive(Deserialize)]
struct Report {
    lines: Vec<String>,
    matrix: Matrix,
    missing: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Matrix {
    models: Vec<String>,
    rows: BTreeMap<String, BTreeMap<String, Cell>>,
}

#[derive(Deserialize)]
struct Cell {
    trials: usize,
    passed: usize,
    stale: usize,
    /// Reports of earlier versions do not say it.
    #[serde(default)]
    by_rules: usize,
}

#[derive(Deserialize)]
struct Case {
    case: String,
    verdict: String,
    origin: String,
    score: Option<Score>,
    passes: Passes,
    problems: Vec<String>,
    changed: Vec<Difference>,
}

#[derive(Deserialize)]
struct Score {
    outcome: String,
}

#[derive(Deserialize)]
struct Passes {
    trials: usize,
    passed: usize,
}

#[derive(Deserialize)]
struct Difference {
    what: String,
    was: String,
    is: String,
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    let mut db = door.app.store.connection().await?;
    let now = clock::now(&mut db).await?;
    let clock = Clock { zone: door.app.site.time_zone, now };
    let page = match read(&door.app.site.folder.join(REPORT)).await {
        Ok((report, kept)) => shown(report, clock.when(kept)),
        Err(notice) => Page {
            notice: Some(notice),
            kept: None,
            lines: Vec::new(),
            models: Vec::new(),
            prompts: Vec::new(),
            missing: Vec::new(),
            groups: Vec::new(),
        },
    };
    let frame = Frame::new(&door, &who, "runs", "Evals");
    Ok(render("evals", frame, &page)?)
}

async fn read(path: &Path) -> Result<(Report, DateTime<Utc>), String> {
    let none = |_| "No report is kept yet: run `takt eval --keep` in the site folder.".to_owned();
    let file = tokio::fs::metadata(path).await.map_err(none)?;
    if file.len() > REPORT_BYTES_MAX {
        return Err(format!("{REPORT} is too large to be a report."));
    }
    let text = tokio::fs::read(path).await.map_err(none)?;
    let report = serde_json::from_slice(&text)
        .map_err(|error| format!("{REPORT} is not a report ({error}): run `takt eval --keep` again."))?;
    let kept = file.modified().map_err(|error| format!("{REPORT}: {error}"))?;
    Ok((report, kept.into()))
}

fn shown(report: Report, kept: When) -> Page {
    let models = report.matrix.models;
    let prompts = report.matrix.rows.into_iter().map(|(name, cells)| {
        let cell = |model: &String| match cells.get(model) {
            None => "–".to_owned(),
            Some(Cell { trials, passed, stale, by_rules }) => {
                let also = [(*stale, "stale"), (*by_rules, "by rules")];
                let also = also.iter().filter(|(count, _)| *count > 0);
                let also: String = also.map(|(count, word)| format!(", {count} {word}")).collect();
                format!("{passed}/{trials}{also}")
            }
        };
        Prompt { name, cells: models.iter().map(cell).collect() }
    });
    let prompts = prompts.collect();
    // What needs a person comes first.
    let groups = [
        ("Regressed", "bad", &["regressed", "broken"][..]),
        ("Stale", "bad", &["stale"]),
        ("Fixed", "good", &["fixed"]),
        ("New", "warn", &["new"]),
        ("Known", "warn", &["known"]),
        ("As in the baseline", "good", &["ok"]),
    ];
    let groups = groups.into_iter().filter_map(|(title, tone, verdicts)| {
        let cases = report.cases.iter().filter(|case| verdicts.contains(&case.verdict.as_str()));
        let cases: Vec<Row> = cases.map(row).collect();
        (!cases.is_empty()).then_some(Group { title, count: cases.len(), tone, cases })
    });
    Page {
        notice: None,
        kept: Some(kept),
        lines: report.lines,
        groups: groups.collect(),
        missing: report.missing,
        models,
        prompts,
    }
}

fn row(case: &Case) -> Row {
    Row {
        case: case.case.clone(),
        verdict: case.verdict.clone(),
        origin: case.origin.clone(),
        outcome: case.score.as_ref().map(|score| score.outcome.clone()).unwrap_or_default(),
        trials: format!("{} of {} trials", case.passes.passed, case.passes.trials),
        problems: case.problems.clone(),
        changed: case
            .changed
            .iter()
            .map(|change| format!("{}: {} → {}", change.what, change.was, change.is))
            .collect(),
    }
}
