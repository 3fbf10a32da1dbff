//! Which names an expression may see where it stands, also while the text around it is half typed.

use super::{
    MARKER,
    context::{Context, FileKind},
    outline::{At, Data, Node, Outline, Style, Way},
};
use crate::{
    expr::{Type, Types},
    workflow::{Bundle, Spot},
};
use std::ops::Range;

/// An expression in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// As CEL reads it: without the quotes and escapes of YAML.
    pub(super) source: String,
    /// The cursor, in bytes of the source.
    pub(super) cursor: usize,
    /// Where it begins in the document.
    pub(super) start: usize,
}

/// The expression around a byte of a scalar: all of it when it is one, else what stands in `${{ }}`.
pub(super) fn expression_at(text: &str, node: &Node, offset: usize, is_bare: bool) -> Option<Written> {
    let Data::Scalar(style) = node.data else { return None };
    let raw = text.get(node.span.clone())?;
    let cursor = offset.checked_sub(node.span.start).filter(|at| *at <= raw.len())?;
    let range = match last_open(&raw[..cursor]) {
        Some(open) => open..raw[open..].find("}}").map_or(raw.len(), |end| open + end),
        None if is_bare => inner(raw, style),
        None => return None,
    };
    if !(range.start..=range.end).contains(&cursor) {
        return None;
    }
    let (before, behind) = (&raw[range.start..cursor], &raw[cursor..range.end]);
    let before = unescaped(before, style);
    let source = before.clone() + &unescaped(behind, style);
    Some(Written { cursor: before.len(), source, start: node.span.start + range.start })
}

/// Behind the `${{` that is open at the end.
fn last_open(before: &str) -> Option<usize> {
    let open = before.rfind("${{")? + 3;
    (!before[open..].contains("}}")).then_some(open)
}

fn inner(raw: &str, style: Style) -> Range<usize> {
    let closes = |quote: char| raw.len() > 1 && raw.ends_with(quote);
    match style {
        Style::Plain => 0..raw.len(),
        Style::Single => 1..raw.len() - usize::from(closes('\'')),
        Style::Double => 1..raw.len() - usize::from(closes('"')),
        Style::Block => raw.find('\n').map_or(raw.len(), |at| at + 1)..raw.len(),
    }
}

fn unescaped(raw: &str, style: Style) -> String {
    match style {
        Style::Single => raw.replace("''", "'"),
        Style::Double => raw.replace("\\\"", "\""),
        Style::Plain | Style::Block => raw.to_owned(),
    }
}

/// The names at the scalar that `at` leads to, whose bytes in the document are `span`.
pub(super) fn names_at(
    context: &Context<'_>,
    outline: &Outline<'_>,
    at: &At<'_>,
    span: Range<usize>,
) -> Types {
    let marker = match context.is_expression(outline, at) {
        true => MARKER.to_owned(),
        false => format!("\"${{{{ {MARKER} }}}}\""),
    };
    let start = span.start;
    let found = probed(context, span, &marker)
        .or_else(|| remembered(context, outline, at, start))
        .or_else(|| truncated(context, start));
    let mut types = found.unwrap_or_else(nothing_known);
    // What the last good version cannot tell of a place that is new.
    if let Some(event) = awaited(outline, at) {
        types.entry("event".to_owned()).or_insert_with(|| context.plant.library.events().type_of(event));
    }
    types
}

/// With a name of our own at this place, the rest may compile.
fn probed(context: &Context<'_>, span: Range<usize>, marker: &str) -> Option<Types> {
    let mut probe = context.text.as_str().to_owned();
    probe.replace_range(span, marker);
    let folder = &context.plant.site.folder;
    let bundle = if FileKind::of(context.path) == FileKind::Workflow {
        Bundle::unsaved(folder, context.path, probe, context.unsaved)
    } else {
        let user = context.user()?;
        let path = &user.bundle.path;
        let text = context.unsaved.get(path).or_else(|| user.bundle.files.get(path))?;
        let mut unsaved = context.unsaved.clone();
        unsaved.insert(context.path.to_owned(), probe);
        Bundle::unsaved(folder, path, text.clone(), &unsaved)
    };
    context.names_in(bundle, &Spot::Expression(MARKER.to_owned()))
}

/// What the last version that compiled saw at this step, or after the one before.
fn remembered(context: &Context<'_>, outline: &Outline<'_>, at: &At<'_>, offset: usize) -> Option<Types> {
    let good = context.good?;
    if matches!(at.way.first(), Some((_, Way::Key(entry))) if entry.key == "trigger") {
        return context.names(good, &Spot::Trigger);
    }
    let around = at.way.iter().rev().filter_map(|(holder, _)| holder.get("id"));
    for id in around {
        let spot = Spot::Before(id.text(outline.source).to_owned());
        if let Some(types) = context.names(good, &spot) {
            return Some(types);
        }
    }
    let steps = outline.steps();
    let before = steps.iter().rev().filter(|(_, node)| node.span.start < offset);
    before.filter_map(|(id, _)| context.names(good, &Spot::After((*id).to_owned()))).next()
}

/// What can be seen after the steps above this one, in a file that never compiled.
fn truncated(context: &Context<'_>, offset: usize) -> Option<Types> {
    let text = context.text.as_str();
    let outline = Outline::parse(text);
    let items = outline.root.get("steps")?.items();
    let line_start = |at: usize| text[..at].rfind('\n').map_or(0, |end| end + 1);
    let head = line_start(items.first()?.span.start);
    let indent = text[head..].find('-')?;
    let end =
        items.iter().take_while(|item| item.span.end < offset).last().map_or(head, |item| item.span.end);
    let indent = " ".repeat(indent);
    let probe =
        format!("{}\n{indent}- {{ id: {MARKER}, if: {MARKER}, end: {MARKER} }}\n", text[..end].trim_end());
    let bundle = Bundle::unsaved(&context.plant.site.folder, context.path, probe, context.unsaved);
    context.names_in(bundle, &Spot::Expression(MARKER.to_owned()))
}

fn nothing_known() -> Types {
    ["trigger", "inputs", "steps", "site", "now"].map(|name| (name.to_owned(), Type::Any)).into()
}

/// The event that a `where` here looks at.
fn awaited<'t>(outline: &Outline<'t>, at: &At<'_>) -> Option<&'t str> {
    let (holder, Way::Key(entry)) = at.way.last()? else { return None };
    let event = ["wait", "event"].iter().find_map(|name| holder.get(name))?;
    (entry.key == "where").then(|| event.text(outline.source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, is_bare: bool) -> Option<(String, usize)> {
        let offset = text.find('¦').expect("a cursor");
        let text = text.replace('¦', "");
        let outline = Outline::parse(&text);
        let at = outline.at(offset).expect("a place");
        let found = expression_at(&text, at.node().expect("a value"), offset, is_bare)?;
        Some((found.source, found.cursor))
    }

    #[test]
    fn an_expression_is_read_without_the_quotes_of_yaml() {
        for (text, is_bare, expected) in [
            ("if: a.b == ¦'c'", true, Some(("a.b == 'c'", 7))),
            ("if: 'a == ''b'' && c.¦'", true, Some(("a == 'b' && c.", 14))),
            ("if: \"a == \\\"b\\\" && ¦c\"", true, Some(("a == \"b\" && c", 12))),
            ("if: |\n  a.b ==\n  ¦c", true, Some(("  a.b ==\n  c", 11))),
            ("x: it is ${{ a.¦ }} here", false, Some((" a. ", 3))),
            ("x: it is ${{ a }} ¦here", false, None),
            ("x: it is ${{ a }} and ${{ b¦", false, Some((" b", 2))),
            ("x: pl¦ain", false, None),
            ("x: { y: \"${{ a.¦ }}\", z: 1 }", false, Some((" a. ", 3))),
        ] {
            assert_eq!(written(text, is_bare), expected.map(|(s, at)| (s.to_owned(), at)), "{text}");
        }
    }
}
