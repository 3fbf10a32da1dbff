//! A before/after Gantt chart as one SVG string, drawn from two compact plans stored with an option.
//!
//! Knows plans as plain data only, so that a page can draw an option long after the solver is gone.

mod plan;

pub use plan::{Bar, Closed, Plan};
