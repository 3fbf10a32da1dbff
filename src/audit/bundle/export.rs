//! Putting a bundle together: the evidence, the links from its first record to a signed checkpoint, and the signature.

use super::{
    Before, CHAIN, CHECKPOINT, DETAILS, Detail, LINKED, Listed, MANIFEST, Manifest, PURPOSE, RECORDS,
    SIGNATURE, Step, WRITES,
    answers::Sealed,
    collect::{Told, family, pretty},
    lines, marks_of,
    summary::{self, Shown},
    tar::pack,
};
use crate::{
    audit::{
        chain::{digest_of_record, genesis},
        checkpoint::{CheckpointError, Signed, take_checkpoint},
        key::SigningKey,
        verify::Broken,
    },
    run::RunId,
    store::{
        PgConnection, StoreError, audit,
        seals::{self, SealedRecord, time_text},
    },
};
use chrono_tz::Tz;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{path::Path, time::Duration};
use uuid::Uuid;

/// Links read at once.
const PAGE: i64 = 5_000;
/// An answer that is given meanwhile may be in the database a moment before it is in the chain.
const LOOKS: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(
        "the audit trail has no record of run {0}: `takt run list` shows runs, `takt audit list` records"
    )]
    NoRecords(RunId),
    #[error(
        "nothing that Takt wrote is called `{0}`, or has it in it: look for it with `takt audit list --action write`"
    )]
    NoChange(String),
    #[error("several runs wrote `{change}`: choose one with --run: {}", runs.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", "))]
    Ambiguous { change: String, runs: Vec<Uuid> },
    #[error(
        "the audit trail is broken at record {0}, so nothing can be proven with it: run `takt audit verify`"
    )]
    Broken(i64),
    #[error("{} {}: the database was changed since, so no evidence is made of it", .0.place, .0.why)]
    Contradicted(Broken),
    #[error("nothing is signed yet: the trail is empty")]
    Empty,
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes bundles of one site.
pub struct Exporter<'a> {
    pub site: &'a str,
    pub zone: Tz,
    pub key: &'a SigningKey,
    /// Where a checkpoint goes that is made for a bundle.
    pub folder: Option<&'a Path>,
}

/// The part of the chain that a bundle shows.
struct Segment {
    before: Before,
    steps: Vec<Step>,
    records: Vec<SealedRecord>,
    details: Vec<Detail>,
    checkpoint: Signed,
}

impl Exporter<'_> {
    /// The run that wrote what another system calls so, that was written with this key, or that has this id in it.
    pub async fn run_of(&self, db: &mut PgConnection, change: &str) -> Result<RunId, ExportError> {
        let runs = audit::runs_that_wrote(db, change).await?;
        match runs.as_slice() {
            [] => Err(ExportError::NoChange(change.to_owned())),
            [run] => Ok(RunId(*run)),
            _ => Err(ExportError::Ambiguous { change: change.to_owned(), runs }),
        }
    }

    /// The bundle of a run, of those it was started by and of those it started.
    pub async fn export(&self, db: &mut PgConnection, run: RunId) -> Result<Vec<u8>, ExportError> {
        let (segment, told) = self.gather_in_step(db, run).await?;
        let now = seals::real_now(db).await?;
        let mut files: Vec<(String, Vec<u8>)> = told.iter().flat_map(Told::files).collect();
        let writes = writes(&segment.records, &segment.details);
        let shown = Shown {
            site: self.site,
            zone: self.zone,
            run,
            told: &told,
            records: &segment.records,
            writes: &writes,
            checkpoint: &segment.checkpoint.checkpoint,
        };
        files.push(("summary.html".to_owned(), summary::html(&shown).into_bytes()));
        files.push((WRITES.to_owned(), pretty(&writes)));
        files.push((RECORDS.to_owned(), lines(&segment.records)));
        files.push((DETAILS.to_owned(), lines(&segment.details)));
        let mut chain = lines(std::slice::from_ref(&segment.before));
        chain.extend(lines(&segment.steps));
        files.push((CHAIN.to_owned(), chain));
        files.push((CHECKPOINT.to_owned(), segment.checkpoint.to_text().into_bytes()));
        files.push(("public_key.pem".to_owned(), self.key.public().to_pem().into_bytes()));
        files.sort();
        Ok(self.seal(run, &time_text(now), files))
    }

    /// Gathers again while the chain goes on under it.
    async fn gather_in_step(
        &self,
        db: &mut PgConnection,
        run: RunId,
    ) -> Result<(Segment, Vec<Told>), ExportError> {
        let mut looks = 0;
        loop {
            let before = seals::head(db).await?.seq;
            let gathered = self.gather(db, run).await;
            let is_due = seals::is_due(db).await?;
            let has_moved = is_due || seals::head(db).await?.seq > before;
            if !has_moved || looks >= LOOKS || !matches!(gathered, Err(ExportError::Contradicted(_))) {
                return gathered;
            }
            looks += 1;
            if is_due {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// The part of the chain and what the database tells of the runs, which must agree.
    async fn gather(&self, db: &mut PgConnection, run: RunId) -> Result<(Segment, Vec<Told>), ExportError> {
        crate::audit::seal_all(db, self.site, self.zone).await?;
        let family = family(db, run).await?;
        let segment = self.segment(db, run, &family).await?;
        let sealed = Sealed::of(&segment.records, &segment.details);
        let mut told = Vec::new();
        for member in &family {
            if let Some(mut member) = Told::load(db, RunId(*member), self.zone).await? {
                member.hold(&sealed).map_err(ExportError::Contradicted)?;
                told.push(member);
            }
        }
        Ok((segment, told))
    }

    pub(super) fn seal(&self, run: RunId, exported_at: &str, files: Vec<(String, Vec<u8>)>) -> Vec<u8> {
        let listed = files.iter().map(|(name, body)| Listed {
            lines: if LINKED.contains(&name.as_str()) { Vec::new() } else { marks_of(body) },
            name: name.clone(),
            sha256: hex::encode(Sha256::digest(body)),
            size: body.len(),
        });
        let manifest = Manifest {
            exported_at: exported_at.to_owned(),
            files: listed.collect(),
            key: self.key.public().id(),
            run: run.0,
            site: self.site.to_owned(),
            takt: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let manifest = lines(&[manifest]);
        let signature = self.key.sign(&[PURPOSE.as_bytes(), &manifest].concat()) + "\n";
        let mut all = vec![(MANIFEST.to_owned(), manifest), (SIGNATURE.to_owned(), signature.into_bytes())];
        all.extend(files);
        pack(&all)
    }

    async fn segment(
        &self,
        db: &mut PgConnection,
        run: RunId,
        family: &[Uuid],
    ) -> Result<Segment, ExportError> {
        let (first, last) = seals::span(db, family).await?.ok_or(ExportError::NoRecords(run))?;
        let checkpoint = self.covering(db, last).await?;
        let head = seals::head(db).await?;
        let before = match first {
            1 => hex::encode(genesis(head.chain)),
            _ => {
                let link = seals::links(db, first - 2, 1).await?.pop();
                hex::encode(link.ok_or(ExportError::Broken(first - 1))?.hash)
            }
        };
        let mut segment = Segment {
            before: Before { chain: head.chain, hash: before, seq: first - 1 },
            steps: Vec::new(),
            records: Vec::new(),
            details: Vec::new(),
            checkpoint,
        };
        let end = segment.checkpoint.checkpoint.seq;
        let mut at = first - 1;
        while at < end {
            let page = seals::links(db, at, PAGE.min(end - at)).await?;
            if page.is_empty() {
                return Err(ExportError::Broken(at + 1));
            }
            for link in page {
                at += 1;
                let record = link.record.filter(|_| link.seq == at).ok_or(ExportError::Broken(at))?;
                let digest = hex::encode(digest_of_record(&record));
                segment.steps.push(Step { digest, hash: hex::encode(link.hash), seq: at });
                if record.run.is_some_and(|run| family.contains(&run)) {
                    let detail =
                        link.detail.map(|(salt, body)| Detail { body, salt: hex::encode(salt), seq: at });
                    segment.details.extend(detail);
                    segment.records.push(record);
                }
            }
        }
        Ok(segment)
    }

    /// A checkpoint of our key at or after a link; a new one where there is none.
    async fn covering(&self, db: &mut PgConnection, seq: i64) -> Result<Signed, ExportError> {
        let known = seals::covering(db, seq).await?.and_then(|stored| Signed::from_text(&stored.body));
        if let Some(known) = known.filter(|known| known.check(&[self.key.public()]).is_ok()) {
            return Ok(known);
        }
        take_checkpoint(db, self.site, self.zone, self.key, self.folder).await?.ok_or(ExportError::Empty)
    }
}

/// The writes among the records, each with its digests and what is still kept of it.
pub(super) fn writes(records: &[SealedRecord], details: &[Detail]) -> Value {
    let of_writes = records.iter().filter(|record| record.action.starts_with("write."));
    of_writes
        .map(|record| {
            let detail = details.iter().find(|detail| detail.seq == record.seq);
            let detail: Option<Value> = detail.and_then(|detail| serde_json::from_str(&detail.body).ok());
            json!({
                "seq": record.seq, "at": record.at, "action": record.action, "run": record.run, "step": record.step,
                "system": record.system, "tool": record.object, "external_id": record.external_id,
                "request_hash": record.request_hash, "response_hash": record.response_hash,
                "idempotency_key": record.correlation, "detail": detail,
            })
        })
        .collect()
}
