//! The door for terminals.

pub mod cluster;
pub mod db;
pub mod simulate;
