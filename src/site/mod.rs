//! `takt.yaml` and the environment, read once into a [`Site`]: people, roles, shifts, ladders,
//! models, channels, webhook sources, connected systems and limits.
//!
//! The only reader of environment variables. Secrets are held by reference until they are used.

mod model;

pub use model::*;
