//! Known values as texts spell them: in any case, and with anything that separates words between them.

/// A value of so many letters is also found with something between each of them.
const LETTERS_APART_MIN: usize = 8;

/// A pattern that also finds `mia-keller`, `MIA  KELLER` and, where it is long enough not to stand by accident,
/// `M i a K.e.l.l.e.r` for `Mia Keller`.
pub(super) fn variants(value: &str) -> String {
    let word_char = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let begin = if word_char(value.chars().next()) { r"\b" } else { "" };
    let end = if word_char(value.chars().last()) { r"\b" } else { "" };
    let letters: Vec<String> =
        value.chars().filter(|c| !is_separator(*c)).map(|c| regex::escape(&c.to_string())).collect();
    let inner = match letters.len() >= LETTERS_APART_MIN {
        true => letters.join(r"[\s_.\-]*"),
        false => words(value).map(regex::escape).collect::<Vec<_>>().join(r"[\s_.\-]+"),
    };
    format!("{begin}{inner}{end}")
}

/// How a value reads without case and separators.
pub(super) fn folded(text: &str) -> String {
    text.chars().filter(|c| !is_separator(*c)).collect::<String>().to_lowercase()
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '_' | '.')
}

pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_separator).filter(|word| !word.is_empty())
}
