//! The database a command works on: `DATABASE_URL`, or Takt's own private cluster.

use std::path::PathBuf;

use super::cluster::ClusterArgs;
use crate::postgres::{Cluster, ClusterError, DATABASE};

#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseArgs {
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// PostgreSQL to use instead of Takt's own private one
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
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
