//! The report as a table for terminals and logs; readable without colour.

use super::{CaseReport, Matrix, Report, Summary};
use std::fmt::Write as _;

impl Report {
    pub fn to_text(&self) -> String {
        if self.cases.is_empty() {
            return "no cases found\n".to_owned();
        }
        let width = self.cases.iter().map(|case| case.case.chars().count()).max().unwrap_or(4).max(4);
        let mut out = format!(
            "{:width$}  {:24}  {:9}  {:22}  {:>6}  {:>6}  {:>8}  {:>5}  {:>6}\n",
            "case", "origin", "verdict", "outcome", "trials", "checks", "minutes", "calls", "tokens"
        );
        for case in &self.cases {
            self::line(case, width, &mut out);
        }
        for missing in &self.missing {
            let _ = writeln!(out, "{missing:width$}  in the baseline, but not found");
        }
        matrix(&Matrix::of(self), &mut out);
        out.push('\n');
        for line in Summary::of(self).lines() {
            let _ = writeln!(out, "{line}");
        }
        out
    }
}

fn line(case: &CaseReport, width: usize, out: &mut String) {
    let verdict = case.verdict.word();
    let _ = match &case.score {
        None => writeln!(out, "{:width$}  {:24}  {verdict}", case.case, case.origin),
        Some(score) => {
            let held = score.checks.values().filter(|check| check.holds).count();
            let checks = format!("{held}/{}", score.checks.len());
            let trials = format!("{}/{}", case.passes.passed, case.passes.trials);
            let metrics = &score.metrics;
            writeln!(
                out,
                "{:width$}  {:24}  {verdict:9}  {:22}  {trials:>6}  {checks:>6}  {:>8.1}  {:>5}  {:>6}",
                case.case, case.origin, score.outcome, metrics.minutes, metrics.tool_calls, metrics.tokens
            )
        }
    };
    for problem in &case.problems {
        let _ = writeln!(out, "  ✗ {problem}");
    }
    for changed in &case.changed {
        let _ = writeln!(out, "    {}: {} → {}", changed.what, changed.was, changed.is);
    }
    if let Some(judgement) = &case.judge {
        let _ = writeln!(out, "    {judgement}");
    }
}

fn matrix(matrix: &Matrix, out: &mut String) {
    if matrix.rows.is_empty() {
        return;
    }
    let title = "passed trials by prompt and model";
    let width = matrix.rows.keys().map(String::len).max().unwrap_or(0).max(title.len());
    let columns: Vec<usize> = matrix.models.iter().map(|model| model.chars().count().max(8)).collect();
    let _ = write!(out, "\n{title:width$}");
    for (model, column) in matrix.models.iter().zip(&columns) {
        let _ = write!(out, "  {model:>column$}");
    }
    out.push('\n');
    for (prompt, cells) in &matrix.rows {
        let _ = write!(out, "{prompt:width$}");
        for (model, column) in matrix.models.iter().zip(&columns) {
            let text = cells.get(model).map_or("–".to_owned(), super::MatrixCell::text);
            let _ = write!(out, "  {text:>column$}");
        }
        out.push('\n');
    }
}
