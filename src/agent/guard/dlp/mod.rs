//! Replaces confidential values by tokens before they leave, and puts them back in what returns.
//!
//! A token is stable within a run: HMAC over class and value, so the same person is the same
//! `EMP_7F3A` in every message, and nothing outside the run can compute it.

mod hidden;
mod names;
mod reading;
pub mod shapes;
mod spelling;

use crate::agent::{
    guard::{regex, taken::Taken},
    task::is_public,
    text::visible,
};
use crate::tool::{DataClass, PATTERN};
use hmac::{Hmac, KeyInit, Mac};
use names::Parts;
use reading::Reading;
pub(super) use reading::plain;
use regex::Regex;
use serde_json::{Map, Value};
use sha2::Sha256;
use spelling::{folded, variants};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
    sync::LazyLock,
};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TOKEN_CHARS_MIN: usize = 4;
const TOKEN_CHARS_MAX: usize = 16;
/// Shorter values would be found inside ordinary words.
const TEXT_CHARS_MIN: usize = 3;
/// Values that one finder looks for; more at once would be too large a pattern.
const FINDER_WORDS_MAX: usize = 100;
const REMOVED: &str = "[removed]";
/// A text in which there is always one more thing to replace does not leave.
const ROUNDS_MAX: usize = 16;

static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)\b(?:EMP|CUST|PROP|MASK|MAIL|TEL)_[0-9A-Za-z]+"));

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

/// Where in a text something confidential stands, in order.
type Findings = Vec<(Range<usize>, Found)>;

/// Something confidential in a text.
#[derive(Debug, Clone, PartialEq)]
enum Found {
    /// It leaves no token: a key, or a word that hides something.
    Removed,
    /// An address or a number, known by its form.
    Value(Kind, String),
    /// A value of the dictionary, as it reads without case and separators.
    Known(String),
    /// A part of somebody's name, as it is written here.
    Part(String),
}

/// What a field's name makes of the values below it.
#[derive(Debug, Clone, Copy)]
struct Marked {
    kind: Kind,
    /// The workflow's author named the field.
    is_asked: bool,
}

/// The tokens of one run.
pub(in crate::agent) struct Masker {
    key: [u8; 32],
    mask: BTreeSet<String>,
    /// While the step's input is masked: its values that are public, whatever else bears the name of their field.
    public: BTreeSet<String>,
    tokens: HashMap<(Kind, String), String>,
    originals: HashMap<String, Value>,
    /// Every known value that is long enough to be looked for in text, by each way it reads without separators.
    dictionary: HashMap<String, (String, Kind)>,
    /// Values that no finder knows yet.
    fresh: Vec<String>,
    finders: Vec<Regex>,
    /// What has a form of its own in this site.
    patterns: Vec<(Kind, Regex)>,
    parts: Parts,
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
            public: BTreeSet::new(),
            tokens: HashMap::new(),
            originals: HashMap::new(),
            dictionary: HashMap::new(),
            fresh: Vec::new(),
            finders: Vec::new(),
            patterns: Vec::new(),
            parts: Parts::default(),
            is_blind: false,
        };
        for (class, value) in known {
            match (Kind::of(*class), value.strip_prefix(PATTERN).map(Regex::new)) {
                (None, _) => {}
                (Some(kind), None) => masker.learn(kind, &Value::from(value.as_str())),
                (Some(kind), Some(Ok(pattern))) => masker.patterns.push((kind, pattern)),
                (Some(_), Some(Err(_))) => masker.is_blind = true,
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

    /// The same for data of several givers: a value that its own giver calls public is not masked for its field's name.
    /// The names under `mask:` and values that are known from elsewhere are masked all the same.
    pub(in crate::agent) fn mask_input(
        &mut self,
        data: &Value,
        classes: &BTreeMap<String, DataClass>,
        public: &BTreeSet<String>,
    ) -> Value {
        self.public.clone_from(public);
        let masked = self.mask(data, classes);
        self.public.clear();
        masked
    }

    pub(in crate::agent) fn mask_text(&mut self, text: &str) -> String {
        // First, or a name with something invisible in it would be found by nobody and read by everybody.
        let mut text = visible(text);
        if self.is_blind && !text.is_empty() {
            return REMOVED.to_owned();
        }
        for _ in 0..ROUNDS_MAX {
            let found = self.found_in(&text);
            if found.is_empty() {
                return text;
            }
            text = self.replaced(&text, found);
        }
        REMOVED.to_owned()
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
        !self.found_in(&visible(text)).is_empty()
    }

    /// What the first reading of a text shows that shows anything. A part of a name counts where no whole one stands.
    fn found_in(&self, text: &str) -> Findings {
        let readings = match text.is_ascii() && !text.contains(['\\', '%', '&']) {
            true => Vec::new(),
            false => Reading::all(text),
        };
        let look = |find: &dyn Fn(&str) -> Findings| {
            if readings.is_empty() {
                return find(text);
            }
            let mut read = readings.iter().map(|reading| {
                let found = find(&reading.text).into_iter();
                found.map(|(part, what)| (reading.original(&part), what)).collect::<Vec<_>>()
            });
            let mut found = read.find(|found| !found.is_empty()).unwrap_or_default();
            // Two characters of a reading may stand for the same part of the text.
            found.dedup_by(|later, earlier| later.0.start < earlier.0.end);
            found
        };
        let whole = look(&|text: &str| self.found(text));
        if !whole.is_empty() {
            return whole;
        }
        look(&|text: &str| {
            let written = |at: &Range<usize>| text.get(at.clone()).unwrap_or_default().to_owned();
            self.parts.find(text).into_iter().map(|at| (at.clone(), Found::Part(written(&at)))).collect()
        })
    }

    /// Confidential parts of a text, in order, as it stands there.
    fn found(&self, text: &str) -> Findings {
        let (mut found, mut taken) = (Findings::new(), Taken::default());
        let mut add = |part: Range<usize>, what: Found| {
            if taken.take(&part) {
                found.push((part, what));
            }
        };
        shapes::secrets(text).for_each(|m| add(m.range(), Found::Removed));
        let hides = |inside: &str| self.is_confidential(inside);
        hidden::parts(text, &hides).into_iter().for_each(|part| add(part, Found::Removed));
        let value =
            |kind, at: &Range<usize>| Found::Value(kind, text.get(at.clone()).unwrap_or_default().to_owned());
        shapes::mails(text).for_each(|at| add(at.clone(), value(Kind::Mail, &at)));
        shapes::phones(text).for_each(|at| add(at.clone(), value(Kind::Phone, &at)));
        for finder in &self.finders {
            finder.find_iter(text).for_each(|m| add(m.range(), Found::Known(folded(m.as_str()))));
        }
        if !self.patterns.is_empty() {
            let is_own = |m: &regex::Match<'_>| self.originals.contains_key(m.as_str());
            let mut tokens = Taken::default();
            for token in TOKEN.find_iter(text).filter(is_own) {
                tokens.take(&token.range());
            }
            for (kind, pattern) in &self.patterns {
                // A token that was put in a moment ago is none of the site's numbers.
                let is_new = |at: &Range<usize>| !at.is_empty() && tokens.is_free(at);
                let parts = pattern.find_iter(text).map(|m| m.range()).filter(is_new);
                parts.for_each(|at| add(at.clone(), value(*kind, &at)));
            }
        }
        found.sort_by_key(|(part, _)| part.start);
        found
    }

    fn replaced(&mut self, text: &str, found: Findings) -> String {
        let (mut out, mut from) = (String::with_capacity(text.len()), 0);
        for (part, what) in found {
            out.push_str(text.get(from..part.start).unwrap_or_default());
            out.push_str(&self.token_of(what));
            from = part.end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        out
    }

    fn token_of(&mut self, what: Found) -> String {
        let token = match what {
            Found::Removed => None,
            Found::Value(kind, value) => {
                self.learn(kind, &Value::from(value.as_str()));
                self.tokens.get(&(kind, value))
            }
            Found::Known(folded) => {
                let entry = self.dictionary.get(&folded);
                entry.and_then(|(value, kind)| self.tokens.get(&(*kind, value.clone())))
            }
            Found::Part(part) => {
                // It stands for itself, and comes back as it was: it may be a part of another name, or of a firm's.
                self.mint(Kind::Employee, &part, &Value::from(part.as_str()));
                self.tokens.get(&(Kind::Employee, part))
            }
        };
        token.cloned().unwrap_or_else(|| REMOVED.to_owned())
    }

    /// Puts values back. Only exact tokens of this run: a changed one must not pass as a name.
    pub(in crate::agent) fn restore(&self, value: &Value) -> Result<Value, UnknownTokens> {
        let mut unknown = Vec::new();
        let restored = self.restore_into(value, &mut unknown);
        if unknown.is_empty() { Ok(restored) } else { Err(UnknownTokens(unknown)) }
    }

    fn kind_of(&self, field: &str, classes: &BTreeMap<String, DataClass>) -> Option<Marked> {
        let by_class = classes.get(field).and_then(|class| Kind::of(*class));
        let by_name = self.mask.contains(field).then(|| match field {
            f if f.contains("employee") || f.contains("operator") => Kind::Employee,
            f if f.contains("customer") => Kind::Customer,
            _ => Kind::Masked,
        });
        let is_asked = by_name.is_some();
        by_class.or(by_name).map(|kind| Marked { kind, is_asked })
    }

    /// What a scalar under a marked field is masked as.
    fn kind_here(&self, marked: Option<Marked>, scalar: &Value) -> Option<Kind> {
        let marked = marked?;
        let is_public = !marked.is_asked && is_public(scalar, &self.public) && !self.knows(scalar);
        (!is_public).then_some(marked.kind)
    }

    fn knows(&self, scalar: &Value) -> bool {
        scalar.as_str().is_some_and(|text| self.dictionary.contains_key(&folded(&reading::plain(text))))
    }

    fn collect(&mut self, value: &Value, marked: Option<Marked>, classes: &BTreeMap<String, DataClass>) {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields {
                    self.collect(value, self.kind_of(field, classes).or(marked), classes);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, marked, classes)),
            scalar => match (self.kind_here(marked, scalar), scalar) {
                (Some(kind), scalar) => self.learn(kind, scalar),
                (None, Value::String(text)) => self.parts.learn_id(text),
                (None, _) => {}
            },
        }
    }

    fn learn(&mut self, kind: Kind, value: &Value) {
        let Some(text) = scalar_text(value) else { return };
        if text.is_empty() || kind == Kind::Secret || self.tokens.contains_key(&(kind, text.clone())) {
            return;
        }
        self.mint(kind, &text, value);
        if kind == Kind::Employee && value.is_string() {
            self.parts.learn(&text);
        }
        // Somebody may sign in as `planner`; the word in a text is not that person.
        let is_word = kind == Kind::Employee
            && !text.contains(char::is_uppercase)
            && spelling::words(&text).all(names::is_word);
        let is_long = text.chars().filter(|c| c.is_alphanumeric()).count() >= TEXT_CHARS_MIN;
        if value.is_string() && is_long && !is_word {
            for spelling in reading::spellings(&text) {
                let folded = folded(&spelling);
                if !self.dictionary.contains_key(&folded) {
                    self.fresh.push(spelling);
                    self.dictionary.insert(folded, (text.clone(), kind));
                }
            }
        }
    }

    /// A token for a value, which is not looked for in texts by that.
    fn mint(&mut self, kind: Kind, text: &str, value: &Value) {
        if !self.tokens.contains_key(&(kind, text.to_owned())) {
            let token = self.new_token(kind, text);
            self.originals.insert(token.clone(), value.clone());
            self.tokens.insert((kind, text.to_owned()), token);
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
            let words: Vec<String> = words.iter().map(|spelling| variants(spelling)).collect();
            match Regex::new(&format!("(?i){}", words.join("|"))) {
                Ok(finder) => self.finders.push(finder),
                Err(_) => self.is_blind = true,
            }
        }
        self.is_blind |= !self.parts.build();
    }

    fn replace(
        &mut self,
        value: &Value,
        marked: Option<Marked>,
        classes: &BTreeMap<String, DataClass>,
    ) -> Value {
        match value {
            Value::Object(fields) => {
                let mut masked = Map::new();
                for (field, value) in fields {
                    let value = self.replace(value, self.kind_of(field, classes).or(marked), classes);
                    masked.insert(self.mask_text(field), value);
                }
                Value::Object(masked)
            }
            Value::Array(items) => items.iter().map(|item| self.replace(item, marked, classes)).collect(),
            scalar => match (self.kind_here(marked, scalar), scalar) {
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

#[cfg(test)]
mod tests;
