//! Events and clocks start runs: matching, holds, keys, floods, limits, gathering, schedules.
//!
//! How an event arrives and is verified is the doors' business; here it is already stored.

mod apart;
mod by_hand;
mod catch_up;
mod digest;
mod firing;
mod fit;
mod gather;
mod hold;
mod moment;
mod router;
mod scheduler;
mod schedules;
mod start;
mod times;

pub use by_hand::{ManualError, by_hand, caps_of, check_manual, start_by_hand};
pub use fit::{Fit, fit, listens};
pub use moment::{Edge, MomentError, moment};
pub use router::Router;
pub use scheduler::Scheduler;
pub use schedules::{BACKFILL_MAX, Backfill, Schedule, ScheduleError, View};
pub use times::{Due, Times, TimesError};
