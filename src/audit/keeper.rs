//! What has to be done for the trail all the time: seal what was written, sign where the chain stands every hour, check
//! all of it every night, and take out details that the site no longer keeps.

use super::{
    chain::{digest_of_record, genesis, link},
    checkpoint::{read_folder, take_checkpoint},
    key::{PublicKey, SigningKey},
    purges::Retention,
    verify::{Against, verify},
};
use crate::{
    run::{AuditRecord, TAKT},
    store::{
        Connection, PgConnection, Store, StoreError, audit,
        seals::{self, Head, Purge, Unsealed, time_text},
        upkeep::{self, Task},
    },
};
use chrono::{DateTime, Offset, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const SEAL_EVERY: Duration = Duration::from_secs(1);
/// How many seals pass until somebody asks whether a checkpoint or a check is due.
const LOOK_EVERY: u32 = 30;
const EVERY: [(Task, Duration); 2] =
    [(Task::Checkpoint, Duration::from_secs(3600)), (Task::Verify, Duration::from_secs(24 * 3600))];
/// A task that failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(300);
/// Records in one transaction of the sealer.
const BATCH: i64 = 1_000;
/// Numbers the sealer remembers as not seen yet. Almost all of them belong to transactions that were rolled back.
const HOLES_MAX: usize = 1_000;
/// How often retention looks whether its record has been sealed.
const SEAL_LOOKS: u32 = 100;
/// Details taken out in one transaction.
const PURGE_BATCH: i32 = 1_000;

/// Seals, signs and checks, until it is told to stop. Several processes may have one: they take turns.
pub struct Keeper {
    pub store: Store,
    pub site: String,
    pub zone: Tz,
    pub key: Option<Arc<SigningKey>>,
    /// Where checkpoints are written, apart from the database.
    pub folder: Option<PathBuf>,
    /// How long details are kept; `None` means for good.
    pub details: Option<Duration>,
    /// What details that are gone are held against.
    pub retention: Retention,
}

impl Keeper {
    pub async fn run(self, stop: CancellationToken) {
        let mut passes = 0_u32;
        loop {
            if let Err(error) = self.pass(passes.is_multiple_of(LOOK_EVERY)).await {
                tracing::warn!(%error, "the audit trail could not be sealed; trying again");
            }
            passes = passes.wrapping_add(1);
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(SEAL_EVERY) => {}
            }
        }
        // What was done until now is sealed before the process goes.
        if let Err(error) = self.pass(false).await {
            tracing::warn!(%error, "the last records of the audit trail are sealed at the next start");
        }
    }

    async fn pass(&self, looks: bool) -> Result<(), StoreError> {
        let mut db = self.store.connection().await?;
        seal_all(&mut db, &self.site, self.zone).await?;
        if !looks {
            return Ok(());
        }
        for task in upkeep::take_due(&mut db, &EVERY).await? {
            match self.perform(&mut db, task).await {
                Ok(finding) => upkeep::done(&mut db, task, &finding).await?,
                Err(reason) => {
                    tracing::warn!(
                        task = task.name(),
                        reason,
                        "a task of the audit failed; trying again later"
                    );
                    upkeep::failed(&mut db, task, &reason, AGAIN).await?;
                }
            }
        }
        Ok(())
    }

    /// What the task found, for people.
    async fn perform(&self, db: &mut PgConnection, task: Task) -> Result<Value, String> {
        let keys: Vec<PublicKey> = self.key.iter().map(|key| key.public()).collect();
        if task == Task::Verify {
            if let Some(kept) = self.details {
                let gone = self.purge(db, kept).await.map_err(|error| error.to_string())?;
                if gone > 0 {
                    tracing::info!(
                        details = gone,
                        "took details out of the audit that the site no longer keeps"
                    );
                }
            }
            let folder = self.folder_in_use(db).await.map_err(|error| error.to_string())?;
            let against = Against { keys: &keys, folder, retention: self.retention };
            let verdict = verify(db, &against).await.map_err(|error| error.to_string())?;
            if verdict.unchecked > 0 {
                let (unchecked, keys) = (verdict.unchecked, &verdict.unknown_keys);
                tracing::warn!(
                    unchecked,
                    ?keys,
                    "checkpoints of other keys than the site's were not counted"
                );
            }
            let Some(broken) = verdict.broken else { return Ok(json!([])) };
            tracing::error!("{}", broken.sentence());
            return Ok(json!([{ "sentence": broken.sentence() }]));
        }
        let Some(key) = &self.key else { return Ok(json!([])) };
        let taken = take_checkpoint(db, &self.site, self.zone, key, self.folder.as_deref()).await;
        taken.map(|_| json!([])).map_err(|error| error.to_string())
    }

    /// `None` until the first checkpoint has been taken.
    async fn folder_in_use(&self, db: &mut PgConnection) -> Result<Option<&Path>, StoreError> {
        let folder = self.folder.as_deref();
        let is_signed = seals::last_checkpoint(db).await?.is_some();
        Ok(folder.filter(|folder| is_signed || read_folder(folder).is_ok_and(|found| !found.is_empty())))
    }

    async fn purge(&self, db: &mut PgConnection, kept: Duration) -> Result<i64, StoreError> {
        let now = crate::store::clock::now(db).await?;
        match now.checked_sub_signed(TimeDelta::from_std(kept).unwrap_or(TimeDelta::MAX)) {
            Some(before) => purge_before(db, &self.site, self.zone, before).await,
            None => Ok(0),
        }
    }
}

/// Takes details out that were recorded before a time. That they go is sealed before the first one does, so a detail that
/// is missed has a record in the chain that says why, or none did.
pub async fn purge_before(
    db: &mut PgConnection,
    site: &str,
    zone: Tz,
    before: DateTime<Utc>,
) -> Result<i64, StoreError> {
    if !audit::is_purge_due(db, before).await? {
        return Ok(0);
    }
    audit::append(db, &[AuditRecord::new(TAKT, "audit.purge").object(time_text(before))]).await?;
    let is_said = |purge: &Purge| purge.seq.is_some() && purge.before == Some(before);
    let mut looks = 0;
    loop {
        seal_all(db, site, zone).await?;
        if seals::purges(db).await?.iter().any(is_said) {
            break;
        }
        // Another process seals: it takes this record along.
        looks += 1;
        if looks > SEAL_LOOKS {
            return Ok(0);
        }
        tokio::time::sleep(SEAL_EVERY / 10).await;
    }
    let mut gone = 0;
    loop {
        match audit::purge_details(db, before, PURGE_BATCH).await? {
            0 => return Ok(gone),
            batch => gone += batch,
        }
    }
}

/// Seals everything that waits. Says how many records that were; 0 also while another process seals.
pub async fn seal_all(db: &mut PgConnection, site: &str, zone: Tz) -> Result<usize, StoreError> {
    let mut sealed = 0;
    while seals::is_due(db).await? {
        match seal_batch(db, site, zone).await? {
            0 => break,
            batch => sealed += batch,
        }
    }
    Ok(sealed)
}

async fn seal_batch(db: &mut PgConnection, site: &str, zone: Tz) -> Result<usize, StoreError> {
    let mut tx = db.begin().await?;
    let Some(mut head) = seals::lock(&mut tx).await? else { return Ok(0) };
    let unsealed = seals::unsealed(&mut tx, &head, BATCH).await?;
    if unsealed.is_empty() {
        return Ok(0);
    }
    look_past(&mut head, &unsealed);
    let sealed_at = seals::real_now(&mut tx).await?;
    let mut hash = if head.seq == 0 { genesis(head.chain).to_vec() } else { head.hash.clone() };
    let (mut records, mut hashes) = (Vec::with_capacity(unsealed.len()), Vec::with_capacity(unsealed.len()));
    for Unsealed { at, mut record } in unsealed {
        head.seq += 1;
        record.seq = head.seq;
        site.clone_into(&mut record.site);
        let offset = at.with_timezone(&zone).offset().fix().local_minus_utc() / 60;
        record.offset = i16::try_from(offset).unwrap_or_default();
        record.sealed_at = time_text(sealed_at);
        hash = link(&hash, &digest_of_record(&record)).to_vec();
        hashes.push(hash.clone());
        records.push(record);
    }
    head.hash = hash;
    seals::append(&mut tx, &records, &hashes, sealed_at, &head).await?;
    tx.commit().await?;
    Ok(records.len())
}

/// Moves the highest record that was looked at, and remembers the numbers below it that were not there.
fn look_past(head: &mut Head, seen: &[Unsealed]) {
    let top = seen.iter().map(|unsealed| unsealed.record.id).max().unwrap_or(head.top).max(head.top);
    let first_new = (head.top + 1).max(top - i64::try_from(HOLES_MAX).unwrap_or(i64::MAX));
    head.holes.extend(first_new..=top);
    let found: std::collections::BTreeSet<i64> = seen.iter().map(|unsealed| unsealed.record.id).collect();
    head.holes.retain(|hole| !found.contains(hole));
    let too_many = head.holes.len().saturating_sub(HOLES_MAX);
    head.holes.drain(..too_many);
    head.top = top;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::chain::example;

    fn seen(ids: &[i64]) -> Vec<Unsealed> {
        let of = |id: &i64| Unsealed { at: DateTime::UNIX_EPOCH, record: example(*id - 1) };
        ids.iter().map(of).collect()
    }

    #[test]
    fn numbers_that_were_not_there_are_remembered_until_they_come() {
        let mut head = Head { chain: uuid::Uuid::nil(), seq: 0, hash: Vec::new(), top: 3, holes: Vec::new() };
        look_past(&mut head, &seen(&[5, 8]));
        assert_eq!((head.top, head.holes.as_slice()), (8, [4, 6, 7].as_slice()));
        look_past(&mut head, &seen(&[6, 9]));
        assert_eq!((head.top, head.holes.as_slice()), (9, [4, 7].as_slice()));
        look_past(&mut head, &seen(&[4]));
        assert_eq!((head.top, head.holes.as_slice()), (9, [7].as_slice()));
        look_past(&mut head, &seen(&[1_000_000]));
        assert_eq!((head.top, head.holes.len()), (1_000_000, HOLES_MAX));
        assert_eq!(head.holes.last(), Some(&999_999));
    }
}
