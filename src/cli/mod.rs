//! The door for terminals.

pub mod check;
pub mod cluster;
pub mod db;
pub mod simulate;
