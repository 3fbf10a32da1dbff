//! Maps in `{ }`, lists in `[ ]`, quotes and remarks: what does not go by indentation.

use super::{DEPTH_MAX, Data, Entry, Node, Style};

/// The map or list that begins at `start`, as far as it reaches before `boundary`, and where it ends.
pub(super) fn read(text: &str, start: usize, boundary: usize) -> (Node, usize) {
    let mut reader = Reader { text, at: start, boundary: boundary.min(text.len()), depth: 0 };
    let node = reader.value();
    (node, reader.at)
}

/// Behind the closing quote, or at the end of the line where there is none.
pub(super) fn end_of_quoted(text: &str, start: usize, boundary: usize) -> usize {
    let bytes = text.as_bytes();
    let quote = bytes[start];
    let mut at = start + 1;
    while at < boundary {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 1,
            b if b == quote && quote == b'\'' && bytes.get(at + 1) == Some(&quote) => at += 1,
            b if b == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    let line = text[start..boundary].split('\n').next().unwrap_or_default();
    start + line.trim_end_matches('\r').len()
}

/// A plain text without the remark behind it.
pub(super) fn before_remark(line: &str) -> &str {
    line.split(" #").next().unwrap_or_default().trim_end()
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    boundary: usize,
    depth: usize,
}

impl Reader<'_> {
    fn byte(&self) -> Option<u8> {
        (self.at < self.boundary).then(|| self.text.as_bytes()[self.at])
    }

    fn skip_blanks(&mut self) {
        while let Some(byte) = self.byte() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => {
                    while self.byte().is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
    }

    fn value(&mut self) -> Node {
        let start = self.at;
        match self.byte() {
            Some(b'{' | b'[') if self.depth < DEPTH_MAX => self.group(),
            Some(quote @ (b'"' | b'\'')) => {
                self.at = end_of_quoted(self.text, start, self.boundary);
                let style = if quote == b'"' { Style::Double } else { Style::Single };
                Node { span: start..self.at, data: Data::Scalar(style) }
            }
            _ => self.plain(false),
        }
    }

    fn group(&mut self) -> Node {
        let start = self.at;
        let is_map = self.byte() == Some(b'{');
        let close = if is_map { b'}' } else { b']' };
        self.at += 1;
        self.depth += 1;
        let (mut entries, mut items) = (Vec::new(), Vec::new());
        loop {
            self.skip_blanks();
            match self.byte() {
                None => break,
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => {
                    self.at += 1;
                    break;
                }
                // A bracket that closes something else: the one of this group is missing.
                Some(b'}' | b']') => break,
                Some(_) if is_map => entries.push(self.entry()),
                Some(_) => items.push(self.value()),
            }
        }
        self.depth -= 1;
        let data = if is_map { Data::Map(entries) } else { Data::List(items) };
        Node { span: start..self.at, data }
    }

    fn entry(&mut self) -> Entry {
        let quoted = matches!(self.byte(), Some(b'"' | b'\''));
        let start = self.at;
        let node = if quoted { self.value() } else { self.plain(true) };
        let key_span = if quoted && node.span.len() >= 2 { start + 1..node.span.end - 1 } else { node.span };
        let key = self.text.get(key_span.clone()).unwrap_or_default().to_owned();
        if self.at == start {
            // Nothing that could be a key: it is stepped over.
            self.at += self.text[start..].chars().next().map_or(1, char::len_utf8);
        }
        if self.byte() != Some(b':') {
            let value = Node { span: key_span.end..key_span.end, data: Data::Empty };
            return Entry { key, key_span, value, bare: true };
        }
        self.at += 1;
        let behind = self.at;
        while matches!(self.byte(), Some(b' ')) {
            self.at += 1;
        }
        let blank = self.at;
        self.skip_blanks();
        let value = match self.byte() {
            None | Some(b',' | b'}' | b']') => {
                self.at = blank;
                Node { span: behind.max(blank)..blank, data: Data::Empty }
            }
            Some(_) => self.value(),
        };
        Entry { key, key_span, value, bare: false }
    }

    /// Up to what separates values; an expression belongs to it as a whole.
    fn plain(&mut self, is_key: bool) -> Node {
        let start = self.at;
        while let Some(byte) = self.byte() {
            let rest = &self.text[self.at..self.boundary];
            let ends_key = byte == b':' && rest[1..].starts_with([' ', ',', '}', '\n', '\r']) || rest == ":";
            match byte {
                b',' | b'}' | b']' | b'{' | b'[' | b'\n' | b'\r' if !rest.starts_with("{{") => break,
                b':' if is_key && ends_key => break,
                b'$' if rest.starts_with("${{") => {
                    let line = rest.split('\n').next().unwrap_or_default();
                    self.at += line.find("}}").map_or(line.len(), |end| end + 2);
                }
                b'#' if self.text[..self.at].ends_with(' ') => break,
                _ => self.at += rest.chars().next().map_or(1, char::len_utf8),
            }
        }
        let end = start + self.text[start..self.at].trim_end().len();
        if self.at == start {
            // What cannot begin a value must not be read for ever.
            self.at += self.byte().map_or(0, |_| usize::from(!is_key));
        }
        Node { span: start..end, data: Data::Scalar(Style::Plain) }
    }
}
