//! The workflow language: YAML in, a checked [`Definition`] out, with every error at its line and column.
//!
//! Pure: reads files when a library is loaded, and nothing else. Knows tools and the site only by
//! their declarations; what a run does with a definition is `run`'s business.

mod definition;
mod model;
pub mod problem;
mod rule;

pub use definition::{Bundle, Definition, RenderError};
pub use model::*;
pub use rule::Rule;
