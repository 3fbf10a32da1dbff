//! The tree of a YAML text that is half typed: by indentation, without a parser that could fail.
//!
//! Whether the text is right is the checker's to say; here every line has a place in the tree. Flow maps and lists
//! are read in `flow`.

mod flow;

use std::ops::Range;

/// Deeper than this is no workflow; what lies there is left out.
const DEPTH_MAX: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outline<'t> {
    pub(super) source: &'t str,
    pub(super) root: Node,
}

/// Bytes of the text, and what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) data: Data,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    Empty,
    Scalar(Style),
    Map(Vec<Entry>),
    List(Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Block,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: Node,
    /// A word that has no colon yet.
    pub(super) bare: bool,
}

/// One step from a node to one below it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way<'o> {
    Key(&'o Entry),
    Item(&'o Node),
}

/// What stands at a byte, and the way there: each holder with the step below it.
#[derive(Debug, Clone)]
pub(super) struct At<'o> {
    pub(super) way: Vec<(&'o Node, Way<'o>)>,
    /// On the last step's key; otherwise on its value.
    pub(super) on_key: bool,
}

impl<'o> At<'o> {
    /// The value at the end of the way.
    pub(super) fn node(&self) -> Option<&'o Node> {
        self.way.last().map(|(_, way)| match way {
            Way::Key(entry) => &entry.value,
            Way::Item(node) => node,
        })
    }

    /// The key that the value belongs to, the list's where it is an item.
    pub(super) fn key(&self) -> Option<&'o str> {
        self.way.iter().rev().find_map(|(_, way)| match way {
            Way::Key(entry) => Some(entry.key.as_str()),
            Way::Item(..) => None,
        })
    }
}

impl Node {
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == name).map(|entry| &entry.value)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn items(&self) -> &[Node] {
        match &self.data {
            Data::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a scalar without its quotes.
    pub(super) fn text<'t>(&self, source: &'t str) -> &'t str {
        let raw = source.get(self.span.clone()).unwrap_or_default();
        match self.data {
            Data::Scalar(Style::Single) => raw.trim_matches('\''),
            Data::Scalar(Style::Double) => raw.trim_matches('"'),
            Data::Scalar(_) => raw,
            _ => "",
        }
    }
}

impl<'t> Outline<'t> {
    pub(super) fn parse(text: &'t str) -> Self {
        let mut parser = Parser { text, at: 0, pending: None, depth: 0 };
        if text.starts_with('\u{FEFF}') {
            parser.at = '\u{FEFF}'.len_utf8();
        }
        let root = parser.node(0);
        Self { source: text, root }
    }

    /// The deepest node at a byte; at its end counts too.
    pub(super) fn at(&self, offset: usize) -> Option<At<'_>> {
        let (mut way, mut node) = (Vec::new(), &self.root);
        loop {
            let below = match &node.data {
                Data::Map(entries) => {
                    let here = |span: &Range<usize>| span.start <= offset && offset <= span.end;
                    let entry = entries.iter().find(|entry| here(&entry.key_span) || here(&entry.value.span));
                    if let Some(entry) = entry.filter(|entry| here(&entry.key_span)) {
                        way.push((node, Way::Key(entry)));
                        return Some(At { way, on_key: true });
                    }
                    entry.map(Way::Key)
                }
                Data::List(items) => {
                    let here = |item: &&Node| item.span.start <= offset && offset <= item.span.end;
                    items.iter().find(here).map(Way::Item)
                }
                Data::Empty | Data::Scalar(_) => None,
            };
            let Some(below) = below else { break };
            way.push((node, below));
            node = match below {
                Way::Key(entry) => &entry.value,
                Way::Item(item) => item,
            };
        }
        (!way.is_empty()).then_some(At { way, on_key: false })
    }

    /// The map of each step, outer ones first, in the order of the file.
    pub(super) fn steps(&self) -> Vec<(&'t str, &Node)> {
        fn walk<'o, 't>(node: &'o Node, source: &'t str, found: &mut Vec<(&'t str, &'o Node)>) {
            if let Some(id) = node.get("id") {
                found.push((id.text(source), node));
            }
            node.entries().iter().for_each(|entry| walk(&entry.value, source, found));
            node.items().iter().for_each(|item| walk(item, source, found));
        }
        let mut found = Vec::new();
        for list in ["steps", "on_failure"] {
            self.root.get(list).iter().for_each(|node| walk(node, self.source, &mut found));
        }
        found
    }
}

struct Parser<'t> {
    text: &'t str,
    /// The beginning of a line.
    at: usize,
    /// Content in the middle of a line, behind a `- `: its byte and column.
    pending: Option<(usize, usize)>,
    depth: usize,
}

impl<'t> Parser<'t> {
    /// The next line that says something: its first byte and column.
    fn peek(&mut self) -> Option<(usize, usize)> {
        if let Some(pending) = self.pending {
            return Some(pending);
        }
        while self.at < self.text.len() {
            let line = self.line(self.at);
            let content = line.trim_start_matches([' ', '\t']);
            if !content.is_empty() && !content.starts_with('#') && content != "---" {
                let column = line.len() - content.len();
                return Some((self.at + column, column));
            }
            self.next_line(self.at);
        }
        None
    }

    /// From a byte to the end of its line.
    fn line(&self, from: usize) -> &'t str {
        let rest = &self.text[from..];
        rest.split('\n').next().unwrap_or_default().trim_end_matches('\r')
    }

    fn next_line(&mut self, from: usize) {
        self.pending = None;
        self.at = self.text[from..].find('\n').map_or(self.text.len(), |at| from + at + 1);
    }

    fn empty(&self, at: usize) -> Node {
        let at = at.min(self.text.len());
        Node { span: at..at, data: Data::Empty }
    }

    /// What stands at this column or further in.
    fn node(&mut self, column_min: usize) -> Node {
        let Some((start, column)) = self.peek() else { return self.empty(self.at) };
        if column < column_min {
            return self.empty(self.at);
        }
        if self.depth >= DEPTH_MAX {
            self.skip_deeper(column);
            return self.empty(start);
        }
        self.depth += 1;
        let line = self.line(start);
        let node = if is_item(line) {
            self.list(column)
        } else if key_of(line).is_some() {
            self.map(column)
        } else {
            self.value(start, column_min.saturating_sub(1), column_min > 0)
        };
        self.depth -= 1;
        node
    }

    fn skip_deeper(&mut self, column: usize) {
        while let Some((start, next)) = self.peek() {
            if next < column {
                break;
            }
            self.next_line(start);
        }
    }

    fn map(&mut self, column: usize) -> Node {
        let mut entries = Vec::new();
        let (first, mut end) = (self.peek().map_or(self.at, |(start, _)| start), 0);
        while let Some((start, here)) = self.peek() {
            let line = self.line(start);
            if here > column {
                // Indented too far for this map and for what stands before it.
                self.next_line(start);
                continue;
            }
            if here < column || is_item(line) {
                break;
            }
            let entry = match key_of(line) {
                Some(key) => self.entry(start, column, &key),
                None => {
                    let word = line.split(" #").next().unwrap_or_default().trim_end();
                    self.next_line(start);
                    let span = start..start + word.len();
                    Entry { key: word.to_owned(), value: self.empty(span.end), key_span: span, bare: true }
                }
            };
            end = entry.value.span.end.max(entry.key_span.end);
            entries.push(entry);
        }
        Node { span: first..end.max(first), data: Data::Map(entries) }
    }

    fn entry(&mut self, start: usize, column: usize, key: &KeyText) -> Entry {
        let line = self.line(start);
        let rest = line[key.length..].trim_start_matches(' ');
        let value_at = start + line.len() - rest.len();
        let value = if rest.is_empty() || rest.starts_with('#') {
            self.next_line(start);
            match self.peek() {
                Some((_, below)) if below > column => self.node(column + 1),
                Some((at, below)) if below == column && is_item(self.line(at)) => self.node(column),
                _ => self.empty(value_at),
            }
        } else {
            self.value(value_at, column, true)
        };
        let key_start = start + key.name_at;
        Entry { key: key.name.clone(), key_span: key_start..key_start + key.name.len(), value, bare: false }
    }

    fn list(&mut self, column: usize) -> Node {
        let mut items: Vec<Node> = Vec::new();
        let first = self.peek().map_or(self.at, |(start, _)| start);
        while let Some((start, here)) = self.peek() {
            let line = self.line(start);
            if here > column {
                self.next_line(start);
                continue;
            }
            if here < column {
                break;
            }
            if !is_item(line) {
                // A word at the place of an item, whose dash is still to come.
                if key_of(line).is_some() {
                    break;
                }
                self.next_line(start);
                items.push(Node { span: start..start + line.len(), data: Data::Scalar(Style::Plain) });
                continue;
            }
            let rest = line[1..].trim_start_matches(' ');
            let inner = start + line.len() - rest.len();
            if rest.is_empty() || rest.starts_with('#') {
                self.next_line(start);
                let below = self.peek().is_some_and(|(_, below)| below > column);
                items.push(if below { self.node(column + 1) } else { self.empty(inner) });
            } else {
                self.pending = Some((inner, column + inner - start));
                items.push(self.node(column + 1));
            }
        }
        let end = items.last().map_or(first, |item| item.span.end);
        Node { span: first..end.max(first), data: Data::List(items) }
    }

    /// A value that begins here, behind a key or a dash or below one.
    fn value(&mut self, start: usize, column: usize, is_inner: bool) -> Node {
        let line = self.line(start);
        match line.as_bytes().first() {
            Some(b'|' | b'>') => self.block(start, column, is_inner),
            Some(quote @ (b'"' | b'\'')) => {
                let style = if *quote == b'"' { Style::Double } else { Style::Single };
                let end = flow::end_of_quoted(self.text, start, self.boundary(start, column, is_inner));
                self.next_line(end);
                Node { span: start..end, data: Data::Scalar(style) }
            }
            Some(b'{' | b'[') => {
                let boundary = self.boundary(start, column, is_inner);
                let (node, end) = flow::read(self.text, start, boundary);
                self.next_line(end);
                node
            }
            _ => self.plain(start, column),
        }
    }

    /// Where the lines end that may belong to a value begun at `start`.
    fn boundary(&self, start: usize, column: usize, is_inner: bool) -> usize {
        let mut at = start;
        loop {
            let end = at + self.text[at..].find('\n').unwrap_or(self.text.len() - at);
            let next = (end + 1).min(self.text.len());
            let line = self.line(next);
            let content = line.trim_start_matches(' ');
            let indent = line.len() - content.len();
            let closes = content.starts_with(['}', ']']);
            let belongs = content.is_empty() || closes || indent > column || !is_inner;
            if next >= self.text.len() || !belongs {
                return end;
            }
            at = next;
        }
    }

    fn plain(&mut self, start: usize, column: usize) -> Node {
        let mut end = start + flow::before_remark(self.line(start)).len();
        self.next_line(start);
        while let Some((at, here)) = self.peek() {
            let line = self.line(at);
            if here <= column || is_item(line) || key_of(line).is_some() {
                break;
            }
            end = at + flow::before_remark(line).len();
            self.next_line(at);
        }
        Node { span: start..end, data: Data::Scalar(Style::Plain) }
    }

    fn block(&mut self, start: usize, column: usize, is_inner: bool) -> Node {
        self.next_line(start);
        let mut end = start + self.line(start).len();
        while self.at < self.text.len() {
            let line = self.line(self.at);
            let content = line.trim_start_matches(' ');
            if !content.is_empty() {
                if is_inner && line.len() - content.len() <= column {
                    break;
                }
                end = self.at + line.len();
            }
            self.next_line(self.at);
        }
        Node { span: start..end, data: Data::Scalar(Style::Block) }
    }
}

struct KeyText {
    name: String,
    /// Where the name begins, behind a quote.
    name_at: usize,
    /// With its colon.
    length: usize,
}

fn is_item(line: &str) -> bool {
    line == "-" || line.starts_with("- ")
}

/// The key that a line begins with.
fn key_of(line: &str) -> Option<KeyText> {
    let ends =
        |rest: &str| rest.strip_prefix(':').is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    if let Some(quote) = line.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let (name, rest) = line[1..].split_once(quote)?;
        return ends(rest).then(|| KeyText { name: name.to_owned(), name_at: 1, length: name.len() + 3 });
    }
    let is_name = |c: char| !c.is_whitespace() && !"{}[],#&*!|>'\"%@`".contains(c);
    let length = line.char_indices().find(|(at, c)| !is_name(*c) || (*c == ':' && ends(&line[*at..])));
    let (length, _) = length?;
    let is_key = length > 0 && ends(&line[length..]);
    is_key.then(|| KeyText { name: line[..length].to_owned(), name_at: 0, length: length + 1 })
}

#[cfg(test)]
mod tests;
