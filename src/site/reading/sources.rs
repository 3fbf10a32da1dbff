//! Checks who may send events, and for whom each sender speaks.

use super::Reading;
use crate::site::{
    PARTNERS, Source, Verification,
    file::Text,
    sources::{SourceFile, VerifyFile, is_within},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// As Standard Webhooks demands it.
const KEY_BYTES_MIN: usize = 24;

fn is_strong(secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret));
    key.is_ok_and(|key| key.len() >= KEY_BYTES_MIN)
}

impl Reading<'_> {
    /// Two senders must not be able to speak for each other, so each says for whom it does.
    pub(super) fn sources(
        &mut self,
        files: BTreeMap<String, Spanned<SourceFile>>,
    ) -> BTreeMap<String, Source> {
        let is_alone = files.len() < 2;
        let mut claimed: Vec<(String, String)> = Vec::new();
        let mut sources = BTreeMap::new();
        for (name, file) in files {
            let at = file.referenced;
            let SourceFile { verify: VerifyFile::StandardWebhooks, secret, from } = file.value;
            if from.is_empty() && !is_alone {
                let message = format!(
                    "say with `from` for which CloudEvents sources `{name}` speaks, such as `from: [/plants/1/mes]`: \
                     with more than one sender, none may speak for another"
                );
                self.problem(at, message);
            }
            for one in &from {
                self.claim(&name, one, &claimed);
            }
            claimed.extend(from.iter().map(|one| (one.value.clone(), name.clone())));
            let verify = Verification::StandardWebhooks { secret: self.signing_secret(&name, &secret) };
            sources.insert(name, Source { verify, from: from.into_iter().map(|one| one.value).collect() });
        }
        sources
    }

    /// Whoever guesses it forges events; a store that gives an empty value behind a fixed prefix must not open the door.
    fn signing_secret(&mut self, name: &str, text: &Text) -> SecretString {
        let secret = self.secret(text);
        if self.is_resolved(text) && !is_strong(secret.expose_secret()) {
            let message = format!(
                "the secret of `{name}` is no signing secret: it is `whsec_` and at least {KEY_BYTES_MIN} random bytes in \
                 base64, as in `echo whsec_$(openssl rand -base64 32)`"
            );
            self.problem(text.referenced, message);
        }
        secret
    }

    fn claim(&mut self, name: &str, one: &Text, claimed: &[(String, String)]) {
        let from = one.value.as_str();
        let overlaps = |other: &str| is_within(from, other) || is_within(other, from);
        if from.is_empty() {
            self.problem(one.referenced, "a source in `from` has a name, such as /plants/1/mes");
        } else if overlaps(PARTNERS) {
            let message =
                format!("`{PARTNERS}` is for what partners answer on their pages: no sender speaks for it");
            self.problem(one.referenced, message);
        } else if let Some((other, by)) = claimed.iter().find(|(other, by)| by != name && overlaps(other)) {
            self.problem(
                one.referenced,
                format!("`{by}` speaks for `{other}` already: only one of them can"),
            );
        }
    }
}
