//! What the integration tests stand on.

pub mod browser;
pub mod console;
pub mod node;
pub mod peer;
pub mod pg;
pub mod plant;
pub mod python;
pub mod seed;
pub mod site;
pub mod slack;
pub mod wire;
