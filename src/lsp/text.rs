//! A document as an editor holds it: bytes here, lines and UTF-16 units there, lines and characters in findings.

use crate::workflow::Place;
use gen_lsp_types::{Position, Range};
use std::ops;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    text: String,
    /// Where each line begins, in bytes. `\n`, `\r\n` and `\r` end one, as the protocol says.
    starts: Vec<usize>,
    /// The same for findings, whose lines end with `\n` only.
    lines: Vec<usize>,
}

impl Text {
    pub(super) fn new(text: String) -> Self {
        let bytes = text.as_bytes();
        let ends = |at: usize| match bytes[at] {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        let starts =
            [0].into_iter().chain((0..bytes.len()).filter(|at| ends(*at)).map(|at| at + 1)).collect();
        let lines = [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts, lines }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The line at this number, from 0, without its end.
    fn line(&self, number: usize) -> Option<(usize, &str)> {
        let start = *self.starts.get(number)?;
        let end = self.starts.get(number + 1).copied().unwrap_or(self.text.len());
        Some((start, self.text[start..end].trim_end_matches(['\n', '\r'])))
    }

    /// The byte at a position; one beyond a line's end is its end, one beyond the last line the text's.
    pub(super) fn offset(&self, position: Position) -> usize {
        let Some((start, line)) = self.line(position.line as usize) else { return self.text.len() };
        let mut units = 0;
        for (at, character) in line.char_indices() {
            if units >= position.character {
                return start + at;
            }
            units += character.len_utf16() as u32;
        }
        start + line.len()
    }

    pub(super) fn position(&self, offset: usize) -> Position {
        let offset = floor(&self.text, offset);
        let number = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts[number];
        let units: usize = self.text[start..offset].chars().map(char::len_utf16).sum();
        Position { line: number as u32, character: units as u32 }
    }

    pub(super) fn range(&self, bytes: ops::Range<usize>) -> Range {
        Range { start: self.position(bytes.start), end: self.position(bytes.end) }
    }

    /// The byte at a place of a finding, which counts lines and characters from 1.
    pub(super) fn at_place(&self, place: Place) -> usize {
        let number = place.line.saturating_sub(1) as usize;
        let Some(start) = self.lines.get(number).copied() else { return self.text.len() };
        let line = self.text[start..].split('\n').next().unwrap_or_default();
        let column = place.column.saturating_sub(1) as usize;
        start + line.char_indices().nth(column).map_or(line.len(), |(at, _)| at)
    }

    /// Replaces a range, or everything.
    pub(super) fn change(&mut self, range: Option<Range>, new: &str) {
        let Some(range) = range else {
            *self = Self::new(new.to_owned());
            return;
        };
        let (a, b) = (self.offset(range.start), self.offset(range.end));
        let mut text = std::mem::take(&mut self.text);
        text.replace_range(a.min(b)..a.max(b), new);
        *self = Self::new(text);
    }
}

/// The nearest boundary of characters at or before.
pub(super) fn floor(text: &str, mut offset: usize) -> usize {
    offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn positions_count_utf16_units() {
        let text = Text::new("a: ü😀x\r\nb: \u{1F1E9}\u{1F1EA}y\rc\n".to_owned());
        for (position, rest) in [
            (at(0, 3), "ü😀x"),
            (at(0, 4), "😀x"),
            (at(0, 6), "x"),
            (at(0, 7), ""),
            (at(1, 7), "y"),
            (at(2, 0), "c"),
            (at(3, 0), ""),
        ] {
            let offset = text.offset(position);
            assert!(text.as_str()[offset..].starts_with(rest), "{position:?}");
            assert_eq!(text.position(offset), position);
        }
        assert_eq!(text.offset(at(0, 99)), 10, "beyond the line's end is its end");
        assert_eq!(text.offset(at(99, 0)), text.as_str().len());
        assert_eq!(text.offset(at(0, 5)), text.offset(at(0, 6)), "inside of a surrogate pair is after it");
    }

    #[test]
    fn places_of_findings_count_characters() {
        let text = Text::new("\u{FEFF}a: ü\r\nb: 😀 x\r\n".to_owned());
        let offset = text.at_place(Place { line: 2, column: 6 });
        assert_eq!(&text.as_str()[offset..=offset], "x");
        assert_eq!(text.position(offset), at(1, 6));
    }

    #[test]
    fn changes_are_applied_where_they_are_made() {
        let mut text = Text::new("one\ntwö\nthree".to_owned());
        text.change(Some(Range { start: at(1, 2), end: at(1, 3) }), "o");
        text.change(Some(Range { start: at(9, 9), end: at(9, 9) }), "!");
        assert_eq!(text.as_str(), "one\ntwo\nthree!");
        text.change(None, "new");
        assert_eq!(text.as_str(), "new");
    }
}
