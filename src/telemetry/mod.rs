//! What Takt says about itself while it works: logs, metrics, traces.
//!
//! Rooms above call one small function per thing that happened; what it is called, in which unit and with
//! which labels stands in `metrics`, and how it leaves the process in `logs`, `metrics` and `trace`.

mod afresh;
mod logs;
pub mod metrics;
pub mod trace;

pub use logs::{Running, start, start_with_traces};
