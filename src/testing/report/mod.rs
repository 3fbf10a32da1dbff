//! The results of a suite for people and for machines.

mod machine;
mod text;

pub use machine::{github, json, junit};
pub use text::text;
