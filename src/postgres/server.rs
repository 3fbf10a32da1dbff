//! Starting, joining, leaving and stopping a shared server, always under `start.lock`.

use std::fs::File;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::account::Account;
use super::error::ClusterError;
use super::folder::Folder;
use super::postmaster::{self, Launch, PidFile};
use super::supervisor::Supervisor;
use super::{Binaries, Durability, Left, Progress};

/// Recovery after a crash replays the log first, which may take minutes on a slow disk.
const READY_SECONDS_MAX: u64 = 600;
const STOP_SECONDS_MAX: u64 = 120;
/// Processes of a killed server notice within a second that it is gone.
const LINGER_SECONDS_MAX: u64 = 60;
const POLL: Duration = Duration::from_millis(20);
/// What takes longer is told, and told again.
const TELL_AFTER: Duration = Duration::from_secs(1);
const TELL_EVERY: Duration = Duration::from_secs(3);

/// A process's share in the server: the shared lock, and who watches it meanwhile.
pub(super) struct Membership {
    folder: Folder,
    users: Option<File>,
    supervisor: Supervisor,
    is_starter: bool,
}

pub(super) fn join_or_start(
    folder: &Folder,
    binaries: &Binaries,
    durability: Durability,
    progress: &Progress,
) -> Result<Membership, ClusterError> {
    folder.create()?;
    let _start = lock_start(folder, progress)?;
    let users = folder.users_lock()?;
    users.lock_shared().map_err(|source| ClusterError::io(&folder.home, source))?;
    let account = Account::choose(&folder.data)?;
    let launch = Launch { folder: folder.clone(), binaries: binaries.clone(), account, durability };
    let child = bring_up(&launch, progress)?;
    let is_starter = child.is_some();
    let supervisor = Supervisor::watch(launch, child)?;
    Ok(Membership { folder: folder.clone(), users: Some(users), supervisor, is_starter })
}

/// For the supervisor: starts the server again unless we have left, it was stopped or somebody else was faster.
pub(super) fn restart(launch: &Launch, released: &AtomicBool) -> Result<Option<Child>, ClusterError> {
    let quiet: Progress = std::sync::Arc::new(|line| tracing::info!("{line}"));
    let _start = lock_start(&launch.folder, &quiet)?;
    if released.load(Ordering::SeqCst) || postmaster::was_stopped(&launch.folder) {
        return Ok(None);
    }
    bring_up(launch, &quiet)
}

impl Membership {
    pub(super) fn is_starter(&self) -> bool {
        self.is_starter
    }

    pub(super) fn leave(&mut self) -> Result<Left, ClusterError> {
        let Some(users) = self.users.take() else { return Ok(Left::StillUsedByOthers) };
        self.supervisor.release();
        let start = self.folder.start_lock()?;
        start.lock().map_err(|source| ClusterError::io(&self.folder.home, source))?;
        users.unlock().map_err(|source| ClusterError::io(&self.folder.home, source))?;
        if users.try_lock().is_err() {
            return Ok(Left::StillUsedByOthers);
        }
        let stopped = stop(&self.folder);
        // Given back first: the supervisor may be waiting for the same lock to see that it is released.
        drop(users);
        drop(start);
        stopped?;
        self.supervisor.join();
        Ok(Left::ServerStopped)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if let Err(error) = self.leave() {
            tracing::warn!(error = %error, "leaving PostgreSQL running");
        }
    }
}

/// What can be seen of a data folder's cluster without touching it.
#[derive(Debug)]
pub struct Status {
    pub folder: std::path::PathBuf,
    pub log: std::path::PathBuf,
    pub socket: std::path::PathBuf,
    pub installed_major: Option<u32>,
    /// The server's process, when it answers.
    pub running: Option<i32>,
    pub is_used: bool,
}

pub fn status(takt_data: &std::path::Path) -> Result<Status, ClusterError> {
    let folder = Folder::at(takt_data);
    let installed_major = folder.installed_major()?.map(|(major, _)| major);
    let is_used = folder.home.exists() && is_used(&folder)?;
    let running = PidFile::read(&folder).filter(|_| postmaster::is_ready(&folder)).map(|file| file.pid);
    Ok(Status {
        folder: folder.home,
        log: folder.log,
        socket: folder.socket,
        installed_major,
        running,
        is_used,
    })
}

/// Whether `takt db stop` may stop a server that other processes use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopIf {
    Unused,
    Whatever,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopOutcome {
    WasNotRunning,
    Stopped,
    InUse,
}

/// Stops a server that a killed process left running, or, when told so, one in use.
pub fn stop_server(takt_data: &std::path::Path, stop_if: StopIf) -> Result<StopOutcome, ClusterError> {
    let folder = Folder::at(takt_data);
    if !folder.home.exists() {
        return Ok(StopOutcome::WasNotRunning);
    }
    let start = folder.start_lock()?;
    start.lock().map_err(|source| ClusterError::io(&folder.home, source))?;
    let users = folder.users_lock()?;
    if users.try_lock().is_err() && stop_if == StopIf::Unused {
        return Ok(StopOutcome::InUse);
    }
    Ok(if stop(&folder)? { StopOutcome::Stopped } else { StopOutcome::WasNotRunning })
}

/// While somebody starts or stops the server it counts as used.
fn is_used(folder: &Folder) -> Result<bool, ClusterError> {
    let start = folder.start_lock()?;
    Ok(start.try_lock().is_err() || folder.users_lock()?.try_lock().is_err())
}

fn lock_start(folder: &Folder, progress: &Progress) -> Result<File, ClusterError> {
    let start = folder.start_lock()?;
    if start.try_lock().is_err() {
        progress("waiting for another takt that is starting or stopping PostgreSQL");
        start.lock().map_err(|source| ClusterError::io(&folder.home, source))?;
    }
    Ok(start)
}

/// Returns the started server, or `None` when a running one was joined. Call it under `start.lock`.
fn bring_up(launch: &Launch, progress: &Progress) -> Result<Option<Child>, ClusterError> {
    let folder = &launch.folder;
    if is_running_after_settling(launch, progress)? {
        return Ok(None);
    }
    launch.check_reach()?;
    if !folder.data.exists() {
        progress("setting up a private PostgreSQL");
        launch.initdb()?;
    }
    folder.create_private(&folder.socket, &launch.account)?;
    let log_start = postmaster::log_length(&folder.log);
    let mut child = launch.spawn()?;
    let what = "PostgreSQL to start (after a crash it recovers first)";
    let mut waiting = Patience::new(READY_SECONDS_MAX, what, progress);
    while !postmaster::is_ready(folder) {
        let ended = child.try_wait().map_err(|source| ClusterError::io(&folder.log, source))?;
        if ended.is_some() {
            return Err(launch.failure("starting PostgreSQL", log_start));
        }
        if !waiting.poll() {
            return Err(ClusterError::Stuck { pid: child.id().cast_signed(), log: folder.log.clone() });
        }
    }
    Ok(Some(child))
}

/// Waits while a server that nobody watches any more comes up, or the remains of a killed one go away.
fn is_running_after_settling(launch: &Launch, progress: &Progress) -> Result<bool, ClusterError> {
    let folder = &launch.folder;
    let mut waiting =
        Patience::new(LINGER_SECONDS_MAX, "the remains of a PostgreSQL that was killed", progress);
    loop {
        if postmaster::is_ready(folder) {
            return Ok(true);
        }
        let Some(inhabitants) = postmaster::inhabitants(folder) else { return Ok(false) };
        let Some(first) = inhabitants.first() else { break };
        if !waiting.poll() {
            return Err(ClusterError::Stuck { pid: *first, log: folder.log.clone() });
        }
    }
    remove_misleading_locks(folder)?;
    Ok(false)
}

/// None of the cluster's processes is left, but PostgreSQL would take a lock file for a running server's if
/// its number is some other process by now, or a zombie that nobody reaps. Lock files of numbers that are
/// free are left to PostgreSQL's own, stricter checks.
fn remove_misleading_locks(folder: &Folder) -> Result<(), ClusterError> {
    for path in [PidFile::path(folder), folder.socket_lock_file()] {
        let Some(PidFile { pid, .. }) = PidFile::read_at(&path) else { continue };
        tracing::info!(pid, "the last PostgreSQL of this folder was killed; it recovers now");
        if postmaster::is_alive(pid) {
            std::fs::remove_file(&path).map_err(|source| ClusterError::io(&path, source))?;
        }
    }
    Ok(())
}

/// A fast shutdown: sessions are closed, a checkpoint is written, nothing needs recovery afterwards.
/// Says whether there was a server to stop.
fn stop(folder: &Folder) -> Result<bool, ClusterError> {
    let pid_file = PidFile::path(folder);
    let Some(PidFile { pid, .. }) = PidFile::read(folder) else { return Ok(false) };
    if postmaster::inhabitants(folder).is_some_and(|inhabitants| !inhabitants.contains(&pid)) {
        // Killed before us; or it runs in another container, whose processes we neither see nor may signal.
        return Ok(false);
    }
    postmaster::signal(pid, Signal::SIGINT).map_err(|source| ClusterError::io(&pid_file, source))?;
    let quiet: Progress = std::sync::Arc::new(|line| tracing::info!("{line}"));
    let mut waiting = Patience::new(STOP_SECONDS_MAX, "PostgreSQL to stop", &quiet);
    // The pid file goes last. The process itself may stay a zombie where nobody reaps orphans.
    while PidFile::read(folder).is_some_and(|file| file.pid == pid) {
        if !waiting.poll() {
            return Err(ClusterError::Stuck { pid, log: folder.log.clone() });
        }
    }
    Ok(true)
}

/// Polls a condition with a limit, and says what it waits for when that takes long.
struct Patience<'a> {
    until: Instant,
    tell_at: Instant,
    what: &'static str,
    progress: &'a Progress,
}

impl<'a> Patience<'a> {
    fn new(seconds_max: u64, what: &'static str, progress: &'a Progress) -> Patience<'a> {
        let now = Instant::now();
        Patience { until: now + Duration::from_secs(seconds_max), tell_at: now + TELL_AFTER, what, progress }
    }

    /// False when the limit is reached.
    fn poll(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.tell_at {
            (self.progress)(&format!("still waiting for {}", self.what));
            self.tell_at = now + TELL_EVERY;
        }
        std::thread::sleep(POLL);
        now < self.until
    }
}
