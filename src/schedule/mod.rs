//! The schedule optimizer: re-sequences a flexible job shop with family setups, calendars and pools.
//!
//! Build a [`model::Model`] (the JSON form, with a schema), make it a [`Problem`] with
//! [`Problem::parse`] (typed errors that name the place), and ask [`resequence`] for an [`Answer`]: two
//! or three distinct [`PlanOption`]s, best first, each accepted by [`validate`]; the [`Baseline`] of
//! doing nothing; what stays unscheduled and why. [`resequence_until`] can be cancelled. Draw an option
//! with [`gantt`] from `answer.before` and `option.gantt`. Everything is synchronous and pure: no I/O,
//! no clock but the policy's time budget. With a budget in evaluations the answer depends on model and
//! seed alone, on one thread or two. The path of a question: `parse` → `facts` → `screen` → `construct`/`repair` → `makespan` or
//! `anneal` → `finish` → `validate` → `options` → `words`.

mod anneal;
mod answer;
mod bound;
mod budget;
mod calendar;
mod capacity;
pub mod change;
mod conflict;
mod construct;
mod decode;
mod error;
mod facts;
mod finish;
pub mod gantt;
mod kpi;
mod load;
mod makespan;
pub mod model;
mod moves;
mod options;
mod parse;
pub mod plan;
mod place;
mod problem;
mod profile;
#[cfg(test)]
mod proof;
pub mod read;
mod remains;
mod repair;
mod resequence;
mod rounds;
#[cfg(test)]
mod sample;
mod screen;
#[cfg(test)]
mod tests;
mod timing;
pub mod validate;
mod watch;
mod words;

pub use answer::{
    Answer, Baseline, Bound, BoundKind, Capacity, Cause, Fact, Kpis, LateOrder, PlanOption, PlannedOp,
    Unfrozen, Unscheduled, WithoutChangeovers,
};
pub use conflict::{Conflict, Explained, conflicts};
pub use error::ScheduleError;
pub use problem::Problem;
pub use resequence::{resequence, resequence_in_full, resequence_until};
pub use watch::{Progress, Watch};
