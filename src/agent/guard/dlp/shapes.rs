//! What gives itself away by its form, in every site: addresses, phone numbers and credentials. Looked for before
//! anything leaves, and in every file that people share.

use regex::{Match, Regex};
use std::{ops::Range, sync::LazyLock};

/// E.164 allows no more; with fewer it is no number that somebody calls from elsewhere.
const PHONE_DIGITS_MAX: usize = 15;
const PHONE_DIGITS_MIN: usize = 8;

/// Shapes of credentials, by what they are.
const SECRETS: [(&str, &str); 10] = [
    ("an API key", r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_\-+/=]{12,}"),
    ("a cloud access key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    ("a chat token", r"\bxox[abprs][-_][A-Za-z0-9_\-+/=]{10,}"),
    ("a repository token", r"\b(?:gh[pousr]|glpat)[-_][A-Za-z0-9_\-+/=]{12,}"),
    ("a signing secret", r"\bwhsec[-_][A-Za-z0-9_\-+/=]{12,}"),
    ("a private key", r"-----BEGIN [A-Z ]+-----[\s\S]*?(?:-----END [A-Z ]+-----|$)"),
    ("a web token", r"\beyJ[A-Za-z0-9_\-]{10,}\.eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]*"),
    ("a bearer header", r"(?i)\bbearer\s+[A-Za-z0-9._~\-+/=]{12,}"),
    ("a password in a URL", r"\b[a-z][a-z0-9+.\-]*://[^\s/:@]+:[^\s/@]+@\S+"),
    (
        "a password",
        concat!(
            r"(?i)\b(?:password|passwd|passphrase|passwort|kennwort|pwd|secret|api[_\-]?key)",
            r#"\\?["']?\s*[:=]\s*\\?["']?[^\s"',}\\]{6,}"#,
        ),
    ),
];

static EACH_SECRET: LazyLock<Vec<(&'static str, Regex)>> =
    LazyLock::new(|| SECRETS.iter().map(|(what, shape)| (*what, super::regex(shape))).collect());
static ANY_SECRET: LazyLock<Regex> = LazyLock::new(|| {
    let shapes: Vec<String> = SECRETS.iter().map(|(_, shape)| format!("(?:{shape})")).collect();
    super::regex(&shapes.join("|"))
});
static MAIL: LazyLock<Regex> =
    LazyLock::new(|| super::regex(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"));
/// As people write them: `+49 171 2345678`, `+44 20 7946 0958`, `0171 2345678`, `01 42 68 53 00`, `(312) 555-0123`.
static PHONE: LazyLock<Regex> = LazyLock::new(|| {
    super::regex(concat!(
        r"(?:\B\+[1-9]\d{0,2}|\b00[1-9]\d{0,2}[ ./\-])(?:[ ./\-]?\(0?\d{0,4}\))?(?:[ ./\-]?\d{1,12}){1,6}\b",
        r"|\+\d{8,15}\b|\b00[1-9]\d{8,12}\b",
        r"|\b0[1-9](?:[ .]\d{2}){4}\b",
        r"|\b0[1-9]\d{1,4}[ /]\d{2,8}(?:[ \-]\d{2,8}){0,3}\b",
        r"|\b0[1-9]\d{1,3}-\d{6,8}\b",
        r"|\(0[1-9]\d{1,4}\)[ /]?\d{2,8}(?:[ \-]\d{2,8}){0,3}\b",
        r"|\(?\b[2-9]\d{2}\)?[ .\-]\d{3}[ .\-]\d{4}\b",
    ))
});

/// Credentials in a text, whatever they are.
pub(super) fn secrets(text: &str) -> impl Iterator<Item = Match<'_>> {
    ANY_SECRET.find_iter(text)
}

/// The first credential of each kind in a text, with what it is.
pub fn secrets_by_kind(text: &str) -> impl Iterator<Item = (&'static str, &str)> {
    EACH_SECRET.iter().filter_map(move |(what, shape)| Some((*what, shape.find(text)?.as_str())))
}

pub fn mails(text: &str) -> impl Iterator<Item = Range<usize>> {
    MAIL.find_iter(text).map(|found| found.range())
}

pub fn phones(text: &str) -> impl Iterator<Item = Range<usize>> {
    PHONE.find_iter(text).filter_map(|found| {
        let length = dialled(found.as_str())?;
        Some(found.start()..found.start() + length)
    })
}

/// How much of what looks like a phone number can be one: other numbers may stand right behind it.
fn dialled(found: &str) -> Option<usize> {
    let (mut digits, mut end) = (0, 0);
    let mut longest = None;
    for (at, c) in found.char_indices() {
        if c.is_ascii_digit() {
            digits += 1;
            end = at + c.len_utf8();
        } else if digits <= PHONE_DIGITS_MAX {
            longest = (digits >= PHONE_DIGITS_MIN).then_some(end).or(longest);
        }
    }
    if (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits) { Some(end) } else { longest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers_are_known_as_people_write_them() {
        for number in [
            "+49 171 2345678",
            "+49 (0)171 2345678",
            "+49-171-2345678",
            "+491712345678",
            "0049 171 2345678",
            "+44 20 7946 0958",
            "020 7946 0958",
            "0171 2345678",
            "0171/2345678",
            "0171-2345678",
            "(030) 1234567",
            "+33 1 42 68 53 00",
            "01 42 68 53 00",
            "+1 312 555 0123",
            "+1 (312) 555-0123",
            "312-555-0123",
            "(312) 555-0123",
            "+15551234567",
        ] {
            let text = format!("call {number}, at 14:30");
            let found: Vec<&str> = phones(&text).map(|at| &text[at]).collect();
            assert_eq!(found.len(), 1, "{number}: {found:?}");
            assert!(found[0].contains(number.trim_start_matches('(')), "{number}: {found:?}");
        }
        let text = "+49 171 2345678 2026-11-30";
        assert_eq!(phones(text).map(|at| &text[at]).collect::<Vec<_>>(), ["+49 171 2345678"]);
    }

    #[test]
    fn other_numbers_are_no_phone_numbers() {
        for text in [
            "PRESS-4 down 2026-11-23T12:10:00Z, 2026-11-23T12:10:00+01:00, 05/11/2026",
            "SO-4015-1, WO005002, J-1001, 19.5 mm, 0.0345, 6000 pieces of 12000, 1,327 USD",
            "0195f000-0000-7000-8000-000000000001",
            "7d0c6a52-4f0e-4b7e-9a55-0d3a1a5f0001",
            "06:00 to 14:00, 06.11.2026 14.30, +10 %, +5 min, +120 pieces",
        ] {
            assert_eq!(phones(text).count(), 0, "{text}: {:?}", phones(text).collect::<Vec<_>>());
        }
    }

    #[test]
    fn credentials_are_known_by_their_form() {
        for (text, what) in [
            ("key sk-abcdefghijklmnop1234", "an API key"),
            ("AKIAABCDEFGHIJKLMNOP", "a cloud access key"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ0YWt0In0.c2ln", "a web token"),
            ("password: hunter22", "a password"),
            (r#"{"password": "hunter22"}"#, "a password"),
            (r#"{\"api_key\": \"hunter22\"}"#, "a password"),
            ("API-Key=hunter22", "a password"),
        ] {
            let found: Vec<&str> = secrets_by_kind(text).map(|(what, _)| what).collect();
            assert!(found.contains(&what), "{text}: {found:?}");
            assert_eq!(secrets(text).count(), 1, "{text}");
        }
        assert_eq!(secrets("the password is changed, secret: no, a key of PRESS-4").count(), 0);
    }
}
