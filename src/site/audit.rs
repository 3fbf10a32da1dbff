//! `audit:` of a site: what the trail is signed with, where the signed checkpoints go, how long details are kept.

use super::file::Text;
use secrecy::SecretString;
use serde::Deserialize;
use std::{path::PathBuf, time::Duration};

#[derive(Debug, Clone, Default)]
pub struct Audit {
    /// Ed25519, as PEM; without it the chain is sealed and never signed.
    pub signing_key: Option<SecretString>,
    /// Apart from the database, best on storage that only adds.
    pub checkpoints: Option<PathBuf>,
    /// `None` means for good. The records themselves always are.
    pub details: Option<Duration>,
    /// How long they were kept at least before that was made longer.
    pub details_before: Option<Duration>,
}

impl Audit {
    /// How old a detail was at least that retention took out; `None` where none may ever have gone.
    pub fn kept_at_least(&self) -> Option<Duration> {
        self.details.into_iter().chain(self.details_before).min()
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditFile {
    pub signing_key: Option<Text>,
    pub checkpoints: Option<Text>,
    pub details: Option<Text>,
    pub details_before: Option<Text>,
}
