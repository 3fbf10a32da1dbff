//! Takt: a durable workflow engine for manufacturing plants.
//!
//! An event **triggers** a **run** of a **workflow**; the **engine** claims it and does its **steps**;
//! a step uses a **tool**, an **agent**, a **gate** or the **schedule** optimizer; **connectors** are the
//! rooms of other systems; the **store** keeps everything, **notify** tells people, **audit** reads the
//! past, **eval** replays it; **http**, **lsp** and **cli** are the doors; the **simulator** is a plant on a laptop.
//!
//! The modules stand in reading order, lowest first. ARCHITECTURE.md follows one alarm through them and says
//! which may import which; `tests/it/architecture.rs` holds that table.

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod expr;
pub mod tool;
pub mod schedule;
pub mod plant;
pub mod telemetry;
pub mod site;
pub mod workflow;
pub mod run;
pub mod postgres;
pub mod store;
pub mod engine;
pub mod step;
pub mod agent;
pub mod gate;
pub mod trigger;
pub mod notify;
pub mod connector;
pub mod audit;
pub mod eval;
pub mod testing;
pub mod schema;
pub mod graph;
pub mod lsp;
pub mod simulator;
pub mod http;
pub mod app;
pub mod cli;
