//! The durable tool-calling loop: a task, a model, read-only tools, and a journal entry for every
//! thing that happened, so that a crash never repeats an answered model call.
//!
//! Uses `tool` only. Knows no workflow, database or vendor: the caller renders the prompt, evaluates
//! the checks and the fallback, and keeps the entries.

mod run;
mod task;
mod ledger;
mod model;
mod turns;
mod session;
mod prompt;
mod reply;
mod accept;
mod budget;
mod strict;
mod guard;
mod digest;
mod tape;

#[cfg(test)]
mod tests;

pub use digest::{sha256_json, sha256_text};
pub use ledger::{
    Entry, Ledger, LedgerClosed, Limits, Offered, Reason, Rejection, RejectionKind, Reserve, Source, Why,
};
pub use model::{Finish, Model, ModelError, ModelErrorClass, ModelProfile, ModelReply, Usage};
pub use run::run;
pub use strict::{NotStrict, strict};
pub use tape::{Exchange, Part, Parts, Played, Stale, Tape, TapePlayer, canonical_json, request_key};
pub use task::{Answer, Check, Clock, Task};
