//! Events and clocks start runs: matching, holds, keys, floods, cron.
//!
//! How an event arrives and is verified is the doors' business; here it is already stored.

mod cron;
mod event;
mod hold;
mod router;
mod scheduler;
mod start;

pub use cron::{CronError, CronTimes};
pub use event::event_json;
pub use router::Router;
pub use start::{ManualError, by_hand};
