//! What people write in a template that does not parse: a comparison as in an expression, and a block that is not closed.

use super::bounds;

/// Comparisons of expressions, the longer ones first, and what stands for them in a template.
const COMPARISONS: [(&str, &str); 8] = [
    ("==", "eq"),
    ("!=", "ne"),
    (">=", "gte"),
    ("<=", "lte"),
    ("&&", "and"),
    ("||", "or"),
    (">", "gt"),
    ("<", "lt"),
];

/// What was probably meant by a template that does not parse.
#[derive(Debug)]
pub(super) struct Slip {
    /// The byte where it stands.
    pub at: usize,
    pub message: String,
    pub fix: String,
}

/// One tag, without its braces.
struct Tag<'t> {
    start: usize,
    inside: &'t str,
    inside_at: usize,
}

pub(super) fn slip(text: &str) -> Option<Slip> {
    let tags = tags(text);
    tags.iter().find_map(comparison).or_else(|| open_block(&tags))
}

/// Every tag but comments; nothing in a raw block is one.
fn tags(text: &str) -> Vec<Tag<'_>> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(at) = text[rest..].find("{{") {
        let start = rest + at;
        if let Some(length) = raw_block(&text[start..]) {
            rest = start + length;
            continue;
        }
        let tag = text[start..].trim_start_matches('{').trim_start_matches('~').trim_start();
        let inside_at = text.len() - tag.len();
        if tag.starts_with('!') {
            rest = inside_at + bounds::comment(tag);
            continue;
        }
        let Some(end) = tag.find("}}") else { break };
        found.push(Tag { start, inside: tag[..end].trim_end_matches('~'), inside_at });
        rest = inside_at + end;
    }
    found
}

/// The length of `{{{{raw}}}} … {{{{/raw}}}}`, where one begins.
fn raw_block(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("{{{{")?;
    let close = inside.find("{{{{/")?;
    let end = inside[close..].find("}}}}")?;
    Some("{{{{}}}}".len() + close + end)
}

fn comparison(tag: &Tag<'_>) -> Option<Slip> {
    let (mut at, mut quote) = (None, None);
    for (index, letter) in tag.inside.char_indices() {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(letter),
            (None, _) => {
                let sign = |(sign, _): &&(&str, &str)| tag.inside[index..].starts_with(*sign);
                if let Some(found) = COMPARISONS.iter().find(sign) {
                    at = Some((index, *found));
                    break;
                }
            }
        }
    }
    // What begins with `>` includes another template, which is told elsewhere.
    let (index, (sign, word)) = at.filter(|(index, _)| *index > 0)?;
    let (left, right) = (tag.inside[..index].trim(), tag.inside[index + sign.len()..].trim());
    let (head, left) = left.rsplit_once(char::is_whitespace).unwrap_or(("", left));
    let is_value = |text: &str| !text.is_empty() && !text.contains(['(', ')', '=', '&', '|', '<', '>']);
    let compute =
        "or let the workflow compute it and give it to the template (`with`, or `data` of a message)";
    let fix = if is_value(left) && is_value(right) && head.starts_with('#') {
        format!("write `{{{{{head} ({word} {left} {right})}}}}`, {compute}")
    } else {
        format!("write `({word} a b)`, {compute}")
    };
    Some(Slip { at: tag.inside_at + index, message: format!("a template knows no `{sign}`"), fix })
}

/// The block that is never closed, or closed by another one's end.
fn open_block(tags: &[Tag<'_>]) -> Option<Slip> {
    let mut open: Vec<(&Tag<'_>, &str)> = Vec::new();
    let unclosed = |(tag, name): &(&Tag<'_>, &str)| Slip {
        at: tag.start,
        message: format!("this `{{{{#{name}}}}}` is not closed"),
        fix: format!("write `{{{{/{name}}}}}` where it ends"),
    };
    for tag in tags {
        if let Some(rest) = tag.inside.strip_prefix('#') {
            open.push((tag, first_word(rest)));
        } else if let Some(rest) = tag.inside.strip_prefix('/') {
            let name = first_word(rest);
            match open.last() {
                Some((_, last)) if *last == name => drop(open.pop()),
                Some(last) if open.iter().any(|(_, other)| *other == name) => return Some(unclosed(last)),
                _ => {
                    let message = format!("`{{{{/{name}}}}}` ends no block that is open here");
                    let fix = "remove it, or close the blocks in the order in which they begin".to_owned();
                    return Some(Slip { at: tag.start, message, fix });
                }
            }
        } else if tag.inside.starts_with('^') && tag.inside.len() > 1 {
            // An inverse block: whose end closes it is the parser's business.
            return None;
        }
    }
    open.last().map(unclosed)
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}
