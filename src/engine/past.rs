//! Events that came before somebody waited for them.

use crate::store::{Store, StoreError, events};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

/// Events looked at in one statement.
const PAGE: i64 = 200;

/// What a wait looks back for.
#[derive(Debug, Clone)]
pub struct Sought {
    pub event: String,
    pub subject: Option<String>,
    pub since: Since,
}

/// From where on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Time(DateTime<Utc>),
    /// When this event was received; the time, where it is not known.
    Event(Uuid, DateTime<Utc>),
}

/// An event as expressions see it.
#[derive(Debug, Clone)]
pub struct PastEvent {
    pub id: Uuid,
    pub received_at: DateTime<Utc>,
    pub body: Value,
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct PastError(#[from] StoreError);

/// Reads stored events, oldest first.
#[async_trait]
pub trait PastEvents: Send + Sync {
    /// Those after `after`, or the first; an empty page is the end.
    async fn page(&self, sought: &Sought, after: Option<&PastEvent>) -> Result<Vec<PastEvent>, PastError>;
}

/// Events of the database.
pub struct StoredEvents(pub Store);

#[async_trait]
impl PastEvents for StoredEvents {
    async fn page(&self, sought: &Sought, after: Option<&PastEvent>) -> Result<Vec<PastEvent>, PastError> {
        let mut db = self.0.connection().await?;
        let after = match (after, sought.since) {
            (Some(last), _) => (last.received_at, last.id),
            (None, Since::Time(time)) => (time, Uuid::nil()),
            (None, Since::Event(id, otherwise)) => {
                (events::received_at(&mut db, id).await?.unwrap_or(otherwise), Uuid::nil())
            }
        };
        let found = match &sought.subject {
            Some(subject) => events::past_about(&mut db, &sought.event, subject, after, PAGE).await?,
            None => events::past(&mut db, &sought.event, after, PAGE).await?,
        };
        let seen = |event: events::StoredEvent| PastEvent {
            id: event.id,
            received_at: event.received_at,
            body: event.seen(),
        };
        Ok(found.into_iter().map(seen).collect())
    }
}

/// A replay has no events but those of its case.
pub struct NoPastEvents;

#[async_trait]
impl PastEvents for NoPastEvents {
    async fn page(&self, _: &Sought, _: Option<&PastEvent>) -> Result<Vec<PastEvent>, PastError> {
        Ok(Vec::new())
    }
}

impl Since {
    pub fn before(time: DateTime<Utc>, length: std::time::Duration) -> Self {
        Self::Time(time - TimeDelta::from_std(length).unwrap_or_default())
    }
}
