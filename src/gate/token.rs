use rand::RngCore;
use sha2::{Digest, Sha256};

/// An unguessable word that stands for a gate or a session where people carry it; only its hash is stored.
#[derive(Debug, Clone)]
pub struct Token {
    pub secret: String,
    pub hash: String,
}

impl Token {
    pub fn random() -> Self {
        let mut bytes = [0_u8; 24];
        rand::rng().fill_bytes(&mut bytes);
        Self::of(hex::encode(bytes))
    }

    fn of(secret: String) -> Self {
        let hash = hash_of(&secret);
        Self { secret, hash }
    }
}

pub fn hash_of(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}
