use super::Person;
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

#[derive(Debug, Clone, thiserror::Error)]
#[error("the password cannot be hashed: {0}")]
pub struct PasswordError(String);

/// The Argon2id string that goes into `password_hash`, with a fresh salt.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|e| PasswordError(e.to_string()))
}

/// An Argon2 hash that is neither guessed in no time nor takes the computer's memory: 8 to 256 MiB, up to 16 rounds.
pub(super) fn is_password_hash(hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    let number = |name: &str| hash.params.get_decimal(name);
    hash.algorithm.as_str().starts_with("argon2")
        && number("m").is_some_and(|kib| (8 * 1024..=256 * 1024).contains(&kib))
        && number("t").is_some_and(|rounds| (1..=16).contains(&rounds))
}

impl Person {
    /// Slow on purpose: call it off the async threads.
    pub fn verify_password(&self, password: &str) -> bool {
        let Some(Ok(hash)) = self.password_hash.as_deref().map(PasswordHash::new) else { return false };
        Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
    }
}
