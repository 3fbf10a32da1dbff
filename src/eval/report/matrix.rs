//! Trials by model and prompt version: what a change of either did.

use super::Report;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

const SHA_SHOWN: usize = 8;

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Matrix {
    pub models: Vec<String>,
    /// `workflow/step@prompt`, with a cell for each model.
    pub rows: BTreeMap<String, BTreeMap<String, MatrixCell>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct MatrixCell {
    pub trials: usize,
    pub passed: usize,
    pub stale: usize,
}

impl Matrix {
    pub fn of(report: &Report) -> Self {
        let mut rows: BTreeMap<String, BTreeMap<String, MatrixCell>> = BTreeMap::new();
        let mut models = BTreeSet::new();
        for case in &report.cases {
            for trial in &case.trials {
                let model = match (&trial.answered.model, trial.answered.authored) {
                    (None, _) => "no model".to_owned(),
                    (Some(model), true) => format!("{model} (hand-written)"),
                    (Some(model), false) => model.clone(),
                };
                for (step, sha) in &trial.answered.prompts {
                    let version: String = sha.chars().take(SHA_SHOWN).collect();
                    let row = rows.entry(format!("{}/{step}@{version}", case.workflow)).or_default();
                    let cell = row.entry(model.clone()).or_default();
                    cell.trials += 1;
                    cell.passed += usize::from(trial.passed);
                    cell.stale += usize::from(!trial.stale.is_empty());
                    models.insert(model.clone());
                }
            }
        }
        Self { models: models.into_iter().collect(), rows }
    }
}

impl MatrixCell {
    pub fn text(&self) -> String {
        let stale = if self.stale > 0 { format!(", {} stale", self.stale) } else { String::new() };
        format!("{}/{}{stale}", self.passed, self.trials)
    }
}
