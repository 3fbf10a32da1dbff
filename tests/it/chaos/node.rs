//! One PostgreSQL of a cluster as processes: started, killed, frozen, thawed.

use crate::support::pg;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};
use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    str::FromStr,
    time::{Duration, Instant},
};
use takt::postgres::find_program;

pub const PATIENCE: Duration = Duration::from_secs(60);

/// The programs of PostgreSQL, and the account that they run as.
pub struct Programs {
    folder: PathBuf,
    bin: PathBuf,
    account: Option<(u32, u32)>,
}

impl Programs {
    /// Those to be used in this folder, which is theirs from then on.
    pub fn find(folder: &Path) -> Self {
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
            chown(folder, Some(uid), Some(gid)).expect("giving the folder away");
        }
        Self { folder: folder.to_owned(), bin, account }
    }

    pub fn run(&self, program: &str, arguments: &[&str], data: &Path) {
        let output = self.command(program).args(arguments).arg(data).stdin(Stdio::null()).output();
        let output = output.expect("a program of PostgreSQL");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn start(&self, node: &mut Node) {
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
        node.server = Some(command.spawn().expect("starting postgres"));
    }

    /// Starts what was killed, and returns when it can be asked.
    pub async fn revive(&self, node: &mut Node) {
        let begun = Instant::now();
        loop {
            self.start(node);
            while begun.elapsed() < PATIENCE {
                if node.connect("postgres").await.is_ok() {
                    return;
                }
                if node.has_ended() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // A backend that outlived its postmaster for a moment still holds the shared memory.
            assert!(begun.elapsed() < PATIENCE, "PostgreSQL does not start again:\n{}", node.log());
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir(&self.folder);
        if let Some((uid, gid)) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }
}

pub struct Node {
    pub data: PathBuf,
    pub port: u16,
    server: Option<Child>,
}

impl Node {
    pub fn new(data: PathBuf) -> Self {
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        Self { data, port: port.port(), server: None }
    }

    pub async fn connect(&self, database: &str) -> Result<PgConnection, sqlx::Error> {
        let port = self.port;
        let url =
            format!("postgres://takt@127.0.0.1:{port}/{database}?sslmode=disable&application_name=witness");
        PgConnectOptions::from_str(&url)?.connect().await
    }

    /// SIGKILL for the postmaster and all of its children, which are in groups of their own.
    pub fn kill(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let postmaster = pid_of(&server);
        let children = children_of(postmaster);
        signal(postmaster, Signal::SIGKILL);
        children.into_iter().for_each(|pid| signal(pid, Signal::SIGKILL));
        server.wait().expect("waiting for postgres");
    }

    /// SIGSTOP for all of them; for the postmaster first, so that it starts no child that is missed.
    pub fn freeze(&self) {
        let postmaster = pid_of(self.server.as_ref().expect("a server"));
        signal(postmaster, Signal::SIGSTOP);
        while is_running(postmaster) {
            std::thread::yield_now();
        }
        children_of(postmaster).into_iter().for_each(|pid| signal(pid, Signal::SIGSTOP));
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        let postmaster = pid_of(self.server.as_ref().expect("a server"));
        children_of(postmaster).into_iter().for_each(|pid| signal(pid, Signal::SIGCONT));
        signal(postmaster, Signal::SIGCONT);
    }

    fn has_ended(&mut self) -> bool {
        self.server.as_mut().and_then(|server| server.try_wait().ok().flatten()).is_some()
    }

    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.data.with_extension("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pid_of(server: &Child) -> i32 {
    i32::try_from(server.id()).expect("a pid")
}

fn signal(pid: i32, signal: Signal) {
    // It may have ended by itself a moment ago.
    let _ = kill(Pid::from_raw(pid), signal);
}

fn children_of(parent: i32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, ppid)| ppid == parent)).collect()
}

/// Neither stopped nor gone.
fn is_running(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| matches!(state, 'R' | 'S' | 'D'))
}

/// The state of a process, and its parent.
fn stat(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; both stand right after it.
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}
