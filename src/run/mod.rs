//! What is true of one execution: ids and paths, the journal's records, the machine that accepts or
//! refuses them, the state they fold into, what may happen next, and the story people read.
//!
//! Pure: no clock, no database, no network. `engine` moves it, `store` keeps it.

mod approval;
mod audit;
mod canonical;
pub mod compat;
mod endpoint;
mod id;
mod inputs;
mod intent;
pub mod machine;
mod next;
mod path;
mod promise;
mod record;
pub mod reopen;
pub mod retry;
mod scope;
mod state;
mod storable;
mod turn;
mod walk;
pub mod story;
#[cfg(test)]
mod tests;

pub use approval::{Approval, Sent, approval_of};
pub use audit::{Actor, ActorKind, AuditRecord, TAKT};
pub use canonical::{canonical, digest_of};
pub use endpoint::{Closed, EndpointState, Leave, Quota, Share, Wish};
pub use id::{EventId, GateId, RunId, WorkerId};
pub use inputs::{inputs_from, inputs_from_text};
pub use intent::{AskedPerson, Intent, MessageKind, NewGate, NewRun, OutboxMessage, Reassign};
pub use next::{Finish, Leaf, Plan, Task, plan, plan_of};
pub use path::StepPath;
pub use promise::is_over;
pub use record::{Change, Failure, Parent, Rank, Record, Signal, SignalKind, StartedRun};
pub use scope::scope_time;
pub use state::{FoldError, IN_DOUBT, Pause, Phase, STOPPED, State, StepState};
pub use storable::{NESTING_MAX, has_nul, nesting_of};
pub use turn::{LaneKey, PaceKey, Turn, TurnError, admit, book, gather_key, key_text};
