//! All SQL: plain statements, one file per noun, checked at compile time against `.sqlx/`.
//!
//! Functions take a connection and give back the types of `run` and `workflow`; rows stay private.
//! What a statement means for a run is decided elsewhere.

pub mod answer_links;
pub mod audit;
pub mod bench;
pub mod cards;
pub mod changes;
pub mod clock;
pub mod commits;
pub mod control;
pub mod conversations;
pub mod delegations;
pub mod endpoints;
pub mod events;
pub mod floods;
pub mod gatherings;
pub mod gates;
pub mod health;
pub mod hints;
pub mod journal;
pub mod lanes;
pub mod links;
pub mod measure;
mod intake;
mod open;
pub mod outbox;
pub mod paces;
pub mod partitions;
pub mod retention;
pub mod runs;
pub mod schedules;
pub mod seals;
pub mod sessions;
pub mod signals;
pub mod signatures;
pub mod summaries;
pub mod threads;
mod trouble;
pub mod upkeep;
pub mod versions;
pub mod watch;
pub mod workers;

use sqlx::{PgPool, Postgres, pool::PoolConnection};
use std::sync::Arc;
use tokio::sync::Semaphore;

pub use open::{OpenOptions, UnfitError};
pub use sqlx::{Connection, PgConnection};
pub type HotConnection = PoolConnection<Postgres>;
pub type Transaction = sqlx::Transaction<'static, sqlx::Postgres>;

const CHECK_VIOLATION: &str = "23514";

/// A part of a transaction that can be taken back alone.
pub async fn part(db: &mut PgConnection) -> Result<sqlx::Transaction<'_, Postgres>> {
    Ok(db.begin().await?)
}

/// What went wrong between us and PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("PostgreSQL: {0}")]
    Database(#[from] sqlx::Error),
    #[error("PostgreSQL did not answer in time")]
    Late,
    #[error(transparent)]
    Unfit(#[from] UnfitError),
    #[error("migrating the database failed: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("the database holds something this version cannot read ({what}): {source}")]
    Unreadable { what: &'static str, source: serde_json::Error },
}

impl StoreError {
    /// True when PostgreSQL broke the transaction off because another was in its way: at once again is right.
    pub fn is_conflict(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        matches!(error.code().as_deref(), Some("40P01" | "40001"))
    }

    /// True when PostgreSQL refused a statement and lives on: nothing of it was written. Otherwise the connection
    /// broke or the server went away, and a commit under way may still come to be.
    pub fn is_refusal(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else {
            return matches!(self, Self::Unreadable { .. });
        };
        !error.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
    }

    /// True when PostgreSQL cannot hold a value at all, such as a text with a NUL character or one too long for an
    /// index: trying again is no use.
    pub fn is_bad_value(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("54"))
    }

    /// True when PostgreSQL refused what was to be written, and would take something else: no trouble of its own.
    pub fn is_of_data(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        // A check that fails is one of ours, or a day without its partition.
        self.is_bad_value()
            || error.code().is_some_and(|code| code.starts_with("23") && code != CHECK_VIOLATION)
    }

    /// True when a unique constraint of this name refused a row.
    pub fn violates(&self, constraint: &str) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error)) if error.constraint() == Some(constraint))
    }
}

pub type Result<T> = std::result::Result<T, StoreError>;

/// The database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    hot: PgPool,
    listen: open::Listen,
    /// Places for events that are being stored.
    intake: Arc<Semaphore>,
}

impl Store {
    pub fn from_pool(pool: PgPool) -> Self {
        Self::of(pool.clone(), pool, open::Listen::Pool)
    }

    fn of(pool: PgPool, hot: PgPool, listen: open::Listen) -> Self {
        Self { pool, hot, listen, intake: Arc::new(Semaphore::new(intake::PLACES)) }
    }

    /// Whether hints of other processes arrive; without them the loops look more often.
    pub fn hears_others(&self) -> bool {
        !matches!(self.listen, open::Listen::Off)
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub async fn connection(&self) -> Result<PoolConnection<Postgres>> {
        Ok(self.pool.acquire().await?)
    }

    pub async fn begin(&self) -> Result<Transaction> {
        Ok(self.pool.begin().await?)
    }

    /// For the statements that every step of every run goes through.
    pub async fn hot_connection(&self) -> Result<HotConnection> {
        Ok(self.hot.acquire().await?)
    }

    pub async fn begin_hot(&self) -> Result<Transaction> {
        Ok(self.hot.begin().await?)
    }

    /// Waits until every connection is given back, and closes them.
    pub async fn close(&self) {
        self.hot.close().await;
        self.pool.close().await;
    }
}
