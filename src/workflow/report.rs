//! Findings drawn like a compiler's: code, place, the source line with a caret, and what is right.

use super::problem::{Problem, Severity};
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet, renderer::DecorStyle};

/// One finding as text; `source` is the content of its file, without it only the place is shown.
pub fn report(problem: &Problem, source: Option<&str>, colour: bool) -> String {
    report_line(problem, source.map(|source| line_of(source, problem.place.line)), colour)
}

/// As [`report`], with the line of its place only.
pub fn report_line(problem: &Problem, line: Option<&str>, colour: bool) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(problem.message.as_str()).id(problem.code);
    let mut group = match line {
        Some(line) => {
            let snippet = Snippet::source(line).path(problem.path.as_str());
            let snippet = snippet.line_start(problem.place.line.max(1) as usize);
            title.element(snippet.annotation(AnnotationKind::Primary.span(span(line, problem))))
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

/// A line by its number, from 1; empty behind the last.
fn line_of(source: &str, number: u32) -> &str {
    source.lines().nth(number.saturating_sub(1) as usize).unwrap_or_default()
}

/// The bytes of the word at the place of a problem, in its line.
fn span(line: &str, problem: &Problem) -> std::ops::Range<usize> {
    let column = problem.place.column.saturating_sub(1) as usize;
    let from = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    word_at(line, from)
}

/// The bytes of the word that begins here; of one character where there is none.
pub fn word_at(source: &str, from: usize) -> std::ops::Range<usize> {
    let line = source[from..].split('\n').next().unwrap_or_default();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    let word: usize = line.chars().take_while(|c| is_word(*c)).map(char::len_utf8).sum();
    let first = line.chars().next().map_or(0, char::len_utf8);
    from..from + word.max(first)
}
