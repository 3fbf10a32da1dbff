//! Who may answer a question, and answering it: one path for the web, Slack and every other channel.
//!
//! Opening, reminding and escalating belong to the gate step; showing a question belongs to the doors.

mod decide;
mod policy;
mod sign;
mod token;

pub use decide::{Answer, DecideError, Decided, ItemAnswer, decide};
pub use policy::{Decision, Refusal, check, may_answer, place_of};
pub use sign::{FRESH, SignMethod, Signature, is_intact, meaning_of};
pub use token::{Token, hash_of};
