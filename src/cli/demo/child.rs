//! The `takt serve` process of the demo: started, killed, started again, stopped.

use super::{DemoError, TELL_AFTER};
use std::{fs::OpenOptions, io::Write as _, net::SocketAddr, path::PathBuf, process::Stdio, time::Duration};
use tokio::process::{Child, Command};

const READY_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(20);

pub(super) struct Settings {
    pub site: PathBuf,
    pub bind: SocketAddr,
    pub database_url: String,
    pub simulator: String,
    pub extra: Vec<String>,
    pub environment: Vec<(&'static str, String)>,
    pub log: PathBuf,
}

pub(super) struct Server {
    settings: Settings,
    child: Child,
}

impl Server {
    pub(super) fn start(settings: Settings) -> Result<Self, DemoError> {
        let child = spawn(&settings)?;
        Ok(Self { settings, child })
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL, as a power cut would: nothing is cleaned up. Then a new process.
    pub(super) async fn kill_and_restart(&mut self) -> Result<(), DemoError> {
        self.child.kill().await?;
        self.child = spawn(&self.settings)?;
        self.ready().await
    }

    pub(super) async fn wait(&mut self) -> Result<(), DemoError> {
        self.child.wait().await?;
        Ok(())
    }

    /// SIGTERM, and the time to hand its runs over; who is in a hurry does not give it that.
    pub(super) async fn stop(mut self, hurry: impl Future<Output = ()>) -> Result<(), DemoError> {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).map(nix::unistd::Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself meanwhile.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        let has_ended = tokio::select! {
            has_ended = self.ends() => has_ended,
            () = hurry => false,
        };
        if !has_ended {
            self.child.kill().await?;
        }
        Ok(())
    }

    /// False when it takes too long.
    async fn ends(&mut self) -> bool {
        if tokio::time::timeout(TELL_AFTER, self.child.wait()).await.is_ok() {
            return true;
        }
        // The terminal may be what went away.
        let _ = writeln!(std::io::stdout(), "  …          waiting for takt serve to hand its runs over");
        tokio::time::timeout(STOP_WITHIN, self.child.wait()).await.is_ok()
    }

    /// Returns when it answers.
    pub(super) async fn ready(&mut self) -> Result<(), DemoError> {
        let log = || self.settings.log.display().to_string();
        let client = crate::connector::http::client()?;
        let url = format!("http://{}/health", self.settings.bind);
        let deadline = tokio::time::Instant::now() + READY_WITHIN;
        let mut told = false;
        let started = tokio::time::Instant::now();
        while tokio::time::Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Err(DemoError::ServerEnded { status: status.to_string(), log: log() });
            }
            if client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if !told && started.elapsed() > TELL_AFTER {
                println!("  …          waiting for takt serve to become ready");
                told = true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(DemoError::NotReady { seconds: READY_WITHIN.as_secs(), log: log() })
    }
}

fn spawn(settings: &Settings) -> Result<Child, DemoError> {
    if let Some(folder) = settings.log.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let log = OpenOptions::new().create(true).append(true).open(&settings.log)?;
    let child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg("--site")
        .arg(&settings.site)
        .args(["--bind", &settings.bind.to_string(), "--simulator", &settings.simulator])
        .args(&settings.extra)
        .env("DATABASE_URL", &settings.database_url)
        .envs(settings.environment.iter().map(|(name, value)| (*name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}
