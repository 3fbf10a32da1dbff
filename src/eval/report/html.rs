//! The report as one HTML page without scripts or links to elsewhere. Everything from outside is escaped.

use super::{
    CaseReport, Difference, Judgement, Matrix, MatrixCell, Opinion, Report, Summary, Verdict, junit::xml,
};
use std::fmt::Write as _;

const STYLE: &str = include_str!("report.css");

pub fn html(report: &Report) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Evals</title><style>{STYLE}</style></head><body><main>\n<h1>Evals</h1>\n"
    );
    for line in Summary::of(report).lines() {
        let _ = writeln!(out, "<p>{}</p>", xml(&line));
    }
    out.push_str(
        "<p class=\"muted\">A replay proves plumbing, guards, rules and degradation. It does not measure how good a \
         language model's answers are; hand-written answers are marked.</p>\n",
    );
    matrix(&Matrix::of(report), &mut out);
    if !report.missing.is_empty() {
        let _ = writeln!(out, "<h2>In the baseline, but not found</h2><ul>");
        for missing in &report.missing {
            let _ = writeln!(out, "<li><code>{}</code></li>", xml(missing));
        }
        out.push_str("</ul>\n");
    }
    // What needs a person comes first.
    for (title, verdicts) in [
        ("Regressed", &[Verdict::Regressed, Verdict::Broken][..]),
        ("Stale", &[Verdict::Stale]),
        ("Fixed", &[Verdict::Fixed]),
        ("New", &[Verdict::New]),
        ("Known", &[Verdict::Known]),
        ("As in the baseline", &[Verdict::Ok]),
    ] {
        let cases: Vec<&CaseReport> =
            report.cases.iter().filter(|case| verdicts.contains(&case.verdict)).collect();
        if !cases.is_empty() {
            let _ = writeln!(out, "<h2>{title} ({})</h2>", cases.len());
            cases.into_iter().for_each(|case| case_block(case, &mut out));
        }
    }
    out.push_str("</main></body></html>\n");
    out
}

fn case_block(case: &CaseReport, out: &mut String) {
    let tone = match case.verdict {
        Verdict::Ok | Verdict::Fixed => "good",
        Verdict::New | Verdict::Known => "warn",
        Verdict::Regressed | Verdict::Stale | Verdict::Broken => "bad",
    };
    let open = if tone == "bad" { " open" } else { "" };
    let (outcome, checks) = case.score.as_ref().map_or((String::new(), String::new()), |score| {
        let held = score.checks.values().filter(|check| check.holds).count();
        (score.outcome.clone(), format!("{held} of {} checks", score.checks.len()))
    });
    let _ = writeln!(
        out,
        "<details{open}><summary><strong>{}</strong><span class=\"tag {tone}\">{}</span><span>{}</span><span>{checks}</span>\
         <span>{} of {} trials</span><span class=\"muted\">{}</span></summary><div>",
        xml(&case.case),
        case.verdict.word(),
        xml(&outcome),
        case.passes.passed,
        case.passes.trials,
        case.origin,
    );
    if !case.problems.is_empty() {
        out.push_str("<ul>");
        for problem in &case.problems {
            let _ = write!(out, "<li>{}</li>", xml(problem));
        }
        out.push_str("</ul>\n");
    }
    differences(&case.changed, out);
    case.judge.iter().for_each(|judgement| opinion(judgement, out));
    if let Some(score) = &case.score {
        let metrics = &score.metrics;
        let pass_k = case.passes.pass_k.map_or("n/a".to_owned(), |p| format!("{p:.2}"));
        let _ = writeln!(
            out,
            "<p class=\"muted\">{:.1} minutes, {} tool calls, {} model calls, {} tokens, {:.4} USD, {} rejections, {} fallbacks; \
             pass@1 {:.2}, pass^{} {pass_k}</p><table><tr><th>check</th><th>result</th></tr>",
            metrics.minutes,
            metrics.tool_calls,
            metrics.model_calls,
            metrics.tokens,
            metrics.cost_usd,
            metrics.rejections,
            metrics.fallbacks,
            case.passes.pass_1,
            case.passes.trials,
        );
        for (name, check) in &score.checks {
            let (tone, word) = if check.holds { ("good", "holds") } else { ("bad", "does not hold") };
            let _ = writeln!(
                out,
                "<tr><td><code>{}</code></td><td><span class=\"tag {tone}\">{word}</span> {}</td></tr>",
                xml(name),
                xml(&check.detail)
            );
        }
        out.push_str("</table>");
    }
    out.push_str("</div></details>\n");
}

fn opinion(judgement: &Judgement, out: &mut String) {
    let tone = match judgement.opinion {
        Opinion::Good => "good",
        Opinion::Poor | Opinion::NotKnown => "warn",
        Opinion::Stale => "bad",
    };
    let (word, text) = (judgement.opinion.word(), xml(&judgement.to_string()));
    let _ = writeln!(out, "<p><span class=\"tag {tone}\">{word}</span> {text}</p>");
}

fn differences(changed: &[Difference], out: &mut String) {
    if changed.is_empty() {
        return;
    }
    out.push_str("<table><tr><th>differs</th><th>baseline</th><th>now</th></tr>");
    for change in changed {
        let (what, was, is) = (xml(&change.what), xml(&change.was), xml(&change.is));
        let _ = write!(out, "<tr><td><code>{what}</code></td><td>{was}</td><td>{is}</td></tr>");
    }
    out.push_str("</table>\n");
}

fn matrix(matrix: &Matrix, out: &mut String) {
    if matrix.rows.is_empty() {
        return;
    }
    out.push_str(
        "<h2>Passed trials by prompt and model</h2><div class=\"scroll\"><table><tr><th>prompt</th>",
    );
    for model in &matrix.models {
        let _ = write!(out, "<th class=\"number\">{}</th>", xml(model));
    }
    out.push_str("</tr>\n");
    for (prompt, cells) in &matrix.rows {
        let _ = write!(out, "<tr><td><code>{}</code></td>", xml(prompt));
        for model in &matrix.models {
            let text = cells.get(model).map_or("–".to_owned(), MatrixCell::text);
            let _ = write!(out, "<td class=\"number\">{text}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}
