//! YAML text to a small tree in which every scalar and key knows its place. Hides the YAML parser.
//!
//! Refuses what YAML does behind an author's back: tags (`if: !event.planned` is one), anchors,
//! aliases, duplicate keys, tabs and several documents. What a scalar means is the decoder's business.

use super::{
    Place,
    problem::{Problem, Severity},
};
use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, ScanError, Span};
use std::{borrow::Cow, collections::HashSet};

/// A parsed file.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// By character, because places count characters.
    source: Vec<char>,
    /// Where each line begins, in characters.
    starts: Vec<usize>,
    pub root: Node,
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub place: Place,
    pub data: Data,
}

#[derive(Debug, Clone)]
pub(crate) enum Data {
    Scalar(Scalar),
    Map(Vec<(Key, Node)>),
    List(Vec<Node>),
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub name: String,
    pub place: Place,
}

#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub text: String,
    pub style: Style,
    /// Where it stands in the source, in characters; a block scalar begins after its header.
    start: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Block,
}

impl Node {
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        let Data::Map(entries) = &self.data else { return None };
        entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// The node at a JSON pointer below this one.
    pub(crate) fn at(&self, pointer: &str) -> Option<&Node> {
        pointer.split('/').skip(1).try_fold(self, |node, part| {
            let name = part.replace("~1", "/").replace("~0", "~");
            match &node.data {
                Data::Map(_) => node.get(&name),
                Data::List(items) => items.get(name.parse::<usize>().ok()?),
                Data::Scalar(_) => None,
            }
        })
    }

    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.data {
            Data::Scalar(scalar) => Some(scalar),
            Data::Map(_) | Data::List(_) => None,
        }
    }
}

impl Document {
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let source: Vec<char> = text.chars().collect();
        let mut reader =
            Reader { path, text, parser: parser(text), problems: tabs(path, text), is_item: false };
        reader.problems.extend(turned(path, text));
        // A tab makes everything after it misread, so it is the only thing worth saying.
        if !reader.problems.is_empty() {
            return Err(reader.problems);
        }
        match reader.document() {
            Ok(Some(root)) if reader.problems.is_empty() => {
                let ends = source.iter().enumerate().filter(|(_, c)| **c == '\n');
                let starts = [0].into_iter().chain(ends.map(|(at, _)| at + 1)).collect();
                Ok(Self { source, starts, root })
            }
            Ok(Some(_)) => Err(reader.problems),
            Ok(None) => {
                reader.problem(
                    Place { line: 1, column: 1 },
                    "the file is empty",
                    "begin with `workflow: an_id`",
                );
                Err(reader.problems)
            }
            Err(error) => {
                reader.scan_error(&error);
                Err(reader.problems)
            }
        }
    }

    /// The place in the file of the character at `offset` in a scalar's text.
    pub(crate) fn place_in(&self, scalar: &Scalar, offset: usize) -> Place {
        let end = scalar.end.min(self.source.len());
        let mut at = scalar.start.min(end);
        if matches!(scalar.style, Style::SingleQuoted | Style::DoubleQuoted) {
            at += 1;
        }
        let mut last = at;
        for wanted in scalar.text.chars().take(offset + 1) {
            (last, at) = self.align(scalar.style, wanted, at, end);
        }
        if offset >= scalar.text.chars().count() {
            last = at;
        }
        self.place_of(last.min(self.source.len()))
    }

    /// Position of `wanted` at or after `at`, and where to go on.
    fn align(&self, style: Style, wanted: char, mut at: usize, end: usize) -> (usize, usize) {
        let space = |i: usize| self.source.get(i).is_some_and(|c| c.is_whitespace());
        if wanted.is_whitespace() && (style != Style::DoubleQuoted || self.source.get(at) != Some(&'\\')) {
            return (at, if at < end && space(at) { at + 1 } else { at });
        }
        while at < end && space(at) && !wanted.is_whitespace() {
            at += 1;
        }
        let width = match (style, self.source.get(at), self.source.get(at + 1)) {
            (Style::SingleQuoted, Some('\''), Some('\'')) => 2,
            (Style::DoubleQuoted, Some('\\'), Some('x')) => 4,
            (Style::DoubleQuoted, Some('\\'), Some('u')) => 6,
            (Style::DoubleQuoted, Some('\\'), Some('U')) => 10,
            (Style::DoubleQuoted, Some('\\'), Some(_)) => 2,
            _ => 1,
        };
        (at, at + width)
    }

    fn place_of(&self, index: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= index);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        Place { line: line as u32, column: (index - start) as u32 + 1 }
    }

    /// Whether a `,` of a flow map or list ends this scalar, where quotes would have kept it going.
    pub(crate) fn is_cut_by_comma(&self, scalar: &Scalar) -> bool {
        scalar.style == Style::Plain && self.source.get(scalar.end) == Some(&',')
    }

    /// The `#…` that ends a plain scalar early, when it does not look like a remark.
    pub(crate) fn comment_glued_to(&self, scalar: &Scalar) -> Option<String> {
        if scalar.style != Style::Plain {
            return None;
        }
        let rest: String = self.source.get(scalar.end..)?.iter().take_while(|c| **c != '\n').collect();
        let remark = rest.trim_start_matches(' ').strip_prefix('#')?;
        let glued = rest.starts_with(" #") && remark.starts_with(|c: char| !c.is_whitespace() && c != '#');
        glued.then(|| format!("#{}", remark.trim_end()))
    }
}

type TextParser<'t> = Parser<'t, granit_parser::StrInput<'t>>;

fn parser(text: &str) -> TextParser<'_> {
    let options = granit_parser::options! { emit_unresolved_aliases: true, disallow_directives: true };
    Parser::new_from_str_with_options(text, options)
}

struct Reader<'t> {
    path: &'t str,
    text: &'t str,
    parser: TextParser<'t>,
    problems: Vec<Problem>,
    /// What comes next is an item of a list.
    is_item: bool,
}

type Next<'t> = Option<(Event<'t>, Span)>;

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Next<'t>, ScanError> {
        self.parser.next().transpose()
    }

    fn document(&mut self) -> Result<Option<Node>, ScanError> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    self.problem(place(&span), "a file holds one document", "remove `---` and what follows");
                    return Ok(root);
                }
                Event::DocumentStart(..) => {}
                event => root = Some(self.node(event, &span)?),
            }
        }
        Ok(root)
    }

    fn node(&mut self, event: Event<'t>, span: &Span) -> Result<Node, ScanError> {
        let place = place(span);
        let is_item = std::mem::take(&mut self.is_item);
        let data = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(span, anchor, tag.is_some());
                Data::Scalar(scalar(text, style, span))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_of_group(span, anchor, tag.is_some());
                self.list()?
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_of_group(span, anchor, tag.is_some());
                self.map(is_item)?
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let fix = "write out here what it stands for; a text that begins with `*` goes in quotes";
                self.problem(place, "`*` is a YAML alias", fix);
                Data::Scalar(scalar(Cow::Borrowed(""), ScalarStyle::Plain, span))
            }
            _ => Data::Scalar(scalar(Cow::Borrowed(""), ScalarStyle::Plain, span)),
        };
        Ok(Node { place, data })
    }

    fn list(&mut self) -> Result<Data, ScanError> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            self.is_item = true;
            items.push(self.node(event, &span)?);
        }
        Ok(Data::List(items))
    }

    fn map(&mut self, is_item: bool) -> Result<Data, ScanError> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.node(event, &span)?;
            let name = match key.data {
                Data::Scalar(scalar) => scalar.text,
                Data::Map(_) if self.has_brace_before(key.place) => {
                    let fix = "write a value as \"${{ x }}\": with its `$`, and in quotes";
                    self.problem(key.place, "`{{ }}` without its `$` is no value", fix);
                    String::new()
                }
                Data::Map(_) | Data::List(_) => {
                    self.problem(
                        key.place,
                        "a key must be a word",
                        "put a value that begins with `{` in quotes",
                    );
                    String::new()
                }
            };
            let Some((event, span)) = self.next()? else { break };
            let value = self.node(event, &span)?;
            if !seen.insert(name.clone()) {
                let message = format!("`{name}` stands here twice");
                let fix = match is_item {
                    true => "keep one of them; where the next item of the list begins, write `- ` before it",
                    false => "keep one of them",
                };
                self.problem(key.place, message, fix);
                continue;
            }
            entries.push((Key { name, place: key.place }, value));
        }
        Ok(Data::Map(entries))
    }

    fn has_brace_before(&self, place: Place) -> bool {
        let line = self.text.lines().nth(place.line.saturating_sub(1) as usize).unwrap_or_default();
        let before = place.column.checked_sub(2).and_then(|at| line.chars().nth(at as usize));
        before == Some('{')
    }

    fn refuse(&mut self, span: &Span, anchor: usize, tagged: bool) {
        if tagged {
            let at = span.tag_start().map_or(place(span), |marker| place_of(&marker));
            self.problem(at, "`!` begins a YAML tag here, not a negation", "put the expression in quotes");
        } else if anchor != 0 {
            self.problem(place(span), "`&` begins a YAML anchor here", "put the expression in quotes");
        }
    }

    /// Of a group of keys or a list, which quotes would turn into a text.
    fn refuse_of_group(&mut self, span: &Span, anchor: usize, tagged: bool) {
        if tagged || anchor == 0 {
            return self.refuse(span, anchor, tagged);
        }
        let fix = "remove the name behind `&`, and write the same out wherever it is needed";
        self.problem(place(span), "`&` begins a YAML anchor here", fix);
    }

    fn scan_error(&mut self, error: &ScanError) {
        let at = place_of(error.marker());
        let line = self.text.lines().nth(at.line.saturating_sub(1) as usize).unwrap_or_default();
        let value = line.split_once(": ").map_or(line, |(_, value)| value).trim_start_matches(['-', ' ']);
        let fix = match value.chars().next() {
            _ if line.contains('\u{a0}') => {
                "there is a no-break space in this line: indent with ordinary spaces"
            }
            _ if line.starts_with('%') => "remove this line",
            Some('!' | '&' | '*' | '@' | '`') => "put the expression in quotes",
            _ if error.info().contains("flow") => {
                "inside `{ }` and `[ ]`, put expressions and texts in quotes"
            }
            _ if value.contains(": ") => "put text that holds `: ` in quotes",
            _ => "check the indentation and the quotes of this line and the one before",
        };
        let (message, fix) = match error.info() {
            info if info.contains("expected '-' indicator") => {
                ("this line begins in another column than the keys before it".to_owned(), fix)
            }
            info if info.contains("expected ':'") => (
                "`: ` is missing behind this key".to_owned(),
                "write `key: value`, with a space behind the colon",
            ),
            info if info.contains("quoted scalar") || info.contains("unclosed quote") => {
                let fix = "close it, or indent what belongs to the text";
                return match open_quote(self.text, at.line) {
                    Some(opened) => self.problem(opened, "this quote is not closed", fix),
                    None => self.problem(at, "the quote before is not closed", fix),
                };
            }
            info if info.contains("mapping values are not allowed") => {
                ("a `: ` cannot stand here".to_owned(), fix)
            }
            info => (format!("not valid YAML: {info}"), fix),
        };
        self.problem(at, message, fix);
    }

    fn problem(&mut self, place: Place, message: impl Into<String>, fix: &str) {
        self.problems.push(syntax(self.path, place, message.into(), fix));
    }
}

fn syntax(path: &str, place: Place, message: String, fix: &str) -> Problem {
    Problem {
        code: "T001",
        severity: Severity::Error,
        path: path.to_owned(),
        place,
        message,
        fix: Some(fix.to_owned()),
    }
}

/// The double quote that is still open at the end of this line, by what most people write: one that opens a value and does not
/// end in its own line ends in the next line with an odd one.
fn open_quote(text: &str, line: u32) -> Option<Place> {
    let mut open = None;
    for (number, line) in (1..=line).zip(text.lines()) {
        let is_remark = line.trim_start().starts_with('#');
        let code = if is_remark { "" } else { line.split(" #").next().unwrap_or(line) };
        let quotes: Vec<usize> =
            code.match_indices('"').map(|(at, _)| at).filter(|at| !code[..*at].ends_with('\\')).collect();
        let opens = |at: usize| {
            let before = code[..at].trim_end();
            before.is_empty() || before.ends_with([':', '-', ',', '[', '{'])
        };
        if let (Some(last), 1) = (quotes.last(), quotes.len() % 2)
            && (open.is_some() || opens(*last))
        {
            let column = code[..*last].chars().count() as u32 + 1;
            open = if open.is_none() { Some(Place { line: number, column }) } else { None };
        }
    }
    open
}

fn tabs(path: &str, text: &str) -> Vec<Problem> {
    let indented = |line: &str| line.find(|c: char| c != ' ').filter(|at| line[*at..].starts_with('\t'));
    text.lines()
        .zip(1..)
        .filter_map(|(line, number)| {
            let place = Place { line: number, column: indented(line)? as u32 + 1 };
            Some(syntax(path, place, "a tab indents this line".to_owned(), "indent with spaces"))
        })
        .collect()
}

/// Characters that show a text in another order than it is read in.
fn turned(path: &str, text: &str) -> Option<Problem> {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let at = text.find(turns)?;
    let line = text[..at].rsplit('\n').next().unwrap_or_default();
    let number = text[..at].matches('\n').count() as u32 + 1;
    let place = Place { line: number, column: line.chars().count() as u32 + 1 };
    let message = "an invisible character turns the text around here".to_owned();
    Some(syntax(path, place, message, "remove it, or write it as an escape in double quotes"))
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, span: &Span) -> Scalar {
    let style = match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    };
    let (start, end) = (span.start.index(), span.end.index());
    // The parser writes `~` for what is not there.
    let text = if style == Style::Plain && start == end { String::new() } else { text.into_owned() };
    Scalar { text, style, start, end }
}

fn place(span: &Span) -> Place {
    place_of(&span.start)
}

fn place_of(marker: &granit_parser::Marker) -> Place {
    Place { line: marker.line().max(1) as u32, column: marker.col() as u32 + 1 }
}

#[cfg(test)]
mod tests;
