//! The audit trail: what stands in it, that a change of it shows, and what is handed out as evidence.

mod bundle;
mod chain;
mod journey;
mod page;
mod roles;

use secrecy::SecretString;
use serde_json::json;
use std::path::PathBuf;
use takt::{
    audit::{PublicKey, SigningKey, generate, seal_all},
    run::AuditRecord,
    store::{PgConnection, audit},
};

pub const SITE: &str = "Plant 1";
pub const ZONE: chrono_tz::Tz = chrono_tz::America::Chicago;

pub fn key() -> (SigningKey, PublicKey) {
    let (private, public): (SecretString, PublicKey) = generate().expect("a key");
    (SigningKey::from_pem(&private).expect("our own key"), public)
}

/// A folder of a test's own, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("takt-audit-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Records of things that were done, each with a detail.
pub async fn fill(db: &mut PgConnection, from: usize, count: usize) {
    let of = |n: usize| {
        let detail = json!({ "n": n, "reason": "it rained \u{fc}ber Nacht" });
        AuditRecord::new("sam", "gate.choose").object(format!("gate {n}")).detail(detail)
    };
    let records: Vec<AuditRecord> = (from..from + count).map(of).collect();
    audit::append(db, &records).await.expect("appending");
}

pub async fn seal(db: &mut PgConnection) -> usize {
    seal_all(db, SITE, ZONE).await.expect("sealing")
}
