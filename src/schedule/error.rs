//! Why a model is refused. Each message names the place and says what to change.

use super::model::Minute;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    #[error("version {0} of the scheduling form is unknown; write version 1")]
    Version(u32),
    #[error("{path}: the id `{id}` is used twice; ids must be unique")]
    DuplicateId { path: String, id: String },
    #[error("{path}: there is no {kind} `{id}`; add it or correct the reference")]
    Unknown { path: String, kind: &'static str, id: String },
    #[error("order `{order}`: operations wait for each other in a circle: {}; remove one `after`", ids.join(" → "))]
    Cycle { order: String, ids: Vec<String> },
    #[error(
        "{path}: has {rows} rows and a row of {columns} columns; it needs {expected} × {expected}, one per family"
    )]
    NotSquare { path: String, rows: usize, columns: usize, expected: usize },
    #[error("{path}: {value} is not allowed; {rule}")]
    OutOfRange { path: String, value: String, rule: &'static str },
    #[error("{path}: intervals must be sorted, disjoint and end after they start; [{from}, {to}) is not")]
    BadInterval { path: String, from: Minute, to: Minute },
    #[error(
        "{path}: the calendar `{id}` is never open; give it an interval, or take it away from what uses it"
    )]
    EmptyCalendar { path: String, id: String },
    #[error("{path}: due at {due} is before its release at {release}; correct one of them")]
    DueBeforeRelease { path: String, due: Minute, release: Minute },
    #[error(
        "{path}: `{resource}` is not an alternative of `{op}`; add it to `alts` or correct the current plan"
    )]
    NotAnAlternative { path: String, op: String, resource: String },
    #[error("{path}: {what} are more than the {limit} allowed; split the problem")]
    TooLarge { path: String, what: String, limit: usize },
    #[error("{path}: more than one utility pool; name the one this uses in `needs` and leave `power_kw` out")]
    AmbiguousUtility { path: String },
    #[error("order `{order}` cannot be planned: {reason}")]
    Unschedulable { order: String, reason: String },
    #[error("the plan given breaks a rule itself: {0}; correct it, or leave it out to have one searched")]
    BadPlan(String),
    #[error("the optimizer made no plan that its validator accepts: {0}; report this with the model")]
    Rejected(String),
}
