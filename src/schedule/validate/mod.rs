//! The independent judge of a plan: fifteen rules, checked from the model's own words.
//!
//! Shares no code with the solver, timing included; a plan that breaks a rule is never shown.

mod figures;
mod place;
mod pools;
mod resources;
#[cfg(test)]
mod tests;
mod view;

use super::answer::{Kpis, PlannedOp, Unfrozen, Unscheduled};
use super::model::Model;
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

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {} ({:?}): {}: {}", *.rule as u8, .rule, .item, .message)]
pub struct Violation {
    pub rule: Rule,
    /// The operation, resource, pool or figure concerned.
    pub item: String,
    pub message: String,
}

/// All violations, by rule; none means the plan may be shown.
pub fn check(model: &Model, claim: &Claim) -> Vec<Violation> {
    let mut found = Findings::default();
    let view = View::of(model, claim, &mut found);
    place::check(&view, claim, &mut found);
    let changeovers = resources::check(&view, &mut found);
    pools::check(&view, &changeovers, &mut found);
    figures::check(&view, &changeovers, claim, &mut found);
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
