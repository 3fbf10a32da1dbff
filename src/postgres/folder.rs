//! The cluster's folder `<data>/postgres`, and the two locks that let several processes share it.
//!
//! ```text
//! start.lock   held while somebody starts, joins or leaves: one at a time
//! users.lock   held shared by every process that uses the server; free means nobody does
//! server.log   what initdb and the server say
//! data/        the cluster itself, mode 0700, owned by the account that runs the server
//! socket/      the socket, likewise
//! ```

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::account::Account;
use super::error::ClusterError;

/// `sun_path` is 108 bytes on Linux, 104 elsewhere, and ends with a zero. We refuse longer paths instead of
/// falling back to a folder in /tmp, where a second process (and a person) would not find it.
const SOCKET_PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
const SOCKET_NAME: &str = ".s.PGSQL.5432";
const LOG_BYTES_MAX: u64 = 8 << 20;

#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) home: PathBuf,
    pub(super) data: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) log: PathBuf,
}

impl Folder {
    pub(super) fn at(takt_data: &Path) -> Folder {
        // Absolute, because the server and psql run in other folders; not canonical, because it may not exist.
        let home =
            std::path::absolute(takt_data).unwrap_or_else(|_| takt_data.to_path_buf()).join("postgres");
        Folder { data: home.join("data"), socket: home.join("socket"), log: home.join("server.log"), home }
    }

    /// The major version that made the cluster, if there is one.
    pub(super) fn installed_major(&self) -> Result<Option<(u32, PathBuf)>, ClusterError> {
        let path = self.data.join("PG_VERSION");
        match std::fs::read_to_string(&path) {
            Ok(text) => match text.trim().parse() {
                Ok(major) => Ok(Some((major, self.data.clone()))),
                Err(error) => Err(ClusterError::Io { path, source: std::io::Error::other(error) }),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ClusterError::inside(&self.home, &self.data, error)),
        }
    }

    pub(super) fn create(&self) -> Result<(), ClusterError> {
        let socket = self.socket_file();
        let length = socket.as_os_str().len();
        if length > SOCKET_PATH_BYTES_MAX {
            return Err(ClusterError::SocketPathTooLong {
                path: socket,
                length,
                limit: SOCKET_PATH_BYTES_MAX,
            });
        }
        create_public(&self.home).map_err(|source| ClusterError::io(&self.home, source))
    }

    /// Creates a subfolder that only the server's account may enter.
    pub(super) fn create_private(&self, path: &Path, account: &Account) -> Result<(), ClusterError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(ClusterError::inside(&self.home, path, error))
            }
            _ => account.give(path),
        }
    }

    pub(super) fn socket_file(&self) -> PathBuf {
        self.socket.join(SOCKET_NAME)
    }

    pub(super) fn socket_lock_file(&self) -> PathBuf {
        self.socket.join(format!("{SOCKET_NAME}.lock"))
    }

    pub(super) fn start_lock(&self) -> Result<File, ClusterError> {
        self.open_lock("start.lock")
    }

    pub(super) fn users_lock(&self) -> Result<File, ClusterError> {
        self.open_lock("users.lock")
    }

    fn open_lock(&self, name: &str) -> Result<File, ClusterError> {
        let path = self.home.join(name);
        // A lock needs no write permission, so a file that root made serves an ordinary user too.
        let opened = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)
            }
            other => other,
        };
        opened.map_err(|source| ClusterError::inside(&self.home, &path, source))
    }

    /// Opened by us and handed down, so that the server's account needs no right in this folder.
    pub(super) fn open_log(&self) -> Result<File, ClusterError> {
        if std::fs::metadata(&self.log).is_ok_and(|metadata| metadata.len() > LOG_BYTES_MAX) {
            let old = self.log.with_extension("log.1");
            std::fs::rename(&self.log, &old)
                .map_err(|source| ClusterError::inside(&self.home, &self.log, source))?;
        }
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o640).custom_flags(OFlag::O_NOFOLLOW.bits());
        options.open(&self.log).map_err(|source| ClusterError::inside(&self.home, &self.log, source))
    }
}

/// Creates a folder and its missing parents; made by root they are readable for all whatever the umask says,
/// because the server runs as somebody else.
pub(super) fn create_public(path: &Path) -> std::io::Result<()> {
    let path = std::path::absolute(path)?;
    let missing: Vec<&Path> = path.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    for folder in missing.into_iter().rev() {
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            other => other?,
        }
        if nix::unistd::Uid::effective().is_root() {
            std::fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}
