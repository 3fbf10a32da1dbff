//! Results for people: a line for each case; for one that failed, expected and got side by side and what happened.

use crate::testing::{CaseResult, Counted, FileResult, Mismatch, SuiteResult};
use std::path::Path;

const COLUMN_MAX: usize = 46;
const COLUMN_MIN: usize = 24;
/// More lines of one value are left out.
const LINES_MAX: usize = 30;

/// Draws what is wrong in a test file from the files of `site`.
pub fn text(suite: &SuiteResult, site: &Path, colour: bool) -> String {
    let paint = Paint(colour);
    let mut out = String::new();
    for file in &suite.files {
        file_text(file, site, &paint, &mut out);
    }
    let failed = suite.failed();
    let broken =
        suite.problems().filter(|problem| problem.severity == crate::workflow::problem::Severity::Error);
    let broken = broken.count();
    let mut words = vec![format!("{} passed", suite.cases() - failed)];
    if failed > 0 {
        words.push(format!("{failed} failed"));
    }
    if broken > 0 {
        words.push(format!("{broken} mistake{} in the files", if broken == 1 { "" } else { "s" }));
    }
    out.push_str(&format!("{}\n", words.join(", ")));
    out
}

fn file_text(file: &FileResult, site: &Path, paint: &Paint, out: &mut String) {
    out.push_str(&format!("{}\n", paint.bold(&file.path)));
    for problem in &file.problems {
        let source = std::fs::read_to_string(site.join(&problem.path)).ok();
        out.push_str(&format!("{}\n\n", crate::workflow::report(problem, source.as_deref(), paint.0)));
    }
    for case in &file.cases {
        let ms = case.took.as_secs_f64() * 1000.0;
        let word = if case.is_ok() { paint.green("ok  ") } else { paint.red("FAIL") };
        out.push_str(&format!("  {word}  {}  {}\n", case.name, paint.dim(&format!("{ms:.0} ms"))));
    }
    for case in file.cases.iter().filter(|case| !case.is_ok()) {
        failed_text(file, case, paint, out);
    }
    if let Some(coverage) = &file.coverage {
        counted_text("steps", &coverage.steps, out);
        counted_text("answers", &coverage.gates, out);
    }
    out.push('\n');
}

fn counted_text(what: &str, counted: &Counted, out: &mut String) {
    if counted.all == 0 {
        return;
    }
    let never = match counted.missing.as_slice() {
        [] => String::new(),
        missing => format!("; never: {}", missing.join(", ")),
    };
    out.push_str(&format!("  {what} {} of {}{never}\n", counted.reached, counted.all));
}

fn failed_text(file: &FileResult, case: &CaseResult, paint: &Paint, out: &mut String) {
    out.push_str(&format!("\n  {}\n", paint.bold(&case.name)));
    for mismatch in &case.mismatches {
        let place = format!("{}:{}:{}", file.path, mismatch.place.line, mismatch.place.column);
        out.push_str(&format!("  {} {}\n", paint.red(&mismatch.what), paint.dim(&place)));
        for line in side_by_side(mismatch) {
            out.push_str(&format!("    {line}\n"));
        }
    }
    if !case.timeline.is_empty() {
        out.push_str("  what happened\n");
        for line in &case.timeline {
            let mut rows = line.text.lines();
            out.push_str(&format!("    {:>8}  {}\n", line.after, rows.next().unwrap_or_default()));
            for row in rows {
                out.push_str(&format!("              {row}\n"));
            }
        }
    }
}

/// Two columns; a `|` stands between lines that differ.
fn side_by_side(mismatch: &Mismatch) -> Vec<String> {
    let (expected, got) = (shortened(&mismatch.expected), shortened(&mismatch.got));
    let longest = expected.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let width = longest.clamp(COLUMN_MIN, COLUMN_MAX);
    let (expected, got) = (wrapped(&expected, width), wrapped(&got, COLUMN_MAX));
    let mut lines = vec![format!("{:<width$}   {}", "expected", "got")];
    for at in 0..expected.len().max(got.len()) {
        let (left, right) =
            (expected.get(at).map_or("", String::as_str), got.get(at).map_or("", String::as_str));
        let mark = if left == right { ' ' } else { '|' };
        let pad = " ".repeat(width.saturating_sub(left.chars().count()));
        lines.push(format!("{left}{pad} {mark} {right}").trim_end().to_owned());
    }
    lines
}

fn shortened(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().take(LINES_MAX).map(str::to_owned).collect();
    let more = text.lines().count().saturating_sub(LINES_MAX);
    if more > 0 {
        lines.push(format!("… and {more} more lines"));
    }
    lines
}

fn wrapped(lines: &[String], width: usize) -> Vec<String> {
    let mut out = Vec::new();
    for line in lines {
        let chars: Vec<char> = line.chars().collect();
        if chars.is_empty() {
            out.push(String::new());
        }
        out.extend(chars.chunks(width).map(|part| part.iter().collect::<String>()));
    }
    out
}

struct Paint(bool);

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.with("2", text)
    }

    fn red(&self, text: &str) -> String {
        self.with("31", text)
    }

    fn green(&self, text: &str) -> String {
        self.with("32", text)
    }
}
