//! Findings as an editor shows them, and the quick fix of those that know what was meant.

use super::{plant::SiteFinding, text::Text};
use crate::workflow::{
    problem::{Problem, Severity},
    word_at,
};
use gen_lsp_types::{Diagnostic, DiagnosticSeverity, Range};
use std::ops;

const SOURCE: &str = "takt";

pub(super) fn of_problem(text: &Text, problem: &Problem) -> Diagnostic {
    let message = match &problem.fix {
        Some(fix) => format!("{}\n{fix}", problem.message),
        None => problem.message.clone(),
    };
    Diagnostic {
        range: range_of(text, problem),
        severity: Some(match problem.severity {
            Severity::Error => DiagnosticSeverity::Error,
            Severity::Warning => DiagnosticSeverity::Warning,
        }),
        code: Some(problem.code.into()),
        source: Some(SOURCE.to_owned()),
        message: message.into(),
        code_description: None,
        tags: None,
        related_information: None,
        data: None,
    }
}

pub(super) fn of_site(text: &Text, finding: &SiteFinding) -> Diagnostic {
    let start = text.at_place(finding.place);
    let line = text.as_str()[start..].lines().next().unwrap_or_default();
    Diagnostic {
        range: text.range(start..start + line.trim_end().len()),
        severity: Some(DiagnosticSeverity::Error),
        code: None,
        source: Some(SOURCE.to_owned()),
        message: finding.message.clone().into(),
        code_description: None,
        tags: None,
        related_information: None,
        data: None,
    }
}

/// The word that a finding is about.
pub(super) fn range_of(text: &Text, problem: &Problem) -> Range {
    match meant(text, problem) {
        Some((bytes, _)) => text.range(bytes),
        None => text.range(word_at(text.as_str(), text.at_place(problem.place))),
    }
}

/// What was probably meant, and the bytes it replaces.
pub(super) fn meant(text: &Text, problem: &Problem) -> Option<(ops::Range<usize>, String)> {
    let near = problem.fix.as_deref()?.strip_prefix("did you mean `")?.split_once('`')?.0;
    let at = text.at_place(problem.place);
    let rest = &text.as_str()[at..];
    // The word that is wrong stands in the message, too.
    let mut named = problem.message.split('`').skip(1).step_by(2).filter(|word| !word.is_empty());
    let found = match rest.strip_prefix("{{") {
        // A finding in a template stands at its tag.
        Some(inside) => {
            let tag = inside.split("}}").next().unwrap_or_default();
            named.find_map(|word| word_in(tag, word)).map(|found| found.start + 2..found.end + 2)
        }
        None => {
            let quote = usize::from(rest.starts_with(['"', '\'']));
            let here = |word: &str| word_in(&rest[quote..], word).filter(|found| found.start == 0);
            let own: usize = rest[quote..].chars().take_while(|c| is_part(*c)).map(char::len_utf8).sum();
            let found = named.find_map(here).or((own > 0).then_some(0..own));
            found.map(|found| found.start + quote..found.end + quote)
        }
    };
    found.map(|found| (at + found.start..at + found.end, near.to_owned()))
}

fn is_part(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-')
}

/// Where a word stands for itself in the first line of a text.
fn word_in(text: &str, word: &str) -> Option<ops::Range<usize>> {
    let line = text.split('\n').next().unwrap_or_default();
    let stands_alone = |(at, _): &(usize, &str)| {
        !line[..*at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
    };
    line.match_indices(word).find(stands_alone).map(|(at, _)| at..at + word.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::Place;

    fn problem(message: &str, fix: &str, line: u32, column: u32) -> Problem {
        let (message, fix) = (message.to_owned(), Some(fix.to_owned()));
        let place = Place { line, column };
        Problem { code: "T006", severity: Severity::Error, path: "w.yaml".to_owned(), place, message, fix }
    }

    #[test]
    fn what_was_meant_replaces_the_word_that_is_wrong() {
        for (source, message, fix, column, fixed) in [
            ("wiht: x", "unknown key `wiht` in a step", "did you mean `with`?", 1, "with: x"),
            (
                "if: ü.statu.x == 1",
                "no such field `statu` in `ü`",
                "did you mean `status`? it has: status",
                7,
                "if: ü.status.x == 1",
            ),
            (
                "call: 'tickets.creat'",
                "there is no tool `tickets.creat`",
                "did you mean `tickets.create`?",
                7,
                "call: 'tickets.create'",
            ),
            ("- a-b", "there is no step `c`", "did you mean `a_b`?", 3, "- a_b"),
            (
                "{{#each lines}}{{nwo}}",
                "no such name `lines` in `lines`",
                "did you mean `orders`?",
                1,
                "{{#each orders}}{{nwo}}",
            ),
            (
                "ü {{time trigger.tiem}}",
                "no such name `tiem` in `trigger.tiem`",
                "did you mean `time`?",
                3,
                "ü {{time trigger.time}}",
            ),
        ] {
            let text = Text::new(source.to_owned());
            let (range, near) = meant(&text, &problem(message, fix, 1, column)).expect(source);
            let mut new = source.to_owned();
            new.replace_range(range, &near);
            assert_eq!(new, fixed);
        }
        let text = Text::new("a: b".to_owned());
        assert_eq!(meant(&text, &problem("x", "write it", 1, 1)), None);
        assert_eq!(meant(&text, &problem("x", "did you mean `y`?", 9, 9)), None);
    }

    #[test]
    fn ranges_count_utf16_units() {
        let text = Text::new("x: 😀 wrong\r\n".to_owned());
        let range = range_of(&text, &problem("`wrong`", "no", 1, 6));
        assert_eq!((range.start.character, range.end.character), (6, 11));
    }
}
