//! The schedule optimizer: re-sequences a flexible job shop with family setups, calendars and pools.
//!
//! A caller builds a [`model::Model`] (the JSON form), parses it into a `Problem` and asks
//! `resequence` for two or three distinct plans, each accepted by the independent validator. Pure:
//! no I/O and no clock but the time budget the policy asks for. Drawing a plan is [`gantt`].

mod answer;
mod error;
pub mod gantt;
pub mod model;

pub use answer::{
    Answer, Baseline, Bound, BoundKind, Cause, Fact, Kpis, LateOrder, PlanOption, PlannedOp, Unfrozen,
    Unscheduled,
};
pub use error::ScheduleError;
