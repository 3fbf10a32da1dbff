//! Who may answer a question, and answering it: one path for the web, Slack and every other channel.
//!
//! Opening, reminding and escalating belong to the gate step; showing a question belongs to the doors.
//! `policy`, `standing` and `tally` are pure; `decide` is the transaction around them.

mod audited;
mod decide;
mod delegate;
mod policy;
mod review;
mod sign;
mod standing;
mod tally;
mod token;
mod words;

pub use audited::{decide, stranger_refused};
pub use decide::{Answer, DecideError, Decided, ItemAnswer, edited_hash, signal};
pub use delegate::{DelegationError, HandOver, end_delegation, hand_over};
pub use policy::{Decision, Refusal, check, place_in, place_of, via_of};
pub use review::{REVIEW_WORKFLOW, review_of};
pub use sign::{FRESH, SignMethod, Signature, is_intact, meaning_of};
pub use standing::{Asked, Standing};
pub use tally::{did, progress, settled_by, who};
pub use token::{Token, hash_of};
pub use words::{late, via, whom};
