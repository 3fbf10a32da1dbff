//! One finding of the loader or the checker, at its place, with a fix.

use super::{Place, suggest};
use serde::Serialize;
use std::io;

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

    /// A file that is there and cannot be read.
    pub fn unreadable(path: &str, cause: &io::Error) -> Self {
        let (message, fix) = match cause.kind() {
            io::ErrorKind::InvalidData => ("the file is not UTF-8".to_owned(), "save it as UTF-8"),
            io::ErrorKind::InvalidInput => {
                (format!("the file cannot be read: {cause}"), "put the file itself into the site folder")
            }
            _ => (format!("the file cannot be read: {cause}"), "check its permissions"),
        };
        Self {
            code: "T001",
            severity: Severity::Error,
            path: path.to_owned(),
            place: Place { line: 1, column: 1 },
            message,
            fix: Some(fix.to_owned()),
        }
    }

    /// What is wrong and what is right, in one line for programs.
    pub fn sentence(&self) -> String {
        match &self.fix {
            Some(fix) => format!("{}; {fix}", self.message),
            None => self.message.clone(),
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
/// How the list begins of what there is, and how it ends.
const KNOWN: [(&str, &str); 2] = [(" (there are: ", ")"), ("; it has ", "")];

/// What is wrong, and what to do: the site and the connectors say both in one sentence, `what is wrong: what to do`.
fn apart(said: String) -> (String, Option<String>) {
    let is_advice = |at: &usize| ADVICE.iter().any(|word| said[at + 2..].starts_with(word));
    let advice = said.match_indices(": ").map(|(at, _)| at).find(is_advice);
    if let Some(at) = advice {
        return (said[..at].to_owned(), Some(said[at + 2..].to_owned()));
    }
    let listed = KNOWN.iter().find_map(|(begins, ends)| said.strip_suffix(*ends)?.split_once(*begins));
    let Some((wrong, known)) = listed else { return (said, None) };
    let word = wrong.split('`').nth(1).unwrap_or_default();
    let fix = match suggest::closest(word, known.split(", ")) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known == "none" => "there is none".to_owned(),
        None => format!("there are: {known}"),
    };
    (wrong.to_owned(), Some(fix))
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
            (
                "takt.yaml has no system `cmmss` under `systems:`; it has andon, cmms, erp",
                "takt.yaml has no system `cmmss` under `systems:`",
                Some("did you mean `cmms`?"),
            ),
            (
                "takt.yaml has no system `sap` under `systems:`; it has andon, cmms",
                "takt.yaml has no system `sap` under `systems:`",
                Some("there are: andon, cmms"),
            ),
            (
                "takt.yaml has no system `sap` under `systems:`; it has none",
                "takt.yaml has no system `sap` under `systems:`",
                Some("there is none"),
            ),
        ] {
            let problem = Problem::of_site("takt.yaml", (1, 1), said);
            assert_eq!((problem.message.as_str(), problem.fix.as_deref()), (message, fix));
        }
    }
}
