//! The workflow language: YAML in, a checked [`Definition`] out, with every error at its line and column.
//!
//! Pure: reads files when a library is loaded, and nothing else. Knows tools and the site only by
//! their declarations; what a run does with a definition is `run`'s business.

mod model;
mod flow;
pub mod form;
mod events;
mod source;
mod decode;
mod duration;
mod cron;
mod suggest;
mod walk;
mod rule;
mod bundle;
mod render;
mod definition;
mod endless;
mod json_schema;
mod check;
mod codes;
mod library;
pub mod cases;
pub mod problem;
mod report;

pub use bundle::{Bundle, Unsaved, places_of};
pub use check::{Promised, Spot, check, promised};
pub use codes::CODES;
pub use cron::{CronError, CronTimes};
pub use definition::{Definition, RenderError};
pub use duration::words as duration_words;
pub use events::{CurrentEvents, Events};
pub use flow::{Concurrency, Excess, Flow, Gather, Pace};
pub use library::{Library, test_files};
pub use model::*;
pub use report::{report, report_line, word_at};
pub use rule::Rule;
pub use walk::every_step;

#[cfg(test)]
pub(crate) mod tests;
