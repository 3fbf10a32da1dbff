//! A site that does not load, as findings at their places: what is wrong in takt.yaml and in connector files.

use crate::{
    app::AppError,
    connector::declared::LoadError,
    site::SiteError,
    workflow::{
        Place,
        problem::{Problem, Severity},
    },
};
use std::path::Path;

const SITE_FILE: &str = "takt.yaml";

/// Paths are those in the site folder; nothing where the error has no place in a file.
pub(super) fn findings(folder: &Path, error: &AppError) -> Vec<Problem> {
    match error {
        AppError::Site(SiteError::Invalid(problems)) => problems
            .iter()
            .map(|problem| found(SITE_FILE, problem.line, problem.column, &problem.message))
            .collect(),
        AppError::Connectors(LoadError::Problems(problems)) => problems
            .iter()
            .map(|problem| {
                let path = inside(folder, &problem.file);
                found(&path, problem.line, problem.column, &problem.message)
            })
            .collect(),
        AppError::Connectors(LoadError::Read { path, source }) => {
            let message = format!("the file cannot be read: {source}");
            vec![found(&inside(folder, path), 1, 1, &message)]
        }
        _ => Vec::new(),
    }
}

fn inside(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}

/// What is right stands behind the colon of the message.
fn found(path: &str, line: u64, column: u64, message: &str) -> Problem {
    let number = |number: u64| u32::try_from(number).unwrap_or(1).max(1);
    Problem {
        code: "T026",
        severity: Severity::Error,
        path: path.to_owned(),
        place: Place { line: number(line), column: number(column) },
        message: message.to_owned(),
        fix: None,
    }
}
