//! Looks for secrets and personal data in what is about to become a file that people share.

use crate::agent::{Entry, ModelErrorClass, masked::shapes};
use crate::eval::score::entries;
use crate::run::Record;
use std::collections::BTreeSet;

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
    let mail = shapes::mails(text).next().map(|at| ("an e-mail address", at));
    let phone = shapes::phones(text).next().map(|at| ("a phone number", at));
    let personal = mail.into_iter().chain(phone);
    let mut personal: BTreeSet<String> =
        personal.map(|(what, at)| shown(what, text.get(at).unwrap_or_default())).collect();
    let lower = text.to_lowercase();
    personal.extend(
        names
            .iter()
            .filter(|name| lower.contains(&name.to_lowercase()))
            .map(|name| shown("a person's name", name)),
    );
    let secrets = shapes::secrets_by_kind(text).map(|(what, found)| shown(what, found)).collect();
    Findings { secrets, personal }
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
        for number in ["+49 171 2345678", "+44 20 7946 0958", "0171 2345678"] {
            assert_eq!(scan("x", &format!("call {number}"), &names).personal.len(), 1, "{number}");
        }
        let clean = scan("x", "PRESS-4 down 2026-11-23T12:10:00Z, SO-4015-1, 19.5 mm, EMP_7F3A", &names);
        assert_eq!(clean, Findings::default());
    }
}
