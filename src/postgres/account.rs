//! Who runs the server. PostgreSQL refuses root, so a root Takt picks an unprivileged account for it.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{Gid, Uid, User};

use super::error::ClusterError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    /// Takt is not root: the server runs as the same user.
    Same,
    /// Takt is root: the server runs as this user.
    Other { name: String, uid: Uid, gid: Gid },
}

impl Account {
    /// The owner of an existing cluster goes on running it; a new one gets `takt`, `postgres` or `nobody`,
    /// the first that exists (initdb wants a name in the user database, so a bare number will not do).
    pub(super) fn choose(cluster: &Path) -> Result<Account, ClusterError> {
        if !Uid::effective().is_root() {
            return Ok(Account::Same);
        }
        let owner = std::fs::metadata(cluster).ok().map(|metadata| Uid::from_raw(metadata.uid()));
        let by_owner = owner.filter(|uid| !uid.is_root()).and_then(|uid| User::from_uid(uid).ok().flatten());
        let by_name =
            || ["takt", "postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = by_owner.or_else(by_name).ok_or(ClusterError::NoAccount)?;
        Ok(Account::Other { name: user.name, uid: user.uid, gid: user.gid })
    }

    /// A command that runs as this account, with none of our environment (PGDATA, PGPORT, LC_ALL …).
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").env("PATH", "/usr/bin:/bin");
        if let Account::Other { uid, gid, .. } = self {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        command
    }

    pub(super) fn give(&self, path: &Path) -> Result<(), ClusterError> {
        match self {
            Account::Same => Ok(()),
            Account::Other { uid, gid, .. } => {
                std::os::unix::fs::lchown(path, Some(uid.as_raw()), Some(gid.as_raw()))
                    .map_err(|source| ClusterError::io(path, source))
            }
        }
    }

    /// The first folder on the way to `path` that this account may not enter. Reads mode bits only; an ACL
    /// can only make it too careful, and it is asked only after the real attempt has failed.
    pub(super) fn obstacle(&self, path: &Path) -> Option<(PathBuf, String)> {
        let Account::Other { name, uid, gid } = self else { return None };
        let may_enter = |folder: &&Path| {
            let Ok(metadata) = std::fs::metadata(folder) else { return true };
            let bit = match (metadata.uid() == uid.as_raw(), metadata.gid() == gid.as_raw()) {
                (true, _) => 0o100,
                (_, true) => 0o010,
                _ => 0o001,
            };
            !metadata.is_dir() || metadata.mode() & bit != 0
        };
        let ancestors: Vec<&Path> = path.ancestors().collect();
        let obstacle = ancestors.into_iter().rev().find(|folder| !may_enter(folder))?;
        Some((obstacle.to_path_buf(), name.clone()))
    }
}

/// The nearest existing folder where it belongs to who runs Takt: only its mode is in the way.
pub(super) fn own_folder(path: &Path) -> Option<PathBuf> {
    let folder = path.ancestors().find(|ancestor| ancestor.is_dir())?;
    let owner = std::fs::metadata(folder).ok()?.uid();
    (owner == Uid::effective().as_raw()).then(|| folder.to_path_buf())
}

/// The owner of the nearest existing folder, for messages.
pub(super) fn owner_name(path: &Path) -> String {
    let metadata = path.ancestors().find_map(|ancestor| std::fs::metadata(ancestor).ok());
    let Some(uid) = metadata.map(|metadata| Uid::from_raw(metadata.uid())) else {
        return "nobody".to_owned();
    };
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => format!("user number {uid}"),
    }
}
