//! The database a command works on: `DATABASE_URL`, or Takt's own private cluster.

use std::path::PathBuf;

use super::cluster::ClusterArgs;
use crate::{
    postgres::{Cluster, ClusterError, DATABASE},
    store::OpenOptions,
};

#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseArgs {
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// PostgreSQL to use instead of Takt's own private one
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
}

/// What lies between Takt and a PostgreSQL that somebody else runs.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConnectionArgs {
    /// DATABASE_URL leads to a pooler in transaction mode: PgBouncer 1.21 or newer with max_prepared_statements
    #[arg(long, env = "TAKT_POOLED")]
    pub pooled: bool,

    /// PostgreSQL itself, past the pooler: for migrations and LISTEN, which need a session
    #[arg(long, env = "TAKT_DIRECT_URL", hide_env_values = true, value_name = "URL")]
    pub direct_url: Option<String>,

    /// Do without LISTEN and NOTIFY: other processes notice new work within a second or two
    #[arg(long, env = "TAKT_NO_NOTIFY")]
    pub no_notify: bool,
}

impl ConnectionArgs {
    pub fn options(&self, url: &str) -> OpenOptions {
        OpenOptions {
            url: url.to_owned(),
            pooled: self.pooled,
            direct_url: self.direct_url.clone(),
            notify: !self.no_notify,
        }
    }
}

/// A database that can be connected to; a private cluster is shared until this is dropped.
pub struct Database {
    pub url: String,
    cluster: Option<Cluster>,
}

impl DatabaseArgs {
    /// Finds the database, starting the private cluster if need be.
    pub async fn open(&self) -> Result<Database, ClusterError> {
        self.open_named(DATABASE).await
    }

    /// The same with another database in the private cluster.
    pub async fn open_named(&self, name: &str) -> Result<Database, ClusterError> {
        if let Some(url) = &self.database_url {
            return Ok(Database { url: url.clone(), cluster: None });
        }
        let cluster = Cluster::start(self.cluster.options()).await?;
        cluster.ensure_database(name).await?;
        Ok(Database { url: cluster.url(name), cluster: Some(cluster) })
    }
}

impl Database {
    /// A program of the private cluster's PostgreSQL, or one on this computer; `None` where there is none.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let beside = self.cluster.as_ref().map(|cluster| cluster.binaries().program(name));
        beside.filter(|program| program.exists())
    }

    /// What runs the database, in words.
    pub fn describe(&self) -> String {
        match &self.cluster {
            Some(cluster) => format!("private PostgreSQL, socket in {}", cluster.socket().display()),
            None => "PostgreSQL from DATABASE_URL".to_owned(),
        }
    }
}
