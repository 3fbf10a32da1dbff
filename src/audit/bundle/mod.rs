//! An evidence bundle: one file that leads from a change in another system back to the event, with the chain that says it
//! was so. A plain tar archive in one fixed layout, with a signed manifest; any tool opens it, and any changed byte shows.

mod answers;
mod check;
mod collect;
mod export;
mod summary;
mod tar;

pub use check::{Evidence, check};
pub use export::{ExportError, Exporter};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What is signed begins with this, so that a signature means nothing else.
const PURPOSE: &str = "takt audit bundle 1\n";
const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "manifest.sig";
const RECORDS: &str = "records.jsonl";
const DETAILS: &str = "details.jsonl";
const CHAIN: &str = "chain.jsonl";
const CHECKPOINT: &str = "checkpoint.json";
const WRITES: &str = "writes.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    exported_at: String,
    files: Vec<Listed>,
    /// Which key signed.
    key: String,
    run: Uuid,
    site: String,
    takt: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// The beginning of the hash of each line, so that a changed one can be named; not where records have links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lines: Vec<String>,
    name: String,
    sha256: String,
    size: usize,
}

/// Files whose records hold each other.
const LINKED: [&str; 3] = [RECORDS, DETAILS, CHAIN];

/// What the manifest says of each line of a file.
fn marks_of(body: &[u8]) -> Vec<String> {
    let mark = |line: &[u8]| hex::encode(Sha256::digest(line)).chars().take(8).collect();
    body.split_inclusive(|byte| *byte == b'\n').map(mark).collect()
}

/// First line of the chain's file: what stands before its first link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    chain: Uuid,
    hash: String,
    seq: i64,
}

/// One link; of records that are not part of the evidence only the digest is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    digest: String,
    hash: String,
    seq: i64,
}

/// The detail of a record, with the salt of its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Detail {
    body: String,
    salt: String,
    seq: i64,
}

fn lines<T: Serialize>(items: &[T]) -> Vec<u8> {
    let mut text = String::new();
    for item in items {
        text.push_str(&serde_json::to_string(item).unwrap_or_default());
        text.push('\n');
    }
    text.into_bytes()
}
