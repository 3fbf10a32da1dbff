//! What strangers are refused, as the audit trail keeps it: the first of a kind at once, all further ones of its minute
//! as one record with their number. So nobody who proved nothing can fill what is kept for good.

use super::state::{Door, Shared};
use crate::{
    run::{Actor, AuditRecord},
    store::{Store, StoreError, audit},
};
use serde_json::json;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_secs(60);
/// Kinds that are told apart in one minute; what exceeds them is counted together.
const KINDS_MAX: usize = 100;

/// The place that refused, who and what it was about, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    action: String,
    actor: String,
    auth: Option<String>,
    object: Option<String>,
    cause: String,
}

impl Kind {
    fn of(record: &AuditRecord) -> Self {
        let cause = ["cause", "because"].iter().find_map(|word| record.detail.get(word)?.as_str());
        Self {
            action: record.action.clone(),
            actor: record.actor.clone(),
            auth: record.auth.clone(),
            object: record.object.clone(),
            cause: cause.unwrap_or_default().to_owned(),
        }
    }

    /// All that nobody tells apart any more.
    fn rest(record: &AuditRecord) -> Self {
        let (action, cause) = (record.action.clone(), "more-kinds-than-are-told-apart".to_owned());
        Self { action, actor: "nobody".to_owned(), auth: None, object: None, cause }
    }
}

struct Tally {
    since: Instant,
    /// After the first one, which has a record of its own.
    more: u64,
    record: AuditRecord,
}

/// The tallies of this process.
#[derive(Default)]
pub(in crate::http) struct Refusals(Mutex<HashMap<Kind, Tally>>);

impl Refusals {
    /// What is to be written down of a refusal now: itself when it is the first, and what its kind's last minute left.
    fn take(&self, record: &AuditRecord, at: Instant) -> Vec<AuditRecord> {
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kind = Kind::of(record);
        let mut record = record.clone();
        if !tallies.contains_key(&kind) && tallies.len() >= KINDS_MAX {
            kind = Kind::rest(&record);
            record = AuditRecord::new(Actor::nobody(), &kind.action).detail(json!({ "cause": kind.cause }));
        }
        match tallies.get_mut(&kind) {
            Some(tally) if at.duration_since(tally.since) < WINDOW => {
                tally.more += 1;
                Vec::new()
            }
            other => {
                let before = other.and_then(|tally| counted(tally));
                tallies.insert(kind, Tally { since: at, more: 0, record: record.clone() });
                before.into_iter().chain([record]).collect()
            }
        }
    }

    /// Records of the minutes that are over; all of them where `all`.
    fn over(&self, at: Instant, all: bool) -> Vec<AuditRecord> {
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut over = Vec::new();
        tallies.retain(|_, tally| {
            let is_over = all || at.duration_since(tally.since) >= WINDOW;
            if is_over {
                over.extend(counted(tally));
            }
            !is_over
        });
        over
    }
}

fn counted(tally: &Tally) -> Option<AuditRecord> {
    let mut record = tally.record.clone();
    if tally.more == 0 {
        return None;
    }
    record.detail["more"] = json!(tally.more);
    Some(record)
}

/// Writes a refusal down, or counts it.
pub(in crate::http) async fn note(door: &Door, record: AuditRecord) -> Result<(), StoreError> {
    let records = door.refusals.take(&record, Instant::now());
    write(&door.app.store, &records).await
}

async fn write(store: &Store, records: &[AuditRecord]) -> Result<(), StoreError> {
    if records.is_empty() {
        return Ok(());
    }
    audit::append(&mut *store.connection().await?, records).await
}

/// Writes down what each minute left, until the application stops.
pub async fn keep_refusals(door: Shared) {
    let stop = door.app.stop.clone();
    loop {
        let is_last = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(WINDOW / 4) => false,
        };
        let records = door.refusals.over(Instant::now(), is_last);
        if let Err(error) = write(&door.app.store, &records).await {
            tracing::warn!(%error, records = records.len(), "refusals were counted, and could not be written down");
        }
        if is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(cause: &str) -> AuditRecord {
        AuditRecord::new(Actor::webhook(), "event.refused").object("plant").detail(json!({ "cause": cause }))
    }

    #[test]
    fn the_first_of_a_minute_is_written_and_the_others_counted() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let mut written = 0;
        for second in 0..60 {
            for _ in 0..25 {
                let at = start + Duration::from_secs(second);
                written += refusals.take(&refused("signature-missing"), at).len();
            }
        }
        assert_eq!(written, 1, "of 1500");
        assert_eq!(refusals.take(&refused("signature-invalid"), start).len(), 1, "another cause");
        assert!(refusals.over(start, false).is_empty());
        let next = refusals.take(&refused("signature-missing"), start + WINDOW);
        assert_eq!(next.len(), 2);
        assert_eq!((&next[0].detail["more"], next[1].detail.get("more")), (&json!(1499), None));
        refusals.take(&refused("signature-missing"), start + WINDOW);
        let left = refusals.over(start + WINDOW, true);
        assert_eq!(left.len(), 1, "what nobody repeated needs no second record");
        assert_eq!(left[0].detail["more"], 1);
    }

    #[test]
    fn invented_kinds_fill_neither_memory_nor_trail() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let taken = (0..10_000).map(|n| refusals.take(&refused(&format!("made-up-{n}")), start).len());
        assert_eq!(taken.sum::<usize>(), KINDS_MAX + 1);
        let left = refusals.over(start, true);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].detail["more"], json!(10_000 - KINDS_MAX - 1));
    }
}
