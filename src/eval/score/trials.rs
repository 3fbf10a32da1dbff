//! Several trials of one case as one: a check holds when it holds in every trial, a number is that of the worst.

use super::{Check, Metrics, Score};
use serde::Serialize;
use std::collections::BTreeMap;

/// How often a case passed. What only several trials can tell is absent when there is one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Passes {
    pub trials: usize,
    pub passed: usize,
    /// Share of the trials that passed.
    pub pass_1: f64,
    /// Chance that all of `trials` passes; absent with one trial.
    pub pass_k: Option<f64>,
}

impl Passes {
    pub fn of(passed: usize, trials: usize) -> Self {
        let share = if trials == 0 { 0.0 } else { passed as f64 / trials as f64 };
        Self { trials, passed, pass_1: share, pass_k: pass_hat(passed, trials, trials) }
    }

    /// Chance that `k` trials drawn from these all passed: C(passed, k) / C(trials, k).
    pub fn pass_k(&self, k: usize) -> Option<f64> {
        pass_hat(self.passed, self.trials, k)
    }
}

fn pass_hat(passed: usize, trials: usize, k: usize) -> Option<f64> {
    if k < 2 || trials < k {
        return None;
    }
    Some((0..k).map(|i| passed.saturating_sub(i) as f64 / (trials - i) as f64).product())
}

impl Score {
    /// Of no trial, nothing is known.
    pub fn of_trials(scores: &[Self]) -> Option<Self> {
        let first = scores.first()?;
        let mut checks: BTreeMap<String, Check> = BTreeMap::new();
        for (i, score) in scores.iter().enumerate() {
            for (name, check) in &score.checks {
                let known = checks
                    .entry(name.clone())
                    .or_insert_with(|| Check { holds: true, detail: String::new() });
                if !check.holds {
                    let trial = if scores.len() > 1 { format!("trial {}: ", i + 1) } else { String::new() };
                    let more = if known.detail.is_empty() { "" } else { "; " };
                    known.detail.push_str(&format!("{more}{trial}{}", check.detail));
                    known.holds = false;
                }
            }
        }
        let mut metrics = first.metrics.clone();
        for score in &scores[1..] {
            metrics.worse_of(&score.metrics);
        }
        Some(Self { outcome: first.outcome.clone(), checks, metrics })
    }

    pub fn holds(&self) -> bool {
        self.checks.values().all(|check| check.holds)
    }
}

impl Metrics {
    fn worse_of(&mut self, other: &Self) {
        self.minutes = self.minutes.max(other.minutes);
        self.tool_calls = self.tool_calls.max(other.tool_calls);
        self.model_calls = self.model_calls.max(other.model_calls);
        self.tokens = self.tokens.max(other.tokens);
        self.rejections = self.rejections.max(other.rejections);
        self.fallbacks = self.fallbacks.max(other.fallbacks);
        self.leaks = self.leaks.max(other.leaks);
        self.cost_usd = self.cost_usd.max(other.cost_usd);
        for (name, regret) in &other.regret {
            let worst = self.regret.entry(name.clone()).or_insert(*regret);
            *worst = worst.max(*regret);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pass_k_needs_k_trials() {
        assert_eq!(Passes::of(1, 1).pass_k, None, "one tape says nothing about the next");
        let three_of_four = Passes::of(3, 4);
        assert_eq!((three_of_four.pass_1, three_of_four.pass_k), (0.75, Some(0.0)));
        assert_eq!(three_of_four.pass_k(2), Some(0.5), "C(3,2) / C(4,2)");
        assert_eq!(three_of_four.pass_k(5), None);
        assert_eq!(Passes::of(4, 4).pass_k, Some(1.0));
        assert_eq!(Passes::of(0, 4).pass_k, Some(0.0));
    }

    #[test]
    fn a_check_holds_when_it_holds_in_every_trial() {
        let score = |holds: bool, tokens: u64| Score {
            outcome: "done".into(),
            checks: [(
                "writes".to_owned(),
                Check { holds, detail: if holds { "" } else { "none" }.to_owned() },
            )]
            .into(),
            metrics: Metrics { tokens, ..Metrics::default() },
        };
        let all = Score::of_trials(&[score(true, 5), score(false, 3)]).unwrap();
        assert_eq!(all.checks["writes"], Check { holds: false, detail: "trial 2: none".into() });
        assert_eq!(all.metrics.tokens, 5);
        assert_eq!(Score::of_trials(&[]), None);
    }
}
