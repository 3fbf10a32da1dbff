//! What stands under the cursor, in words: a key, a tool, the type of a part of an expression, a finding's rule.

use super::{
    cel,
    context::{Context, FileKind},
    outline::{At, Outline, Way},
    scope, template, words,
};
use crate::{
    expr::functions,
    workflow::{CODES, problem::Problem, word_at},
};
use gen_lsp_types::{Hover, MarkupContent, MarkupKind};
use std::ops::Range;

/// `problems` are the findings of this document.
pub(super) fn hover(context: &Context<'_>, offset: usize, problems: &[Problem]) -> Option<Hover> {
    let text = context.text.as_str();
    let thing = match FileKind::of(context.path) {
        FileKind::Workflow | FileKind::Rule => in_yaml(context, offset),
        FileKind::Template => template::hover(context, offset),
        FileKind::Test | FileKind::Site | FileKind::Other => None,
    };
    let (mut parts, mut range) = (Vec::new(), None);
    if let Some((about, bytes)) = thing {
        parts.push(about);
        range = Some(context.text.range(bytes));
    }
    for problem in problems {
        let bytes = word_at(text, context.text.at_place(problem.place));
        if (bytes.start..=bytes.end).contains(&offset) {
            parts.push(of_rule(problem));
            range = range.or(Some(context.text.range(bytes)));
        }
    }
    parts.dedup();
    (!parts.is_empty()).then(|| Hover {
        contents: MarkupContent { kind: MarkupKind::Markdown, value: parts.join("\n\n---\n\n") }.into(),
        range,
    })
}

/// What the rule behind a finding looks for.
fn of_rule(problem: &Problem) -> String {
    let about = CODES.iter().find(|(code, _)| *code == problem.code).map_or("", |(_, about)| about);
    match &problem.fix {
        Some(fix) => format!("**{}** {about}.\n\n{}\n\n{fix}", problem.code, problem.message),
        None => format!("**{}** {about}.\n\n{}", problem.code, problem.message),
    }
}

fn in_yaml(context: &Context<'_>, offset: usize) -> Option<(String, Range<usize>)> {
    let text = context.text.as_str();
    let outline = Outline::parse(text);
    let at = outline.at(offset)?;
    if at.on_key {
        let (_, Way::Key(entry)) = at.way.last()? else { return None };
        let keys = super::keys::Place::around(&context.plant.schema, &outline, &at).keys();
        let known = keys.iter().find(|key| key.name == entry.key)?;
        return Some((format!("**{}** {}", entry.key, known.about), entry.key_span.clone()));
    }
    let node = at.node()?;
    let is_bare = context.is_expression(&outline, &at);
    if let Some(written) = scope::expression_at(text, node, offset, is_bare) {
        let about = in_expression(context, &outline, &at, &written)?;
        return Some((about, node.span.clone()));
    }
    of_word(context, &outline, &at)
}

fn in_expression(
    context: &Context<'_>,
    outline: &Outline<'_>,
    at: &At<'_>,
    written: &scope::Written,
) -> Option<String> {
    let (path, name) = cel::path_at(&written.source, written.cursor)?;
    if cel::is_called(&written.source, name.end) {
        let namespace =
            path.strip_suffix(&written.source[name.clone()]).map(|rest| rest.trim_end_matches('.'));
        let all = functions();
        let known = all.iter().filter(|function| function.name == &written.source[name.clone()]);
        let of_namespace =
            known.clone().find(|function| function.namespace.is_some() && function.namespace == namespace);
        let method = !namespace.unwrap_or_default().is_empty();
        let found = of_namespace.or_else(|| known.clone().find(|function| function.method == method));
        return found.or_else(|| known.clone().next()).map(words::of_function);
    }
    let node = at.node()?;
    let types = scope::names_at(context, outline, at, node.span.clone());
    let types = cel::with_variables(&written.source[..name.start], &types);
    let kind = cel::kind_of(path, &types);
    Some(format!("`{path}`: {}", words::in_full(&kind)))
}

/// A tool, or a word that the schema explains.
fn of_word(context: &Context<'_>, outline: &Outline<'_>, at: &At<'_>) -> Option<(String, Range<usize>)> {
    let node = at.node()?;
    let word = node.text(outline.source).trim();
    if let Some(spec) = context.plant.tools.specs().find(|spec| spec.name.as_str() == word) {
        return Some((words::of_tool(spec), node.span.clone()));
    }
    let place = context.place(outline, at);
    let known = place.words().into_iter().find(|known| known.text == word);
    let about = known.map(|known| known.about).filter(|about| !about.is_empty()).or_else(|| place.about())?;
    (!word.is_empty()).then(|| (format!("`{word}` {about}"), node.span.clone()))
}
