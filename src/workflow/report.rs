//! Findings drawn like a compiler's: code, place, the source line with a caret, and what is right.

use super::problem::{Problem, Severity};
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet, renderer::DecorStyle};

/// One finding as text; `source` is the content of its file, without it only the place is shown.
pub fn report(problem: &Problem, source: Option<&str>, colour: bool) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(problem.message.as_str()).id(problem.code);
    let mut group = match source {
        Some(source) => {
            let snippet = Snippet::source(source).path(problem.path.as_str()).fold(true);
            title.element(snippet.annotation(AnnotationKind::Primary.span(span(source, problem))))
        }
        None => {
            let line = problem.place.line as usize;
            let origin = Origin::path(problem.path.as_str()).line(line);
            title.element(origin.char_column(problem.place.column as usize))
        }
    };
    if let Some(fix) = &problem.fix {
        group = group.element(Level::HELP.message(fix.as_str()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Ascii).render(&[group])
}

/// The bytes of the word at the place of a problem.
fn span(source: &str, problem: &Problem) -> std::ops::Range<usize> {
    let lines = source.split_inclusive('\n').take(problem.place.line.saturating_sub(1) as usize);
    let line_start: usize = lines.map(str::len).sum();
    let line = source[line_start..].split('\n').next().unwrap_or_default();
    let column = problem.place.column.saturating_sub(1) as usize;
    let from = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    word_at(source, line_start + from)
}

/// The bytes of the word that begins here; of one character where there is none.
pub fn word_at(source: &str, from: usize) -> std::ops::Range<usize> {
    let line = source[from..].split('\n').next().unwrap_or_default();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    let word: usize = line.chars().take_while(|c| is_word(*c)).map(char::len_utf8).sum();
    let first = line.chars().next().map_or(0, char::len_utf8);
    from..from + word.max(first)
}
