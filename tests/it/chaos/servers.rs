//! `takt serve` as real processes on one database: started, killed, frozen, thawed. Each start has a name of its own,
//! which the database sees as the application and the ledger as the sender.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub const API_TOKEN: &str = "chaos-api-token";
const PATIENCE: Duration = Duration::from_secs(90);

/// What all servers of a test share.
#[derive(Clone)]
pub struct Setting {
    /// Its URL, without a name of the application.
    pub database: String,
    pub ledger: String,
    pub logs: PathBuf,
}

/// Hidden options of one start.
#[derive(Debug, Clone, Default)]
pub struct Armed {
    /// A crash point, with `:3` its third visit.
    pub crash_at: Option<String>,
    pub fault: Option<&'static str>,
}

pub struct Server {
    pub name: String,
    pub url: String,
    pub log: PathBuf,
    child: Child,
    is_frozen: bool,
}

impl Server {
    pub fn start(setting: &Setting, name: String, armed: Armed) -> Self {
        let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = address.expect("a free port");
        let log = setting.logs.join(format!("{name}.log"));
        let joint = if setting.database.contains('?') { '&' } else { '?' };
        let mut command = Command::new(env!("CARGO_BIN_EXE_takt"));
        command
            .args(["serve", "--bind", &address.to_string(), "--site"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/chaos"))
            .env_clear()
            .env("DATABASE_URL", format!("{}{joint}application_name={name}", setting.database))
            .env("TAKT_API_TOKEN", API_TOKEN)
            .env("CHAOS_PROCESS", &name)
            .env("CHAOS_LEDGER", &setting.ledger)
            // Every run shares the deaths of its workers here; none is to be blamed for them.
            .env("TAKT_TAKEOVERS_MAX", "30000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("a log"));
        if let Some(point) = armed.crash_at {
            command.args(["--crash-at", &point]);
        }
        if let Some(fault) = armed.fault {
            command.args(["--fault", fault]);
        }
        let child = command.spawn().expect("starting takt serve");
        Self { name, url: format!("http://{address}"), log, child, is_frozen: false }
    }

    /// Waits until it answers; false when it ended before.
    pub async fn ready(&mut self) -> bool {
        let client = reqwest::Client::new();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.is_dead() {
                return false;
            }
            let asked =
                client.get(format!("{}/health", self.url)).timeout(Duration::from_secs(2)).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        panic!("{} did not become ready:\n{}", self.name, self.tail());
    }

    pub fn is_dead(&mut self) -> bool {
        self.child.try_wait().expect("waiting").is_some()
    }

    /// It ended at a crash point, not by a signal from here or an error.
    pub fn has_aborted(&mut self) -> bool {
        let status = self.child.try_wait().expect("waiting");
        status.and_then(|status| status.signal()) == Some(Signal::SIGABRT as i32)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGSTOP.
    pub fn freeze(&mut self) {
        self.signal(Signal::SIGSTOP);
        self.is_frozen = true;
    }

    /// SIGCONT.
    pub fn thaw(&mut self) {
        self.signal(Signal::SIGCONT);
        self.is_frozen = false;
    }

    pub fn is_frozen(&self) -> bool {
        self.is_frozen
    }

    fn signal(&self, signal: Signal) {
        // It may have died by itself a moment ago.
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")), signal);
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
