//! Saying things to people: what is said ([`Message`]), the trait a channel implements ([`Notifier`]), and
//! when a failed delivery is tried again. A message is data; how it looks is the channel's business.
//!
//! The outbox that makes delivery durable lives in the store and the engine.

mod channel;
mod deliver;
mod message;

pub use channel::{Destination, Notifier, NotifyError, Receipt};
pub use deliver::{ATTEMPTS_MAX, try_again};
pub use message::{Button, CardOption, Decided, Fact, Message, Notice, Question, Settled};
