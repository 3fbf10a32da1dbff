//! The door for terminals.

pub mod cluster;
pub mod db;
