//! Finding `${{ }}` in a text.

use super::{Expr, ParseError};

const OPEN: &str = "${{";

/// A text with expressions in it.
#[derive(Debug, Clone)]
pub(super) enum Text {
    Plain,
    /// Exactly one `${{ }}` and nothing else: its value keeps its type.
    Whole(Placed),
    Mixed(Vec<Part>),
}

#[derive(Debug, Clone)]
pub(super) enum Part {
    Text(String),
    Value(Placed),
}

/// An expression and the character offset of its first character in the text it stands in.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) offset: usize,
    pub(super) expr: Expr,
}

/// Positions of errors are inside `text`.
pub(super) fn parse(text: &str) -> Result<Text, ParseError> {
    if !text.contains(OPEN) {
        return Ok(Text::Plain);
    }
    let (mut parts, mut at) = (Vec::new(), 0);
    while let Some(found) = text[at..].find(OPEN) {
        let (open, inner) = (at + found, at + found + OPEN.len());
        let Some(length) = closing(&text[inner..]) else {
            let message = "`${{` is never closed: write `${{ expression }}`".to_owned();
            return Err(placed_error(text, open, ParseError { line: 1, column: 1, message }));
        };
        let expr = Expr::parse(&text[inner..inner + length]).map_err(|e| placed_error(text, inner, e))?;
        if open > at {
            parts.push(Part::Text(text[at..open].to_owned()));
        }
        parts.push(Part::Value(Placed { offset: text[..inner].chars().count(), expr }));
        at = inner + length + 2;
    }
    if at < text.len() {
        parts.push(Part::Text(text[at..].to_owned()));
    }
    match parts.as_slice() {
        [Part::Value(only)] => Ok(Text::Whole(only.clone())),
        _ => Ok(Text::Mixed(parts)),
    }
}

/// Moves a position inside the expression that begins at byte `start` to one inside the whole text.
fn placed_error(text: &str, start: usize, error: ParseError) -> ParseError {
    let before = &text[..start];
    let lines = before.matches('\n').count() as u32;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) as u32;
    ParseError {
        line: error.line + lines,
        column: if error.line == 1 { error.column + column } else { error.column },
        message: error.message,
    }
}

/// Length in bytes of the expression before its `}}`; braces of maps and everything in quotes belong to it.
fn closing(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let (mut at, mut depth) = (0, 0usize);
    while at < bytes.len() {
        match bytes[at] {
            b'\'' | b'"' => at = end_of_string(bytes, at)?,
            b'{' => depth += 1,
            b'}' if depth == 0 && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Index of the last byte of the CEL string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let quote = bytes[start];
    let raw = start > 0 && matches!(bytes[start - 1], b'r' | b'R');
    let triple = bytes[start..].starts_with(&[quote; 3]);
    let width = if triple { 3 } else { 1 };
    let mut at = start + width;
    while at < bytes.len() {
        if bytes[at] == b'\\' && !raw {
            at += 2;
        } else if bytes[at..].starts_with(&[quote; 3][..width]) {
            return Some(at + width - 1);
        } else {
            at += 1;
        }
    }
    None
}
