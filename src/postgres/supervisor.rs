//! Watches the server that this process started: reaps it, and starts it again if it dies on its own.
//! A clean end (exit code 0) is somebody's wish, such as `takt db stop`, and stays.

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::postmaster::Launch;
use super::{ClusterError, server};

/// A server that dies this often in one process's life has a trouble that starting again does not cure.
const RESTARTS_MAX: u32 = 5;

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
    }

    /// Waits until the ended server is reaped.
    pub(super) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(launch: &Launch, mut child: Child, released: &AtomicBool) {
    for restart in 1..=RESTARTS_MAX {
        let ended = child.wait();
        if released.load(Ordering::SeqCst) || ended.as_ref().is_ok_and(std::process::ExitStatus::success) {
            return;
        }
        let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
        tracing::error!(restart, how, log = %launch.folder.log.display(), "PostgreSQL ended unexpectedly; starting it again");
        match server::restart(launch, released) {
            Ok(Some(again)) => child = again,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(error = %error, "PostgreSQL cannot be started again");
                return;
            }
        }
    }
    let _ = child.wait();
    tracing::error!(log = %launch.folder.log.display(), "PostgreSQL keeps ending; giving up");
}
