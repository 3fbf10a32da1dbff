//! Saying things to people: what is said ([`Message`]), the trait a channel implements ([`Notifier`]), and
//! when a failed delivery is tried again. A message is data; how it looks is the channel's business.
//!
//! The outbox that makes delivery durable lives in the store and the engine.

mod channel;
mod backoff;
mod delivery;
mod message;

pub use backoff::{ATTEMPTS_MAX, try_again};
pub use channel::{Destination, Notifier, NotifyError, Receipt};
pub use delivery::{Addresses, Delivery};
pub use message::{Button, CardOption, Decided, Fact, Message, Notice, Question, Settled};
