//! Takt's own private PostgreSQL: found or fetched, set up, started, shared and stopped.
//!
//! [`Cluster::start`] is the whole story: find the programs (`binaries`, `fetch`), lay out the folder and
//! its locks (`folder`), decide who runs the server (`account`), then start it or join it (`server`).
//! Nobody but this machine's owner of the folder can connect: there is no TCP listener, and the socket is
//! in a folder of mode 0700 (so `trust` adds no reader that could not read the data files anyway).
//! This module knows no SQL of ours, reads no environment, and prints nothing.

mod account;
mod binaries;
mod error;
mod fetch;
mod folder;
mod postmaster;
mod server;
mod supervisor;
mod unpack;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

pub use binaries::{Binaries, Search, find_program};
pub use error::{ClusterError, FetchError};
pub use fetch::DEFAULT_MIRROR;
pub use server::{Status, StopIf, StopOutcome, status, stop_server};

use folder::Folder;
use server::Membership;

/// Makes Takt's data folder as the cluster would, for whatever else lives in it.
pub fn create_folder(data: &Path) -> Result<(), ClusterError> {
    folder::create_public(data).map_err(|source| ClusterError::io(data, source))
}

/// The one database role; it owns everything in the cluster.
const ROLE: &str = "takt";

/// The database in it that Takt keeps everything in.
pub const DATABASE: &str = "takt";

/// Where progress is told, one sentence at a time. A later line about the same download replaces the earlier.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Survives a power cut: what production and the demo use.
    Durable,
    /// No fsync at all: for tests, gone with the first crash of the machine.
    Throwaway,
}

#[derive(Clone)]
pub struct Options {
    /// Takt's data folder; the cluster lives in its subfolder `postgres/`.
    pub data: PathBuf,
    pub search: Search,
    pub durability: Durability,
    pub progress: Progress,
}

/// A running server and our share in it. Several processes may hold one each: the first starts the server,
/// the last to drop its share (or `takt db stop`) stops it. A process that is killed gives its share back
/// too, because the share is a file lock; the server then runs on until somebody joins and leaves again.
pub struct Cluster {
    socket: PathBuf,
    binaries: Binaries,
    membership: Membership,
}

impl Cluster {
    /// Joins the running server of this data folder, or starts it, after finding or fetching PostgreSQL.
    pub async fn start(options: Options) -> Result<Cluster, ClusterError> {
        let folder = Folder::at(&options.data);
        let installed = folder.installed_major()?;
        let binaries = match binaries::find(&options.search, installed)? {
            Some(binaries) => binaries,
            None => binaries::fetch(&options.search, &options.progress).await?,
        };
        let durability = options.durability;
        let progress = options.progress;
        let started = tokio::task::spawn_blocking(move || {
            let membership = server::join_or_start(&folder, &binaries, durability, &progress)?;
            Ok(Cluster { socket: folder.socket, binaries, membership })
        });
        started.await.unwrap_or_else(|panic| Err(ClusterError::Internal(panic.to_string())))
    }

    /// Where to connect; see [`url`].
    pub fn url(&self, database: &str) -> String {
        url(&self.socket, database)
    }

    /// Creates the database unless it is there; two processes may call this at once.
    pub async fn ensure_database(&self, name: &str) -> Result<(), ClusterError> {
        let quoted = format!("create database \"{}\"", name.replace('"', "\"\""));
        let mut admin = PgConnectOptions::from_str(&self.url("postgres"))?.connect().await?;
        let created = sqlx::raw_sql(AssertSqlSafe(quoted)).execute(&mut admin).await;
        admin.close().await?;
        match created {
            Err(sqlx::Error::Database(error)) if is_duplicate_database(error.as_ref()) => Ok(()),
            other => other.map(drop).map_err(ClusterError::from),
        }
    }

    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// True when this process started the server, false when it joined a running one.
    pub fn is_starter(&self) -> bool {
        self.membership.is_starter()
    }

    /// Gives the share back now and says whether that stopped the server. Dropping does the same, silently;
    /// both block for as long as the shutdown checkpoint takes.
    pub fn stop(mut self) -> Result<Left, ClusterError> {
        self.membership.leave()
    }
}

/// What leaving a cluster meant for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    ServerStopped,
    StillUsedByOthers,
}

/// `create database` run twice at once fails with one of these two, depending on who got how far.
fn is_duplicate_database(error: &dyn sqlx::error::DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("42P04" | "23505"))
}

/// A URL that sqlx, psql and every libpq program understand.
pub fn url(socket: &Path, database: &str) -> String {
    let host = percent_encode(&socket.to_string_lossy());
    format!("postgres://{ROLE}@localhost/{}?host={host}&sslmode=disable", percent_encode(database))
}

/// A slash too: `a/.` would be read as a path that goes nowhere.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
