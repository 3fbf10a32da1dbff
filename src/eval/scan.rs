//! Looks for secrets and personal data in what is about to become a file that people share.

use crate::agent::{Entry, ModelErrorClass};
use crate::eval::score::entries;
use crate::run::Record;
use regex::Regex;
use std::{collections::BTreeSet, sync::LazyLock};

/// Shapes of credentials, by what they are.
static SECRETS: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    let shapes = [
        ("an API key", r"\bsk-[A-Za-z0-9_-]{16,}"),
        ("a cloud access key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
        ("a chat token", r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
        ("a repository token", r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|glpat-[A-Za-z0-9_-]{16,})"),
        ("a signing secret", r"\bwhsec_[A-Za-z0-9+/=]{16,}"),
        ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
        ("a web token", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."),
        ("a bearer header", r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{16,}"),
        ("a password in a URL", r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]{3,}@"),
        ("a password", r#"(?i)\b(?:password|passwd|secret|api_key)["']?\s*[:=]\s*["']?[^\s"',}]{6,}"#),
    ];
    shapes.into_iter().filter_map(|(what, shape)| Some((what, Regex::new(shape).ok()?))).collect()
});

static PERSONAL: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    let shapes = [
        ("an e-mail address", r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b"),
        ("a phone number", r"(?:^|[^\w+])\+\d{1,3}[ -]?\(?\d{2,4}\)?(?:[ -]?\d{2,4}){2,3}\b"),
    ];
    shapes.into_iter().filter_map(|(what, shape)| Some((what, Regex::new(shape).ok()?))).collect()
});

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Nothing with a secret in it is ever promoted.
    pub secrets: BTreeSet<String>,
    /// Personal data needs a person's word.
    pub personal: BTreeSet<String>,
}

/// Scans one file. `names` are people of the site. The finding itself is shown by its first four characters.
pub fn scan(file: &str, text: &str, names: &[String]) -> Findings {
    let shown = |what: &str, found: &str| {
        let start: String = found.trim_start().chars().take(4).collect();
        format!("{file} holds {what}: {start}…")
    };
    let find = |shapes: &[(&'static str, Regex)]| {
        let found = shapes.iter().filter_map(|(what, shape)| Some(shown(what, shape.find(text)?.as_str())));
        found.collect::<BTreeSet<String>>()
    };
    let mut personal = find(&PERSONAL);
    let lower = text.to_lowercase();
    personal.extend(
        names
            .iter()
            .filter(|name| lower.contains(&name.to_lowercase()))
            .map(|name| shown("a person's name", name)),
    );
    Findings { secrets: find(&SECRETS), personal }
}

/// Why a run's answers are no recording: an endpoint that refused, an answer that was lost.
pub fn unclean(records: &[Record]) -> Vec<String> {
    let mut problems = BTreeSet::new();
    for (step, entry) in entries(records) {
        let Entry::Failed { class, .. } = entry else { continue };
        if matches!(
            class,
            ModelErrorClass::Auth
                | ModelErrorClass::Quota
                | ModelErrorClass::RateLimited
                | ModelErrorClass::Lost
        ) {
            problems.insert(format!("a model call of `{step}` failed: {}", class.word()));
        }
    }
    problems.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_and_not_repeated() {
        for (text, what) in [
            ("key sk-abcdefghijklmnop1234", "an API key"),
            ("https://takt:hunter22@plex.example/api", "a password in a URL"),
            (r#"{"password": "hunter22"}"#, "a password"),
            ("Authorization: Bearer abcdefghijklmnopqrst", "a bearer header"),
            ("whsec_c2ltdWxhdG9yLXBsYW50LTE=", "a signing secret"),
        ] {
            let found = scan("x.json", text, &[]);
            assert!(found.secrets.iter().any(|f| f.contains(what)), "{text}: {found:?}");
            assert!(
                found.secrets.iter().all(|f| !f.contains("hunter22") && !f.contains("efgh")),
                "{found:?}"
            );
        }
    }

    #[test]
    fn people_are_found_by_name_address_and_number() {
        let names = ["Mia Novak".to_owned()];
        let found = scan("x", "mia NOVAK, mia@plant1.example, call +1 312 555 0123", &names);
        assert_eq!(found.personal.len(), 3, "{found:?}");
        let clean = scan("x", "PRESS-4 down 2026-11-23T12:10:00Z, SO-4015-1, 19.5 mm, EMP_7F3A", &names);
        assert_eq!(clean, Findings::default());
    }
}
