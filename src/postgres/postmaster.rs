//! One server process: its command line, its pid file, and whether anything of it still lives.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::account::Account;
use super::error::ClusterError;
use super::folder::Folder;
use super::{Binaries, Durability, ROLE};

/// The server runs out of connections before it runs out of memory: 128 MiB of buffers plus a few per backend.
const CONNECTIONS_MAX: u32 = 200;

/// All that is needed to start the server, again if need be.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub(super) folder: Folder,
    pub(super) binaries: Binaries,
    pub(super) account: Account,
    pub(super) durability: Durability,
}

impl Launch {
    /// Makes a new cluster beside its final place, so that a half-made one never looks like a whole one.
    pub(super) fn initdb(&self) -> Result<(), ClusterError> {
        let Folder { data, log, .. } = &self.folder;
        let fresh = data.with_extension("new");
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh).map_err(|source| ClusterError::io(&fresh, source))?;
        }
        self.folder.create_private(&fresh, &self.account)?;
        let mut command = self.account.command(&self.binaries.program("initdb"));
        // Locale C: sort order and indexes stay valid when the operating system's locales change.
        command.arg("--pgdata").arg(&fresh).args([
            "--username",
            ROLE,
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        match self.durability {
            Durability::Durable => command.arg("--data-checksums"),
            Durability::Throwaway => command.arg("--no-sync"),
        };
        let start = log_length(log);
        let output = self.folder.open_log()?;
        let status =
            self.quietly(&mut command, &output)?.wait().map_err(|source| ClusterError::io(log, source))?;
        if !status.success() {
            let failure = self.failure("initdb", start);
            let _ = std::fs::remove_dir_all(&fresh);
            return Err(failure);
        }
        std::fs::rename(&fresh, data).map_err(|source| ClusterError::io(data, source))
    }

    pub(super) fn spawn(&self) -> Result<Child, ClusterError> {
        let Folder { data, socket, .. } = &self.folder;
        let mut command = self.account.command(&self.binaries.program("postgres"));
        command.arg("-D").arg(data);
        let mut set = |name: &str, value: &str| {
            command.args(["-c", &format!("{name}={value}")]);
        };
        // A list of folders: quoted, or a comma in the path would split it.
        set("unix_socket_directories", &format!("\"{}\"", socket.display().to_string().replace('"', "\"\"")));
        set("unix_socket_permissions", "0700");
        set("listen_addresses", "");
        set("max_connections", &CONNECTIONS_MAX.to_string());
        set("timezone", "UTC");
        set("log_timezone", "UTC");
        set("jit", "off");
        if let Some(tag) = tag(data) {
            set("cluster_name", &tag);
        }
        let sync = if self.durability == Durability::Durable { "on" } else { "off" };
        for name in ["fsync", "full_page_writes", "synchronous_commit"] {
            set(name, sync);
        }
        // Its own process group: Ctrl-C is for Takt, which then stops the server in its own time.
        command.process_group(0);
        let output = self.folder.open_log()?;
        self.quietly(&mut command, &output)
    }

    fn quietly(&self, command: &mut std::process::Command, log: &File) -> Result<Child, ClusterError> {
        let share = || log.try_clone().map_err(|source| ClusterError::io(&self.folder.log, source));
        command.stdin(Stdio::null()).stdout(share()?).stderr(share()?).current_dir(&self.folder.home);
        command.spawn().map_err(|error| self.cannot_run(Path::new(command.get_program()), &error.to_string()))
    }

    /// Tries the programs as the account that will run them, from the folder they will work in.
    pub(super) fn check_reach(&self) -> Result<(), ClusterError> {
        let program = self.binaries.program("postgres");
        let mut command = self.account.command(&program);
        command.arg("--version").stdin(Stdio::null()).current_dir(&self.folder.home);
        match command.output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(self.cannot_run(&program, String::from_utf8_lossy(&output.stderr).trim())),
            Err(error) => Err(self.cannot_run(&program, &error.to_string())),
        }
    }

    fn cannot_run(&self, program: &Path, reason: &str) -> ClusterError {
        let obstacle = self.account.obstacle(&self.folder.home).or_else(|| self.account.obstacle(program));
        match obstacle {
            Some((obstacle, user)) => ClusterError::OutOfReach { obstacle, user },
            None => ClusterError::BrokenProgram { program: program.to_path_buf(), reason: reason.to_owned() },
        }
    }

    /// The reason in the log's new lines, as an error.
    pub(super) fn failure(&self, what: &'static str, log_start: u64) -> ClusterError {
        let log = self.folder.log.clone();
        let text = std::fs::read(&log).unwrap_or_default();
        let new = text.get(usize::try_from(log_start).unwrap_or(0)..).unwrap_or_default();
        let new = String::from_utf8_lossy(new);
        let signs_of_a_full_disk =
            ["No space left on device", "Disk quota exceeded", "Check free disk space"];
        if signs_of_a_full_disk.iter().any(|sign| new.contains(sign)) {
            return ClusterError::DiskFull(self.folder.home.clone());
        }
        // From the word on: what stands before it is the time and the process.
        let telling = |line: &str| ["FATAL:", "PANIC:", "error:"].iter().find_map(|word| line.find(word));
        let reason = new.lines().rev().find_map(|line| line.get(telling(line)?..));
        let reason = reason.or(new.lines().last()).unwrap_or("it said nothing").trim().to_owned();
        ClusterError::Server { what, reason, log }
    }
}

pub(super) fn log_length(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |metadata| metadata.len())
}

/// The pid file's first line and its status line, which the server rewrites as it comes up and goes down.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: i32,
    pub(super) is_ready: bool,
}

impl PidFile {
    pub(super) fn path(folder: &Folder) -> PathBuf {
        folder.data.join("postmaster.pid")
    }

    pub(super) fn read(folder: &Folder) -> Option<PidFile> {
        PidFile::read_at(&PidFile::path(folder))
    }

    /// The socket's lock file has the same first lines.
    pub(super) fn read_at(path: &Path) -> Option<PidFile> {
        PidFile::parse(&std::fs::read_to_string(path).ok()?)
    }

    pub(super) fn parse(text: &str) -> Option<PidFile> {
        let pid = text.lines().next()?.trim().parse().ok()?;
        Some(PidFile { pid, is_ready: text.lines().nth(7).map(str::trim) == Some("ready") })
    }
}

/// True when the server of this folder answers, whoever started it and in whatever container.
pub(super) fn is_ready(folder: &Folder) -> bool {
    PidFile::read(folder).is_some_and(|file| file.is_ready)
        && UnixStream::connect(folder.socket_file()).is_ok()
}

/// The processes of this very cluster, found by the name we gave it; `None` where there is no /proc to ask.
/// A pid file alone is not enough: after a crash its number may belong to any process by now.
pub(super) fn inhabitants(folder: &Folder) -> Option<Vec<i32>> {
    let Some(tag) = tag(&folder.data) else { return Some(Vec::new()) };
    let entries = std::fs::read_dir("/proc").ok()?;
    let pids = entries.flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let command_line = std::fs::read(entry.path().join("cmdline")).ok()?;
        command_line.windows(tag.len()).any(|window| window == tag.as_bytes()).then_some(pid)
    });
    Some(pids.collect())
}

/// True when the server is gone and nobody stopped it.
pub(super) fn has_died(folder: &Folder) -> bool {
    match PidFile::read(folder) {
        // In another container it answers, and its process is not to be seen.
        Some(PidFile { pid, .. }) => !is_inhabitant(folder, pid) && !is_ready(folder) && !was_stopped(folder),
        None => state(folder).is_some_and(|state| state != SHUT_DOWN),
    }
}

/// True when the server ended in order: it takes its lock file away, and says so in its control file.
pub(super) fn was_stopped(folder: &Folder) -> bool {
    PidFile::read(folder).is_none() && state(folder) == Some(SHUT_DOWN)
}

/// `DB_SHUTDOWNED` of PostgreSQL's `DBState`.
const SHUT_DOWN: u32 = 1;

/// The cluster's state as PostgreSQL keeps it: after the system's identifier and two version numbers.
fn state(folder: &Folder) -> Option<u32> {
    let control = std::fs::read(folder.data.join("global/pg_control")).ok()?;
    Some(u32::from_ne_bytes(control.get(16..20)?.try_into().ok()?))
}

fn is_inhabitant(folder: &Folder, pid: i32) -> bool {
    if !Path::new("/proc/self").exists() {
        return is_alive(pid);
    }
    let Some(tag) = tag(&folder.data) else { return false };
    let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    command_line.windows(tag.len()).any(|window| window == tag.as_bytes())
}

pub(super) fn signal(pid: i32, signal: Signal) -> std::io::Result<()> {
    kill(Pid::from_raw(pid), signal).map_err(std::io::Error::from)
}

/// True when any process has this number, ours or not.
pub(super) fn is_alive(pid: i32) -> bool {
    !matches!(kill(Pid::from_raw(pid), None), Err(nix::errno::Errno::ESRCH))
}

/// Shown by `ps` for the server and every backend; the folder's identity, so that two clusters differ.
fn tag(data: &Path) -> Option<String> {
    let metadata = std::fs::metadata(data).ok()?;
    Some(format!("takt-{:x}-{:x}", metadata.dev(), metadata.ino()))
}
