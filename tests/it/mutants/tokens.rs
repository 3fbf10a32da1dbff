//! The tokens of a workflow file, found without the checker's own parser: keys, words, numbers, operators.
//!
//! Remarks and prose (titles, text around `${{ }}`) are left out: a slip there changes what people read, not
//! what Takt does.

/// What a token is, for choosing slips and for reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Key,
    /// A word outside of an expression.
    Word,
    /// A number or a time.
    Number,
    /// A word inside an expression.
    Name,
    /// A word inside the quotes of an expression.
    Literal,
    Operator,
    /// `${{` or `}}`, and the quotes of an expression.
    Bracket,
}

#[derive(Debug, Clone)]
pub struct Token {
    pub kind: Kind,
    /// Byte offset in the file.
    pub start: usize,
    pub text: String,
    pub in_expression: bool,
    /// The key in whose value it stands; its own name for a key.
    pub key: String,
    pub line: u32,
    /// Counted in characters, from 1.
    pub column: u32,
}

/// Keys whose value is an expression without `${{ }}`.
const EXPRESSIONS: [&str; 8] = ["if", "where", "key", "subject", "auto_if", "until", "check", "fair"];
/// Keys whose value is for people.
const PROSE: [&str; 3] = ["title", "owner", "summary"];
const OPERATORS: [&str; 14] = ["==", "!=", ">=", "<=", "&&", "||", ".?", ">", "<", "!", "+", "-", "?", ":"];

pub fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut offset = 0;
    let mut list_of_checks = false;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let content = without_remark(line.trim_end_matches('\n'));
        let trimmed = content.trim_start();
        if list_of_checks && !trimmed.starts_with("- ") && !trimmed.is_empty() {
            list_of_checks = false;
        }
        let mut scanner = Scanner {
            line: content,
            at: 0,
            key: if list_of_checks { "check".to_owned() } else { String::new() },
            in_value: list_of_checks,
            quote: None,
            depth: Vec::new(),
            base: offset,
            number: index as u32 + 1,
            in_expression: false,
            found: &mut found,
        };
        match list_of_checks && !trimmed.is_empty() {
            true => scanner.check_item(),
            false => scanner.run(),
        }
        list_of_checks |= trimmed == "check:";
        offset += line.len();
    }
    found
}

/// The line up to a ` #` outside of quotes.
fn without_remark(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') if before == ' ' => return line[..at].trim_end(),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
        before = c;
    }
    line
}

struct Scanner<'t, 'f> {
    line: &'t str,
    at: usize,
    key: String,
    in_value: bool,
    /// The quote of the YAML value around.
    quote: Option<char>,
    /// Keys of the flow maps around.
    depth: Vec<String>,
    base: usize,
    number: u32,
    in_expression: bool,
    found: &'f mut Vec<Token>,
}

impl Scanner<'_, '_> {
    fn run(&mut self) {
        while let Some(c) = self.rest().chars().next() {
            if self.rest().starts_with("${{") {
                self.push(Kind::Bracket, 3);
                self.expression(true);
            } else if is_word(c) && !self.in_value && self.is_key() {
                let length = self.word_length();
                self.key = self.rest()[..length].to_owned();
                self.push(Kind::Key, length);
                self.at += 1;
                self.in_value = true;
                let is_expression =
                    EXPRESSIONS.contains(&self.key.as_str()) && !self.rest().trim().is_empty();
                // `subject` is also an argument of a message.
                if is_expression && !self.rest().contains("${{") || self.key == "if" {
                    self.bare_expression();
                }
            } else if is_word(c) {
                self.word();
            } else {
                self.other(c);
            }
        }
    }

    /// `- expression`, below `check:`.
    fn check_item(&mut self) {
        self.at = self.line.find("- ").map_or(self.line.len(), |at| at + 2);
        self.bare_expression();
    }

    fn other(&mut self, c: char) {
        match c {
            '{' if self.quote.is_none() => {
                self.depth.push(std::mem::take(&mut self.key));
                self.in_value = false;
            }
            '}' if self.quote.is_none() => {
                self.key = self.depth.pop().unwrap_or_default();
                self.in_value = true;
            }
            ',' if self.quote.is_none() && !self.depth.is_empty() && !self.in_list() => self.in_value = false,
            '"' | '\'' => self.quote = if self.quote == Some(c) { None } else { self.quote.or(Some(c)) },
            _ => {}
        }
        self.at += c.len_utf8();
    }

    fn in_list(&self) -> bool {
        let before = &self.line[..self.at];
        before.matches('[').count() > before.matches(']').count()
    }

    fn rest(&self) -> &str {
        &self.line[self.at..]
    }

    fn is_key(&self) -> bool {
        let length = self.word_length();
        let after = &self.rest()[length..];
        after.starts_with(':') && (after.len() == 1 || after[1..].starts_with(' '))
    }

    fn word_length(&self) -> usize {
        self.rest().find(|c| !is_word(c)).unwrap_or(self.rest().len())
    }

    fn word(&mut self) {
        let length = self.word_length();
        let prose = PROSE.contains(&self.key.as_str()) || self.is_mixed();
        let kind = match self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            true => Kind::Number,
            false => Kind::Word,
        };
        match prose {
            true => self.at += length,
            false => self.push(kind, length),
        }
    }

    /// A value with text around `${{ }}`.
    fn is_mixed(&self) -> bool {
        self.depth.is_empty() && self.in_value && self.line.contains("${{")
    }

    /// To the end of the value: a bare expression may be quoted, and ends at a comma of a flow map.
    fn bare_expression(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
        let first = self.rest().chars().next();
        if let Some(quote @ ('"' | '\'')) = first {
            self.at += 1;
            self.quote = Some(quote);
        }
        self.expression(false);
    }

    fn expression(&mut self, embedded: bool) {
        self.in_expression = true;
        self.inside(embedded);
        self.in_expression = false;
    }

    fn inside(&mut self, embedded: bool) {
        let mut text: Option<char> = None;
        while let Some(c) = self.rest().chars().next() {
            if embedded && text.is_none() && self.rest().starts_with("}}") {
                self.push(Kind::Bracket, 2);
                return;
            }
            if !embedded && text.is_none() && self.quote == Some(c) {
                self.quote = None;
                self.at += 1;
                return;
            }
            if !embedded && text.is_none() && !self.depth.is_empty() && matches!(c, ',' | '}') {
                return;
            }
            if is_word(c) {
                let length = self.word_length();
                let kind = match (text, c.is_ascii_digit()) {
                    (Some(_), _) => Kind::Literal,
                    (None, true) => Kind::Number,
                    (None, false) => Kind::Name,
                };
                self.push(kind, length);
                continue;
            }
            let operator = OPERATORS.iter().find(|operator| self.rest().starts_with(**operator));
            if let (Some(operator), None) = (operator, text) {
                self.push(Kind::Operator, operator.len());
                continue;
            }
            if c == '\'' || (c == '"' && self.quote != Some('"')) {
                let closes = text == Some(c);
                if closes || text.is_none() {
                    text = if closes { None } else { Some(c) };
                    self.push(Kind::Bracket, 1);
                    continue;
                }
            }
            self.at += c.len_utf8();
        }
    }

    fn push(&mut self, kind: Kind, length: usize) {
        self.found.push(Token {
            kind,
            start: self.base + self.at,
            text: self.rest()[..length].to_owned(),
            in_expression: self.in_expression,
            key: self.key.clone(),
            line: self.number,
            column: self.line[..self.at].chars().count() as u32 + 1,
        });
        self.at += length;
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
