//! The durable tool-calling loop: a task, a model, read-only tools, and a journal entry for every
//! thing that happened, so that a crash never repeats an answered model call.
//!
//! Uses `tool` only. Knows no workflow, database or vendor: the caller renders the prompt, evaluates
//! the checks and the fallback, and keeps the entries.

mod run;
mod task;
mod ledger;
mod mask_key;
mod body;
mod endpoints;
mod model;
mod onlookers;
mod turns;
mod session;
mod prompt;
mod question;
mod reply;
mod accept;
mod budget;
mod guard;
mod digest;
mod text;
mod trace;
mod said;
mod tape;

#[cfg(test)]
mod tests;

pub use body::{Body, ReadBody};
pub use budget::Charge;
pub use digest::{sha256_json, sha256_text};
pub use endpoints::{Admission, Endpoints, Permit, Told, Unlimited, Wanted, retry_wait};
pub use guard::masked;
pub use ledger::{
    Barred, Entry, Hold, Ledger, LedgerClosed, Limits, Masking, Offered, Reason, Rejection, RejectionKind,
    Reserve, Source, Why,
};
pub use mask_key::MaskKey;
pub use model::{
    Capabilities, Finish, Model, ModelError, ModelErrorClass, ModelProfile, ModelReply, Provider, Usage,
};
pub use onlookers::{Nobody, Onlookers, Screen};
pub use question::{Question, attempt_cost_usd, single_answer};
pub use run::{Around, Progress, run};
pub use tape::{Exchange, Part, Parts, Played, Stale, Tape, TapePlayer, Terms, canonical_json, request_key};
pub use task::{Answer, Check, Clock, Task, ToolClasses, strictest};
pub use text::{is_model_name, storable, too_deep, visible};
pub use trace::Spans;
