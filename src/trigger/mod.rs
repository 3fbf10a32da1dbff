//! Events and clocks start runs: matching, holds, keys, floods, limits, gathering, cron.
//!
//! How an event arrives and is verified is the doors' business; here it is already stored.

mod cron;
mod digest;
mod event;
mod gather;
mod hold;
mod router;
mod scheduler;
mod start;

pub use cron::{CronError, CronTimes};
pub use event::event_json;
pub use router::Router;
pub use start::{ManualError, by_hand};
