//! A PostgreSQL of one test's own that may be killed: a primary, a synchronous standby, and failover to it.

use crate::support::pg::{self, Folder};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, postgres::PgConnectOptions};
use std::{
    fs,
    net::TcpListener,
    os::unix::{
        fs::chown,
        process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    str::FromStr,
    time::{Duration, Instant},
};
use takt::postgres::find_program;

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Cluster {
    folder: Folder,
    bin: PathBuf,
    account: Option<(u32, u32)>,
    primary: Node,
    standby: Option<Node>,
    nodes: u32,
}

struct Node {
    data: PathBuf,
    port: u16,
    server: Option<Child>,
}

impl Cluster {
    /// A primary with a standby that every commit waits for, and an empty database `takt`.
    pub async fn start() -> Self {
        let folder = Folder::new();
        fs::create_dir_all(&folder.0).expect("a folder");
        // What is on the path may be a wrapper; beside initdb stand the programs themselves.
        let initdb = find_program("initdb", Path::new("/nowhere"), &pg::search()).map(fs::canonicalize);
        let initdb = initdb.expect("a PostgreSQL for the crash proof").expect("a program");
        let bin = initdb.parent().expect("a folder").to_owned();
        assert!(bin.join("pg_basebackup").is_file(), "the crash proof needs pg_basebackup beside initdb");
        let account = nix::unistd::geteuid().is_root().then(|| {
            let user = nix::unistd::User::from_name("postgres").ok().flatten();
            let nobody = || nix::unistd::User::from_name("nobody").ok().flatten();
            let user = user.or_else(nobody).expect("an account that PostgreSQL may run as");
            (user.uid.as_raw(), user.gid.as_raw())
        });
        if let Some((uid, gid)) = account {
            chown(&folder.0, Some(uid), Some(gid)).expect("giving the folder away");
        }
        let primary = Node { data: folder.0.join("node1"), port: free_port(), server: None };
        let mut cluster = Self { folder, bin, account, primary, standby: None, nodes: 1 };
        let data = cluster.primary.data.clone();
        cluster.run(
            "initdb",
            &["--username=takt", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"],
            &data,
        );
        cluster.primary.server = Some(cluster.spawn(&cluster.primary));
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
            match connect_to(self.primary.port, database).await {
                Ok(connection) => return connection,
                Err(error) if begun.elapsed() > PATIENCE => {
                    panic!("PostgreSQL does not answer: {error}\n{}", self.log(&self.primary))
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Kills every process of the primary at once.
    pub fn kill(&mut self) {
        kill_all(&mut self.primary);
    }

    /// Starts a primary that was killed.
    pub async fn restart(&mut self) {
        let begun = Instant::now();
        loop {
            let server = self.spawn(&self.primary);
            self.primary.server = Some(server);
            while begun.elapsed() < PATIENCE {
                if connect_to(self.primary.port, "postgres").await.is_ok() {
                    return;
                }
                let ended = self.primary.server.as_mut().and_then(|server| server.try_wait().ok().flatten());
                if ended.is_some() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // A backend that outlived its postmaster for a moment still holds the shared memory.
            assert!(
                begun.elapsed() < PATIENCE,
                "PostgreSQL does not start again:\n{}",
                self.log(&self.primary)
            );
        }
    }

    /// The primary is dead; its standby becomes the primary.
    pub async fn fail_over(&mut self) {
        let standby = self.standby.take().expect("a standby");
        let old = std::mem::replace(&mut self.primary, standby);
        let _ = fs::remove_dir_all(&old.data);
        let data = self.primary.data.clone();
        self.run("pg_ctl", &["promote", "-w", "-t", "60", "-s", "-D"], &data);
        // Nobody stands by any more: commits wait for nobody.
        self.execute("postgres", "alter system set synchronous_standby_names = ''").await;
        self.execute("postgres", "select pg_reload_conf()").await;
    }

    pub fn has_standby(&self) -> bool {
        self.standby.is_some()
    }

    /// Copies the primary, and makes every commit wait for the copy from then on.
    pub async fn add_standby(&mut self) {
        self.nodes += 1;
        let mut standby =
            Node { data: self.folder.0.join(format!("node{}", self.nodes)), port: free_port(), server: None };
        let port = self.primary.port.to_string();
        let arguments =
            ["-h", "127.0.0.1", "-p", &port, "-U", "takt", "-X", "stream", "-R", "-c", "fast", "-N", "-D"];
        self.run("pg_basebackup", &arguments, &standby.data);
        standby.server = Some(self.spawn(&standby));
        self.standby = Some(standby);
        self.execute("postgres", "alter system set synchronous_standby_names = '*'").await;
        self.execute("postgres", "select pg_reload_conf()").await;
        let begun = Instant::now();
        let mut primary = self.connect("postgres").await;
        loop {
            let streaming: i64 =
                sqlx::query_scalar("select count(*) from pg_stat_replication where sync_state = 'sync'")
                    .fetch_one(&mut primary)
                    .await
                    .expect("counting standbys");
            if streaming > 0 {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the standby does not stream");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn execute(&self, database: &str, sql: &str) {
        let mut connection = self.connect(database).await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.expect(sql);
    }

    fn spawn(&self, node: &Node) -> Child {
        let mut command = self.command("postgres");
        command.arg("-D").arg(&node.data);
        // Processes die here, not machines: what the kernel has is as good as what the disk has.
        let settings = [
            "fsync=off",
            "synchronous_commit=on",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=120",
            "shared_buffers=64MB",
            "wal_level=replica",
            "hot_standby=on",
            "wal_keep_size=256MB",
            "wal_retrieve_retry_interval=100ms",
            "timezone=UTC",
            "log_timezone=UTC",
            "jit=off",
        ];
        for setting in settings {
            command.args(["-c", setting]);
        }
        command.args(["-c", &format!("port={}", node.port)]);
        let log = fs::OpenOptions::new().create(true).append(true).open(node.data.with_extension("log"));
        let log = log.expect("a log");
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        command.spawn().expect("starting postgres")
    }

    fn run(&self, program: &str, arguments: &[&str], data: &Path) {
        let output = self.command(program).args(arguments).arg(data).stdin(Stdio::null()).output();
        let output = output.expect("a program of PostgreSQL");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir(&self.folder.0);
        if let Some((uid, gid)) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn log(&self, node: &Node) -> String {
        let log = fs::read_to_string(node.data.with_extension("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        kill_all(&mut self.primary);
        if let Some(standby) = &mut self.standby {
            kill_all(standby);
        }
    }
}

async fn connect_to(port: u16, database: &str) -> Result<PgConnection, sqlx::Error> {
    let url = format!("postgres://takt@127.0.0.1:{port}/{database}?sslmode=disable&application_name=witness");
    PgConnectOptions::from_str(&url)?.connect().await
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// SIGKILL for the postmaster and all of its children, which are in groups of their own.
fn kill_all(node: &mut Node) {
    let Some(mut server) = node.server.take() else { return };
    let postmaster = i32::try_from(server.id()).expect("a pid");
    let children = children_of(postmaster);
    let kill = |pid: i32| {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    };
    kill(postmaster);
    children.into_iter().for_each(kill);
    let status = server.wait().expect("waiting for postgres");
    assert!(status.signal().is_some() || status.code().is_some(), "postgres ended");
}

fn children_of(parent: i32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name in brackets may hold anything; the parent is the second field after it.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        after.split_whitespace().nth(1).and_then(|ppid| ppid.parse().ok()) == Some(parent)
    })
    .collect()
}
