//! What the integration tests stand on.

pub mod pg;
pub mod python;
pub mod slack;
