//! The key of a step's tokens: by chance, one for each step, and part of its first entry, so that a resumed step gives
//! the same tokens and nobody can compute them from what is public of a run.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};
use std::fmt;
use uuid::Uuid;

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MaskKey([u8; 32]);

impl MaskKey {
    pub fn random() -> Self {
        Self(rand::random())
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
}
