//! Saying things to people: what is said ([`Message`]), the trait a channel implements ([`Notifier`]), how the outbox is
//! delivered ([`Delivery`]), and how cards follow their gate and their run. A message is data; how it looks is the
//! channel's business.

mod backoff;
mod cards;
mod channel;
mod clip;
mod delivery;
mod message;
mod offer;
mod press;
mod story;

pub use backoff::{ATTEMPTS_MAX, try_again};
pub use channel::{Contact, Destination, Notifier, NotifyError, Receipt, Sending};
pub use clip::{clip, visible};
pub use delivery::Delivery;
pub use message::{Button, CardOption, Decided, Fact, Follow, Message, Notice, Question, Settled};
pub use offer::{CardButton, Offer};
pub use press::{Press, PressError};
