use super::Message;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// Where a message goes within a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A room that many people read, as the channel calls it.
    Room(String),
    /// One person, by the channel's own id, or by mail address where the id is not known.
    Person { id: Option<String>, email: Option<String> },
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
}

/// A way to reach people: Slack, mail, …
#[async_trait]
pub trait Notifier: Send + Sync {
    /// The name it has in the outbox.
    fn channel(&self) -> &'static str;

    async fn send(&self, message: &Message, to: &Destination) -> Result<Receipt, NotifyError>;

    /// Changes a delivered message in place. Saying the same twice does no harm.
    async fn update(&self, receipt: &Receipt, message: &Message) -> Result<(), NotifyError>;
}
