//! One finding of the loader or the checker, at its place, with a fix.

use super::Place;
use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `T001` … as in the language reference.
    pub code: &'static str,
    pub severity: Severity,
    /// Path of the file in the site folder.
    pub path: String,
    pub place: Place,
    pub message: String,
    /// One line saying what is right.
    pub fix: Option<String>,
}

impl Problem {
    /// Something wrong in a file of the site that is no workflow: takt.yaml, or one of connectors/.
    pub fn of_site(path: &str, (line, column): (u64, u64), message: impl Into<String>) -> Self {
        let number = |number: u64| u32::try_from(number).unwrap_or(1).max(1);
        let (message, fix) = apart(message.into());
        Self {
            code: "T026",
            severity: Severity::Error,
            path: path.to_owned(),
            place: Place { line: number(line), column: number(column) },
            message,
            fix,
        }
    }

    /// Whether this keeps the file from being used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// How advice begins in what is said of the site's own files.
const ADVICE: [&str; 15] = [
    "add ",
    "declare ",
    "did you mean ",
    "give ",
    "indent ",
    "keep ",
    "leave ",
    "make ",
    "name ",
    "only a file ",
    "put ",
    "remove ",
    "run ",
    "say ",
    "write ",
];
const KNOWN: &str = " (there are: ";

/// What is wrong, and what to do: the site and the connectors say both in one sentence, `what is wrong: what to do`.
fn apart(said: String) -> (String, Option<String>) {
    let is_advice = |at: &usize| ADVICE.iter().any(|word| said[at + 2..].starts_with(word));
    let advice = said.match_indices(": ").map(|(at, _)| at).find(is_advice);
    if let Some(at) = advice {
        return (said[..at].to_owned(), Some(said[at + 2..].to_owned()));
    }
    if let Some((wrong, known)) = said.strip_suffix(')').and_then(|said| said.split_once(KNOWN)) {
        return (wrong.to_owned(), Some(format!("there are: {known}")));
    }
    (said, None)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Warning,
    Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_stands_apart_from_what_is_wrong() {
        for (said, message, fix) in [
            (
                "there is no role `led`: did you mean `lead`?",
                "there is no role `led`",
                Some("did you mean `lead`?"),
            ),
            (
                "there is no role `x` (there are: lead, boss)",
                "there is no role `x`",
                Some("there are: lead, boss"),
            ),
            (
                "in ${{ }} at /a: `${{` is never closed: write `${{ x }}`",
                "in ${{ }} at /a: `${{` is never closed",
                Some("write `${{ x }}`"),
            ),
            ("not valid YAML: something", "not valid YAML: something", None),
        ] {
            let problem = Problem::of_site("takt.yaml", (1, 1), said);
            assert_eq!((problem.message.as_str(), problem.fix.as_deref()), (message, fix));
        }
    }
}
