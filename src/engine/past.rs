//! What came before: events that were there before somebody waited for them, and how people answered a question so far.

use crate::store::{Store, StoreError, events, gates};
use crate::workflow::PastAnswers;
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

#[async_trait]
pub trait Past: Send + Sync {
    /// Events, oldest first: those after `after`, or the first; an empty page is the end.
    async fn page(&self, sought: &Sought, after: Option<&PastEvent>) -> Result<Vec<PastEvent>, PastError>;

    /// How a gate of a workflow was answered lately.
    async fn answers(&self, workflow: &str, gate: &str) -> Result<PastAnswers, PastError>;
}

/// What the database holds.
pub struct StoredPast(pub Store);

#[async_trait]
impl Past for StoredPast {
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

    async fn answers(&self, workflow: &str, gate: &str) -> Result<PastAnswers, PastError> {
        Ok(gates::past_answers(&mut *self.0.connection().await?, workflow, gate).await?)
    }
}

/// A replay has no past but that of its case.
pub struct NoPast;

#[async_trait]
impl Past for NoPast {
    async fn page(&self, _: &Sought, _: Option<&PastEvent>) -> Result<Vec<PastEvent>, PastError> {
        Ok(Vec::new())
    }

    async fn answers(&self, _: &str, _: &str) -> Result<PastAnswers, PastError> {
        Ok(PastAnswers::default())
    }
}

impl Since {
    pub fn before(time: DateTime<Utc>, length: std::time::Duration) -> Self {
        Self::Time(time - TimeDelta::from_std(length).unwrap_or_default())
    }
}
