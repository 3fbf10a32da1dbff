//! Saying things to people: what is said ([`Message`]), the trait a channel implements ([`Notifier`]), how the outbox is
//! delivered ([`Delivery`]), how cards follow their gate and their run, and how a question reaches who comes on shift while
//! it is open. A message is data; how it looks is the channel's business.

mod backoff;
mod cards;
mod channel;
mod clip;
mod content;
mod delivery;
mod message;
mod newcomers;
mod offer;
mod press;
mod story;

pub use backoff::{ATTEMPTS_MAX, try_again};
pub use channel::{Contact, Destination, Notifier, NotifyError, Receipt, Sending};
pub use clip::{clip, visible};
pub use content::{
    CONTENT_TOO_LONG, DraftField, draft_content, draft_fields, draft_label, draft_lines, draft_text,
    filled_in, fits_cards,
};
pub use delivery::Delivery;
pub use message::{Button, CardOption, Decided, Fact, Follow, Message, Notice, Question, Settled};
pub use offer::{CardButton, OPEN_TO_READ, Offer};
pub use press::{Press, PressError};
