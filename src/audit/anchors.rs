//! What signed checkpoints, in the folder and in the database, say the chain was. One that is signed with a key that was
//! not given vouches for nothing; it may only contradict.

use super::{
    checkpoint::{Signed, read_folder},
    key::PublicKey,
    verify::{Broken, Place, Verdict, VerifyError},
};
use crate::store::{
    PgConnection,
    seals::{self, Head},
};
use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

#[derive(Debug)]
struct Said {
    /// Of the statement.
    name: String,
    hash: String,
    is_checked: bool,
}

/// By `seq`.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    by_seq: BTreeMap<i64, Vec<Said>>,
    /// A checkpoint that stands in the folder and in no row.
    gone: Option<String>,
}

/// Statements with their names; what is none as `None`.
type Named = Vec<(String, Option<Signed>)>;

impl Anchors {
    pub(super) async fn load(
        db: &mut PgConnection,
        head: &Head,
        keys: &[PublicKey],
        folder: Option<&Path>,
        verdict: &mut Verdict,
    ) -> Result<Result<Self, Broken>, VerifyError> {
        let files = match folder {
            Some(folder) => files(folder, head)?,
            None => Named::new(),
        };
        let mut rows = Named::new();
        for stored in seals::checkpoints(db).await? {
            let read = Signed::from_text(&stored.body);
            let name = format!("of {}", stored.made_at.format("%Y-%m-%d %H:%M:%S UTC"));
            rows.push((name, read.filter(|signed| signed.checkpoint.seq == stored.seq)));
        }
        Ok(Self::of(files, rows, head, keys, verdict))
    }

    fn of(
        files: Named,
        rows: Named,
        head: &Head,
        keys: &[PublicKey],
        verdict: &mut Verdict,
    ) -> Result<Self, Broken> {
        let texts = |named: &Named| -> HashSet<String> {
            named.iter().filter_map(|(_, signed)| Some(signed.as_ref()?.to_text())).collect()
        };
        let (in_files, in_rows) = (texts(&files), texts(&rows));
        let mut anchors = Self::default();
        let of_files = files.into_iter().map(|named| (true, named));
        let of_rows = rows.into_iter().map(|named| (false, named));
        for (is_file, (name, signed)) in of_files.chain(of_rows) {
            let broken = |why: String| Broken::new(Place::Checkpoint(name.clone()), why);
            let signed = signed.ok_or_else(|| broken("is not what Takt wrote: it was changed".into()))?;
            if !is_file && in_files.contains(&signed.to_text()) {
                continue;
            }
            let said = &signed.checkpoint;
            if said.chain != head.chain {
                return Err(broken(format!("is of another chain, {}", said.chain)));
            }
            let is_checked = keys.iter().any(|key| key.id() == said.key);
            if is_checked {
                signed.check(keys).map_err(broken)?;
            } else {
                verdict.unchecked += 1;
                verdict.unknown_keys.insert(said.key.clone());
            }
            if said.seq > head.seq {
                let why =
                    format!("saw {} records, and the chain has {}: its end was cut off", said.seq, head.seq);
                return Err(broken(why));
            }
            if is_checked && verdict.last_checkpoint.as_ref().is_none_or(|last| *last < said.time) {
                verdict.last_checkpoint = Some(said.time.clone());
            }
            if is_checked && is_file && !in_rows.contains(&signed.to_text()) {
                anchors.gone.get_or_insert_with(|| name.clone());
            }
            anchors.by_seq.entry(said.seq).or_default().push(Said {
                name,
                hash: said.hash.clone(),
                is_checked,
            });
        }
        Ok(anchors)
    }

    /// How many checkpoints stand at this link, agree with it, and bear the signature of a key that was given.
    pub(super) fn agree(&mut self, seq: i64, hash: &[u8]) -> Result<usize, Broken> {
        let said = self.by_seq.remove(&seq).unwrap_or_default();
        let hash = hex::encode(hash);
        match said.iter().find(|said| said.hash != hash) {
            Some(said) => {
                let why =
                    format!("says that record {seq} had another hash: records up to it were changed after");
                Err(Broken::new(Place::Checkpoint(said.name.clone()), why))
            }
            None => Ok(said.iter().filter(|said| said.is_checked).count()),
        }
    }

    /// A checkpoint that was taken out of the database.
    pub(super) fn gone(self) -> Option<Broken> {
        let why = "stands in the folder, and the database has it no more: it was taken out there";
        self.gone.map(|name| Broken::new(Place::Checkpoint(name), why))
    }
}

/// A folder that is not there, or has none in it, is a wrong folder once there is something to sign.
fn files(folder: &Path, head: &Head) -> Result<Named, VerifyError> {
    let failed = |reason| VerifyError::Folder { folder: folder.to_owned(), reason };
    let is_new = head.seq == 0 && !folder.exists();
    let found = if is_new { Named::new() } else { read_folder(folder).map_err(failed)? };
    if found.is_empty() && head.seq > 0 {
        return Err(VerifyError::NoCheckpoints(folder.to_owned()));
    }
    Ok(found)
}
