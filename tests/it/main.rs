//! One binary for all integration tests.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and fails"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests read their environment and ask the database in run-time strings"
)]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod access;
mod agents;
mod answered;
mod architecture;
mod audit;
mod care;
mod channels;
mod chaos;
mod check;
mod clicks;
mod connectors;
mod control;
mod console;
mod crash;
mod editor;
mod eval;
mod eval_cases;
mod eval_formats;
mod eval_judge;
mod eval_stale;
mod flow;
mod demo;
mod documents;
mod fuzz;
mod gate_rules;
mod gate_sequences;
mod hooks;
mod hot_path;
mod journey;
mod licences;
mod lsp;
mod mcp;
mod mutants;
mod pages;
mod peers;
mod postgres;
mod race;
mod sample_site;
mod run_ahead;
mod schedules;
mod scheduling;
mod simulation;
mod slack;
mod support;
mod testing;
mod tutorial;
