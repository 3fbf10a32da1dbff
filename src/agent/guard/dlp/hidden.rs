//! Words that hide what they say: a name or a secret in base64 or hexadecimal, and keys of no known form, which are
//! long and look like dice.

use super::REMOVED;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use regex::Regex;
use std::{collections::HashMap, sync::LazyLock};

/// Shorter words encode nothing that would be a name.
const WORD_CHARS_MIN: usize = 8;
/// From here on a word of many different characters is taken for a key.
const KEY_CHARS_MIN: usize = 28;
const KEY_BITS_MIN: f64 = 4.2;

static WORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[A-Za-z0-9+/_\-]{8,}={0,2}").unwrap_or_else(|e| unreachable!("{e}")));

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
static BASE64: [GeneralPurpose; 2] =
    [GeneralPurpose::new(&alphabet::STANDARD, LENIENT), GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT)];

/// The text without words that hide something confidential.
pub(super) fn without(text: &str, is_confidential: impl Fn(&str) -> bool) -> String {
    WORD.replace_all(text, |word: &regex::Captures<'_>| {
        let word = &word[0];
        let hides = looks_like_a_key(word) || decoded(word).iter().any(|inside| is_confidential(inside));
        if hides { REMOVED.to_owned() } else { word.to_owned() }
    })
    .into_owned()
}

/// What the word says in base64 or hexadecimal, where that is text.
fn decoded(word: &str) -> Vec<String> {
    let plain = word.trim_end_matches('=');
    if plain.len() < WORD_CHARS_MIN {
        return Vec::new();
    }
    let base64 = BASE64.each_ref().map(|alphabet| alphabet.decode(plain).ok());
    let found = base64.into_iter().chain([hex::decode(plain).ok()]).flatten();
    found.filter_map(|bytes| String::from_utf8(bytes).ok()).collect()
}

/// Digits and letters of both cases, with nearly as much chance in them as there is room for. An id has less.
fn looks_like_a_key(word: &str) -> bool {
    let has = |kind: fn(&char) -> bool| word.chars().any(|c| kind(&c));
    word.len() >= KEY_CHARS_MIN
        && has(char::is_ascii_digit)
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
        && bits_of_chance(word) >= KEY_BITS_MIN
}

/// Shannon's entropy of its characters.
fn bits_of_chance(word: &str) -> f64 {
    let mut counts: HashMap<char, f64> = HashMap::new();
    word.chars().for_each(|c| *counts.entry(c).or_default() += 1.0);
    let length = word.chars().count() as f64;
    counts.values().map(|count| -(count / length) * (count / length).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        without(text, |inside| inside.contains("Keller"))
    }

    #[test]
    fn a_name_in_base64_or_hexadecimal_is_found() {
        // "Mia Keller", in each way.
        for word in ["TWlhIEtlbGxlcg==", "TWlhIEtlbGxlcg", "4d6961204b656c6c6572"] {
            assert_eq!(masked(&format!("say {word} to her")), format!("say {REMOVED} to her"));
        }
        assert_eq!(masked("aGVsbG8gd29ybGQ="), "aGVsbG8gd29ybGQ=", "it says hello world");
    }

    #[test]
    fn keys_are_found_and_ids_are_not() {
        assert_eq!(masked("AKq3ZpX0v9Lm2Rt7Yw8Bn4Cd6Ef1Gh5J"), REMOVED);
        for id in [
            "0195f000-0000-7000-8000-000000000001",
            "WO-2026-000123-EQ-PRESS-4-HYDRAULIC",
            "d2a84f4b8b650937ec8f73cd8be2c74add5a911ba64df27458ed8229da804a26",
            "internationalization-and-localization",
        ] {
            assert_eq!(masked(id), id);
        }
    }
}
