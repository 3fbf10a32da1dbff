//! The audit trail: what stands in it, that a change of it shows, and what is handed out as evidence.

mod bundle;
mod chain;
mod forged;
mod journey;
mod page;
mod roles;

use secrecy::SecretString;
use serde_json::json;
use std::path::{Path, PathBuf};
use takt::{
    audit::{
        Against, PublicKey, Retention, SigningKey, Verdict, VerifyError, generate, purge_before, seal_all,
        verify,
    },
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

/// A check by somebody who has no takt.yaml.
pub async fn check(
    db: &mut PgConnection,
    keys: &[PublicKey],
    folder: Option<&Path>,
) -> Result<Verdict, VerifyError> {
    verify(db, &Against { keys, folder, retention: Retention::Unknown }).await
}

pub async fn purge(db: &mut PgConnection, before: chrono::DateTime<chrono::Utc>) -> i64 {
    purge_before(db, SITE, ZONE, before).await.expect("purging")
}

pub async fn sql(db: &mut PgConnection, text: &str) {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned())).execute(db).await;
    done.unwrap_or_else(|error| panic!("{text}: {error}"));
}

/// What a check finds after a change by somebody who owns the database; the change is taken back.
pub async fn after(
    db: &mut PgConnection,
    keys: &[PublicKey],
    folder: Option<&Folder>,
    change: &str,
) -> Verdict {
    let mut tx = sqlx::Connection::begin(db).await.expect("a transaction");
    sql(&mut tx, "set local session_replication_role = replica").await;
    sql(&mut tx, change).await;
    let verdict = check(&mut tx, keys, folder.map(|folder| folder.0.as_path())).await.expect("a verdict");
    tx.rollback().await.expect("rolling back");
    verdict
}
