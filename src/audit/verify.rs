//! Checks a whole chain in its database: every link, every detail that is still kept, every checkpoint. Stops at the
//! first thing that is wrong and names it.

use super::{
    chain::{digest_of_record, genesis, link},
    checkpoint::{Signed, read_folder},
    key::PublicKey,
};
use crate::store::{
    PgConnection, StoreError, audit,
    seals::{self, Head, Link},
};
use chrono::{DateTime, Utc};
use std::{collections::BTreeMap, fmt, path::Path};

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
    /// Checkpoints that agree with the chain.
    pub checkpoints: usize,
    pub last_checkpoint: Option<String>,
    /// Checkpoints that could not be looked at, because their key was not given.
    pub unchecked: usize,
    /// Records that wait for their seal.
    pub waiting: i64,
    pub oldest_waiting: Option<DateTime<Utc>>,
    pub broken: Option<Broken>,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the folder of checkpoints {folder} cannot be read: {reason}")]
    Folder { folder: std::path::PathBuf, reason: std::io::Error },
}

/// Checks everything up to where the chain ends now. Without keys the signatures stay unchecked, which is said.
pub async fn verify(
    db: &mut PgConnection,
    keys: &[PublicKey],
    folder: Option<&Path>,
) -> Result<Verdict, VerifyError> {
    let head = seals::head(db).await?;
    let mut verdict = Verdict::default();
    let mut anchors = match anchors(db, &head, keys, folder, &mut verdict).await? {
        Ok(anchors) => anchors,
        Err(broken) => {
            verdict.broken = Some(broken);
            return Ok(verdict);
        }
    };
    let purged_before = audit::purged_before(db).await?;
    let mut hash = genesis(head.chain).to_vec();
    'chain: while verdict.records < head.seq {
        let links = seals::links(db, verdict.records, PAGE).await?;
        let is_last = links.len() < usize::try_from(PAGE).unwrap_or_default();
        for found in links {
            if found.seq > head.seq {
                break 'chain;
            }
            let checked = check(&found, verdict.records + 1, &hash, purged_before, &mut verdict.purged);
            let agreed = checked.and_then(|next| agrees(&mut anchors, found.seq, &next).map(|n| (next, n)));
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
    verdict.broken = end(&head, &hash, &verdict);
    if verdict.broken.is_none() {
        let strays = seals::strays(db).await?;
        verdict.waiting = strays.waiting;
        verdict.oldest_waiting = strays.oldest_waiting;
        let unsealed = strays
            .unsealed
            .map(|id| Broken::new(Place::Unsealed(id), "is not in the chain, though later ones are"));
        let twice = strays.twice.map(|id| Broken::new(Place::Unsealed(id), "stands in the chain twice"));
        verdict.broken = unsealed.or(twice);
    }
    Ok(verdict)
}

/// What checkpoints say the chain was, by `seq`: each with the name of the statement.
type Anchors = BTreeMap<i64, Vec<(String, String)>>;

async fn anchors(
    db: &mut PgConnection,
    head: &Head,
    keys: &[PublicKey],
    folder: Option<&Path>,
    verdict: &mut Verdict,
) -> Result<Result<Anchors, Broken>, VerifyError> {
    let mut named: Vec<(String, Option<Signed>)> = Vec::new();
    if let Some(folder) = folder.filter(|folder| folder.exists()) {
        let failed = |reason| VerifyError::Folder { folder: folder.to_owned(), reason };
        named.extend(read_folder(folder).map_err(failed)?);
    }
    for stored in seals::checkpoints(db).await? {
        let read = Signed::from_text(&stored.body);
        let name = format!("of {}", stored.made_at.format("%Y-%m-%d %H:%M:%S UTC"));
        named.push((name, read.filter(|signed| signed.checkpoint.seq == stored.seq)));
    }
    let mut anchors = Anchors::new();
    for (name, signed) in named {
        let broken = |why: String| Broken::new(Place::Checkpoint(name.clone()), why);
        let Some(signed) = signed else {
            return Ok(Err(broken("is not what Takt wrote: it was changed".into())));
        };
        let said = &signed.checkpoint;
        if said.chain != head.chain {
            return Ok(Err(broken(format!("is of another chain, {}", said.chain))));
        }
        if keys.iter().any(|key| key.id() == said.key) {
            if let Err(why) = signed.check(keys) {
                return Ok(Err(broken(why)));
            }
        } else {
            verdict.unchecked += 1;
        }
        if said.seq > head.seq {
            let why =
                format!("saw {} records, and the chain has {}: its end was cut off", said.seq, head.seq);
            return Ok(Err(broken(why)));
        }
        if verdict.last_checkpoint.as_ref().is_none_or(|last| *last < said.time) {
            verdict.last_checkpoint = Some(said.time.clone());
        }
        anchors.entry(said.seq).or_default().push((name, said.hash.clone()));
    }
    Ok(Ok(anchors))
}

/// One link against the one before; gives its hash.
fn check(
    found: &Link,
    expected: i64,
    previous: &[u8],
    purged_before: Option<DateTime<Utc>>,
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
    match (&record.detail, &found.detail) {
        (Some(digest), Some((salt, body))) => {
            if hex::encode(audit::digest_of_detail(salt, body)) != *digest {
                return Err(Broken::record(expected, "has another detail than the one that was sealed"));
            }
        }
        (Some(_), None) => {
            let is_purged = found.at.zip(purged_before).is_some_and(|(at, before)| at < before);
            if !is_purged {
                let why = "has lost its detail, and no retention in the trail took it out";
                return Err(Broken::record(expected, why));
            }
            *purged += 1;
        }
        (None, Some(_)) => return Err(Broken::record(expected, "was given a detail that was never sealed")),
        (None, None) => {}
    }
    Ok(hash)
}

/// How many checkpoints stand at this link and agree with it.
fn agrees(anchors: &mut Anchors, seq: i64, hash: &[u8]) -> Result<usize, Broken> {
    let said = anchors.remove(&seq).unwrap_or_default();
    let hash = hex::encode(hash);
    match said.iter().find(|(_, said)| *said != hash) {
        Some((name, _)) => {
            let why = format!("says that record {seq} had another hash: records up to it were changed after");
            Err(Broken::new(Place::Checkpoint(name.clone()), why))
        }
        None => Ok(said.len()),
    }
}

fn end(head: &Head, hash: &[u8], verdict: &Verdict) -> Option<Broken> {
    if verdict.records < head.seq {
        return Some(Broken::record(verdict.records + 1, "is missing from the chain"));
    }
    let is_empty = head.seq == 0 && head.hash.is_empty();
    (!is_empty && head.hash != hash)
        .then(|| Broken::record(head.seq, "is not the one that the chain's end points to"))
}
