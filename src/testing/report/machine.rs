//! Results for machines: JSON, JUnit's XML, and annotations as GitHub draws them beside the lines of a change.

use crate::{
    testing::{CaseResult, FileResult, Mismatch, SuiteResult},
    workflow::problem::Problem,
};
use std::{path::Path, time::Duration};

pub fn json(suite: &SuiteResult) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(suite).map(|text| text + "\n")
}

/// One suite for each test file. What is wrong with a file itself is an error of a case called after it.
pub fn junit(suite: &SuiteResult) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let broken = suite.files.iter().filter(|file| is_broken(file)).count();
    let total = suite.files.iter().map(seconds).fold(0.0, std::ops::Add::add);
    out.push_str(&format!(
        "<testsuites tests=\"{}\" failures=\"{}\" errors=\"{broken}\" time=\"{total:.3}\">\n",
        suite.cases() + broken,
        suite.failed(),
    ));
    for file in &suite.files {
        let failed = file.cases.iter().filter(|case| !case.is_ok()).count();
        let errors = usize::from(is_broken(file));
        out.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"{errors}\" time=\"{:.3}\">\n",
            xml(&file.path),
            file.cases.len() + errors,
            seconds(file),
        ));
        if is_broken(file) {
            let lines: Vec<String> = file.problems.iter().map(problem_line).collect();
            out.push_str(&format!(
                "    <testcase name=\"{0}\" classname=\"{0}\"><error message=\"the file is wrong\">{1}</error></testcase>\n",
                xml(&file.path),
                xml(&lines.join("\n")),
            ));
        }
        for case in &file.cases {
            junit_case(file, case, &mut out);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn junit_case(file: &FileResult, case: &CaseResult, out: &mut String) {
    let class = if file.workflow.is_empty() { &file.path } else { &file.workflow };
    out.push_str(&format!(
        "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.3}\"",
        xml(&case.name),
        xml(class),
        xml(&file.path),
        case.place.line,
        case.took.as_secs_f64(),
    ));
    let Some(first) = case.mismatches.first() else {
        out.push_str("/>\n");
        return;
    };
    let mut body: Vec<String> =
        case.mismatches.iter().map(|mismatch| mismatch_line(file, mismatch)).collect();
    body.push("timeline".into());
    body.extend(case.timeline.iter().map(|line| format!("{:>8}  {}", line.after, line.text)));
    out.push_str(&format!(
        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
        xml(&sentence(first)),
        xml(&body.join("\n")),
    ));
}

/// Workflow commands of GitHub Actions. `site` is the folder, as the repository names it.
pub fn github(suite: &SuiteResult, site: &Path) -> String {
    let mut out = String::new();
    for file in &suite.files {
        for problem in &file.problems {
            let level = if problem.is_error() { "error" } else { "warning" };
            let (path, text) = (site.join(&problem.path), problem.sentence());
            out.push_str(&annotation(level, &path, problem.place, problem.code, &text));
        }
        for case in &file.cases {
            for mismatch in &case.mismatches {
                let text = sentence(mismatch);
                out.push_str(&annotation("error", &site.join(&file.path), mismatch.place, &case.name, &text));
            }
        }
    }
    out
}

fn annotation(level: &str, path: &Path, place: crate::workflow::Place, title: &str, text: &str) -> String {
    let value = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| value(text).replace(':', "%3A").replace(',', "%2C");
    let (line, column) = (place.line, place.column);
    let (path, title, text) = (property(&path.to_string_lossy()), property(title), value(text));
    format!("::{level} file={path},line={line},col={column},title={title}::{text}\n")
}

fn is_broken(file: &FileResult) -> bool {
    file.problems.iter().any(Problem::is_error)
}

fn seconds(file: &FileResult) -> f64 {
    // The sum of no floats is -0.
    file.cases.iter().map(|case| case.took).sum::<Duration>().as_secs_f64()
}

fn problem_line(problem: &Problem) -> String {
    let place = problem.place;
    format!("{}:{}:{}: {} {}", problem.path, place.line, place.column, problem.code, problem.message)
}

fn mismatch_line(file: &FileResult, mismatch: &Mismatch) -> String {
    format!("{}:{}:{}: {}", file.path, mismatch.place.line, mismatch.place.column, sentence(mismatch))
}

fn sentence(mismatch: &Mismatch) -> String {
    format!("{}: expected {}, got {}", mismatch.what, mismatch.expected, mismatch.got)
}

/// XML 1.0 has no way to write most control characters.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
