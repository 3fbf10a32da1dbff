//! The arithmetic of the chain.

use crate::store::seals::SealedRecord;
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub type Hash = [u8; 32];

/// What stands before the first link: another for every chain.
pub fn genesis(chain: Uuid) -> Hash {
    Sha256::digest(format!("takt audit chain 1 {chain}").as_bytes()).into()
}

/// SHA-256 over the record's canonical JSON.
pub fn digest_of_record(record: &SealedRecord) -> Hash {
    // Texts and numbers only: it always serializes, and its fields stand in the order of their names.
    let text = serde_json::to_string(record).unwrap_or_default();
    Sha256::digest(text.as_bytes()).into()
}

/// The hash of a link. That it is over the digest, and not over the record itself, lets an evidence bundle show the way
/// to a checkpoint without the records of others.
pub fn link(previous: &[u8], digest: &Hash) -> Hash {
    Sha256::new().chain_update(previous).chain_update(digest).finalize().into()
}

#[cfg(test)]
pub(super) fn example(seq: i64) -> SealedRecord {
    SealedRecord {
        action: "gate.choose".into(),
        actor: "sam".into(),
        actor_kind: "person".into(),
        at: "2026-11-24T12:27:00.000001Z".into(),
        auth: Some("web".into()),
        correlation: Some("key".into()),
        decision: Some("choose".into()),
        detail: Some("00ff".into()),
        external_id: Some("S-1".into()),
        id: seq + 1,
        object: Some("gate".into()),
        offset: -360,
        request_hash: Some("aa".into()),
        response_hash: Some("bb".into()),
        run: Some(Uuid::nil()),
        sealed_at: "2026-11-24T12:27:01.000000Z".into(),
        seq,
        site: "Plant 1".into(),
        step: Some("push".into()),
        system: Some("plex".into()),
        version: Some("cc".into()),
        workflow: Some("downtime_escalation".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::canonical;

    #[test]
    fn a_record_is_written_canonically() {
        let record = example(1);
        let value = serde_json::to_value(&record).unwrap();
        assert_eq!(serde_json::to_string(&record).unwrap(), canonical(&value));
    }

    #[test]
    fn every_field_of_a_record_counts() {
        let record = example(1);
        let whole = digest_of_record(&record);
        let value = serde_json::to_value(&record).unwrap();
        for field in value.as_object().unwrap().keys() {
            let mut changed = value.clone();
            let other = match &value[field] {
                serde_json::Value::String(text) if field == "run" => {
                    serde_json::json!(text.replace("0000-0000-0000", "0000-0000-0001"))
                }
                serde_json::Value::String(text) => serde_json::json!(format!("{text}x")),
                number => serde_json::json!(number.as_i64().unwrap() + 1),
            };
            changed[field] = other;
            let changed: SealedRecord = serde_json::from_value(changed).unwrap();
            assert_ne!(digest_of_record(&changed), whole, "{field}");
        }
    }
}
