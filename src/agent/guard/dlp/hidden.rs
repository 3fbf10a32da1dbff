//! Words that hide what they say: a name or a secret in base64 or hexadecimal, and keys of no known form, which are
//! long and look like dice.

use crate::agent::guard::regex;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use regex::Regex;
use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::LazyLock,
};

/// Shorter words encode nothing that would be a name.
const WORD_CHARS_MIN: usize = 8;
/// From here on a word of many different characters is taken for a key.
const KEY_CHARS_MIN: usize = 28;
const KEY_BITS_MIN: f64 = 4.2;

/// Shorter pieces between bytes that are no text are there by chance.
const PIECE_CHARS_MIN: usize = 6;

static WORD: LazyLock<Regex> = LazyLock::new(|| regex(r"[A-Za-z0-9+/_\-]{8,}={0,2}"));
/// One word, broken by spaces or lines.
static BROKEN: LazyLock<Regex> =
    LazyLock::new(|| regex(r"[A-Za-z0-9+/_\-]{2,}(?:\s+[A-Za-z0-9+/_\-]{2,})+={0,2}"));
static SPACED_HEX: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?:(?:0x)?[0-9A-Fa-f]{2}[\s:,;\-]+){3,}(?:0x)?[0-9A-Fa-f]{2}\b"));
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
static BASE64: [GeneralPurpose; 2] =
    [GeneralPurpose::new(&alphabet::STANDARD, LENIENT), GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT)];

/// The parts of a text that hide something confidential.
pub(super) fn parts(text: &str, is_confidential: &dyn Fn(&str) -> bool) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for word in WORD.find_iter(text) {
        let hides = looks_like_a_key(word.as_str()) || says(word.as_str(), is_confidential);
        found.extend(hides.then(|| word.range()));
    }
    let mut starts: BTreeSet<usize> = found.iter().map(|part| part.start).collect();
    let mut joined = |words: regex::Match<'_>, joined: String| {
        let is_known = starts.range(words.range()).next().is_some();
        if !is_known && says(&joined, is_confidential) {
            starts.insert(words.start());
            found.push(words.range());
        }
    };
    for words in BROKEN.find_iter(text) {
        joined(words, words.as_str().split_whitespace().collect());
    }
    for codes in SPACED_HEX.find_iter(text) {
        let digits = codes.as_str().replace("0x", "");
        joined(codes, digits.chars().filter(char::is_ascii_hexdigit).collect());
    }
    found
}

/// Whether a word says something confidential in base64 or hexadecimal, with anything glued to its ends.
fn says(word: &str, is_confidential: &dyn Fn(&str) -> bool) -> bool {
    let plain = word.trim_end_matches('=');
    if plain.len() < WORD_CHARS_MIN {
        return false;
    }
    let shifted = (0..4).filter_map(|skip| plain.get(skip..));
    let bytes = shifted.flat_map(|plain| {
        // Four characters are three bytes: what is left over is not the word's.
        let whole = plain.get(..plain.len() - plain.len() % 4).unwrap_or_default();
        let base64 = |text: &str| BASE64.each_ref().map(|alphabet| alphabet.decode(text).ok());
        let even = plain.get(..plain.len() - plain.len() % 2).unwrap_or_default();
        [base64(plain), base64(whole)].concat().into_iter().chain([hex::decode(even).ok()]).flatten()
    });
    bytes.flat_map(|bytes| texts(&bytes)).any(|text| is_confidential(&text))
}

/// What bytes say where they are text: all of them, every second one, or a piece in the middle.
fn texts(bytes: &[u8]) -> Vec<String> {
    let is_wide = bytes.len() >= WORD_CHARS_MIN && bytes.iter().skip(1).step_by(2).all(|byte| *byte == 0);
    if is_wide {
        let narrow: Vec<u8> = bytes.iter().step_by(2).copied().collect();
        return String::from_utf8(narrow).ok().into_iter().collect();
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => vec![text.to_owned()],
        Err(_) => {
            let text = String::from_utf8_lossy(bytes);
            let pieces = text.split(|c: char| c == '\u{fffd}' || c.is_control());
            pieces.filter(|piece| piece.chars().count() >= PIECE_CHARS_MIN).map(str::to_owned).collect()
        }
    }
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

    fn found(text: &str) -> Vec<&str> {
        parts(text, &|inside| inside.contains("Keller")).into_iter().map(|part| &text[part]).collect()
    }

    #[test]
    fn a_name_in_base64_or_hexadecimal_is_found() {
        // "Mia Keller", in each way.
        for word in [
            "TWlhIEtlbGxlcg==",
            "TWlhIEtlbGxlcg",
            "4d6961204b656c6c6572",
            "xTWlhIEtlbGxlcg==",
            "TQBpAGEAIABLAGUAbABsAGUAcgA=",
            "4d 69 61 20 4b 65 6c 6c 65 72",
            "0x4d,0x69,0x61,0x20,0x4b,0x65,0x6c,0x6c,0x65,0x72",
        ] {
            assert_eq!(found(&format!("say: {word}, to her")), [word]);
        }
        assert_eq!(found("say: TWlh\nIEtl bGxlcg==").len(), 1);
        assert!(found("aGVsbG8gd29ybGQ=").is_empty(), "it says hello world");
    }

    #[test]
    fn keys_are_found_and_ids_are_not() {
        let key = "AKq3ZpX0v9Lm2Rt7Yw8Bn4Cd6Ef1Gh5J";
        assert_eq!(found(key), [key]);
        for id in [
            "0195f000-0000-7000-8000-000000000001",
            "WO-2026-000123-EQ-PRESS-4-HYDRAULIC",
            "d2a84f4b8b650937ec8f73cd8be2c74add5a911ba64df27458ed8229da804a26",
            "internationalization-and-localization",
        ] {
            assert!(found(id).is_empty(), "{id}");
        }
    }
}
