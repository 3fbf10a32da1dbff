//! Findings for programs: SARIF 2.1.0 for code scanning, and GitHub's workflow commands.

use crate::workflow::{
    CODES,
    problem::{Problem, Severity},
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The site as it is named from the folder in which Takt was started, where it lies below: in CI that is the repository,
/// from which annotations name their files.
pub(in crate::cli) fn below_here(site: &Path) -> PathBuf {
    let below = || {
        let (site, here) = (site.canonicalize().ok()?, Path::new(".").canonicalize().ok()?);
        site.strip_prefix(here).map(Path::to_owned).ok()
    };
    below().unwrap_or_default()
}

pub(super) fn sarif(problems: &[&Problem], site: &Path) -> Value {
    let rules = CODES.map(|(code, about)| json!({ "id": code, "shortDescription": { "text": about } }));
    let results: Vec<Value> = problems
        .iter()
        .map(|problem| {
            json!({
                "ruleId": problem.code,
                "level": level(problem),
                "message": { "text": problem.sentence() },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": uri(&site.join(&problem.path)), "uriBaseId": "%SRCROOT%" },
                    "region": { "startLine": problem.place.line.max(1), "startColumn": problem.place.column.max(1) },
                } }],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "takt", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// One line per finding, which GitHub shows beside the line of the file.
pub(super) fn github(problem: &Problem, site: &Path) -> String {
    format!(
        "::{} file={},line={},col={},title={}::{}",
        level(problem),
        property(&site.join(&problem.path).to_string_lossy()),
        problem.place.line,
        problem.place.column,
        problem.code,
        data(&problem.sentence())
    )
}

fn level(problem: &Problem) -> &'static str {
    match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// A path as part of an address.
fn uri(path: &Path) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let escape = |byte: u8| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    path.to_string_lossy().bytes().map(escape).collect()
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::Place;

    fn problem() -> Problem {
        Problem {
            code: "T006",
            severity: Severity::Error,
            path: "workflows/a,b.yaml".to_owned(),
            place: Place { line: 7, column: 12 },
            message: "100 % wrong:\nno such field".to_owned(),
            fix: Some("did you mean `x`?".to_owned()),
        }
    }

    #[test]
    fn a_github_line_holds_no_line_break() {
        assert_eq!(
            github(&problem(), Path::new("")),
            "::error file=workflows/a%2Cb.yaml,line=7,col=12,title=T006::100 %25 wrong:%0Ano such field; did you mean `x`?"
        );
    }

    #[test]
    fn a_sarif_result_points_at_its_rule_and_place() {
        let problem = problem();
        let log = sarif(&[&problem], Path::new("plants/a b"));
        let result = &log["runs"][0]["results"][0];
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules");
        assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]));
        let region = result.pointer("/locations/0/physicalLocation/region");
        assert_eq!(region, Some(&json!({ "startLine": 7, "startColumn": 12 })));
        assert_eq!(result["level"], "error");
        let uri = result.pointer("/locations/0/physicalLocation/artifactLocation/uri");
        assert_eq!(uri, Some(&json!("plants/a%20b/workflows/a%2Cb.yaml")));
    }
}
