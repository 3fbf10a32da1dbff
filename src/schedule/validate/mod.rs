//! The independent judge of a plan: fifteen rules, checked from the model's own words.
//!
//! Shares no code with the solver, timing included; a plan that breaks a rule is never shown.

mod figures;
mod freed;
#[cfg(test)]
mod mutations;
mod place;
mod pools;
mod reading;
mod resources;
#[cfg(test)]
mod tests;
mod usage;
mod view;

pub(super) use freed::standing;
pub use reading::{ChangeoverTime, Reading, read};
pub use usage::Usage;

use super::answer::{Kpis, PlannedOp, Unfrozen, Unscheduled};
use super::model::Model;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use view::View;

/// A plan with everything that is said about it.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub ops: &'a [PlannedOp],
    pub unscheduled: &'a [Unscheduled],
    pub unfrozen: &'a [Unfrozen],
    pub kpis: &'a Kpis,
    pub moved: &'a [String],
    pub bound: f64,
}

/// A plan from anywhere: its operations, and what is left out or set free. Nothing is said of it.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    pub ops: &'a [PlannedOp],
    pub unscheduled: &'a [Unscheduled],
    pub unfrozen: &'a [Unfrozen],
}

/// Figures that somebody reports of a plan; what is not reported is not judged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reported<'a> {
    pub kpis: Option<&'a Kpis>,
    pub moved: Option<&'a [String]>,
    pub bound: Option<f64>,
}

impl<'a> Claim<'a> {
    fn placed(&self) -> Placed<'a> {
        Placed { ops: self.ops, unscheduled: self.unscheduled, unfrozen: self.unfrozen }
    }

    fn reported(&self) -> Reported<'a> {
        Reported { kpis: Some(self.kpis), moved: Some(self.moved), bound: Some(self.bound) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Rule {
    /// Every operation exactly once, none invented.
    EachOnce = 1,
    /// On a resource its routing lists.
    Eligible,
    /// As long as its alternative takes, plus closed time only where it may split.
    Length,
    /// Behind its predecessors, within minimum and maximum lags.
    Precedence,
    /// Not before release, material and now.
    Earliest,
    /// One thing at a time on a resource, changeovers included.
    Overlap,
    /// Enough time for the changeover from what was before; no forbidden pair.
    Changeover,
    /// Within the calendar and outside blocked windows.
    OpenTime,
    /// Operators and tools within their capacity at every moment.
    PoolCapacity,
    /// Operators certified to the end.
    Certification,
    /// Tools calibrated to the end.
    Calibration,
    /// Utilities within their limit at every moment.
    Utility,
    /// Done, running and frozen operations unchanged.
    Fixed,
    /// Deadlines, horizon, and times within range.
    Limits,
    /// Figures, moved list and bound as recomputed.
    Figures,
}

impl Rule {
    /// As the rules are counted in docs/scheduling.md.
    pub fn number(self) -> u8 {
        self as u8
    }

    pub fn name(self) -> &'static str {
        match self {
            Rule::EachOnce => "each operation once",
            Rule::Eligible => "eligible resource",
            Rule::Length => "length",
            Rule::Precedence => "precedence",
            Rule::Earliest => "earliest start",
            Rule::Overlap => "overlap",
            Rule::Changeover => "changeover",
            Rule::OpenTime => "open time",
            Rule::PoolCapacity => "pool capacity",
            Rule::Certification => "certification",
            Rule::Calibration => "calibration",
            Rule::Utility => "utility limit",
            Rule::Fixed => "done, running, frozen",
            Rule::Limits => "deadline and horizon",
            Rule::Figures => "figures",
        }
    }
}

fn number<S: Serializer>(rule: &Rule, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(rule.number())
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, thiserror::Error)]
#[error("rule {} ({}): {} {}", .rule.number(), .rule.name(), .item, .message)]
pub struct Violation {
    /// 1 to 15.
    #[serde(serialize_with = "number")]
    #[schemars(with = "u8")]
    pub rule: Rule,
    /// The operation, resource, pool or figure concerned.
    pub item: String,
    pub message: String,
}

/// All violations, by rule; none means the plan may be shown.
pub fn check(model: &Model, claim: &Claim) -> Vec<Violation> {
    check_reported(model, claim.placed(), claim.reported())
}

/// The same for a plan of which little or nothing is reported.
pub fn check_reported(model: &Model, placed: Placed, reported: Reported) -> Vec<Violation> {
    let mut found = Findings::default();
    let view = View::of(model, placed, &mut found);
    place::check(&view, placed, &mut found);
    freed::check(model, placed, &mut found);
    let changeovers = resources::check(&view, &mut found);
    pools::check(&view, &changeovers, &mut found);
    figures::check(&view, &changeovers, placed, reported, &mut found);
    found.0.sort_by_key(|violation| violation.rule);
    found.0
}

#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, rule: Rule, item: &str, message: impl Into<String>) {
        self.0.push(Violation { rule, item: item.into(), message: message.into() });
    }
}
