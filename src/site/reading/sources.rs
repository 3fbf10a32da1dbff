//! Checks who may send events, and for whom each sender speaks.

use super::Reading;
use crate::site::{
    PARTNERS, Source, Verification,
    file::Text,
    sources::{SourceFile, VerifyFile, is_within},
};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

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
            let verify = Verification::StandardWebhooks { secret: self.secret(&secret) };
            sources.insert(name, Source { verify, from: from.into_iter().map(|one| one.value).collect() });
        }
        sources
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
