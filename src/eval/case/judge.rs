//! What a case says of its judge: by which rubric, of which step's answer, and whose votes. `eval/judge` counts them.

use super::{Case, CaseError, read_tape};
use crate::agent::{Tape, sha256_json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    fs,
    path::{Component, Path},
};

/// As many trials `--live` makes at the most.
const TRIALS_MAX: u8 = 32;

/// A model's opinion of what a step answered, for what no check can compute. It stands beside the checks and never
/// gates.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// Text file below `evals/` that says what a good answer is, such as `rubrics/handover.md`.
    pub rubric: String,
    /// Path of the agent step whose answer is judged.
    pub step: String,
    /// File beside the case with the votes, each found by the hash of the whole question.
    pub tape: String,
    /// Votes on each trial.
    #[serde(default = "three")]
    pub n: usize,
    /// As many must be for an answer that counts as good.
    #[serde(default = "two")]
    pub agree: usize,
    /// Nothing but `false`: where a check fails the case fails without a judge, and where none does no judge makes it
    /// fail.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gating: bool,
    /// Hand-written votes, one list for each trial; `takt eval author` makes the tape of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<Vec<Vote>>,
}

/// What a judge answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    pub reason: String,
    pub pass: bool,
}

fn three() -> usize {
    3
}

fn two() -> usize {
    2
}

impl Judge {
    /// What is wrong with it in its case.
    pub(super) fn mistake(&self, case: &Case) -> Option<String> {
        let Self { rubric, tape, n, agree, votes, .. } = self;
        let trials = case.tapes.len().max(1);
        let mut files = case.tapes.iter().chain([&case.world]);
        let is_below = |part: Component<'_>| matches!(part, Component::Normal(_));
        match () {
            () if self.gating => {
                let message = "a judge never gates: where a check fails, the case fails without it";
                Some(format!("{message}. Take `gating` out"))
            }
            () if tape.contains(['/', '\\']) => Some(format!("`{tape}` must be a file beside the case")),
            () if files.any(|file| file == tape) || (0..TRIALS_MAX).any(|n| case.tape_name(n) == *tape) => {
                Some(format!("`{tape}` is a file of the case: the judge's tape needs another name"))
            }
            () if rubric.is_empty() || !Path::new(rubric).components().all(is_below) => {
                Some(format!("the rubric `{rubric}` must be a file below evals/"))
            }
            () if *agree == 0 || agree > n => Some(format!("{agree} of {n} votes cannot agree")),
            () if votes.len() > trials || votes.iter().any(|trial| trial.len() > *n) => {
                Some(format!("it has more votes than {n} for each of its trials"))
            }
            () => None,
        }
    }

    /// `evals` is the site's folder of cases.
    pub fn load_rubric(&self, evals: &Path) -> Result<String, CaseError> {
        let path = evals.join(&self.rubric);
        fs::read_to_string(&path)
            .map_err(|source| CaseError::Read { path: path.display().to_string(), source })
    }

    pub fn load_tape(&self, case_path: &Path) -> Result<Tape, CaseError> {
        read_tape(&case_path.with_file_name(&self.tape), !self.votes.is_empty())
    }

    /// What hand-written votes are known by.
    pub fn votes_sha(&self) -> Option<String> {
        (!self.votes.is_empty()).then(|| sha256_json(&json!(self.votes)))
    }
}
