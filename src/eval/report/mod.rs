//! What a person or a pipeline reads: each case against the baseline, and the exit code.

use super::score::{Metrics, Score};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Write as _, fs, io, path::Path};

pub const EXIT_OK: u8 = 0;
pub const EXIT_REGRESSION: u8 = 1;
pub const EXIT_BAD_CONFIG: u8 = 2;
pub const EXIT_STALE: u8 = 3;

/// `evals/baseline.json`: what held when it was last accepted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    pub cases: BTreeMap<String, BaselineCase>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineCase {
    pub checks: BTreeMap<String, bool>,
    pub metrics: Metrics,
}

#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: io::Error },
    #[error("{path} is not a baseline: {source}")]
    Parse { path: String, source: serde_json::Error },
    #[error("cannot write {path}: {source}")]
    Write { path: String, source: io::Error },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    /// Holds now, did not in the baseline.
    Fixed,
    New,
    /// Does not hold, and did not in the baseline either.
    Known,
    Regressed,
    Stale,
    /// The case or its files cannot be read.
    Broken,
}

#[derive(Debug, Clone, Serialize)]
pub struct CaseReport {
    pub case: String,
    /// As `Origin::label` says it.
    pub origin: &'static str,
    pub verdict: Verdict,
    pub score: Option<Score>,
    /// Checks that do not hold, why the case is stale, or what is broken.
    pub problems: Vec<String>,
    /// Numbers that differ from the baseline.
    pub changed: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    pub cases: Vec<CaseReport>,
    /// Cases of the baseline that were not replayed.
    pub missing: Vec<String>,
}

impl Baseline {
    /// A baseline that does not exist yet is empty.
    pub fn load(path: &Path) -> Result<Self, BaselineError> {
        let shown = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => {
                serde_json::from_str(&text).map_err(|source| BaselineError::Parse { path: shown, source })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(BaselineError::Read { path: shown, source }),
        }
    }

    pub fn save(&self, path: &Path) -> Result<(), BaselineError> {
        let shown = path.display().to_string();
        let text = serde_json::to_string_pretty(self)
            .map_err(|source| BaselineError::Parse { path: shown.clone(), source })?;
        fs::write(path, text + "\n").map_err(|source| BaselineError::Write { path: shown, source })
    }
}

impl Report {
    pub fn add(
        &mut self,
        case: &str,
        origin: &'static str,
        score: Score,
        stale: Vec<String>,
        baseline: &Baseline,
    ) {
        let known = baseline.cases.get(case);
        let failing: Vec<(&String, String)> = score
            .checks
            .iter()
            .filter(|(_, check)| !check.holds)
            .map(|(name, check)| (name, format!("{name}: {}", check.detail)))
            .collect();
        let held = |name: &String| known.and_then(|known| known.checks.get(name)).copied();
        let verdict = if !stale.is_empty() {
            Verdict::Stale
        } else if failing.iter().any(|(name, _)| held(name) != Some(false)) {
            Verdict::Regressed
        } else if !failing.is_empty() {
            Verdict::Known
        } else {
            match known {
                None => Verdict::New,
                Some(known) if known.checks.values().any(|held| !held) => Verdict::Fixed,
                Some(_) => Verdict::Ok,
            }
        };
        let problems = match stale.is_empty() {
            true => failing.into_iter().map(|(_, problem)| problem).collect(),
            false => stale,
        };
        let changed = known.map(|known| changes(&known.metrics, &score.metrics)).unwrap_or_default();
        let case = case.to_owned();
        self.cases.push(CaseReport { case, origin, verdict, score: Some(score), problems, changed });
    }

    pub fn add_broken(&mut self, case: &str, problem: String) {
        self.cases.push(CaseReport {
            case: case.to_owned(),
            origin: "unknown",
            verdict: Verdict::Broken,
            score: None,
            problems: vec![problem],
            changed: Vec::new(),
        });
    }

    /// Names the baseline's cases that are gone; only when everything was replayed.
    pub fn compare_names(&mut self, baseline: &Baseline) {
        let replayed = |name: &&String| self.cases.iter().any(|case| case.case == **name);
        self.missing = baseline.cases.keys().filter(|name| !replayed(name)).cloned().collect();
    }

    /// 2 beats 1 beats 3: a broken set-up says nothing, a regression says more than a stale case.
    pub fn exit_code(&self) -> u8 {
        let any = |verdict| self.cases.iter().any(|case| case.verdict == verdict);
        match () {
            () if any(Verdict::Broken) => EXIT_BAD_CONFIG,
            () if any(Verdict::Regressed) || !self.missing.is_empty() => EXIT_REGRESSION,
            () if any(Verdict::Stale) => EXIT_STALE,
            () => EXIT_OK,
        }
    }

    /// What the next baseline is. Stale and broken cases keep their old entry.
    pub fn baseline(&self, old: &Baseline) -> Baseline {
        let mut cases = BTreeMap::new();
        for case in &self.cases {
            let fresh = case.score.as_ref().filter(|_| case.verdict != Verdict::Stale);
            let entry = match fresh {
                Some(score) => Some(BaselineCase {
                    checks: score.checks.iter().map(|(name, check)| (name.clone(), check.holds)).collect(),
                    metrics: score.metrics.clone(),
                }),
                None => old.cases.get(&case.case).cloned(),
            };
            if let Some(entry) = entry {
                cases.insert(case.case.clone(), entry);
            }
        }
        Baseline { cases }
    }

    /// A table for terminals and logs; readable without colour.
    pub fn to_text(&self) -> String {
        if self.cases.is_empty() {
            return "no cases found\n".to_owned();
        }
        let width = self.cases.iter().map(|case| case.case.chars().count()).max().unwrap_or(4).max(4);
        let mut out = format!(
            "{:width$}  {:24}  {:9}  {:18}  {:>6}  {:>8}  {:>5}  {:>6}\n",
            "case", "origin", "verdict", "outcome", "checks", "minutes", "calls", "tokens"
        );
        for case in &self.cases {
            let verdict = format!("{:?}", case.verdict).to_lowercase();
            let _ = match &case.score {
                None => writeln!(out, "{:width$}  {:24}  {verdict}", case.case, case.origin),
                Some(score) => {
                    let held = score.checks.values().filter(|check| check.holds).count();
                    let checks = format!("{held}/{}", score.checks.len());
                    let metrics = &score.metrics;
                    writeln!(
                        out,
                        "{:width$}  {:24}  {verdict:9}  {:18}  {checks:>6}  {:>8.1}  {:>5}  {:>6}",
                        case.case,
                        case.origin,
                        score.outcome,
                        metrics.minutes,
                        metrics.tool_calls,
                        metrics.tokens
                    )
                }
            };
            for line in case
                .problems
                .iter()
                .map(|p| format!("✗ {p}"))
                .chain(case.changed.iter().map(|c| format!("  {c}")))
            {
                let _ = writeln!(out, "  {line}");
            }
        }
        for missing in &self.missing {
            let _ = writeln!(out, "{missing:width$}  in the baseline, but not found");
        }
        out
    }
}

fn changes(was: &Metrics, is: &Metrics) -> Vec<String> {
    let mut changes = Vec::new();
    let mut note = |name: &str, was: f64, is: f64| {
        if was.to_bits() != is.to_bits() {
            changes.push(format!("{name}: {was} → {is}"));
        }
    };
    note("minutes", was.minutes, is.minutes);
    note("tool calls", was.tool_calls as f64, is.tool_calls as f64);
    note("model calls", was.model_calls as f64, is.model_calls as f64);
    note("tokens", was.tokens as f64, is.tokens as f64);
    note("rejections", f64::from(was.rejections), f64::from(is.rejections));
    note("fallbacks", was.fallbacks as f64, is.fallbacks as f64);
    changes
}

#[cfg(test)]
mod tests;
