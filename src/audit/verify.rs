//! Checks a whole chain in its database: every link, every detail that is still kept, every checkpoint. Stops at the
//! first thing that is wrong and names it.

use super::{
    anchors::Anchors,
    chain::{digest_of_record, genesis, link},
    key::PublicKey,
    purges::{Purges, Retention},
};
use crate::store::{
    PgConnection, StoreError, audit,
    seals::{self, Head, Link},
};
use chrono::{DateTime, Utc};
use std::{collections::BTreeSet, fmt, path::Path};

/// Links read at once.
const PAGE: i64 = 5_000;

/// Where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A link of the chain, by its `seq`.
    Record(i64),
    /// A record that has no place in the chain, by its number.
    Unsealed(i64),
    /// By its time or file.
    Checkpoint(String),
    /// A file of a bundle.
    File(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(seq) => write!(f, "record {seq}"),
            Self::Unsealed(id) => write!(f, "the record with id {id}"),
            Self::Checkpoint(name) => write!(f, "checkpoint {name}"),
            Self::File(name) => write!(f, "file {name}"),
        }
    }
}

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub place: Place,
    /// The end of a sentence that begins with the place.
    pub why: String,
}

impl Broken {
    pub(super) fn new(place: Place, why: impl Into<String>) -> Self {
        Self { place, why: why.into() }
    }

    pub(super) fn record(seq: i64, why: impl Into<String>) -> Self {
        Self::new(Place::Record(seq), why)
    }

    pub(super) fn file(name: &str, why: impl Into<String>) -> Self {
        Self::new(Place::File(name.to_owned()), why)
    }

    pub fn sentence(&self) -> String {
        format!("The audit trail is broken: {} {}.", self.place, self.why)
    }
}

/// What a check of the whole chain found.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Links that hold.
    pub records: i64,
    /// Details that retention took out.
    pub purged: i64,
    /// Checkpoints that agree with the chain and are signed with a key that was given.
    pub checkpoints: usize,
    pub last_checkpoint: Option<String>,
    /// Checkpoints that vouch for nothing, because their key was not given.
    pub unchecked: usize,
    /// What they name as their key.
    pub unknown_keys: BTreeSet<String>,
    /// Records that wait for their seal.
    pub waiting: i64,
    /// The first of them, by its number.
    pub first_waiting: Option<i64>,
    pub oldest_waiting: Option<DateTime<Utc>>,
    pub broken: Option<Broken>,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the folder of checkpoints {folder} cannot be read: {reason}")]
    Folder { folder: std::path::PathBuf, reason: std::io::Error },
    #[error(
        "there is no checkpoint in {0}: name the folder that Takt writes them to; if none was taken yet, take one with \
         `takt audit checkpoint`"
    )]
    NoCheckpoints(std::path::PathBuf),
}

/// What the chain is held against.
#[derive(Debug, Clone, Copy)]
pub struct Against<'a> {
    /// Checkpoints of other keys vouch for nothing.
    pub keys: &'a [PublicKey],
    /// Where checkpoints stand apart from the database.
    pub folder: Option<&'a Path>,
    pub retention: Retention,
}

/// Checks everything up to where the chain ends now.
pub async fn verify(db: &mut PgConnection, against: &Against<'_>) -> Result<Verdict, VerifyError> {
    let mut head = seals::head(db).await?;
    let mut verdict = Verdict::default();
    let loaded = Anchors::load(db, &head, against.keys, against.folder, &mut verdict).await?;
    let mut anchors = match loaded {
        Ok(anchors) => anchors,
        Err(broken) => {
            verdict.broken = Some(broken);
            return Ok(verdict);
        }
    };
    let mut purges = Purges::load(db, against.retention).await?;
    let mut hash = genesis(head.chain).to_vec();
    'chain: while verdict.records < head.seq {
        let links = seals::links(db, verdict.records, PAGE).await?;
        let is_last = links.len() < usize::try_from(PAGE).unwrap_or_default();
        for found in links {
            if found.seq > head.seq {
                break 'chain;
            }
            if found.has_lost_its_detail() && !purges.cover(&found) {
                // Retention may have come since this check began: then the chain has gone on, and is followed so far.
                head = seals::head(db).await?;
                purges = Purges::load(db, against.retention).await?;
            }
            let checked = check(&found, verdict.records + 1, &hash, &purges, &mut verdict.purged);
            let agreed = checked.and_then(|next| anchors.agree(found.seq, &next).map(|n| (next, n)));
            match agreed {
                Ok((next, checkpoints)) => {
                    hash = next;
                    verdict.checkpoints += checkpoints;
                    verdict.records += 1;
                }
                Err(broken) => {
                    verdict.broken = Some(broken);
                    return Ok(verdict);
                }
            }
        }
        if is_last {
            break;
        }
    }
    verdict.broken = end(&head, &hash, &verdict).or_else(|| anchors.gone());
    if verdict.broken.is_none() {
        let strays = seals::strays(db).await?;
        verdict.waiting = strays.waiting;
        verdict.first_waiting = strays.first_waiting;
        verdict.oldest_waiting = strays.oldest_waiting;
        let unsealed = strays
            .unsealed
            .map(|id| Broken::new(Place::Unsealed(id), "is not in the chain, though later ones are"));
        let twice = strays.twice.map(|id| Broken::new(Place::Unsealed(id), "stands in the chain twice"));
        verdict.broken = unsealed.or(twice);
    }
    Ok(verdict)
}

/// One link against the one before; gives its hash.
fn check(
    found: &Link,
    expected: i64,
    previous: &[u8],
    purges: &Purges,
    purged: &mut i64,
) -> Result<Vec<u8>, Broken> {
    if found.seq != expected {
        return Err(Broken::record(expected, "is missing from the chain"));
    }
    let Some(record) = &found.record else {
        return Err(Broken::record(
            expected,
            "was taken out: the chain has its link, and the record is gone",
        ));
    };
    let hash = link(previous, &digest_of_record(record)).to_vec();
    if hash != found.hash {
        return Err(Broken::record(
            expected,
            "was changed, or its link was: the hash is not that of the record",
        ));
    }
    if record.run != found.run {
        return Err(Broken::record(expected, "stands in the chain under another run than the one it is of"));
    }
    match (&record.detail, &found.detail) {
        (Some(digest), Some((salt, body))) => {
            if hex::encode(audit::digest_of_detail(salt, body)) != *digest {
                return Err(Broken::record(expected, "has another detail than the one that was sealed"));
            }
        }
        (Some(_), None) => {
            if !purges.cover(found) {
                return Err(Broken::record(expected, purges.why_lost(found)));
            }
            *purged += 1;
        }
        (None, Some(_)) => return Err(Broken::record(expected, "was given a detail that was never sealed")),
        (None, None) => {}
    }
    Ok(hash)
}

fn end(head: &Head, hash: &[u8], verdict: &Verdict) -> Option<Broken> {
    if verdict.records < head.seq {
        return Some(Broken::record(verdict.records + 1, "is missing from the chain"));
    }
    let is_empty = head.seq == 0 && head.hash.is_empty();
    (!is_empty && head.hash != hash)
        .then(|| Broken::record(head.seq, "is not the one that the chain's end points to"))
}
