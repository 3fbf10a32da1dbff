//! What a person or a pipeline reads: each case against the baseline, and the exit code.

mod html;
mod junit;
mod matrix;
mod summary;
mod text;
mod vanished;

pub use html::html;
pub use junit::junit;
pub use matrix::{Matrix, MatrixCell, Rows};
pub use summary::Summary;

use super::case::{Case, Expect, Label, Split};
use super::judge::{Judgement, Opinion};
use super::score::{Answered, Check, Metrics, Passes, Replayed, Score, answered, score, stale_as_expected};
use crate::agent::Stale;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};
use vanished::{expectations, vanished};

pub const EXIT_OK: u8 = 0;
pub const EXIT_REGRESSION: u8 = 1;
pub const EXIT_BAD_CONFIG: u8 = 2;
pub const EXIT_STALE: u8 = 3;

/// `evals/baseline.json`: what held when it was last accepted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    pub cases: BTreeMap<String, BaselineCase>,
    /// SHA-256 of each prompt, schema and tool that the tapes were last seen to fit, by path or name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub made_with: BTreeMap<String, String>,
    /// Trials by prompt and model when everything was last accepted.
    #[serde(default, skip_serializing_if = "Rows::is_empty")]
    pub matrix: Rows,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineCase {
    pub checks: BTreeMap<String, bool>,
    /// Where the case's expectations stand: one that is gone is missed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub expects: BTreeSet<String>,
    pub metrics: Metrics,
    /// What the judge's votes came to: only to say what is different now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fixed => "fixed",
            Self::New => "new",
            Self::Known => "known",
            Self::Regressed => "regressed",
            Self::Stale => "stale",
            Self::Broken => "broken",
        }
    }
}

/// One replay of a case.
#[derive(Debug, Clone, Serialize)]
pub struct Trial {
    pub answered: Answered,
    pub stale: Vec<Stale>,
    pub score: Score,
    pub passed: bool,
}

impl Trial {
    pub fn of(replayed: &Replayed, expect: &Expect) -> Self {
        let (answered, stale) = (answered(replayed), replayed.stale.clone());
        if expect.stale.is_empty() {
            let score = score(replayed, expect);
            let passed = stale.is_empty() && score.holds();
            return Self { answered, stale, score, passed };
        }
        let holds = stale_as_expected(&stale, expect);
        let found: Vec<&str> = stale.iter().map(|stale| stale.part.word()).collect();
        let detail =
            if holds { String::new() } else { format!("it is reported as stale in: {}", found.join(", ")) };
        let checks = [("canary".to_owned(), Check { holds, detail })].into();
        let score =
            Score { outcome: "stale, as it should be".to_owned(), checks, metrics: Metrics::default() };
        Self { answered, stale: Vec::new(), score, passed: holds }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct CaseReport {
    pub case: String,
    pub workflow: String,
    /// As `Origin::label` says it.
    pub origin: &'static str,
    pub split: Split,
    pub tags: Vec<String>,
    pub labels: Vec<Label>,
    pub verdict: Verdict,
    pub passes: Passes,
    /// All trials together: the worst of each number.
    pub score: Option<Score>,
    /// Checks that do not hold, why the case is stale, or what is broken.
    pub problems: Vec<String>,
    /// Why the recording says nothing any more.
    pub stale: Vec<Stale>,
    /// Where the case's expectations stand.
    #[serde(skip)]
    pub expects: BTreeSet<String>,
    /// What differs from the baseline.
    pub changed: Vec<Difference>,
    /// What a judge thinks; no verdict depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<Judgement>,
    pub trials: Vec<Trial>,
}

/// A check or a number that is not what it was in the baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    pub what: String,
    pub was: String,
    pub is: String,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    pub cases: Vec<CaseReport>,
    /// Cases of the baseline that were not replayed.
    pub missing: Vec<String>,
    /// The baseline's trials by prompt and model, where as much was replayed.
    #[serde(skip)]
    pub before: Rows,
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
    pub fn add(&mut self, case: &Case, trials: Vec<Trial>, baseline: &Baseline) {
        let id = case.id();
        let known = baseline.cases.get(&id);
        let scores: Vec<Score> = trials.iter().map(|trial| trial.score.clone()).collect();
        let score = Score::of_trials(&scores).unwrap_or_default();
        let mut stale: Vec<Stale> = Vec::new();
        for found in trials.iter().flat_map(|trial| &trial.stale) {
            if !stale.contains(found) {
                stale.push(found.clone());
            }
        }
        let failing = || score.checks.iter().filter(|(_, check)| !check.holds);
        let expects = expectations(case);
        let gone = known.map(|known| vanished(known, &score, &expects)).unwrap_or_default();
        let verdict = verdict(&score, !stale.is_empty(), !gone.is_empty(), known);
        let problems = match stale.is_empty() {
            true => failing().map(|(name, check)| format!("{name}: {}", check.detail)).chain(gone).collect(),
            false => stale.iter().map(ToString::to_string).collect(),
        };
        let passed = trials.iter().filter(|trial| trial.passed).count();
        self.cases.push(CaseReport {
            case: id,
            workflow: case.workflow.clone(),
            origin: case.origin.label(),
            split: case.split,
            tags: case.tags.clone(),
            labels: case.labels.clone(),
            verdict,
            expects,
            passes: Passes::of(passed, trials.len()),
            problems,
            changed: known.map(|known| differences(known, &score)).unwrap_or_default(),
            score: Some(score),
            stale,
            judge: None,
            trials,
        });
    }

    /// Puts a judgement beside a case that has its verdict already: the verdict stays what it is, because a judge never
    /// gates.
    pub fn add_judgement(&mut self, case: &Case, judgement: Option<Judgement>, baseline: &Baseline) {
        let id = case.id();
        let was = baseline.cases.get(&id).and_then(|known| known.judge.clone());
        if let Some(report) = self.cases.iter_mut().rfind(|report| report.case == id) {
            let is = judgement.as_ref().map(Judgement::in_short);
            if let Some(was) = was.filter(|was| Some(was) != is.as_ref()) {
                let is = is.unwrap_or_else(|| "not asked".to_owned());
                report.changed.push(Difference { what: "judge".to_owned(), was, is });
            }
            report.judge = judgement;
        }
    }

    pub fn add_broken(&mut self, case: &str, problem: String) {
        self.cases.push(CaseReport {
            case: case.to_owned(),
            workflow: String::new(),
            origin: "unknown",
            split: Split::Dev,
            tags: Vec::new(),
            labels: Vec::new(),
            verdict: Verdict::Broken,
            expects: BTreeSet::new(),
            passes: Passes::of(0, 0),
            score: None,
            problems: vec![problem],
            stale: Vec::new(),
            changed: Vec::new(),
            judge: None,
            trials: Vec::new(),
        });
    }

    /// Names the baseline's cases that are gone; only when everything was replayed.
    pub fn compare_names(&mut self, baseline: &Baseline) {
        let replayed = |name: &&String| self.cases.iter().any(|case| case.case == **name);
        self.missing = baseline.cases.keys().filter(|name| !replayed(name)).cloned().collect();
    }

    /// 2 beats 1 beats 3: a broken set-up says nothing, a regression says more than a stale case. Votes on another
    /// question are stale like any other recording.
    pub fn exit_code(&self) -> u8 {
        let any = |verdict| self.cases.iter().any(|case| case.verdict == verdict);
        let is_stale = |judgement: &Judgement| judgement.opinion == Opinion::Stale;
        let any_votes = || self.cases.iter().filter_map(|case| case.judge.as_ref()).any(is_stale);
        match () {
            () if any(Verdict::Broken) => EXIT_BAD_CONFIG,
            () if any(Verdict::Regressed) || !self.missing.is_empty() => EXIT_REGRESSION,
            () if any(Verdict::Stale) || any_votes() => EXIT_STALE,
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
                    expects: case.expects.clone(),
                    metrics: score.metrics.clone(),
                    judge: case.judge.as_ref().map(Judgement::in_short),
                }),
                None => old.cases.get(&case.case).cloned(),
            };
            if let Some(entry) = entry {
                cases.insert(case.case.clone(), entry);
            }
        }
        Baseline { cases, made_with: old.made_with.clone(), matrix: old.matrix.clone() }
    }

    /// Whether the tapes of a workflow still fit, all of them; `None` when it has none.
    pub fn fits(&self, workflow: &str) -> Option<bool> {
        let of = |case: &&CaseReport| case.workflow == workflow;
        let is_stale = self.cases.iter().filter(of).any(|case| case.verdict == Verdict::Stale);
        let has_model = |case: &CaseReport| case.trials.iter().any(|trial| trial.answered.has_model());
        self.cases.iter().filter(of).any(has_model).then_some(!is_stale)
    }
}

fn verdict(score: &Score, is_stale: bool, demands_less: bool, known: Option<&BaselineCase>) -> Verdict {
    let held = |name: &String| known.and_then(|known| known.checks.get(name)).copied();
    let mut failing = score.checks.iter().filter(|(_, check)| !check.holds).peekable();
    if is_stale {
        return Verdict::Stale;
    }
    if demands_less {
        return Verdict::Regressed;
    }
    if failing.peek().is_some() {
        let is_worse = failing.any(|(name, _)| held(name) != Some(false));
        return if is_worse { Verdict::Regressed } else { Verdict::Known };
    }
    match known {
        None => Verdict::New,
        Some(known) if known.checks.values().any(|held| !held) => Verdict::Fixed,
        Some(_) => Verdict::Ok,
    }
}

fn differences(was: &BaselineCase, is: &Score) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut note = |what: &str, was: String, is: String| {
        if was != is {
            found.push(Difference { what: what.to_owned(), was, is });
        }
    };
    let word = |holds: bool| if holds { "holds" } else { "does not hold" }.to_owned();
    for (name, check) in &is.checks {
        match was.checks.get(name) {
            Some(held) => note(name, word(*held), word(check.holds)),
            None => note(name, "not checked".to_owned(), word(check.holds)),
        }
    }
    for (name, held) in was.checks.iter().filter(|(name, _)| !is.checks.contains_key(*name)) {
        note(name, word(*held), "not checked".to_owned());
    }
    let (old, new) = (&was.metrics, &is.metrics);
    note("minutes", old.minutes.to_string(), new.minutes.to_string());
    note("tool calls", old.tool_calls.to_string(), new.tool_calls.to_string());
    note("model calls", old.model_calls.to_string(), new.model_calls.to_string());
    note("tokens", old.tokens.to_string(), new.tokens.to_string());
    note("cost", format!("{:.4} USD", old.cost_usd), format!("{:.4} USD", new.cost_usd));
    note("rejections", old.rejections.to_string(), new.rejections.to_string());
    note("fallbacks", old.fallbacks.to_string(), new.fallbacks.to_string());
    note("leaks", old.leaks.to_string(), new.leaks.to_string());
    for (name, regret) in &new.regret {
        let old = old.regret.get(name).map_or("not known".to_owned(), |regret| format!("{regret:.2}"));
        note(&format!("regret of {name}"), old, format!("{regret:.2}"));
    }
    found
}

#[cfg(test)]
mod tests;
