//! What PostgreSQL's errors mean for the people who run it: the few that are about the database as a whole.

use super::StoreError;

/// The database as a whole cannot do its work now; nothing that was acknowledged is lost, and trying again helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    #[error(
        "the database's disk is full: make room (`takt db purge` frees old days), nothing else is needed"
    )]
    Full,
    #[error("the database takes no writes: it is a standby, or somebody made it read-only")]
    ReadOnly,
    #[error("the database does not answer in time: it is overloaded, or every connection is busy")]
    Slow,
    #[error("the database cannot be reached")]
    Unreachable,
    #[error(
        "a pooler in transaction mode mixed up prepared statements: it must be PgBouncer 1.21 or newer with \
         max_prepared_statements above 0"
    )]
    Pooler,
}

impl Trouble {
    /// For answers and counters.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "storage-full",
            Self::ReadOnly => "read-only",
            Self::Slow => "slow",
            Self::Unreachable => "unreachable",
            Self::Pooler => "pooler",
        }
    }
}

impl StoreError {
    /// The trouble behind an error, if it is one of the whole database.
    pub fn trouble(&self) -> Option<Trouble> {
        let error = match self {
            Self::Database(error) => error,
            Self::Late => return Some(Trouble::Slow),
            _ => return None,
        };
        match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Some(Trouble::Unreachable)
            }
            sqlx::Error::PoolTimedOut => Some(Trouble::Slow),
            sqlx::Error::Database(error) => match error.code().as_deref()? {
                // disk_full, and what PostgreSQL says when a file cannot be extended (insufficient resources).
                "53100" | "53000" => Some(Trouble::Full),
                "25006" => Some(Trouble::ReadOnly),
                // too_many_connections, query_canceled by a timeout, lock_not_available
                "53300" | "57014" | "55P03" => Some(Trouble::Slow),
                // admin_shutdown, crash_shutdown, cannot_connect_now, connection failures
                "57P01" | "57P02" | "57P03" | "08000" | "08003" | "08006" => Some(Trouble::Unreachable),
                "26000" | "42P05" => Some(Trouble::Pooler),
                _ => None,
            },
            _ => None,
        }
    }
}
