//! The report as JUnit's XML, as build servers read it. A stale case is an error, not a failure: nobody knows.

use super::{CaseReport, Judgement, Opinion, Report, Verdict};
use std::{collections::BTreeMap, fmt::Write as _};

pub fn junit(report: &Report) -> String {
    let mut suites: BTreeMap<&str, Vec<&CaseReport>> = BTreeMap::new();
    for case in &report.cases {
        suites
            .entry(if case.workflow.is_empty() { "unreadable" } else { &case.workflow })
            .or_default()
            .push(case);
    }
    let (failures, errors, skipped) = counts(report.cases.iter());
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let tests = count_tests(report.cases.iter()) + report.missing.len();
    let failures = failures + report.missing.len();
    let _ = writeln!(
        out,
        "<testsuites name=\"takt eval\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">"
    );
    for (workflow, cases) in suites {
        let (failures, errors, skipped) = counts(cases.iter().copied());
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">",
            xml(workflow),
            count_tests(cases.iter().copied())
        );
        for case in cases {
            test_case(case, workflow, &mut out);
            case.judge.iter().for_each(|judgement| judge_case(case, judgement, workflow, &mut out));
        }
        out.push_str("  </testsuite>\n");
    }
    if !report.missing.is_empty() {
        let missing = report.missing.len();
        let _ = writeln!(
            out,
            "  <testsuite name=\"missing\" tests=\"{missing}\" failures=\"{missing}\" errors=\"0\" skipped=\"0\">"
        );
        for name in &report.missing {
            let _ = writeln!(
                out,
                "    <testcase name=\"{}\" classname=\"missing\"><failure message=\"in the baseline, but not found\"/></testcase>",
                xml(name)
            );
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn name(case: &CaseReport) -> &str {
    case.case.rsplit('/').next().unwrap_or(&case.case)
}

/// A test of its own that never fails, because a judge never gates; votes on another question are an error.
fn judge_case(case: &CaseReport, judgement: &Judgement, workflow: &str, out: &mut String) {
    let (name, workflow, text) = (xml(name(case)), xml(workflow), xml(&judgement.to_string()));
    let _ = write!(out, "    <testcase name=\"{name} judge\" classname=\"{workflow}\"");
    let _ = match judgement.opinion {
        Opinion::Good => writeln!(out, "/>"),
        Opinion::Poor | Opinion::NotKnown => writeln!(out, "><skipped message=\"{text}\"/></testcase>"),
        Opinion::Stale => writeln!(out, "><error type=\"stale\" message=\"{text}\"/></testcase>"),
    };
}

fn test_case(case: &CaseReport, workflow: &str, out: &mut String) {
    let name = name(case);
    let _ = write!(out, "    <testcase name=\"{}\" classname=\"{}\"", xml(name), xml(workflow));
    let first = case.problems.first().map_or("", String::as_str);
    let all = case.problems.join("\n");
    let _ = match case.verdict {
        Verdict::Ok | Verdict::Fixed | Verdict::New => writeln!(out, "/>"),
        Verdict::Known => {
            writeln!(out, "><skipped message=\"{}\"/></testcase>", xml(&format!("known: {first}")))
        }
        Verdict::Regressed => {
            writeln!(
                out,
                "><failure type=\"regressed\" message=\"{}\">{}</failure></testcase>",
                xml(first),
                xml(&all)
            )
        }
        Verdict::Stale | Verdict::Broken => writeln!(
            out,
            "><error type=\"{}\" message=\"{}\">{}</error></testcase>",
            case.verdict.word(),
            xml(first),
            xml(&all)
        ),
    };
}

fn counts<'a>(cases: impl Iterator<Item = &'a CaseReport>) -> (usize, usize, usize) {
    cases.fold((0, 0, 0), |(failures, errors, skipped), case| {
        let (failures, errors, skipped) = match case.verdict {
            Verdict::Regressed => (failures + 1, errors, skipped),
            Verdict::Stale | Verdict::Broken => (failures, errors + 1, skipped),
            Verdict::Known => (failures, errors, skipped + 1),
            Verdict::Ok | Verdict::Fixed | Verdict::New => (failures, errors, skipped),
        };
        match case.judge.as_ref().map(|judgement| judgement.opinion) {
            Some(Opinion::Stale) => (failures, errors + 1, skipped),
            Some(Opinion::Poor | Opinion::NotKnown) => (failures, errors, skipped + 1),
            Some(Opinion::Good) | None => (failures, errors, skipped),
        }
    })
}

/// A judge is a test beside its case.
fn count_tests<'a>(cases: impl Iterator<Item = &'a CaseReport>) -> usize {
    cases.map(|case| 1 + usize::from(case.judge.is_some())).sum()
}

/// Escaped; characters that XML 1.0 does not have become `?`.
pub(super) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}
