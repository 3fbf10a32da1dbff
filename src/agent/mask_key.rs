//! The key of a run's tokens: by chance, the same for all steps of a run, and part of the first entry of each, so that a
//! resumed step gives the same tokens and nobody can compute them from what is public of a run.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};
use std::{fmt, sync::LazyLock};
use uuid::Uuid;

/// Never kept: what runs take up later is in their journals.
static OF_PROCESS: LazyLock<MaskKey> = LazyLock::new(MaskKey::random);

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MaskKey([u8; 32]);

impl MaskKey {
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Of a run that has none yet. Steps that begin at the same time cannot ask each other, and come to the same.
    pub fn by_chance(run: Uuid) -> Self {
        // A key of any length is accepted by HMAC.
        let mut mac = Hmac::<Sha256>::new_from_slice(&OF_PROCESS.0).unwrap_or_else(|e| unreachable!("{e}"));
        mac.update(run.as_bytes());
        Self(mac.finalize().into_bytes().into())
    }

    /// For replays, which must come out the same again, and for steps that began before keys were kept.
    pub fn of_run(run: Uuid) -> Self {
        Self(Sha256::digest(run.as_bytes()).into())
    }

    pub(super) fn bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKey(…)")
    }
}

impl Serialize for MaskKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for MaskKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut key = [0; 32];
        hex::decode_to_slice(&text, &mut key).map_err(D::Error::custom)?;
        Ok(Self(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_are_kept_as_text_and_are_not_shown() {
        let key = MaskKey::random();
        assert_ne!(key, MaskKey::random());
        let kept = serde_json::to_value(key).unwrap();
        assert_eq!(kept.as_str().unwrap().len(), 64);
        assert_eq!(serde_json::from_value::<MaskKey>(kept).unwrap(), key);
        assert_eq!(format!("{key:?}"), "MaskKey(…)");
    }

    #[test]
    fn a_run_has_one_key_that_does_not_follow_from_its_id() {
        let (run, other) = (Uuid::from_u128(7), Uuid::from_u128(8));
        assert_eq!(MaskKey::by_chance(run), MaskKey::by_chance(run));
        assert_ne!(MaskKey::by_chance(run), MaskKey::by_chance(other));
        assert_ne!(MaskKey::by_chance(run), MaskKey::of_run(run));
    }
}
