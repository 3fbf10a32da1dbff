//! A plant on a laptop.
pub mod model;
pub mod slack;
