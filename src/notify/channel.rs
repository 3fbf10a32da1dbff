//! What a channel is: where people are in it, and how a message gets there and is changed later.

use super::Message;
use crate::site::{Person, Site};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

/// Where a message goes within a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A room that many people read, as the channel calls it; some of them are asked.
    Room {
        id: String,
        asked: Vec<Contact>,
        /// Who is not asked yet, and will be before the time is over.
        later: Vec<Contact>,
    },
    Person(Contact),
}

/// How somebody is known to a channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contact {
    /// Their id in takt.yaml.
    pub person: String,
    pub name: String,
    /// The channel's own id.
    pub id: Option<String>,
    pub email: Option<String>,
}

/// One message on its way to one place.
#[derive(Debug, Clone)]
pub struct Sending<'a> {
    pub message: &'a Message,
    pub to: &'a Destination,
    /// The same at every attempt, so that a message whose answer was lost is found again.
    pub id: Uuid,
    /// It was tried before, and may have arrived.
    pub tried: bool,
    /// What the channel said of this conversation when it was heard last.
    pub reference: Option<&'a Value>,
}

/// What the channel gave back for a delivered message: enough to change it later. Kept in the outbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Receipt(pub Value);

/// A message that was not delivered. `message` may be shown; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotifyError {
    pub retryable: bool,
    pub retry_after: Option<Duration>,
    pub message: String,
    /// Nothing was sent: the message waits until this place may be written to again.
    pub waits: bool,
}

/// A way to reach people: Slack, Teams, mail.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// The name it has in the outbox.
    fn channel(&self) -> &'static str;

    /// Where a role or a person is reached at this time; nowhere when the channel does not know them.
    fn destinations(
        &self,
        site: &Site,
        role: Option<&str>,
        person: Option<&str>,
        at: DateTime<Utc>,
    ) -> Vec<Destination>;

    /// Whether it says such a message at all; `of_gate` when it belongs to a question.
    fn carries(&self, _message: &Message, _of_gate: bool) -> bool {
        true
    }

    /// Whether a question takes a one-time link of its own for each person.
    fn has_links(&self) -> bool {
        false
    }

    /// Whether the story of a run can be told below its card.
    fn has_threads(&self) -> bool {
        false
    }

    async fn send(&self, sending: &Sending<'_>) -> Result<Receipt, NotifyError>;

    /// Changes a delivered message in place. Saying the same twice does no harm.
    async fn update(&self, receipt: &Receipt, message: &Message) -> Result<(), NotifyError>;
}

impl Contact {
    /// `id` is what the channel itself calls them.
    pub fn of(person: &Person, id: Option<String>) -> Self {
        Self { person: person.id.clone(), name: person.name.clone(), id, email: person.email.clone() }
    }
}

impl Destination {
    /// Its name within the channel.
    pub fn room(&self) -> Option<&str> {
        match self {
            Self::Room { id, .. } => Some(id),
            Self::Person(_) => None,
        }
    }

    pub fn person(&self) -> Option<&str> {
        match self {
            Self::Room { .. } => None,
            Self::Person(contact) => Some(&contact.person),
        }
    }
}

impl NotifyError {
    /// Wrong until somebody changes something.
    pub fn lasting(message: impl Into<String>) -> Self {
        Self { retryable: false, retry_after: None, message: message.into(), waits: false }
    }

    pub fn passing(message: impl Into<String>) -> Self {
        Self { retryable: true, retry_after: None, message: message.into(), waits: false }
    }

    /// Nothing was sent yet; this place may be written to again after a while.
    pub fn waits(pause: Duration) -> Self {
        let message = "this place has had enough messages for the moment".to_owned();
        Self { retryable: true, retry_after: Some(pause), message, waits: true }
    }

    pub fn after(mut self, pause: Option<Duration>) -> Self {
        self.retry_after = pause;
        self
    }
}
