//! All SQL: plain statements, one file per noun, checked at compile time against `.sqlx/`.
//!
//! Functions take a connection and give back the types of `run` and `workflow`; rows stay private.
//! What a statement means for a run is decided elsewhere.

pub mod audit;
pub mod bench;
pub mod changes;
pub mod clock;
pub mod commits;
pub mod control;
pub mod cron;
pub mod events;
pub mod gates;
pub mod health;
pub mod hints;
pub mod journal;
pub mod outbox;
pub mod partitions;
pub mod runs;
pub mod sessions;
pub mod signals;
pub mod summaries;
pub mod versions;
pub mod workers;

use sqlx::{
    PgPool, Postgres, Transaction,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{str::FromStr, time::Duration};

pub use sqlx::PgConnection;

/// Of every session. A process that freezes in the middle of a transaction must not keep its locks: nobody could
/// take it over.
const SETTINGS: [(&str, &str); 2] = [("idle_in_transaction_session_timeout", "4s"), ("jit", "off")];
/// Of the sessions that claim and commit: planned once, and for indexes. A plan made while `run` was empty would
/// scan it when it is full.
const HOT_SETTINGS: [(&str, &str); 4] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];
const CONNECTIONS_MAX: u32 = 16;
/// The committers' and the worker's own.
const HOT_CONNECTIONS_MAX: u32 = 4;

/// What went wrong between us and PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("PostgreSQL: {0}")]
    Database(#[from] sqlx::Error),
    #[error("migrating the database failed: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("the database holds something this version cannot read ({what}): {source}")]
    Unreadable { what: &'static str, source: serde_json::Error },
}

impl StoreError {
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
}

impl Store {
    /// Connects, brings the schema up to date and makes the next days' partitions.
    pub async fn open(url: &str) -> Result<Self> {
        let store = Self::connect(url, CONNECTIONS_MAX).await?;
        sqlx::migrate!("./migrations").run(&store.pool).await?;
        partitions::make_ahead(&mut *store.connection().await?).await?;
        Ok(store)
    }

    /// Connects, and does nothing else.
    pub async fn connect(url: &str, connections_max: u32) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?.options(SETTINGS);
        let hot = options.clone().options(HOT_SETTINGS);
        let pool = |options, connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(Duration::from_secs(10))
                .connect_lazy_with(options)
        };
        let store = Self { pool: pool(options, connections_max), hot: pool(hot, HOT_CONNECTIONS_MAX) };
        store.connection().await?;
        Ok(store)
    }

    pub fn from_pool(pool: PgPool) -> Self {
        Self { hot: pool.clone(), pool }
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub async fn connection(&self) -> Result<PoolConnection<Postgres>> {
        Ok(self.pool.acquire().await?)
    }

    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(self.pool.begin().await?)
    }

    /// For the statements that every step of every run goes through.
    pub async fn hot_connection(&self) -> Result<PoolConnection<Postgres>> {
        Ok(self.hot.acquire().await?)
    }

    pub async fn begin_hot(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(self.hot.begin().await?)
    }

    /// Waits until every connection is given back, and closes them.
    pub async fn close(&self) {
        self.hot.close().await;
        self.pool.close().await;
    }
}
