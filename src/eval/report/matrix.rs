//! Trials by model and prompt version: what a change of either did.

use super::Report;
use crate::eval::score::AnsweredStep;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const SHA_SHOWN: usize = 8;

/// `workflow/step@prompt`, with a cell for each model.
pub type Rows = BTreeMap<String, BTreeMap<String, MatrixCell>>;

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Matrix {
    pub models: Vec<String>,
    /// A prompt that only the baseline knows is marked `(baseline)`.
    pub rows: Rows,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixCell {
    pub trials: usize,
    pub passed: usize,
    pub stale: usize,
    /// Trials in which the model was asked and the rules answered.
    pub by_rules: usize,
}

impl Matrix {
    pub fn of(report: &Report) -> Self {
        let mut rows = counted(report);
        let steps: BTreeSet<String> = rows.keys().map(|row| step_of(row).to_owned()).collect();
        for (row, cells) in &report.before {
            if steps.contains(step_of(row)) && !rows.contains_key(row) {
                rows.insert(format!("{row} (baseline)"), cells.clone());
            }
        }
        let models: BTreeSet<&String> = rows.values().flat_map(BTreeMap::keys).collect();
        Self { models: models.into_iter().cloned().collect(), rows }
    }

    /// What the next baseline keeps. A prompt whose recordings are stale was asked of no model.
    pub fn accepted(report: &Report, old: &Rows) -> Rows {
        let now = counted(report);
        let fits = |cells: &BTreeMap<String, MatrixCell>| cells.values().all(|cell| cell.stale == 0);
        let (fresh, stale): (Rows, Rows) = now.into_iter().partition(|(_, cells)| fits(cells));
        let has = |rows: &Rows, row: &str| rows.keys().any(|known| step_of(known) == step_of(row));
        let kept = old.iter().filter(|(row, _)| has(&stale, row) && !has(&fresh, row));
        let kept: Vec<_> = kept.map(|(row, cells)| (row.clone(), cells.clone())).collect();
        fresh.into_iter().chain(kept).collect()
    }
}

fn counted(report: &Report) -> Rows {
    let mut rows = Rows::new();
    for case in &report.cases {
        // A canary's tape was spoilt on purpose: what became of it is no model's doing.
        let trials = case.trials.iter().filter(|trial| !trial.score.checks.contains_key("canary"));
        for trial in trials {
            let is_stale = !trial.stale.is_empty();
            for (step, answered) in &trial.answered.steps {
                let version: String = answered.prompt.chars().take(SHA_SHOWN).collect();
                let row = rows.entry(format!("{}/{step}@{version}", case.workflow)).or_default();
                let cell = row.entry(column(answered)).or_default();
                cell.trials += 1;
                cell.passed += usize::from(trial.passed);
                cell.stale += usize::from(is_stale);
                cell.by_rules += usize::from(answered.model.is_some() && answered.by_rules && !is_stale);
            }
        }
    }
    rows
}

fn column(answered: &AnsweredStep) -> String {
    match (&answered.model, answered.authored) {
        (None, _) => "no model".to_owned(),
        (Some(model), true) => format!("{model} (hand-written)"),
        (Some(model), false) => model.clone(),
    }
}

fn step_of(row: &str) -> &str {
    row.rsplit_once('@').map_or(row, |(step, _)| step)
}

impl MatrixCell {
    pub fn text(&self) -> String {
        let also = |count: usize, word: &str| match count {
            0 => String::new(),
            count => format!(", {count} {word}"),
        };
        let (stale, by_rules) = (also(self.stale, "stale"), also(self.by_rules, "by rules"));
        format!("{}/{}{stale}{by_rules}", self.passed, self.trials)
    }
}
