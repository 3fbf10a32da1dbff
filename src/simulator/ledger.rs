//! Every write the plant received, accepted or not, so that a test can count what Takt really did to the outside.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use std::{borrow::Borrow, collections::BTreeMap};

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The plant changed.
    Applied,
    /// Accepted, but everything was already so.
    Repeated,
    /// An error reply; nothing changed.
    Refused,
}

/// A handler's word on a write it accepted, left in the response's extensions for the ledger.
#[derive(Debug, Clone)]
pub struct Written {
    pub effect: Effect,
    /// What was written to, like `job-operation:<id>`.
    pub target: String,
}

impl Written {
    pub fn applied(target: impl Into<String>) -> Self {
        Self { effect: Effect::Applied, target: target.into() }
    }

    pub fn repeated(target: impl Into<String>) -> Self {
        Self { effect: Effect::Repeated, target: target.into() }
    }

    /// Applied when something changed, repeated when not.
    pub fn when(changed: bool, target: impl Into<String>) -> Self {
        if changed { Self::applied(target) } else { Self::repeated(target) }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Write {
    pub seq: u64,
    pub at: DateTime<Utc>,
    pub system: String,
    pub method: String,
    pub path: String,
    pub takt_key: Option<String>,
    /// The trace that the write belongs to.
    pub traceparent: Option<String>,
    pub status: u16,
    pub effect: Effect,
    pub accepted: bool,
    pub target: String,
    pub body: Value,
}

#[derive(Default)]
pub struct Ledger {
    writes: Vec<Write>,
}

#[derive(Debug, Default, Clone, Serialize)]
pub struct Counts {
    pub received: u64,
    pub accepted: u64,
    pub applied: u64,
    pub repeated: u64,
    pub refused: u64,
}

#[derive(Debug, Serialize)]
pub struct Summary {
    #[serde(flatten)]
    pub counts: Counts,
    /// Effects beyond the first that one key had on one target: 0 when every write had one effect.
    pub duplicate_effects: u64,
    pub keys: Vec<KeySummary>,
}

#[derive(Debug, Serialize)]
pub struct KeySummary {
    pub takt_key: Option<String>,
    pub system: String,
    #[serde(flatten)]
    pub counts: Counts,
    pub duplicate_effects: u64,
    pub targets: Vec<TargetSummary>,
}

#[derive(Debug, Serialize)]
pub struct TargetSummary {
    pub target: String,
    pub method: String,
    #[serde(flatten)]
    pub counts: Counts,
}

impl Ledger {
    pub fn record(&mut self, mut write: Write) {
        write.seq = self.writes.len() as u64 + 1;
        self.writes.push(write);
    }

    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    pub fn summary(&self) -> Summary {
        let mut keys: BTreeMap<(Option<&str>, &str), Vec<&Write>> = BTreeMap::new();
        for write in &self.writes {
            keys.entry((write.takt_key.as_deref(), &write.system)).or_default().push(write);
        }
        let keys: Vec<KeySummary> =
            keys.into_iter().map(|((key, system), writes)| key_summary(key, system, &writes)).collect();
        Summary {
            counts: Counts::of(&self.writes),
            duplicate_effects: keys.iter().map(|key| key.duplicate_effects).sum(),
            keys,
        }
    }
}

fn key_summary(key: Option<&str>, system: &str, writes: &[&Write]) -> KeySummary {
    // By target kind, not by record: a second ticket under one key is a second effect although its id differs.
    let mut targets: BTreeMap<(&str, &str), Vec<&Write>> = BTreeMap::new();
    for write in writes {
        targets.entry((&write.target, &write.method)).or_default().push(write);
    }
    let targets: Vec<TargetSummary> = targets
        .into_iter()
        .map(|((target, method), writes)| TargetSummary {
            target: target.to_owned(),
            method: method.to_owned(),
            counts: Counts::of(&writes),
        })
        .collect();
    KeySummary {
        takt_key: key.map(str::to_owned),
        system: system.to_owned(),
        counts: Counts::of(writes),
        // Writes without a key are not claimed to be one write, so nothing is a duplicate among them.
        duplicate_effects: match key {
            Some(_) => targets.iter().map(|target| target.counts.applied.saturating_sub(1)).sum(),
            None => 0,
        },
        targets,
    }
}

impl Counts {
    fn of<W: Borrow<Write>>(writes: &[W]) -> Self {
        let mut counts = Self::default();
        for write in writes {
            let write = write.borrow();
            counts.received += 1;
            match write.effect {
                Effect::Applied => counts.applied += 1,
                Effect::Repeated => counts.repeated += 1,
                Effect::Refused => counts.refused += 1,
            }
        }
        counts.accepted = counts.applied + counts.repeated;
        counts
    }
}
