//! The console and the API over HTTP, as a browser without scripts sees them.

mod access;
mod agree;
mod api;
mod control;
mod evals;
mod gates;
mod looks;
