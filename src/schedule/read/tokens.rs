//! The numbers of a text file with their places, for messages.

use super::ReadError;

#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'t> {
    pub(super) text: &'t str,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Token<'_> {
    pub(super) fn number(&self) -> Result<i64, ReadError> {
        self.text.parse().map_err(|_| ReadError::NotANumber {
            line: self.line,
            column: self.column,
            token: self.text.chars().take(40).collect(),
        })
    }

    pub(super) fn within(&self, what: &'static str, low: i64, high: i64) -> Result<i64, ReadError> {
        let value = self.number()?;
        if (low..=high).contains(&value) {
            return Ok(value);
        }
        let (line, column, rule) = (self.line, self.column, format!("{low} to {high}"));
        Err(ReadError::OutOfRange { line, column, value, what, rule })
    }
}

/// The tokens of every line that has any; lines that start with `#` are remarks.
pub(super) fn lines(text: &str) -> Vec<Vec<Token<'_>>> {
    let lines = text.lines().enumerate().map(|(line, text)| tokens(line + 1, text));
    lines.filter(|tokens| !tokens.is_empty()).collect()
}

fn tokens(line: usize, text: &str) -> Vec<Token<'_>> {
    if text.trim_start().starts_with('#') {
        return Vec::new();
    }
    let column = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize + 1;
    text.split_whitespace().map(|part| Token { text: part, line, column: column(part) }).collect()
}

/// Reads numbers one after the other, whatever the lines.
pub(super) struct Stream<'a, 't> {
    tokens: &'a [Token<'t>],
    at: usize,
}

impl<'a, 't> Stream<'a, 't> {
    pub(super) fn new(tokens: &'a [Token<'t>]) -> Self {
        Self { tokens, at: 0 }
    }

    pub(super) fn next(&mut self, what: &str) -> Result<Token<'t>, ReadError> {
        let token = self.tokens.get(self.at).copied();
        self.at += 1;
        let line = self.tokens.last().map_or(1, |token| token.line);
        token.ok_or_else(|| ReadError::Ends { line, what: what.to_owned() })
    }

    pub(super) fn rest(&self) -> &'a [Token<'t>] {
        &self.tokens[self.at.min(self.tokens.len())..]
    }
}
