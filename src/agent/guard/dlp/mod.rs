//! Replaces confidential values by tokens before they leave, and puts them back in what returns.
//!
//! A token is stable within a run: HMAC over class and value, so the same person is the same
//! `EMP_7F3A` in every message, and nothing outside the run can compute it.

mod hidden;

use crate::agent::text::visible;
use crate::tool::DataClass;
use hmac::{Hmac, KeyInit, Mac};
use regex::Regex;
use serde_json::{Map, Value};
use sha2::Sha256;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TOKEN_CHARS_MIN: usize = 4;
const TOKEN_CHARS_MAX: usize = 16;
/// Shorter values would be found inside ordinary words.
const TEXT_CHARS_MIN: usize = 3;
/// A value of so many letters is also found with something between each of them.
const LETTERS_APART_MIN: usize = 8;
/// Values that one finder looks for; more at once would be too large a pattern.
const FINDER_WORDS_MAX: usize = 100;
const REMOVED: &str = "[removed]";

static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)\b(?:EMP|CUST|PROP|MASK|MAIL|TEL)_[0-9A-Za-z]+"));
static MAIL: LazyLock<Regex> =
    LazyLock::new(|| regex(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"));
static PHONE: LazyLock<Regex> =
    LazyLock::new(|| regex(r"\+\d{8,15}\b|(?:\+1[ .-]?)?\(?\b\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b"));
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"\b(?:sk|pk|rk|xox[abprs]|ghp|glpat|whsec)[-_][A-Za-z0-9_\-+/=]{12,}",
        r"|(?i:\bbearer\s+[A-Za-z0-9._\-+/=]{12,})",
        r"|\b[a-z][a-z0-9+]*://[^\s/:@]+:[^\s/@]+@\S+",
        r"|-----BEGIN [A-Z ]+-----[\s\S]*?(?:-----END [A-Z ]+-----|$)",
    ))
});

/// These patterns are constants; a test compiles each.
fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|e| unreachable!("{pattern}: {e}"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Employee,
    Customer,
    Proprietary,
    Masked,
    Mail,
    Phone,
    Secret,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Employee => "EMP",
            Self::Customer => "CUST",
            Self::Proprietary => "PROP",
            Self::Masked | Self::Secret => "MASK",
            Self::Mail => "MAIL",
            Self::Phone => "TEL",
        }
    }

    fn of(class: DataClass) -> Option<Self> {
        match class {
            DataClass::Public => None,
            DataClass::Employee => Some(Self::Employee),
            DataClass::Customer => Some(Self::Customer),
            DataClass::Proprietary => Some(Self::Proprietary),
            DataClass::Secret => Some(Self::Secret),
        }
    }
}

/// The tokens of one run.
pub(in crate::agent) struct Masker {
    key: [u8; 32],
    mask: BTreeSet<String>,
    tokens: HashMap<(Kind, String), String>,
    originals: HashMap<String, Value>,
    /// Every known value that is long enough to be looked for in text, by how it reads without separators.
    dictionary: HashMap<String, (String, Kind)>,
    /// Values that no finder knows yet.
    fresh: Vec<String>,
    finders: Vec<Regex>,
    /// Values could not be made into a finder: no free text may leave.
    is_blind: bool,
}

/// Tokens in an answer that this run never gave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::agent) struct UnknownTokens(pub(in crate::agent) Vec<String>);

impl Masker {
    pub(in crate::agent) fn new(key: [u8; 32], mask: &[String], known: &[(DataClass, String)]) -> Self {
        let mut masker = Self {
            key,
            mask: mask.iter().cloned().collect(),
            tokens: HashMap::new(),
            originals: HashMap::new(),
            dictionary: HashMap::new(),
            fresh: Vec::new(),
            finders: Vec::new(),
            is_blind: false,
        };
        for (class, value) in known {
            if let Some(kind) = Kind::of(*class) {
                masker.learn(kind, &Value::from(value.as_str()));
            }
        }
        masker.build_finders();
        masker
    }

    /// Masks data: classified fields by their name, everything already known also inside text.
    pub(in crate::agent) fn mask(&mut self, data: &Value, classes: &BTreeMap<String, DataClass>) -> Value {
        self.collect(data, None, classes);
        self.build_finders();
        self.replace(data, None, classes)
    }

    pub(in crate::agent) fn mask_text(&mut self, text: &str) -> String {
        // First, or a name with something invisible in it would be found by nobody and read by everybody.
        let text = visible(text);
        if self.is_blind && !text.is_empty() {
            return REMOVED.to_owned();
        }
        let text = SECRET.replace_all(&text, REMOVED).into_owned();
        let text = hidden::without(&text, |inside| self.is_confidential(inside));
        let text = self.tokenize(&MAIL, Kind::Mail, &text);
        let text = self.tokenize(&PHONE, Kind::Phone, &text);
        let mut masked = text;
        for finder in &self.finders {
            let replaced =
                finder.replace_all(&masked, |found: &regex::Captures<'_>| self.token_of_text(&found[0]));
            masked = replaced.into_owned();
        }
        masked
    }

    /// Masks what a model said: the names of its fields teach nothing.
    pub(in crate::agent) fn mask_words(&mut self, said: &Value) -> Value {
        match said {
            Value::String(text) => Value::from(self.mask_text(text)),
            Value::Array(items) => items.iter().map(|item| self.mask_words(item)).collect(),
            Value::Object(fields) => {
                let fields =
                    fields.iter().map(|(name, value)| (self.mask_text(name), self.mask_words(value)));
                Value::Object(fields.collect())
            }
            scalar => scalar.clone(),
        }
    }

    /// Whether something in a text would be masked.
    pub(in crate::agent) fn is_confidential(&self, text: &str) -> bool {
        [&*SECRET, &*MAIL, &*PHONE].iter().any(|pattern| pattern.is_match(text))
            || self.finders.iter().any(|finder| finder.is_match(text))
    }

    /// Puts values back. Only exact tokens of this run: a changed one must not pass as a name.
    pub(in crate::agent) fn restore(&self, value: &Value) -> Result<Value, UnknownTokens> {
        let mut unknown = Vec::new();
        let restored = self.restore_into(value, &mut unknown);
        if unknown.is_empty() { Ok(restored) } else { Err(UnknownTokens(unknown)) }
    }

    fn kind_of(&self, field: &str, classes: &BTreeMap<String, DataClass>) -> Option<Kind> {
        let declared = classes.get(field).and_then(|class| Kind::of(*class));
        let masked = || match field {
            f if f.contains("employee") || f.contains("operator") => Kind::Employee,
            f if f.contains("customer") => Kind::Customer,
            _ => Kind::Masked,
        };
        declared.or_else(|| self.mask.contains(field).then(masked))
    }

    fn collect(&mut self, value: &Value, kind: Option<Kind>, classes: &BTreeMap<String, DataClass>) {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields {
                    self.collect(value, self.kind_of(field, classes).or(kind), classes);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, kind, classes)),
            scalar => {
                if let Some(kind) = kind {
                    self.learn(kind, scalar);
                }
            }
        }
    }

    fn learn(&mut self, kind: Kind, value: &Value) {
        let Some(text) = scalar_text(value) else { return };
        if text.is_empty() || kind == Kind::Secret || self.tokens.contains_key(&(kind, text.clone())) {
            return;
        }
        let token = self.new_token(kind, &text);
        self.originals.insert(token.clone(), value.clone());
        self.tokens.insert((kind, text.clone()), token);
        if value.is_string() && text.chars().filter(|c| c.is_alphanumeric()).count() >= TEXT_CHARS_MIN {
            let folded = folded(&text);
            if !self.dictionary.contains_key(&folded) {
                self.fresh.push(text.clone());
                self.dictionary.insert(folded, (text, kind));
            }
        }
    }

    fn new_token(&self, kind: Kind, text: &str) -> String {
        let bytes = self.hmac(kind, text);
        let code: String = bytes.iter().map(|byte| ALPHABET[usize::from(byte % 32)] as char).collect();
        let longer = (TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).map(|n| format!("{}_{}", kind.prefix(), &code[..n]));
        let free = longer.into_iter().find(|token| !self.originals.contains_key(token));
        free.unwrap_or_else(|| format!("{}_{code}", kind.prefix()))
    }

    fn hmac(&self, kind: Kind, text: &str) -> [u8; 32] {
        // A key of any length is accepted by HMAC.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap_or_else(|e| unreachable!("{e}"));
        mac.update(kind.prefix().as_bytes());
        mac.update(b"|");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Longest values first, so that a name is found before a part of it.
    fn build_finders(&mut self) {
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        for words in fresh.chunks(FINDER_WORDS_MAX) {
            let words: Vec<String> = words.iter().map(|value| variants(value)).collect();
            match Regex::new(&format!("(?i){}", words.join("|"))) {
                Ok(finder) => self.finders.push(finder),
                Err(_) => self.is_blind = true,
            }
        }
    }

    fn token_of_text(&self, found: &str) -> String {
        let entry = self.dictionary.get(&folded(found));
        let token = entry.and_then(|(value, kind)| self.tokens.get(&(*kind, value.clone())));
        token.cloned().unwrap_or_else(|| REMOVED.to_owned())
    }

    fn tokenize(&mut self, pattern: &Regex, kind: Kind, text: &str) -> String {
        let found: Vec<String> = pattern.find_iter(text).map(|m| m.as_str().to_owned()).collect();
        for value in found {
            self.learn(kind, &Value::from(value));
        }
        pattern
            .replace_all(text, |found: &regex::Captures<'_>| {
                self.tokens.get(&(kind, found[0].to_owned())).cloned().unwrap_or_else(|| REMOVED.to_owned())
            })
            .into_owned()
    }

    fn replace(&mut self, value: &Value, kind: Option<Kind>, classes: &BTreeMap<String, DataClass>) -> Value {
        match value {
            Value::Object(fields) => {
                let mut masked = Map::new();
                for (field, value) in fields {
                    let kind = self.kind_of(field, classes).or(kind);
                    let value = self.replace(value, kind, classes);
                    masked.insert(self.mask_text(field), value);
                }
                Value::Object(masked)
            }
            Value::Array(items) => items.iter().map(|item| self.replace(item, kind, classes)).collect(),
            scalar => match (kind, scalar) {
                (None, Value::String(text)) => Value::from(self.mask_text(text)),
                (None, scalar) => scalar.clone(),
                (Some(Kind::Secret), Value::Null) => Value::Null,
                (Some(Kind::Secret), _) => Value::from(REMOVED),
                (Some(kind), scalar) => {
                    let token = scalar_text(scalar).and_then(|text| self.tokens.get(&(kind, text)));
                    token.map_or_else(|| scalar.clone(), |token| Value::from(token.as_str()))
                }
            },
        }
    }

    fn restore_into(&self, value: &Value, unknown: &mut Vec<String>) -> Value {
        match value {
            Value::Object(fields) => {
                let pairs = fields.iter().map(|(field, value)| {
                    (self.restore_text(field, unknown), self.restore_into(value, unknown))
                });
                Value::Object(pairs.collect())
            }
            Value::Array(items) => items.iter().map(|item| self.restore_into(item, unknown)).collect(),
            Value::String(text) => match self.originals.get(text) {
                Some(original) => original.clone(),
                None => Value::from(self.restore_text(text, unknown)),
            },
            scalar => scalar.clone(),
        }
    }

    fn restore_text(&self, text: &str, unknown: &mut Vec<String>) -> String {
        TOKEN
            .replace_all(text, |found: &regex::Captures<'_>| match self.originals.get(&found[0]) {
                Some(original) => scalar_text(original).unwrap_or_default(),
                // `emp_id` is a word; `emp_7f3a` is a token that the model changed.
                None => {
                    let upper = found[0].to_uppercase();
                    if upper.split('_').next() == found[0].split('_').next()
                        || self.originals.contains_key(&upper)
                    {
                        unknown.push(found[0].to_owned());
                    }
                    found[0].to_owned()
                }
            })
            .into_owned()
    }
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A pattern that also finds `mia-keller`, `MIA  KELLER` and, where it is long enough not to stand by accident,
/// `M i a K.e.l.l.e.r` for `Mia Keller`.
fn variants(value: &str) -> String {
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
fn folded(text: &str) -> String {
    text.chars().filter(|c| !is_separator(*c)).collect::<String>().to_lowercase()
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '_' | '.')
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_separator).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests;
