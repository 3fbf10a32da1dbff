//! Motion: claims runs, drives them step by step, commits what happened in groups, keeps its lease.
//!
//! Knows step kinds only as [`Execute`]; knows no vendor, no model and no chat. What a run's state means
//! is `run`'s, what SQL is sent is `store`'s.

mod admit;
mod audited;
mod brakes;
mod caps;
mod claimed;
mod clock;
mod commit;
pub mod control;
mod committer;
mod crash;
mod definitions;
mod drive;
mod endpoints;
mod execute;
mod fault;
mod hints;
mod onlookers;
mod ladders;
mod memory;
mod observe;
mod past;
mod start;
mod starter;
mod unwritten;
pub mod upkeep;
mod worker;

pub use admit::{Way, make_way, mend};
pub use brakes::Brakes;
pub use caps::Caps;
pub use clock::Clock;
pub use commit::{Commit, CommitError, Journal, RowChange};
pub use committer::Committer;
pub use crash::{AGENT_CRASH_POINTS, CRASH_POINTS, DOOR_CRASH_POINTS, arm as arm_crash_point, crash_point};
pub use definitions::{DefinitionError, Definitions};
pub use drive::{Driven, Driver, Services};
pub use endpoints::{Place, Reaction, SharedEndpoints};
pub use execute::{Execute, Executors, Outcome, StepContext, StepError};
pub use fault::{Fault, seed as seed_fault};
pub use hints::Hints;
pub use ladders::{AskedAt, Ladders, RungOf};
pub use memory::MemoryJournal;
pub use onlookers::{Onlookers, Sight};
pub use past::{NoPast, Past, PastError, PastEvent, Since, Sought, StoredPast};
pub use start::{StartError, queue_run, start_run, start_runs};
pub use starter::{Handed, Start, Starter, Starts};
pub use worker::{Worker, WorkerOptions};
