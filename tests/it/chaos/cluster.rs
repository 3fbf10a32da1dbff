//! A PostgreSQL of one test's own that may be killed: a primary, a synchronous standby, and failover to it.

use super::node::{Node, PATIENCE, Programs};
use crate::support::pg::Folder;
use sqlx::{AssertSqlSafe, PgConnection};
use std::{
    fs,
    time::{Duration, Instant},
};

pub struct Cluster {
    programs: Programs,
    primary: Node,
    standby: Option<Node>,
    /// A primary that its standby has taken the place of; its processes may still be there.
    deposed: Option<Node>,
    nodes: u32,
    /// The last to be dropped.
    folder: Folder,
}

impl Cluster {
    /// A primary with a standby that every commit waits for, and an empty database `takt`.
    pub async fn start() -> Self {
        let folder = Folder::new();
        fs::create_dir_all(&folder.0).expect("a folder");
        let programs = Programs::find(&folder.0);
        let mut primary = Node::new(folder.0.join("node1"));
        programs.run(
            "initdb",
            &["--username=takt", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"],
            &primary.data,
        );
        programs.start(&mut primary);
        let mut cluster = Self { programs, primary, standby: None, deposed: None, nodes: 1, folder };
        cluster.execute("postgres", "create database takt").await;
        cluster.add_standby().await;
        cluster
    }

    pub fn port(&self) -> u16 {
        self.primary.port
    }

    /// A connection to the primary that goes around the proxy.
    pub async fn connect(&self, database: &str) -> PgConnection {
        let begun = Instant::now();
        loop {
            match self.primary.connect(database).await {
                Ok(connection) => return connection,
                Err(error) if begun.elapsed() > PATIENCE => {
                    panic!("PostgreSQL does not answer: {error}\n{}", self.primary.log())
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Kills every process of the primary at once.
    pub fn kill(&mut self) {
        self.primary.kill();
    }

    /// Starts a primary that was killed.
    pub async fn restart(&mut self) {
        self.programs.revive(&mut self.primary).await;
    }

    /// Stops every process of the primary where it stands.
    pub fn freeze(&self) {
        self.primary.freeze();
    }

    pub fn thaw(&self) {
        self.primary.thaw();
    }

    /// The standby becomes the primary, whatever the old one does: that is for the caller to end or to wake.
    pub async fn promote(&mut self) {
        let standby = self.standby.take().expect("a standby");
        self.deposed = Some(std::mem::replace(&mut self.primary, standby));
        self.programs.run("pg_ctl", &["promote", "-w", "-t", "60", "-s", "-D"], &self.primary.data);
        // Nobody stands by any more: commits wait for nobody.
        self.wait_for_standbys("").await;
    }

    /// Wakes the old primary beside the new one.
    pub fn thaw_deposed(&self) {
        self.deposed.as_ref().expect("an old primary").thaw();
    }

    pub fn bury_deposed(&mut self) {
        let mut deposed = self.deposed.take().expect("an old primary");
        deposed.kill();
        let _ = fs::remove_dir_all(&deposed.data);
    }

    /// Copies the primary, and makes every commit wait for the copy from then on.
    pub async fn add_standby(&mut self) {
        self.nodes += 1;
        let mut standby = Node::new(self.folder.0.join(format!("node{}", self.nodes)));
        let port = self.primary.port.to_string();
        let arguments =
            ["-h", "127.0.0.1", "-p", &port, "-U", "takt", "-X", "stream", "-R", "-c", "fast", "-N", "-D"];
        self.programs.run("pg_basebackup", &arguments, &standby.data);
        self.programs.start(&mut standby);
        self.standby = Some(standby);
        self.follow().await;
    }

    /// Commits hang from then on, until the standby is back or taken out.
    pub fn kill_standby(&mut self) {
        self.standby.as_mut().expect("a standby").kill();
    }

    /// Commits wait for the primary's own disk only, as after a person has given the standby up.
    pub async fn take_standby_out(&self) {
        self.wait_for_standbys("").await;
    }

    /// Starts a standby that was killed, and waits until it has caught up.
    pub async fn restart_standby(&mut self) {
        let standby = self.standby.as_mut().expect("a standby");
        self.programs.revive(standby).await;
        self.follow().await;
    }

    /// Every commit waits for the standby from now on; returns when it has all that there was before, too.
    async fn follow(&self) {
        self.wait_for_standbys("*").await;
        let begun = Instant::now();
        let mut primary = self.connect("postgres").await;
        let written: String = sqlx::query_scalar("select pg_current_wal_flush_lsn()::text")
            .fetch_one(&mut primary)
            .await
            .expect("a place in the log");
        loop {
            let in_step: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_replication
                 where sync_state = 'sync' and flush_lsn >= $1::text::pg_lsn",
            )
            .bind(&written)
            .fetch_one(&mut primary)
            .await
            .expect("counting standbys");
            if in_step > 0 {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the standby does not stream");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// `*` for the one there is, nothing for none.
    async fn wait_for_standbys(&self, names: &str) {
        self.execute("postgres", &format!("alter system set synchronous_standby_names = '{names}'")).await;
        self.execute("postgres", "select pg_reload_conf()").await;
    }

    async fn execute(&self, database: &str, sql: &str) {
        let mut connection = self.connect(database).await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.expect(sql);
    }
}
