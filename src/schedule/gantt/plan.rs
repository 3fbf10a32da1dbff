//! The compact plan a chart is drawn from; stored as JSON with every option.

use chrono::{DateTime, FixedOffset};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Minute 0; its UTC offset is the one the axis shows.
    pub epoch: DateTime<FixedOffset>,
    pub now: i64,
    /// Rows, top to bottom.
    pub resources: Vec<String>,
    pub bars: Vec<Bar>,
    /// Breakdowns and maintenance.
    #[serde(default)]
    pub down: Vec<Closed>,
}

/// One operation on one resource, in minutes from the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bar {
    pub resource: String,
    pub job: String,
    pub op: String,
    pub start: i64,
    pub end: i64,
    /// Where its changeover starts, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_start: Option<i64>,
    /// Minutes the changeover lasts; it may end before `start`. Absent means up to `start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_minutes: Option<i64>,
    /// Its order ends after the due date.
    #[serde(default)]
    pub late: bool,
    /// On another resource or at another time than in the current plan.
    #[serde(default)]
    pub moved: bool,
    #[serde(default)]
    pub tier: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Closed {
    pub resource: String,
    pub from: i64,
    pub to: i64,
    pub why: String,
    /// A breakdown, not planned maintenance.
    #[serde(default)]
    pub breakdown: bool,
}
