//! A before/after Gantt chart as one SVG string, drawn from two compact plans stored with an option.
//!
//! Time is laid out in percent of the width and everything else in pixels, so that the same string
//! is readable on a 360 px phone and on a wall screen. No scripts, no style sheet: colours are
//! attributes that take the page's custom properties where it has them.

mod change;
mod draw;
mod frame;
mod of_plan;
mod paint;
mod plan;
mod scale;
#[cfg(test)]
mod tests;
mod words;

pub use plan::{Bar, Closed, Plan};

use change::Changes;
use draw::Drawing;
use scale::Scale;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Prefix of the ids inside the SVG; must differ between charts on one page.
    pub id: String,
    pub title: String,
    /// Draw resources on which nothing changes too.
    pub all_resources: bool,
    /// Draw up to this minute; absent means as far as something changes, a day at most.
    pub until: Option<i64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { id: "gantt".into(), title: "Plan before and after".into(), all_resources: false, until: None }
    }
}

/// Draws `after` with the places of `before` as a thin strip above every resource.
///
/// Deterministic: the same plans and options give the same string. Every text is escaped.
pub fn svg(before: &Plan, after: &Plan, options: &Options) -> String {
    let changes = Changes::between(before, after);
    let scale = Scale::of(after, &changes, options.until);
    let rows = changes.rows(before, after, &scale, options.all_resources);
    Drawing { before, after, changes: &changes, scale: &scale, options }.draw(&rows)
}
