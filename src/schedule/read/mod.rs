//! From the text of an instance file to a [`Model`]: the classic shop formats and two JSON dialects.
//!
//! The format is told by the content, never by the file's name. Times stay as given, one unit a minute.
//! Nothing here checks what [`super::Problem::parse`] checks anyway: ids, ranges of times, matrices.

mod classic;
mod flexible;
mod job_shop;
mod plant;
#[cfg(test)]
mod tests;
mod tokens;

use super::model::Model;

/// Why a file cannot be read, with the place in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("the file holds nothing; write a JSON model or a shop instance that starts with `jobs machines`")]
    Empty,
    #[error("line {line}, column {column}: `{token}` is not a whole number")]
    NotANumber { line: usize, column: usize, token: String },
    #[error("line {line}, column {column}: {value} is not allowed as {what}; it must be {rule}")]
    OutOfRange { line: usize, column: usize, value: i64, what: &'static str, rule: String },
    #[error("the file ends after line {line} where {what} should follow")]
    Ends { line: usize, what: String },
    #[error(
        "line {line}, column {column}: {count} numbers are left over; expected none, {by_job} (setups between jobs) or {by_op} (setups between operations)"
    )]
    LeftOver { line: usize, column: usize, count: usize, by_job: u128, by_op: u128 },
    #[error("line {line}: {message}")]
    Line { line: usize, message: String },
    #[error("line {line}, column {column}: {message}")]
    Json { line: usize, column: usize, message: String },
    #[error("{path}: {message}")]
    Field { path: String, message: String },
}

/// Which form a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The JSON model of this crate.
    Model,
    /// The JSON dialect of generated plants.
    Plant,
    /// JSPLIB, re-entrant shops included.
    JobShop,
    /// JSPLIB with `weight due` behind every job (Singer and Pinedo).
    WeightedTardiness,
    /// Flexible job shop.
    Flexible,
    /// Flexible job shop with setups between jobs on every machine (Oddi and others).
    SetupsByJob,
    /// Flexible job shop with setups between operations on every machine (Fattahi).
    SetupsByOperation,
}

/// Reads a model from the text of a file in any of the formats.
pub fn read(text: &str) -> Result<Model, ReadError> {
    read_with_format(text).map(|(model, _)| model)
}

/// Like [`read`], and which format it was.
pub fn read_with_format(text: &str) -> Result<(Model, Format), ReadError> {
    let text = text.trim_start_matches('\u{feff}');
    match text.trim_start().chars().next() {
        None => Err(ReadError::Empty),
        Some('{' | '[') => plant::read_json(text),
        Some(_) => classic::read(text),
    }
}
