//! The durable tool-calling loop: a task, a model, read-only tools, and a journal entry for every
//! thing that happened, so that a crash never repeats an answered model call.
//!
//! Uses `tool` only. Knows no workflow, database or vendor: the caller renders the prompt, evaluates
//! the checks and the fallback, and keeps the entries.

mod ledger;
mod model;

pub use ledger::{
    Entry, Ledger, LedgerClosed, Limits, Offered, Reason, Rejection, RejectionKind, Reserve, Source, Why,
};
pub use model::{Finish, Model, ModelError, ModelErrorClass, ModelProfile, ModelReply, Usage};
