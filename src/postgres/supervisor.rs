//! Watches the server for as long as this process uses it, whoever started it, and starts it again if it dies on its
//! own. One that this process started is its child; any other is looked at from time to time. A clean stop is somebody's
//! wish, such as `takt db stop`, and stays.

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::postmaster::{self, Launch};
use super::{ClusterError, server};

/// The pause before a start that follows another one soon; it doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often a server is looked at that is no child of ours.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A server that lived so long had no trouble with its start.
const SETTLED: Duration = Duration::from_secs(600);

pub(super) struct Supervisor {
    released: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// `child` is the server if this process started it.
    pub(super) fn watch(launch: Launch, child: Option<Child>) -> Result<Supervisor, ClusterError> {
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
fn watch(launch: &Launch, mut child: Option<Child>, released: &AtomicBool) {
    let mut pause = Duration::ZERO;
    loop {
        let started = Instant::now();
        let died = match child.take() {
            Some(child) => wait(child),
            None => look(launch, released),
        };
        if released.load(Ordering::SeqCst) {
            return;
        }
        let Some(how) = died else { continue };
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
                Ok(again) => break again,
                Err(error) => {
                    let again = pause.as_secs();
                    tracing::error!(%error, again, "PostgreSQL cannot be started; trying again in a while");
                }
            }
        };
    }
}

/// Until our child ends; says how, unless it was stopped.
fn wait(mut child: Child) -> Option<String> {
    match child.wait() {
        Ok(status) if status.success() => None,
        Ok(status) => Some(status.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// Until somebody else's server is found dead.
fn look(launch: &Launch, released: &AtomicBool) -> Option<String> {
    while sleep(LOOK_EVERY, released) {
        if postmaster::has_died(&launch.folder) {
            return Some("its process is gone and it was not stopped".to_owned());
        }
    }
    None
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
