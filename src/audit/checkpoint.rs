//! Signed statements of where the chain stood: what a database's owner cannot make again after changing it. Each is a
//! file of its own, never written over, and a row beside the chain.

use super::{
    keeper::seal_all,
    key::{PublicKey, SigningKey},
};
use crate::store::{
    PgConnection, StoreError,
    seals::{self, StoredCheckpoint, time_text},
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// What is signed begins with this, so that a signature means nothing else.
const PURPOSE: &str = "takt audit checkpoint 1\n";
const FILE_PREFIX: &str = "takt-audit-";

/// The fields stand in the order of their names: the text serde writes is the canonical one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    pub chain: Uuid,
    /// Of the last link, in hex.
    pub hash: String,
    /// Which key signed.
    pub key: String,
    pub seq: i64,
    pub site: String,
    /// Real time, UTC.
    pub time: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    pub checkpoint: Checkpoint,
    /// Ed25519, in Base64.
    pub signature: String,
}

#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "the checkpoint cannot be written to {folder} ({reason}): make the folder writable for Takt, or name another \
         under `audit: checkpoints` in takt.yaml"
    )]
    Folder { folder: PathBuf, reason: io::Error },
}

impl Signed {
    pub(super) fn new(checkpoint: Checkpoint, key: &SigningKey) -> Self {
        let signature = key.sign(&checkpoint.message());
        Self { checkpoint, signature }
    }

    /// One line; reading it back gives the same bytes, or it was changed.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    pub fn from_text(text: &str) -> Option<Self> {
        let read: Self = serde_json::from_str(text).ok()?;
        (read.to_text() == text).then_some(read)
    }

    /// `Err` says what is wrong, as the end of a sentence.
    pub fn check(&self, keys: &[PublicKey]) -> Result<(), String> {
        let key = keys.iter().find(|key| key.id() == self.checkpoint.key);
        let key = key
            .ok_or_else(|| format!("was signed with the key {}, which was not given", self.checkpoint.key))?;
        if key.verifies(&self.checkpoint.message(), &self.signature) {
            Ok(())
        } else {
            Err("does not bear the signature of its key".to_owned())
        }
    }

    fn file_name(&self) -> String {
        let time: String = self.checkpoint.time.chars().filter(char::is_ascii_alphanumeric).collect();
        let chain = self.checkpoint.chain.simple().to_string();
        format!("{FILE_PREFIX}{}-{:012}-{time}.json", &chain[..8], self.checkpoint.seq)
    }
}

impl Checkpoint {
    fn message(&self) -> Vec<u8> {
        format!("{PURPOSE}{}", serde_json::to_string(self).unwrap_or_default()).into_bytes()
    }
}

/// Seals what waits and signs where the chain stands; `None` while there is nothing in it.
pub async fn take_checkpoint(
    db: &mut PgConnection,
    site: &str,
    zone: Tz,
    key: &SigningKey,
    folder: Option<&Path>,
) -> Result<Option<Signed>, CheckpointError> {
    seal_all(db, site, zone).await?;
    let head = seals::head(db).await?;
    if head.seq == 0 {
        return Ok(None);
    }
    let now = seals::real_now(db).await?;
    let checkpoint = Checkpoint {
        chain: head.chain,
        hash: hex::encode(&head.hash),
        key: key.public().id(),
        seq: head.seq,
        site: site.to_owned(),
        time: time_text(now),
    };
    let signed = Signed::new(checkpoint, key);
    // The file first: a row without one would look like a file that was taken away.
    if let Some(folder) = folder {
        let failed = |reason| CheckpointError::Folder { folder: folder.to_owned(), reason };
        write_once(folder, &signed).map_err(failed)?;
    }
    let stored = StoredCheckpoint { seq: head.seq, made_at: now, body: signed.to_text() };
    seals::keep_checkpoint(db, &stored).await?;
    Ok(Some(signed))
}

fn write_once(folder: &Path, signed: &Signed) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).open(folder.join(signed.file_name()))?;
    file.write_all(signed.to_text().as_bytes())?;
    file.sync_all()
}

/// The checkpoints in a folder by file name; a text that is none as `None`.
pub(super) fn read_folder(folder: &Path) -> io::Result<Vec<(String, Option<Signed>)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(FILE_PREFIX) && name.ends_with(".json") {
            let text = std::fs::read(entry.path())?;
            found.push((name, String::from_utf8(text).ok().and_then(|text| Signed::from_text(&text))));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}
