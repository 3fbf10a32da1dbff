//! The one place that removes secrets from text before it becomes an error, a log line or a record.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};

/// Shorter values would blank out ordinary words.
const SECRET_CHARS_MIN: usize = 4;

/// Knows the secrets of one system.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that a secret inside another one does not leave a rest.
    secrets: Vec<SecretString>,
}

impl Redactor {
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut known: Vec<String> = Vec::new();
        for secret in secrets {
            let secret = secret.expose_secret();
            known.push(secret.to_owned());
            known.push(STANDARD.encode(secret));
        }
        known.retain(|secret| secret.chars().count() >= SECRET_CHARS_MIN);
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets: known.into_iter().map(SecretString::from).collect() }
    }

    /// Adds a value derived from secrets, like `user:password` in base64.
    pub fn also(mut self, derived: &str) -> Self {
        if derived.chars().count() >= SECRET_CHARS_MIN {
            self.secrets.insert(0, SecretString::from(derived.to_owned()));
        }
        self
    }

    pub fn redact(&self, text: &str) -> String {
        let clean = |text: String, secret: &SecretString| text.replace(secret.expose_secret(), "[redacted]");
        self.secrets.iter().fold(text.to_owned(), clean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_plain_and_encoded_secrets() {
        let secrets = [SecretString::from("s3cr3t-key".to_owned()), SecretString::from("s3cr3t".to_owned())];
        let redactor = Redactor::new(&secrets).also("dXNlcjpw");
        let said = "bad key s3cr3t-key (czNjcjN0LWtleQ==), Basic dXNlcjpw";
        assert_eq!(redactor.redact(said), "bad key [redacted] ([redacted]), Basic [redacted]");
    }

    #[test]
    fn leaves_text_alone_when_a_secret_is_a_common_word() {
        let secrets = [SecretString::from("a".to_owned())];
        assert_eq!(Redactor::new(&secrets).redact("a plan"), "a plan");
    }
}
