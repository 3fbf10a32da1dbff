//! The schedule optimizer: re-sequences a flexible job shop with family setups, calendars and pools.
//!
//! A caller builds a [`model::Model`] (the JSON form), parses it into a `Problem` and asks
//! `resequence` for two or three distinct plans, each accepted by the independent validator. Pure:
//! no I/O and no clock but the time budget the policy asks for. Drawing a plan is [`gantt`].

mod answer;
mod bound;
mod budget;
mod calendar;
mod construct;
mod decode;
mod error;
mod facts;
mod finish;
pub mod gantt;
mod kpi;
pub mod model;
mod moves;
mod options;
mod parse;
mod problem;
mod profile;
mod repair;
mod resequence;
#[cfg(test)]
mod sample;
mod screen;
mod search;
#[cfg(test)]
mod tests;
pub mod validate;
mod words;

pub use answer::{
    Answer, Baseline, Bound, BoundKind, Cause, Fact, Kpis, LateOrder, PlanOption, PlannedOp, Unfrozen,
    Unscheduled,
};
pub use error::ScheduleError;
pub use problem::Problem;
pub use resequence::{resequence, resequence_until};
