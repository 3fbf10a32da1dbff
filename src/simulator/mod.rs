//! A plant on a laptop: one HTTP server that plays Plex Connect, a CMMS, a ticket system, an ERP, a supplier
//! portal and an andon board of the same plant, with its own clock, faults on demand and a ledger of every write.
//!
//! Reached over HTTP only; nothing here imports the rest of the crate and nothing but `cli` and tests starts it.
//! Every endpoint with an example: `docs/simulator.md`.

mod andon;
mod boundary;
mod clock;
mod cmms;
mod config;
mod connection;
mod control;
mod erp;
mod events;
mod faults;
mod ledger;
mod memory;
pub mod model;
mod plex;
mod portal;
mod query;
mod scenario;
mod server;
pub mod slack;
mod state;
mod tickets;
mod world;

pub use config::{Credentials, MemoryFile, SignatureClock, SimulatorConfig};
pub use server::{Handle, Simulator, StartError};

#[cfg(test)]
mod tests;
