//! Senders of events: how each proves itself, and in whose name it speaks.

use super::file::Text;
use secrecy::SecretString;
use serde::Deserialize;

/// The first part of the CloudEvents `source` of what partners answer, which no webhook may use.
pub const PARTNERS: &str = "partner";

#[derive(Debug, Clone)]
pub struct Source {
    pub verify: Verification,
    /// CloudEvents sources it speaks for, with all below them; empty where it is the only sender.
    pub from: Vec<String>,
}

#[derive(Debug, Clone)]
pub enum Verification {
    /// <https://www.standardwebhooks.com>, secret `whsec_…`.
    StandardWebhooks { secret: SecretString },
}

impl Source {
    /// Whether its events may have this CloudEvents `source`.
    pub fn speaks_for(&self, source: &str) -> bool {
        !is_within(source, PARTNERS)
            && (self.from.is_empty() || self.from.iter().any(|from| is_within(source, from)))
    }
}

/// `/plants/1/mes` is within `/plants/1`; `/plants/10` is not.
pub(super) fn is_within(source: &str, from: &str) -> bool {
    source.strip_prefix(from).is_some_and(|rest| {
        rest.is_empty() || from.ends_with(['/', ':']) || rest.starts_with(['/', ':', '#', '?'])
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceFile {
    pub verify: VerifyFile,
    pub secret: Text,
    #[serde(default)]
    pub from: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum VerifyFile {
    StandardWebhooks,
}

#[cfg(test)]
mod tests {
    use crate::site::{Environment, Overrides, Site};

    fn parse(sources: &str) -> Result<Site, String> {
        let text = format!(
            "name: Plant\ntime_zone: UTC\nshifts: [{{ id: A, starts: '06:00', ends: '14:00' }}]\n\
             roles: {{ lead: {{ title: Lead }} }}\npeople: []\nsources:\n{sources}"
        );
        let environment = Environment::of([
            ("S", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            ("EMPTY", "whsec_"),
            ("SHORT", "whsec_YQ=="),
            ("NEARLY", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS="),
            ("WORDS", "whsec_not in base64 at all, though long"),
        ]);
        Site::parse("takt.yaml", &text, &environment, &Overrides::default())
            .map_err(|error| error.to_string())
    }

    fn source(name: &str, from: &str) -> String {
        format!("  {name}: {{ verify: standard_webhooks, secret: '${{env:S}}'{from} }}\n")
    }

    #[test]
    fn a_sender_speaks_for_its_own_and_nobody_speaks_for_partners() {
        let site = parse(&source("plant", "")).expect("one sender needs no `from`");
        let plant = &site.sources["plant"];
        assert!(plant.speaks_for("/plants/1/mes") && plant.speaks_for("partners"));
        assert!(!plant.speaks_for("partner/acme") && !plant.speaks_for("partner"));
        let two =
            source("mes", ", from: [/plants/1/mes, 'urn:x:']") + &source("erp", ", from: [/plants/1/erp]");
        let site = parse(&two).expect("a good site");
        let mes = &site.sources["mes"];
        assert!(
            mes.speaks_for("/plants/1/mes")
                && mes.speaks_for("/plants/1/mes/press-4")
                && mes.speaks_for("urn:x:y")
        );
        assert!(
            !mes.speaks_for("/plants/1/erp") && !mes.speaks_for("/plants/1/mes2") && !mes.speaks_for("mes")
        );
    }

    #[test]
    fn two_senders_that_could_speak_for_each_other_are_a_mistake() {
        let mistakes = [
            (source("a", "") + &source("b", ", from: [/b]"), "say with `from`"),
            (source("a", ", from: [/x]") + &source("b", ", from: [/x/y]"), "`a` speaks for `/x` already"),
            (source("a", ", from: [partner/acme]"), "is for what partners answer"),
            (source("a", ", from: ['']"), "has a name"),
        ];
        for (text, expected) in mistakes {
            let error = parse(&text).err().unwrap_or_default();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_none() {
        for weak in ["EMPTY", "SHORT", "NEARLY", "WORDS"] {
            let error = parse(&source("plant", "").replace("env:S", &format!("env:{weak}"))).err();
            let error = error.unwrap_or_default();
            assert!(
                error.contains("takt.yaml:7:47") && error.contains("is no signing secret"),
                "{weak}: {error}"
            );
            assert!(!error.contains("YQ=="), "the value is not named");
        }
    }
}
