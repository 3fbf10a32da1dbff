//! Watches the server that this process started: reaps it, and starts it again if it dies on its own.
//! A clean end (exit code 0) is somebody's wish, such as `takt db stop`, and stays.

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::postmaster::Launch;
use super::{ClusterError, server};

/// The pause before a start that follows another one soon; it doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A server that lived so long had no trouble with its start.
const SETTLED: Duration = Duration::from_secs(600);

pub(super) struct Supervisor {
    released: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    pub(super) fn watch(launch: Launch, child: Child) -> Result<Supervisor, ClusterError> {
        let released = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&released);
        let thread = std::thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || watch(&launch, child, &seen));
        let thread = thread.map_err(|error| ClusterError::Internal(error.to_string()))?;
        Ok(Supervisor { released, thread: Some(thread) })
    }

    /// From now on the server's end is not our business.
    pub(super) fn release(&self) {
        self.released.store(true, Ordering::SeqCst);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Waits until the ended server is reaped.
    pub(super) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Never gives up: a full disk or a lost mount is mended one day, and then nobody should have to restart Takt too.
fn watch(launch: &Launch, mut child: Child, released: &AtomicBool) {
    let mut pause = Duration::ZERO;
    loop {
        let started = Instant::now();
        let ended = child.wait();
        if released.load(Ordering::SeqCst) || ended.as_ref().is_ok_and(std::process::ExitStatus::success) {
            return;
        }
        let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
        tracing::error!(how, log = %launch.folder.log.display(), "PostgreSQL ended unexpectedly; starting it again");
        if started.elapsed() > SETTLED {
            pause = Duration::ZERO;
        }
        child = loop {
            if !sleep(pause, released) {
                return;
            }
            pause = (pause * 2).clamp(PAUSE, PAUSE_MAX);
            match server::restart(launch, released) {
                Ok(Some(again)) => break again,
                Ok(None) => return,
                Err(error) => {
                    let again = pause.as_secs();
                    tracing::error!(%error, again, "PostgreSQL cannot be started; trying again in a while");
                }
            }
        };
    }
}

/// False when the server's end is not our business any more.
fn sleep(pause: Duration, released: &AtomicBool) -> bool {
    let until = Instant::now() + pause;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        if released.load(Ordering::SeqCst) {
            return false;
        }
        std::thread::park_timeout(left);
    }
    !released.load(Ordering::SeqCst)
}
