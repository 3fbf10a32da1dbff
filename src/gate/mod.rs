//! Who may answer a question, and answering it: one path for the web, Slack and every other channel.
//!
//! Opening, reminding and escalating belong to the gate step; showing a question belongs to the doors.

mod audited;
mod decide;
mod policy;
mod token;

pub use audited::{decide, refuse_stranger};
pub use decide::{Answer, DecideError, Decided, ItemAnswer};
pub use policy::{Decision, Refusal, check, may_answer};
pub use token::{Token, hash_of};
