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

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Warning,
    Error,
}
