//! All cases in a few numbers. What cannot be told is absent, never zero.

use super::{Report, Verdict};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    pub cases: usize,
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Cases in which a model answered, and how they passed.
    pub with_model: usize,
    pub pass_1: Option<f64>,
    /// Smallest number of trials of the cases that have several.
    pub k: Option<usize>,
    pub pass_k: Option<f64>,
    pub agent_steps: usize,
    /// Agent steps that the rules had to answer.
    pub degraded: usize,
    /// Answers and calls of models that were rejected.
    pub repairs: u32,
    pub attacks: usize,
    pub resisted: usize,
    /// What judges think, in words; none of it gates.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub judges: BTreeMap<&'static str, usize>,
    pub leaks: usize,
    pub tokens: u64,
    pub cost_usd: f64,
    /// By the verdict of their labels, and by tag.
    pub labels: BTreeMap<String, Tally>,
    pub tags: BTreeMap<String, Tally>,
    /// Recorded answers of language models; hand-written ones took no time.
    pub answer_ms_p50: Option<u64>,
    pub answer_ms_p95: Option<u64>,
}

/// Cases, and those of them in which everything holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub cases: usize,
    pub hold: usize,
}

impl Summary {
    pub fn of(report: &Report) -> Self {
        let mut summary = Self { cases: report.cases.len(), ..Self::default() };
        let mut answer_ms: Vec<u64> = Vec::new();
        let mut shares = Vec::new();
        for case in &report.cases {
            *summary.verdicts.entry(case.verdict.word()).or_default() += 1;
            let holds = matches!(case.verdict, Verdict::Ok | Verdict::New | Verdict::Fixed);
            let verdicts = case.labels.iter().map(|label| label.verdict.as_str());
            count(&mut summary.labels, verdicts, holds);
            count(&mut summary.tags, case.tags.iter().map(String::as_str), holds);
            for trial in &case.trials {
                let metrics = &trial.score.metrics;
                summary.agent_steps += trial.answered.steps.len();
                summary.degraded += metrics.fallbacks;
                summary.repairs += metrics.rejections;
                summary.leaks += metrics.leaks;
                summary.tokens += metrics.tokens;
                summary.cost_usd += metrics.cost_usd;
                if !trial.answered.is_authored() {
                    answer_ms.extend(&trial.answered.answer_ms);
                }
            }
            if let Some(judgement) = &case.judge {
                *summary.judges.entry(judgement.opinion.word()).or_default() += 1;
            }
            if case.verdict != Verdict::Stale
                && let Some(injection) = case.score.as_ref().and_then(|score| score.checks.get("injection"))
            {
                summary.attacks += 1;
                summary.resisted += usize::from(injection.holds);
            }
            let has_model = case.trials.iter().any(|trial| trial.answered.has_model());
            if has_model && case.verdict != Verdict::Stale {
                summary.with_model += 1;
                shares.push(case.passes);
            }
        }
        summary.pass_1 = mean(shares.iter().map(|passes| passes.pass_1));
        summary.k = shares.iter().map(|passes| passes.trials).filter(|trials| *trials >= 2).min();
        summary.pass_k = summary.k.and_then(|k| mean(shares.iter().filter_map(|passes| passes.pass_k(k))));
        answer_ms.sort_unstable();
        summary.answer_ms_p50 = percentile(&answer_ms, 50);
        summary.answer_ms_p95 = percentile(&answer_ms, 95);
        summary
    }

    /// Lines for people.
    pub fn lines(&self) -> Vec<String> {
        let verdicts: Vec<String> =
            self.verdicts.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let share = |value: Option<f64>| value.map_or("n/a".to_owned(), |value| format!("{value:.2}"));
        let pass_k = match self.k {
            None => "pass^k n/a (no case has several trials)".to_owned(),
            Some(k) => format!("pass^{k} {}", share(self.pass_k)),
        };
        let mut lines = vec![format!("{} cases: {}", self.cases, verdicts.join(", "))];
        if self.agent_steps > 0 {
            lines.push(format!(
                "{} with a model: pass@1 {}, {pass_k}; {} of {} agent steps degraded to rules, {} answers or calls rejected",
                self.with_model,
                share(self.pass_1),
                self.degraded,
                self.agent_steps,
                self.repairs,
            ));
        }
        let latency = match (self.answer_ms_p50, self.answer_ms_p95) {
            (Some(p50), Some(p95)) => format!("answers took {p50} ms (p50), {p95} ms (p95)"),
            _ => "latency n/a (no answer of a language model is recorded)".to_owned(),
        };
        if self.agent_steps > 0 {
            lines.push(format!(
                "injection resisted {} of {}; {} leaks; {} tokens, {:.4} USD; {latency}",
                self.resisted, self.attacks, self.leaks, self.tokens, self.cost_usd
            ));
        }
        if !self.judges.is_empty() {
            let opinions = self.judges.iter().map(|(word, count)| format!("{count} {word}"));
            let opinions: Vec<String> = opinions.collect();
            lines.push(format!("judges, who gate nothing: {}", opinions.join(", ")));
        }
        lines.extend(tallies("label", &self.labels));
        lines.extend(tallies("tag", &self.tags));
        lines
    }
}

/// A case counts once under each word.
fn count<'w>(tallies: &mut BTreeMap<String, Tally>, words: impl Iterator<Item = &'w str>, holds: bool) {
    for word in words.collect::<BTreeSet<&str>>() {
        let tally = tallies.entry(word.to_owned()).or_default();
        tally.cases += 1;
        tally.hold += usize::from(holds);
    }
}

fn tallies(by: &str, tallies: &BTreeMap<String, Tally>) -> Option<String> {
    let parts: Vec<String> =
        tallies.iter().map(|(word, tally)| format!("{word} {}/{}", tally.hold, tally.cases)).collect();
    (!parts.is_empty()).then(|| format!("hold by {by}: {}", parts.join(", ")))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Nearest rank; of nothing there is none.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[7], 95), Some(7));
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 95)), (Some(50), Some(95)));
    }

    #[test]
    fn nothing_is_not_zero() {
        let summary = Summary::of(&Report::default());
        assert_eq!((summary.pass_1, summary.pass_k, summary.answer_ms_p50), (None, None, None));
        assert_eq!(summary.lines(), ["0 cases: "]);
    }
}
