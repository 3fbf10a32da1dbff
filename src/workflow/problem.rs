//! One finding of the loader or the checker, at its place, with a fix.

use super::Place;
use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `T001` … as in the language reference.
    pub code: &'static str,
    pub severity: Severity,
    /// Path of the file in the site folder.
    pub path: String,
    pub place: Place,
    pub message: String,
    /// One line saying what is right.
    pub fix: Option<String>,
}

impl Problem {
    /// Something wrong in a file of the site that is no workflow: takt.yaml, or one of connectors/.
    pub fn of_site(path: &str, (line, column): (u64, u64), message: impl Into<String>) -> Self {
        let number = |number: u64| u32::try_from(number).unwrap_or(1).max(1);
        Self {
            code: "T026",
            severity: Severity::Error,
            path: path.to_owned(),
            place: Place { line: number(line), column: number(column) },
            message: message.into(),
            fix: None,
        }
    }

    /// Whether this keeps the file from being used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Warning,
    Error,
}
