//! What the integration tests stand on.

pub mod pg;
pub mod plant;
pub mod python;
pub mod slack;
